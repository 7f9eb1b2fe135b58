"""A part of a transaction in a pipeline may be taken back, and never the whole."""

from collections.abc import Iterator

import psycopg
import pytest

from ingest.settings import Settings
from ingest.store.database import connect, savepoint, transaction_in_pipeline
from ingest.store.partitions.leases import ask_leases, ensure_partitions
from tests.conftest import Connection


@pytest.fixture
def notices(connection: Connection) -> list[str]:
    """What the server warns of, such as a second BEGIN."""
    heard: list[str] = []
    connection.add_notice_handler(lambda one: heard.append(one.message_primary or ""))
    return heard


@pytest.fixture
def other(settings: Settings) -> Iterator[Connection]:
    with connect(settings.database_url) as opened:
        yield opened


def read_transaction(connection: Connection) -> str:
    row = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    assert row is not None
    return str(row[0])


def lease(connection: Connection) -> list[int]:
    return [one.partition for one in ask_leases(connection, [0])]


@pytest.mark.parametrize("keep", [True, False])
def test_a_part_ends_no_transaction_that_is_open_in_a_pipeline(
    connection: Connection, other: Connection, notices: list[str], keep: bool
) -> None:
    ensure_partitions(connection, 1)
    with transaction_in_pipeline(connection):
        # Nothing is on its way now: libpq has not heard of the transaction.
        assert lease(connection) == [0]
        with savepoint(connection, keep=keep):
            part = connection.execute("SELECT 1").fetchall()
        held_by_us = lease(other)
        connection.execute("UPDATE partitions SET position = '1-1'")

    assert part == [(1,)]
    assert held_by_us == []
    assert notices == []
    assert lease(other) == [0]


@pytest.mark.parametrize("keep", [True, False])
def test_what_a_part_wrote_is_kept_or_taken_back(
    connection: Connection, keep: bool
) -> None:
    ensure_partitions(connection, 1)
    with transaction_in_pipeline(connection):
        before = read_transaction(connection)
        with savepoint(connection, keep=keep):
            connection.execute("UPDATE partitions SET position = '7-7'")
        after = read_transaction(connection)

    assert before == after
    found = connection.execute("SELECT position FROM partitions").fetchall()
    assert found == [("7-7" if keep else "0-0",)]


def write_and_fail(connection: Connection) -> None:
    with savepoint(connection):
        connection.execute("UPDATE partitions SET position = '2-2'")
        connection.execute("SELECT 1 / 0")


@pytest.mark.parametrize("piped", [True, False])
def test_an_error_is_raised_by_its_part_and_takes_nothing_else_back(
    connection: Connection, piped: bool
) -> None:
    ensure_partitions(connection, 1)
    whole = transaction_in_pipeline(connection) if piped else connection.transaction()
    with whole:
        connection.execute("UPDATE partitions SET position = '1-1'")
        with pytest.raises(psycopg.errors.DivisionByZero):
            write_and_fail(connection)
        with savepoint(connection), savepoint(connection):
            connection.execute("UPDATE partitions SET heartbeat_sent_at = now()")

    found = connection.execute(
        "SELECT position, heartbeat_sent_at IS NULL FROM partitions"
    ).fetchall()
    assert found == [("1-1", False)]
