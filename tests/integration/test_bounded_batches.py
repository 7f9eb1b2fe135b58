"""A batch takes no more bytes and locks than it may, and sends them in pieces."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import redis

from ingest.domain.imports import Import
from ingest.settings import Settings
from ingest.store import rows
from ingest.store.database import connect
from ingest.store.migrate import read_migrations
from ingest.store.partitions.leases import (
    ask_leases,
    ensure_partitions,
    lease_partition,
)
from ingest.streams.queues import stream_key
from ingest.streams.stream import open_stream
from ingest.wire.entries import encode
from tests.attempts import count_attempts
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import by_email
from tests.pipeline import Pipeline
from tests.stored import count

MEBIBYTE = 1024 * 1024


def append(client: redis.Redis, partition: int, *imports: Import) -> None:
    for import_ in imports:
        client.xadd(stream_key(partition), {"import": encode(import_)})


@pytest.mark.parametrize(
    ("sizes", "max_bytes", "expected"),
    [
        pytest.param([100] * 5, 350, 3, id="as many as fit"),
        pytest.param([1000, 1], 350, 1, id="a first one that is too long"),
        pytest.param([100, 1000, 1], 350, 1, id="none overtakes a long one"),
        pytest.param([1] * 95, 1000, 95, id="several pages"),
        pytest.param([1] * 40, 1000, 40, id="whole pages"),
        pytest.param([1] * 200, 10_000, 150, id="no more than asked for"),
        pytest.param([], 1000, 0, id="none"),
    ],
)
def test_what_is_read_at_once_is_bounded_by_its_bytes(
    redis_url: str,
    client: redis.Redis,
    sizes: list[int],
    max_bytes: int,
    expected: int,
) -> None:
    ids: list[Any] = [
        client.xadd(stream_key(1), {"import": b"x" * size}) for size in sizes
    ]
    stream = open_stream(redis_url, 4)

    entries = stream.read(1, 150, max_bytes)
    stream.close()

    assert [entry.id.encode() for entry in entries] == ids[:expected]
    assert [len(entry.payload) for entry in entries] == sizes[:expected]


def test_several_partitions_share_the_bytes(
    redis_url: str, client: redis.Redis
) -> None:
    for partition in range(4):
        for _ in range(10):
            client.xadd(stream_key(partition), {"import": b"x" * 100})
    stream = open_stream(redis_url, 4)

    read = stream.read_each(dict.fromkeys(range(4), 10), 1200)
    stream.close()

    assert [len(entries) for entries in read.values()] == [3] * 4


def test_entries_longer_than_a_batch_are_applied_one_by_one_in_order(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    names = [f"{n}" + "x" * 9000 for n in range(5)]
    append(client, 0, *(by_email("a@example.com", {"_fname": one}) for one in names))
    drain = make_drain(replace(settings, batch_bytes=1000))

    drain.run(lambda _: None)
    drain.close()

    row = connection.execute(
        "SELECT fields ->> '_fname', version FROM profiles"
    ).fetchone()
    assert row == (names[-1], 5)


def test_a_batch_with_more_keys_than_there_is_room_for_is_cut_in_order(
    pipeline: Pipeline, settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    """In one transaction these would take more locks than the server has."""
    last = [f"last{n}" for n in range(300)]
    imports = [
        by_email(f"n{n}@example.com", {"interests": [f"{n}.{m}" for m in range(900)]})
        for n in range(30)
    ]
    append(client, 0, *imports, by_email("n0@example.com", {"interests": last}))
    drain = make_drain(settings)

    drain.run(lambda _: None)
    drain.close()

    assert pipeline.count("profiles") == 30
    assert pipeline.count("dead_letters") == 0
    row = connection.execute(
        "SELECT fields -> 'interests' FROM profiles WHERE email = 'n0@example.com'"
    ).fetchone()
    assert row == (last,)
    assert client.xlen(stream_key(0)) == 0


def test_rows_longer_than_a_parameter_are_sent_in_pieces(
    connection: Connection,
) -> None:
    connection.execute("CREATE TABLE kept (number integer, text text)")
    sent: list[dict[str, object]] = [
        {"number": number, "text": "x" * (MEBIBYTE if number % 50 == 0 else 10)}
        for number in range(2500)
    ]
    sent[1234]["text"] = "y" * (40 * MEBIBYTE)
    pieces: list[int] = []

    def dump(some: Any) -> bytes:
        text = orjson.dumps(some)
        pieces.append(len(text))
        return text

    rows.execute_rows(
        connection,
        """
        INSERT INTO kept
        SELECT number, text
          FROM jsonb_to_recordset(%(rows)s::jsonb) AS fresh (number integer, text text)
        """,
        sent,
        datetime.now(UTC),
        dump,
    )

    found = connection.execute(
        "SELECT number, length(text) FROM kept ORDER BY ctid"
    ).fetchall()
    assert found == [(one["number"], len(str(one["text"]))) for one in sent]
    # Nobody needed more than what one row and a slice take.
    assert max(pieces) < 60 * MEBIBYTE


def test_no_rows_are_no_statement(connection: Connection) -> None:
    rows.execute_rows(connection, "this is no statement", [])


def test_attempts_are_counted_until_a_batch_is_committed(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    append(client, 3, by_email("a@example.com"))
    drain = make_drain(settings)
    drain.run(lambda _: None)
    assert count_attempts(connection) == dict.fromkeys(range(4), 0)

    for _ in range(3):
        with connection.transaction(force_rollback=True):
            assert lease_partition(connection, 3) is not None
    assert count_attempts(connection)[3] == 3

    append(client, 3, by_email("b@example.com"))
    drain.run(lambda _: None)
    drain.close()
    assert count_attempts(connection)[3] == 0
    assert count(connection, "profiles") == 2


def test_who_only_asks_for_a_lease_attempts_nothing(
    settings: Settings, connection: Connection
) -> None:
    ensure_partitions(connection, 2)
    with connect(settings.database_url) as other, connection.transaction():
        assert [one.attempt for one in ask_leases(connection, [0])] == [1]
        for attempt in (1, 2, 3):
            (free,) = ask_leases(other, [0, 1])
            assert (free.partition, free.attempt) == (1, attempt)

    assert count_attempts(connection) == {0: 1, 1: 3}


def test_long_keys_stored_before_are_found_by_their_digests(
    pipeline: Pipeline, connection: Connection
) -> None:
    """As migration 0014 finds them: what compressed well had a place in the index."""
    tag = "\u20ac" * 1000
    profile = pipeline.create({"email": "a@example.com", "interests": [tag]})
    digest = connection.execute(
        "SELECT value FROM match_keys WHERE kind = 'field:interests'"
    ).fetchone()
    connection.execute(
        "UPDATE match_keys SET value = %s WHERE kind = 'field:interests'", (tag,)
    )

    migration = next(one for one in read_migrations() if one.name == "0014_bounds.sql")
    connection.execute(migration.sql.partition(b"-- How often")[0])

    again = connection.execute(
        "SELECT value, profile_id FROM match_keys WHERE kind = 'field:interests'"
    ).fetchone()
    assert digest is not None
    assert again == (digest[0], profile)
    assert digest[0].startswith("sha256:")
