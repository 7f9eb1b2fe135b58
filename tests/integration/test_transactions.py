"""Transactions in a pipeline, and arrays written by hand."""

from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.store.database import transaction_in_pipeline
from ingest.store.rows import dump_array
from tests.conftest import Connection

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


def count_accounts(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM accounts").fetchone()
    assert row is not None
    return int(row[0])


def add_account(connection: Connection, number: int) -> None:
    connection.execute("INSERT INTO accounts VALUES (%s, 'Some')", (number,))


def run(connection: Connection, work: Callable[[], None]) -> None:
    with transaction_in_pipeline(connection):
        work()


def test_a_transaction_in_a_pipeline_is_committed_at_its_end(
    connection: Connection, database_url: str
) -> None:
    before = count_accounts(connection)

    with transaction_in_pipeline(connection):
        add_account(connection, 90)
        add_account(connection, 91)

    with psycopg.connect(database_url) as other:
        assert count_accounts(other) == before + 2


@pytest.mark.parametrize("then_read", [True, False], ids=["read", "not read"])
def test_what_fails_in_a_pipeline_is_raised_and_nothing_is_written(
    connection: Connection, *, then_read: bool
) -> None:
    before = count_accounts(connection)

    def add_twice() -> None:
        add_account(connection, 90)
        add_account(connection, 90)
        if then_read:
            count_accounts(connection)

    with pytest.raises(psycopg.errors.UniqueViolation):
        run(connection, add_twice)

    assert count_accounts(connection) == before


def test_an_error_of_ours_rolls_a_transaction_in_a_pipeline_back(
    connection: Connection,
) -> None:
    before = count_accounts(connection)

    def break_down() -> None:
        add_account(connection, 90)
        raise KeyError

    with pytest.raises(KeyError):
        run(connection, break_down)

    assert count_accounts(connection) == before


def test_a_failure_that_is_passed_over_is_not_taken_for_a_commit(
    connection: Connection,
) -> None:
    def pass_over() -> None:
        with suppress(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0").fetchone()

    with pytest.raises(psycopg.Error):
        run(connection, pass_over)

    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


@given(values=st.lists(st.none() | TEXTS))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_survive_an_array_written_by_hand(
    connection: Connection, values: list[str | None]
) -> None:
    row = connection.execute(
        "SELECT %(values)s::text[]", {"values": dump_array(values)}
    ).fetchone()

    assert row == (values,)
