"""Old receipts are dropped while imports run: nobody waits for it to be seen."""

import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

import pytest

from ingest.doors.files.jobs.undo_jobs import make_job
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.jobs.progress import insert_job
from ingest.store.partitions.leases import ensure_partitions
from ingest.store.receipts.days import (
    create_daily_partitions,
    drop_day,
    drop_receipts,
    list_old_days,
)
from ingest.telemetry import metrics
from ingest.wire.undo import UndoRequest
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from workers.upkeep import partition_receipts

OLD = date(2026, 1, 1)
KEPT = OLD + timedelta(days=12)


class Load:
    """Imports one after another until told to stop; keeps how long each took."""

    def __init__(self, database_url: str) -> None:
        self.seconds: list[float] = []
        self._url = database_url
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        with connect(self._url) as own:
            pipeline, number = Pipeline(own), 0
            while not self._ended.is_set():
                number += 1
                key = {"email": f"n{number % 50}@example.com"}
                started = time.monotonic()
                (outcome,) = pipeline.apply(make_import("email", key=key))
                self.seconds.append(time.monotonic() - started)
                assert outcome.error == 0

    def wait(self, count: int) -> None:
        """Wait until `count` more imports have been applied."""
        target, ends_at = len(self.seconds) + count, time.monotonic() + 30
        while len(self.seconds) < target:
            assert time.monotonic() < ends_at, "imports do not get on"
            self._ended.wait(0.005)


def drop_old(connection: Connection, dropped: list[str]) -> bool:
    """Drop what is old, add it to `dropped`, and tell whether nothing old is left."""
    dropped += drop_receipts(connection, KEPT)
    return list_old_days(connection, KEPT) == []


def test_a_day_is_dropped_while_imports_run(
    connection: Connection, database_url: str
) -> None:
    create_daily_partitions(connection, OLD, 11)

    with Load(database_url) as load:
        load.wait(20)
        dropped: list[str] = []
        # A day whose lock is not to be had in time stays for the next look.
        wait_until(lambda: drop_old(connection, dropped))
        load.wait(20)

    assert len(set(dropped)) == len(dropped) == 12
    row = connection.execute("SELECT count(*) FROM imports").fetchone()
    assert row == (len(load.seconds),)


def test_a_long_read_delays_the_drop_and_not_the_imports(
    connection: Connection, database_url: str
) -> None:
    create_daily_partitions(connection, OLD, 2)

    with connect(database_url) as reader, Load(database_url) as load:
        with reader.transaction():
            reader.execute("SELECT count(*) FROM imports")
            load.wait(10)
            before = len(load.seconds)
            refused = drop_receipts(connection, KEPT)
            load.wait(10)
            worst = max(load.seconds[before:])
        dropped = drop_receipts(connection, KEPT)

    assert refused == []
    # Each of three days may hold imports up for a tenth of a second.
    assert worst < 2
    assert len(dropped) == 3


def test_a_day_that_was_detached_and_not_dropped_is_finished(
    connection: Connection,
) -> None:
    create_daily_partitions(connection, OLD, 0)
    connection.execute("ALTER TABLE imports DETACH PARTITION imports_20260101")

    (name,) = list_old_days(connection, KEPT)

    assert drop_day(connection, name)
    assert list_old_days(connection, KEPT) == []


def test_upkeep_says_what_it_could_not_drop(
    connection: Connection, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    create_daily_partitions(connection, OLD, 0)

    with connect(settings.database_url) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM imports")
        partition_receipts(settings)
    said = [record.getMessage() for record in caplog.records]
    partition_receipts(settings)

    assert "receipt deletion blocked by a long read" in said
    today = datetime.now(UTC).date()
    assert list_old_days(connection, today) == []


@pytest.mark.parametrize("hours", [-1.1, 1.1, 24 * 365])
@pytest.mark.parametrize("sign", ["receipt", "heartbeat"])
def test_nothing_is_dropped_while_clocks_are_hours_apart(
    connection: Connection,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    hours: float,
    sign: str,
) -> None:
    refused = metrics.RETENTION_REFUSED._value.get()
    create_daily_partitions(connection, OLD, 0)
    ensure_partitions(connection, 1)
    Pipeline(connection).create({"email": "a@example.com"})
    far = {"at": datetime.now(UTC) + timedelta(hours=hours)}
    connection.execute("UPDATE imports SET applied_at = %(at)s", far)
    if sign == "heartbeat":
        connection.execute("DELETE FROM imports")
        connection.execute("UPDATE partitions SET heartbeat_applied_at = %(at)s", far)

    partition_receipts(settings)

    today = datetime.now(UTC).date()
    assert list_old_days(connection, today) == ["imports_20260101"]
    assert metrics.RETENTION_REFUSED._value.get() == refused + 1
    (said,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert said.getMessage() == "retention paused, clocks differ"
    ahead = "ahead" if hours > 0 else "behind"
    told = f"the newest receipt is {abs(hours):.1f} h {ahead}"
    assert told in str(said.__dict__["reason"])

    connection.execute("UPDATE partitions SET heartbeat_applied_at = now()")
    connection.execute("UPDATE imports SET applied_at = now()")
    partition_receipts(settings)
    assert list_old_days(connection, today) == []


def test_an_idle_deployment_drops_by_its_heartbeats(
    connection: Connection, settings: Settings
) -> None:
    create_daily_partitions(connection, OLD, 0)
    ensure_partitions(connection, 1)
    Pipeline(connection).create({"email": "a@example.com"})
    connection.execute("UPDATE imports SET applied_at = now() - INTERVAL '9 days'")
    connection.execute("UPDATE partitions SET heartbeat_applied_at = now()")

    partition_receipts(settings)

    assert list_old_days(connection, datetime.now(UTC).date()) == []


@pytest.mark.fact("U.9-running")
@pytest.mark.parametrize("ended", ["done", "killed"])
def test_what_a_running_undo_may_need_is_kept_until_it_ends(
    connection: Connection, settings: Settings, ended: str
) -> None:
    create_daily_partitions(connection, OLD, 1)
    now = datetime.now(UTC)
    begun = datetime.combine(OLD, time_of_day(), UTC)
    begun += timedelta(days=settings.receipt_days + 1)
    job = make_job(UndoRequest(), {}, name="undo", database_id=1, token_id=None)
    assert insert_job(connection, replace(job, created_at=begun))
    connection.execute("UPDATE jobs SET updated_at = %(now)s", {"now": now})

    partition_receipts(settings)

    # Of the day before the first that was kept when it began, nothing is left.
    assert list_old_days(connection, now.date()) == ["imports_20260102"]
    connection.execute(
        "UPDATE jobs SET state = 'done'"
        if ended == "done"
        else "UPDATE jobs SET updated_at = now() - interval '11 minutes'"
    )
    partition_receipts(settings)
    assert list_old_days(connection, now.date()) == []
