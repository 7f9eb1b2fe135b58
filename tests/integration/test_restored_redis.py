"""A Redis that was restored or wiped, its clock behind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import redis

from ingest.domain.entry_ids import entry_order
from ingest.domain.imports import Import
from ingest.local.servers import start_valkey
from ingest.settings import Settings
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import make_import
from workers.drain import Drain

#: An hour ahead of every test.
FUTURE = "9000000000000-7"


def add_points(number: int = 1) -> Import:
    data = {"points": {"action": "incr", "value": number}}
    return make_import("email", data, key={"email": "ann@example.com"})


def append(client: redis.Redis, import_: Import, id_: str = "*") -> str:
    fields: dict[Any, Any] = {"import": encode(import_)}
    entry_id = client.xadd(stream_key(0), fields, id=id_)
    assert isinstance(entry_id, bytes)
    return entry_id.decode()


def points(connection: Connection) -> int:
    row = connection.execute("SELECT fields -> 'points' FROM profiles").fetchone()
    assert row is not None
    return int(row[0])


def position(connection: Connection) -> str:
    row = connection.execute(
        "SELECT position FROM partitions WHERE partition = 0"
    ).fetchone()
    assert row is not None
    return str(row[0])


def waiting(client: redis.Redis) -> int:
    return int(client.xlen(stream_key(0)))


@contextmanager
def served(state: Path, settings: Settings) -> Iterator[tuple[redis.Redis, Drain]]:
    """A durable Redis on `state`, and a drain of it, as long as the block lasts."""
    server = start_valkey(state)
    drain = make_drain(replace(settings, redis_url=server.url))
    try:
        with redis.Redis.from_url(server.url) as client:
            yield client, drain
    finally:
        drain.close()
        server.stop()


def test_entries_of_a_restored_redis_come_again_and_nothing_doubles(
    tmp_path: Path, settings: Settings, connection: Connection
) -> None:
    state, copy = tmp_path / "state", tmp_path / "copy"
    with served(state, settings) as (client, _):
        for number in range(1, 4):
            append(client, add_points(number))
        # Taken of a server that is running: the log is complete at every moment.
        not_data = shutil.ignore_patterns("*.pid", "*.sock")
        shutil.copytree(state / "valkey", copy, ignore=not_data)
    with served(state, settings) as (client, drain):
        append(client, add_points(100))
        drain.run(lambda _: None)
        reached = position(connection)
    shutil.rmtree(state / "valkey")
    shutil.copytree(copy, state / "valkey")

    with served(state, settings) as (client, drain):
        came_again = waiting(client)
        drain.run(lambda _: None)
        fresh = append(client, add_points(1000))
        drain.run(lambda _: None)
        left = waiting(client)

    assert came_again == 3
    assert left == 0
    assert points(connection) == 1 + 2 + 3 + 100 + 1000
    assert connection.execute("SELECT count(*) FROM imports").fetchone() == (5,)
    assert entry_order(fresh) > entry_order(reached)


def test_what_a_wiped_redis_is_given_is_applied_though_its_ids_are_past(
    client: redis.Redis, drain: Drain, connection: Connection
) -> None:
    append(client, add_points(1), FUTURE)
    drain.run(lambda _: None)

    client.flushall()
    append(client, add_points(10), "1-0")
    append(client, add_points(100), "1-1")
    drain.run(lambda _: None)

    assert points(connection) == 111
    assert waiting(client) == 0
    assert position(connection) == FUTURE


def test_an_id_given_out_twice_hides_no_import(
    client: redis.Redis, drain: Drain, connection: Connection
) -> None:
    append(client, add_points(1), FUTURE)
    drain.run(lambda _: None)

    client.flushall()
    append(client, add_points(10), FUTURE)
    drain.run(lambda _: None)

    assert points(connection) == 11
    assert waiting(client) == 0


def test_a_stream_behind_its_position_is_lifted(
    client: redis.Redis, drain: Drain, connection: Connection
) -> None:
    """The clock is an hour behind: new ids would follow only in an hour."""
    append(client, add_points(), FUTURE)
    drain.run(lambda _: None)
    client.flushall()
    before = append(client, add_points())

    drain.run(lambda _: None)
    after = append(client, add_points())
    drain.run(lambda _: None)

    assert entry_order(before) < entry_order(FUTURE) < entry_order(after)
    assert points(connection) == 3
    assert position(connection) == after


def test_a_stream_that_is_ahead_is_left_alone(
    client: redis.Redis, drain: Drain, connection: Connection
) -> None:
    first = append(client, add_points())
    drain.run(lambda _: None)
    last = append(client, add_points(), FUTURE)
    drain.run(lambda _: None)

    about = client.xinfo_stream(stream_key(0))

    assert entry_order(first) < entry_order(last)
    assert about["last-generated-id"].decode() == FUTURE
    assert position(connection) == FUTURE
