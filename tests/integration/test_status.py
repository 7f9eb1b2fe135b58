"""`penstock status`: what flows, what waits, and when it will be gone."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.domain.durations import describe_seconds
from ingest.domain.flow import FlowMeter
from ingest.settings import Settings
from ingest.status.pipeline import sample
from ingest.streams.queues import stream_key
from ingest.streams.states import Streams, open_streams
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline
from tests.programs import do_without_counts


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.redis_url) as opened:
        yield opened


@pytest.fixture
def streams(settings: Settings) -> Iterator[Streams]:
    opened = open_streams(settings.redis_url, settings.partitions)
    yield opened
    opened.close()


def run(settings: Settings, *arguments: str) -> Result:
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return CliRunner().invoke(main, ["status", *arguments], env=environ)


def accept(client: redis.Redis, partition: int, count: int) -> None:
    for _ in range(count):
        client.xadd(stream_key(partition), {"i": b"{}"})


def test_nothing_waits_where_nothing_was_accepted(settings: Settings) -> None:
    document = json.loads(run(settings, "--json").output)

    assert document["waiting"] == 0
    assert document["drain_seconds"] == 0
    assert document["accepted_per_minute"] == 0
    assert document["oldest_accepted_at"] is None
    assert [each["waiting"] for each in document["partitions"]] == [0, 0, 0, 0]


def test_what_waits_is_told_by_partition_with_its_age(
    settings: Settings, client: redis.Redis
) -> None:
    born = datetime.now(UTC) - timedelta(minutes=3)
    client.xadd(stream_key(2), {"i": b"{}"}, id=f"{int(born.timestamp() * 1000)}-0")
    accept(client, 1, 2)

    document = json.loads(run(settings, "--json").output)
    shown = run(settings, "--once").output

    assert document["waiting"] == 3
    assert [each["waiting"] for each in document["partitions"]] == [0, 2, 1, 0]
    assert 180 <= document["oldest_age_seconds"] < 240
    assert "3 min" in shown
    assert "3  " in shown


def test_the_rates_come_from_what_redis_counts(
    client: redis.Redis, streams: Streams
) -> None:
    meter = FlowMeter()
    accept(client, 0, 40)
    sample(meter, streams.read(), 100.0)
    accept(client, 0, 10)
    accept(client, 3, 10)
    client.xtrim(stream_key(0), maxlen=20, approximate=False)

    sample(meter, streams.read(), 130.0)
    flow = meter.flow()

    assert flow.waiting == 30
    assert flow.drain_seconds == 90
    do_without_counts(client)
    assert flow.accepted_per_minute == 40
    assert flow.processed_per_minute == 60


def test_outcomes_dead_letters_and_endpoints_are_told(
    settings: Settings, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    good, bad = ({"points": 1}, {"points": "x"})
    pipeline.apply(
        *[make_import("email", data, key={"email": "a@b.cd"}) for data in (good, bad)]
    )
    old = make_import("email", {}, key={"email": "b@b.cd"})
    pipeline.apply(old)
    connection.execute(
        "UPDATE imports SET applied_at = now() - INTERVAL '2 minutes'"
        " WHERE import_id = %s",
        (old.import_id,),
    )
    connection.execute(
        "INSERT INTO dead_letters (partition, entry_id, payload, error, traceback,"
        " created_at) VALUES (0, '1-0', '', 'x', '', now())"
    )

    document = json.loads(run(settings, "--json").output)

    assert document["outcomes"] == [
        {"state": "created", "error": 0, "count": 1},
        {"state": "rejected", "error": 400, "count": 1},
    ]
    assert document["dead_letters"] == 1
    assert document["endpoints"][0]["pending"] == 0
    assert "1 rejected 400" in run(settings, "--once").output


def test_it_ends_by_itself_where_there_is_no_terminal(settings: Settings) -> None:
    result = run(settings)

    assert result.exit_code == 0
    assert "empty" in result.output


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("DATABASE_URL", "postgresql://127.0.0.1:1/x"),
    ],
)
def test_a_server_that_is_away_is_named(
    settings: Settings, url: str, text: str
) -> None:
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    result = CliRunner().invoke(main, ["status", "--once"], env={**environ, url: text})

    assert result.exit_code == 1
    assert f"and that {url} is correct" in result.output


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (1, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7440, "2 h 4 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_said_as_a_person_says_it(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text
