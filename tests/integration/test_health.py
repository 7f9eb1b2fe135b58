"""`penstock health` on real leases: what counts as progress and what does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import redis
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.doctor.health import look
from ingest.local.stalls import blame
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.partitions.leases import ensure_partitions, lease_partition
from ingest.streams.queues import SWEPT_KEY, stream_key
from tests.conftest import Connection
from tests.drains import make_drain
from tests.intakes import DEADLINE_SECONDS, wait_until


@pytest.fixture
def client(redis_url: str, connection: Connection) -> Iterator[redis.Redis]:
    opened = redis.Redis.from_url(redis_url)
    ensure_partitions(connection, 4)
    yield opened
    opened.close()


def append_old(client: redis.Redis) -> None:
    """Let an entry wait since a minute."""
    minute_ago = (client.time()[0] - 60) * 1000
    client.xadd(stream_key(1), {"import": "x"}, id=f"{minute_ago}-0")


def health(settings: Settings, *arguments: str) -> Result:
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return CliRunner().invoke(main, ["health", *arguments], env=environ)


@contextmanager
def leased(settings: Settings, name: str) -> Iterator[Connection]:
    """Hold partition 1 in a session of its own, called `name`."""
    with (
        connect(settings.database_url, application_name=name) as own,
        own.transaction(),
    ):
        assert lease_partition(own, 1) is not None
        yield own


def test_entries_that_nobody_takes_are_a_stall_of_every_worker(
    settings: Settings, client: redis.Redis
) -> None:
    well = health(settings, "worker")
    append_old(client)
    stalled = health(settings, "worker", "--host", "anywhere")

    assert (well.exit_code, well.output) == (0, "healthy\n")
    assert stalled.exit_code == 1
    assert "partition 1: 1 import waiting" in stalled.output
    assert "no worker is processing them" in stalled.output


def test_a_commit_is_progress_however_much_waits(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    append_old(client)
    connection.execute("UPDATE partitions SET drained_at = now()")

    assert health(settings, "worker").exit_code == 0


def test_a_holder_that_is_silent_is_to_blame_and_no_other_host(
    settings: Settings, client: redis.Redis
) -> None:
    append_old(client)
    with leased(settings, "penstock-drain-here-77") as own:
        own.execute("SELECT 1")
        wait_until(lambda: look_after(settings, 1.0) != "")
        here = health(settings, "worker", "--host", "here", "--stalled-after", "1")
        there = health(settings, "worker", "--host", "there", "--stalled-after", "1")
        patient = health(settings, "worker", "--host", "here")

    assert here.exit_code == 1
    assert "leased by penstock-drain-here-77" in here.output
    assert there.exit_code == 0
    assert "stalled on another host: partition 1" in there.output
    assert patient.exit_code == 0


def look_after(settings: Settings, seconds: float) -> str:
    found = look(settings.database_url, settings.redis_url, 4, seconds)
    return found.blame_drains("here")


def test_a_holder_in_a_pipeline_that_is_silent_is_to_blame(
    settings: Settings, client: redis.Redis
) -> None:
    append_old(client)
    name = "penstock-drain-here-77"
    with (
        connect(settings.database_url, application_name=name) as own,
        own.pipeline(),
        own.transaction(),
    ):
        assert lease_partition(own, 1) is not None
        assert wait_until(lambda: look_after(settings, 1.0))


def test_a_batch_that_postgres_works_on_is_no_stall_however_long(
    settings: Settings, client: redis.Redis, connection: Connection
) -> None:
    append_old(client)
    ended = threading.Event()

    def work() -> None:
        with leased(settings, "penstock-drain-here-77") as own:
            # A batch that waits for somebody's lock works, too.
            own.execute("SELECT pg_advisory_xact_lock(4711)")
        ended.set()

    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(4711)")
        thread = threading.Thread(target=work)
        thread.start()
        wait_until(lambda: waits_for_a_lock(settings))
        blamed = look_after(settings, 1.0)
    thread.join(DEADLINE_SECONDS)

    assert blamed == ""
    assert ended.is_set()


def waits_for_a_lock(settings: Settings) -> bool:
    with connect(settings.database_url) as own:
        row = own.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND application_name = 'penstock-drain-here-77'"
            " AND clock_timestamp() - state_change > interval '1.2 seconds'"
        ).fetchone()
    return row is not None and row[0] > 0


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_a_server_that_is_away_is_no_reason_for_a_restart(
    settings: Settings, client: redis.Redis, server: str
) -> None:
    append_old(client)
    away = {
        "redis": {"redis_url": "redis://127.0.0.1:9/0"},
        "postgres": {"database_url": "postgresql://nobody@127.0.0.1:9/none"},
    }

    result = health(replace(settings, **away[server]), "worker")  # type: ignore[arg-type]

    assert result.exit_code == 0
    assert result.output == (
        f"healthy: {server.capitalize()} is unavailable; a restart would not help\n"
    )


def test_a_sweep_that_stopped_is_upkeeps_unless_it_works_in_postgres(
    settings: Settings, client: redis.Redis
) -> None:
    client.set(SWEPT_KEY, client.time()[0] - 60)

    stopped = health(settings, "upkeep")
    with connect(settings.database_url, application_name="penstock-upkeep") as own:
        thread = threading.Thread(target=own.execute, args=["SELECT pg_sleep(3)"])
        thread.start()
        busy = wait_until(lambda: health(settings, "upkeep").exit_code == 0)
        thread.join()
    client.set(SWEPT_KEY, client.time()[0])

    assert stopped.exit_code == 1
    assert "the sweep has not run for 6" in stopped.output
    assert busy
    assert health(settings, "upkeep").exit_code == 0


def test_the_supervisor_restarts_whom_the_look_blames(
    settings: Settings, client: redis.Redis
) -> None:
    append_old(client)
    client.set(SWEPT_KEY, client.time()[0] - 60)

    found = blame(look(settings.database_url, settings.redis_url, 4))

    assert set(found) == {"drains", "upkeep", "beat"}


def test_a_drain_at_work_is_well(settings: Settings, client: redis.Redis) -> None:
    append_old(client)
    drain = make_drain(settings)
    drain.run(lambda _: None)
    drain.close()

    assert health(settings, "worker").output == "healthy\n"
