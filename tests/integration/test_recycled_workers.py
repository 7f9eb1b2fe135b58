"""A Celery worker whose children are recycled loses no count and piles up no files."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry

from ingest.exporter.archive import Archive
from ingest.settings import Settings
from ingest.streams.doorbell import make_celery
from ingest.streams.queues import DRAIN_TASK, DRAINS, stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import wait_until

IMPORTS = 4
TASKS_PER_CHILD = 1


@dataclass(frozen=True)
class Worker:
    pid: int
    metrics: Path


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[Worker]:
    """A worker of one child, which is replaced after each task."""
    metrics, log = tmp_path / "metrics", tmp_path / "worker.log"
    metrics.mkdir()
    argv = ["-m", "celery", "-A", "workers.app", "worker", "-Q", DRAINS, "-c", "1"]
    argv += ["--max-tasks-per-child", str(TASKS_PER_CHILD), "--loglevel", "warning"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *argv],
            env={
                **os.environ,
                "DATABASE_URL": settings.database_url,
                "REDIS_URL": settings.redis_url,
                "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            },
            stdout=output,
            stderr=output,
        )
    yield Worker(process.pid, metrics)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, log.read_text()


def count_receipts(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM imports").fetchone()
    assert row is not None
    return int(row[0])


def count(registry: CollectorRegistry, name: str) -> float:
    """Return a metric of the drains; 0 where there is none yet."""
    return registry.get_sample_value(name, {"role": "drain"}) or 0


def test_counts_are_kept_and_files_are_few(
    worker: Worker, settings: Settings, connection: Connection
) -> None:
    celery = make_celery(settings.redis_url)
    with redis.Redis.from_url(settings.redis_url) as client:
        for number in range(1, IMPORTS + 1):
            import_ = make_import("email", key={"email": f"{number}@example.com"})
            client.xadd(stream_key(0), {"import": encode(import_)})
            # A bell each: the next comes when this one's drain has given up listening.
            celery.send_task(DRAIN_TASK, args=[0], queue=DRAINS, retry=False)
            wait_until(lambda: client.xlen(stream_key(0)) == 0)
            wait_until(lambda: not client.exists("penstock:listener"))
            assert count_receipts(connection) == number
    celery.close()
    registry = CollectorRegistry()
    registry.register(Archive(worker.metrics))

    created = {"state": "created", "code": "0"}
    wait_until(
        lambda: (
            registry.get_sample_value("penstock_processed_total", created) == IMPORTS
        )
    )
    # An import may ride with the bell before its own, whose child then comes after it.
    wait_until(
        lambda: (
            count(registry, "penstock_process_starts_total")
            >= IMPORTS // TASKS_PER_CHILD
        )
    )
    # The last child may just be replaced.
    wait_until(lambda: count(registry, "penstock_processes") == 1)
    # Of the worker, of its one child, and the archive.
    assert len(list(worker.metrics.iterdir())) <= 14
