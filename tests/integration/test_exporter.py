"""What Prometheus scrapes: the servers' state as they know it, and their absence."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
from prometheus_client.core import Metric

from ingest.exporter import families
from ingest.exporter.states import DEADLINE_SECONDS, States
from ingest.settings import Settings
from ingest.store.events.endpoints import MAX_COUNTED, select_endpoints
from ingest.store.profiles.survivors import LATEST_MERGES, count_most_absorbed
from ingest.streams.queues import stream_key
from tests.conftest import Connection
from tests.groups import STOP_SECONDS
from tests.intakes import wait_until
from tests.plans import watching
from tests.scrapes import ask, scrape


def test_waiting_imports_and_the_oldest_are_told_by_partition(
    settings: Settings,
) -> None:
    with redis.Redis.from_url(settings.redis_url) as client:
        client.xadd(stream_key(1), {"import": b"a"}, id="1700000000500-0")
        client.xadd(stream_key(1), {"import": b"b"})

        found = ask(settings)

    assert found["penstock_redis_up"] == {"": 1}
    assert found["penstock_waiting"] == {"0": 0, "1": 2, "2": 0, "3": 0}
    assert found["penstock_oldest_accepted_timestamp_seconds"] == {"1": 1700000000.5}


def test_redis_is_told_to_be_as_it_must(settings: Settings) -> None:
    found = ask(settings)

    assert found["penstock_redis_noeviction"] == {"": 1}
    # The tests' own server keeps nothing.
    assert found["penstock_redis_aof_enabled"] == {"": 0}
    assert found["penstock_redis_evicted_keys_total"] == {"": 0}
    assert found["penstock_redis_memory_bytes"][""] > 100_000
    assert 0 < found["penstock_redis_round_trip_seconds"][""] < 2
    assert found["penstock_tasks_waiting"] == {"drains": 0, "upkeep": 0}


def test_postgres_is_told_with_who_is_connected(settings: Settings) -> None:
    connection = psycopg.connect(
        settings.database_url, application_name="penstock-drain-host-12"
    )
    with closing(connection):
        connection.execute("SELECT")
        found = ask(settings)

    assert found["penstock_postgres_up"] == {"": 1}
    assert found["penstock_postgres_connections"]["drain"] == 1
    assert found["penstock_postgres_connections"]["exporter"] == 1
    assert found["penstock_postgres_connection_limit"][""] >= 10
    assert found["penstock_postgres_database_bytes"][""] > 1_000_000
    assert found["penstock_catalog_version"][""] >= 1
    assert found["penstock_dead_letters_open"] == {"": 0}
    age = (
        time.time()
        - found["penstock_postgres_oldest_transaction_timestamp_seconds"][""]
    )
    assert 0 <= age < 60


def test_everything_that_is_asked_is_told(settings: Settings) -> None:
    told = set(ask(settings))

    # These need a past, or work.
    absent = {
        families.TIME_TO_DRAIN.name,
        families.OLDEST_ACCEPTED.name,
        families.OLDEST_LIVE_ACCEPTED.name,
        families.OLDEST_TRANSACTION.name,
        families.DRAINED.name,
        families.ATTEMPTS.name,
        families.HEARTBEAT_APPLIED.name,
        families.HEARTBEAT_SECONDS.name,
        families.OLDEST_UNDELIVERED.name,
        families.OLDEST_HELD.name,
        families.OLDEST_SEGMENT_MOVE.name,
        families.PEOPLE_SEARCH.name,
    }
    known = {family.name for family in families.FAMILIES}
    assert told - known == set()
    assert known - told <= absent


def test_what_waits_for_an_endpoint_is_told_with_the_oldest(
    settings: Settings, connection: Connection
) -> None:
    endpoint = 1
    add_deliveries(connection, endpoint, 3)

    found = ask(settings)

    assert found["penstock_undelivered"][str(endpoint)] == 3
    oldest = found["penstock_oldest_undelivered_timestamp_seconds"][str(endpoint)]
    assert abs(time.time() - oldest - 3) < 30
    assert found["penstock_endpoint_disabled"][str(endpoint)] == 0


def test_held_imports_are_told_with_the_oldest(
    settings: Settings, connection: Connection
) -> None:
    assert ask(settings)["penstock_held"] == {"": 0}
    connection.execute(
        """
        INSERT INTO held_imports
        SELECT gen_random_uuid(), 1, gen_random_uuid(), 0, '', '',
               now() - n * interval '1 minute', now()
          FROM generate_series(1, 3) AS n
        """
    )
    found = ask(settings)

    assert found["penstock_held"] == {"": 3}
    oldest = found["penstock_oldest_held_accepted_timestamp_seconds"][""]
    assert abs(time.time() - oldest - 180) < 30


def add_merges(
    connection: Connection, survivor: str, absorbed: Sequence[int], days: int = 0
) -> None:
    """Let a profile have taken over as many others in each of several merges."""
    connection.execute(
        """
        INSERT INTO merges (merge_id, database_id, survivor_id, absorbed, merged_at)
        SELECT gen_random_uuid(), 1, %s, absorbed, now() - %s * interval '1 day'
          FROM unnest(%s::integer[]) AS absorbed
        """,
        (survivor, days, list(absorbed)),
    )


@pytest.mark.fact("M.11-largest")
def test_the_largest_survivor_of_each_database_is_told(
    settings: Settings, connection: Connection
) -> None:
    name = "penstock_largest_survivor_profiles"
    databases = {
        str(id_) for (id_,) in connection.execute("SELECT id FROM databases").fetchall()
    }
    assert ask(settings)[name] == dict.fromkeys(databases, 0)
    add_merges(connection, "a", [1, 4, 1])
    add_merges(connection, "b", [5])
    # Those of long ago, and those that were undone, do not count.
    add_merges(connection, "b", [9], days=31)
    add_merges(connection, "c", [9])
    connection.execute("UPDATE merges SET undone_by = merge_id WHERE survivor_id = 'c'")

    assert ask(settings)[name] == {**dict.fromkeys(databases, 0), "1": 6}


@pytest.mark.fact("M.11-largest")
def test_of_many_merges_the_last_are_read_by_their_index(
    connection: Connection,
) -> None:
    # A survivor of a hundred, whose merges nobody needs to read again.
    add_merges(connection, "z", [1] * 100, days=2)
    connection.execute(
        """
        INSERT INTO merges (merge_id, database_id, survivor_id, before, merged_at)
        SELECT gen_random_uuid(), 1, (n % 40000)::text,
               jsonb_build_array(repeat(md5(n::text), 20)),
               now() - n * interval '1 s'
          FROM generate_series(1, 100000) AS n
        """
    )
    for is_analyzed in (False, True):
        if is_analyzed:
            connection.execute("VACUUM ANALYZE merges")
        with watching(connection) as seen:
            most = count_most_absorbed(connection)
        (plan,) = seen
        assert "Index Only Scan Backward using merges_survivors" in plan
        assert "Seq Scan on merges" not in plan
        assert re.search(rf"rows={LATEST_MERGES}(\.0+)? loops=1", plan)
        assert most[1] == 1


def add_deliveries(connection: Connection, endpoint: int, count: int) -> None:
    """Let one event a second have happened until now, none of them delivered."""
    connection.execute(
        """
        WITH made AS (
             INSERT INTO events (id, import_id, database_id, profile_id, kind,
                                 sequence, detail, created_at)
             SELECT gen_random_uuid(), gen_random_uuid(), 1, '', 'import', 0, '{}',
                    now() - n * interval '1 second'
               FROM generate_series(1, %(count)s) AS n
             RETURNING id
        )
        INSERT INTO deliveries (event_id, endpoint_id, trigger_ids, next_attempt_at)
        SELECT id, %(endpoint)s, '{}', now()
          FROM made
        """,
        {"endpoint": endpoint, "count": count},
    )


def test_a_flood_of_deliveries_is_counted_up_to_a_limit(connection: Connection) -> None:
    endpoint = 1
    add_deliveries(connection, endpoint, 100_000)
    connection.execute("ANALYZE events, deliveries")

    states = {state.id: state for state in select_endpoints(connection)}

    assert states[endpoint].pending == MAX_COUNTED
    plan = "\n".join(
        str(line)
        for (line,) in connection.execute(
            """
            EXPLAIN
            SELECT event_id
              FROM deliveries
             WHERE endpoint_id = %s
               AND state = 'pending'
             ORDER BY next_attempt_at
             LIMIT %s
            """,
            (endpoint, MAX_COUNTED),
        )
    )
    assert "Index Scan using deliveries_due" in plan


@pytest.mark.parametrize(
    ("setting", "url", "away", "there"),
    [
        pytest.param(
            "redis_url", "redis://127.0.0.1:9/0", "redis", "postgres", id="Redis"
        ),
        pytest.param(
            "database_url", "postgresql://127.0.0.1:9/x", "postgres", "redis", id="PG"
        ),
    ],
)
def test_a_server_that_is_away_hides_nothing_of_the_other(
    settings: Settings, setting: str, url: str, away: str, there: str
) -> None:
    changed = replace(settings, **{setting: url})  # type: ignore[arg-type]

    found = ask(changed)

    assert found[f"penstock_{away}_up"] == {"": 0}
    assert found[f"penstock_{there}_up"] == {"": 1}
    assert f"penstock_{away}_round_trip_seconds" not in found
    assert f"penstock_{there}_round_trip_seconds" in found


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_server_that_hangs_is_given_two_seconds(
    settings: Settings, silent: str
) -> None:
    began = time.monotonic()
    found = ask(replace(settings, redis_url=silent))
    took = time.monotonic() - began

    assert found["penstock_redis_up"] == {"": 0}
    assert found["penstock_postgres_up"] == {"": 1}
    assert took < 10 * DEADLINE_SECONDS


class Hanging:
    """A source that answers when it is told to, and counts how often it is asked."""

    name = "redis"

    def __init__(self) -> None:
        self.asked = 0
        self.pipe, self.end = socket.socketpair()

    def read(self) -> list[Metric]:
        self.asked += 1
        self.pipe.recv(1)
        return [families.REDIS_CLIENTS.one(1)]

    def close(self) -> None:
        self.pipe.close()
        self.end.close()

    def release(self) -> None:
        self.end.send(b"x")


def test_while_a_look_hangs_no_other_is_started() -> None:
    source = Hanging()
    states = States([source], deadline_seconds=0.05)

    first = {one.name: one for one in states.collect()}
    list(states.collect())
    asked = source.asked
    source.release()
    source.release()
    found = wait_until(
        lambda: [
            one for one in states.collect() if one.name == "penstock_redis_clients"
        ]
    )

    assert first["penstock_redis_up"].samples[0].value == 0
    assert asked == 1
    assert found
    states.close()


def test_the_exporter_serves_what_every_process_counted(
    settings: Settings, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics"),
    }
    count = (
        "from ingest.telemetry import metrics; metrics.ACCEPTED.labels('http', 1).inc()"
    )
    command = [sys.executable, "-m", "ingest.cli", "exporter", "--port", str(port)]
    with subprocess.Popen(command, env=environ) as process:
        try:
            first = wait_until(lambda: try_get(f"http://127.0.0.1:{port}/metrics"))
            subprocess.run([sys.executable, "-c", count], env=environ, check=True)
            second = try_get(f"http://127.0.0.1:{port}/metrics")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)

    assert "penstock_accepted_total" not in scrape(first)
    assert scrape(second)["penstock_accepted_total"] == {"1,http": 1}
    assert scrape(second)["penstock_redis_up"] == {"": 1}
    assert process.returncode == 0


def try_get(url: str) -> str:
    try:
        return httpx.get(url).text
    except httpx.ConnectError:
        return ""
