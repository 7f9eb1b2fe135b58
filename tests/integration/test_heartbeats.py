"""A heartbeat travels as an import does, and leaves nothing but its times."""

import time
from collections.abc import Iterator

import pytest
import redis
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingest.exporter.registry import open_registry
from ingest.settings import Settings
from ingest.streams.queues import stream_key
from ingest.streams.states import open_streams
from ingest.streams.stream import Stream, open_stream
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.factories import make_import
from tests.programs import do_without_counts
from tests.stored import count
from workers.drain import Drain
from workers.upkeep import send_heartbeats


@pytest.fixture
def stream(settings: Settings) -> Iterator[Stream]:
    opened = open_stream(settings.redis_url, settings.partitions)
    yield opened
    opened.close()


def send(stream: Stream) -> list[int]:
    """Send heartbeats through all streams; return which bells rang."""
    rung: list[int] = []
    send_heartbeats(stream, 4, rung.append)
    return rung


def gauge(settings: Settings, name: str) -> dict[str, float]:
    with open_registry(settings, None) as registry:
        exposition = generate_latest(registry).decode()
    return {
        sample.labels["partition"]: sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == name
    }


def test_it_passes_every_stream_and_its_times_are_exported(
    settings: Settings, stream: Stream, drain: Drain
) -> None:
    before = time.time()

    rung = send(stream)
    drain.run(lambda _: None)

    assert rung == [0]
    applied = gauge(settings, "penstock_heartbeat_applied_timestamp_seconds")
    took = gauge(settings, "penstock_heartbeat_seconds")
    assert set(applied) == {"0", "1", "2", "3"}
    assert all(before - 1 < moment < time.time() + 1 for moment in applied.values())
    assert all(0 <= seconds < 60 for seconds in took.values())
    assert stream.waiting() == []


def test_it_leaves_no_receipt_no_profile_and_no_dead_letter(
    stream: Stream, drain: Drain, connection: Connection
) -> None:
    send(stream)
    drain.run(lambda _: None)

    for table in ("imports", "profiles", "dead_letters", "events"):
        assert count(connection, table) == 0


def test_one_waits_in_a_stream_however_long_nobody_drains(
    stream: Stream, redis_url: str
) -> None:
    send(stream)
    send(stream)

    with redis.Redis.from_url(redis_url) as client:
        assert [client.xlen(stream_key(number)) for number in range(4)] == [1] * 4


def test_the_next_is_sent_when_the_last_has_passed(
    settings: Settings, stream: Stream, drain: Drain
) -> None:
    send(stream)
    drain.run(lambda _: None)
    first = gauge(settings, "penstock_heartbeat_applied_timestamp_seconds")
    send(stream)
    drain.run(lambda _: None)
    second = gauge(settings, "penstock_heartbeat_applied_timestamp_seconds")

    assert all(second[partition] > first[partition] for partition in first)


def test_imports_around_it_are_applied_in_their_order(
    stream: Stream, drain: Drain, connection: Connection, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for name in ("Ada", "Grace"):
            import_ = make_import(
                "email", {"_fname": name}, key={"email": "one@example.com"}
            )
            client.xadd(stream_key(0), {"import": encode(import_)})
            stream.beat(0)

    drain.run(lambda _: None)

    assert count(connection, "imports") == 2
    assert count(connection, "dead_letters") == 0
    row = connection.execute("SELECT fields ->> '_fname' FROM profiles").fetchone()
    assert row == ("Grace",)


def test_nobody_is_told_that_it_was_accepted(
    settings: Settings, stream: Stream, drain: Drain, redis_url: str
) -> None:
    import_ = make_import("email", {}, key={"email": "one@example.com"})
    with redis.Redis.from_url(redis_url) as client:
        do_without_counts(client)
        client.xadd(stream_key(2), {"import": encode(import_)})
    send(stream)
    drain.run(lambda _: None)
    send(stream)
    streams = open_streams(redis_url, settings.partitions)

    states = streams.read().streams

    streams.close()
    assert [state.accepted for state in states] == [0, 0, 1, 0]
