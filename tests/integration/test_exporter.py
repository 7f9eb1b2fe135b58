"""What Prometheus scrapes: the streams as Redis knows them, and Redis's absence."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import redis
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingest.commands.exporter import make_registry
from ingest.queues import stream_key
from ingest.settings import Settings
from tests.intakes import wait_until


def scrape(exposition: str) -> dict[str, dict[str, float]]:
    """Return values by metric and partition."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            partition = sample.labels.get("partition", "")
            found.setdefault(sample.name, {})[partition] = sample.value
    return found


def test_waiting_imports_and_the_oldest_are_told_by_partition(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(stream_key(1), {"import": b"a"}, id="1700000000500-0")
        client.xadd(stream_key(1), {"import": b"b"})

        found = scrape(generate_latest(make_registry(redis_url, 2, None)).decode())

    assert found["penstock_redis_up"] == {"": 1}
    assert found["penstock_waiting"] == {"0": 0, "1": 2}
    assert found["penstock_oldest_accepted_timestamp_seconds"] == {"1": 1700000000.5}


def test_a_redis_that_is_away_is_told_and_nothing_else() -> None:
    registry = make_registry("redis://127.0.0.1:9/0", 2, None)

    found = scrape(generate_latest(registry).decode())

    assert found == {"penstock_redis_up": {"": 0}}


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
    count = "from ingest import metrics; metrics.ACCEPTED.labels('http').inc()"
    command = [sys.executable, "-m", "ingest.cli", "exporter", "--port", str(port)]
    with subprocess.Popen(command, env=environ) as process:
        try:
            first = wait_until(lambda: try_get(f"http://127.0.0.1:{port}/metrics"))
            subprocess.run([sys.executable, "-c", count], env=environ, check=True)
            second = try_get(f"http://127.0.0.1:{port}/metrics")
        finally:
            process.send_signal(signal.SIGTERM)
    stopped_at = time.monotonic()

    assert "penstock_accepted_total" not in scrape(first)
    assert scrape(second)["penstock_accepted_total"] == {"": 1}
    assert scrape(second)["penstock_redis_up"] == {"": 1}
    assert process.returncode == 0
    assert time.monotonic() - stopped_at < 5


def try_get(url: str) -> str:
    try:
        return httpx.get(url).text
    except httpx.ConnectError:
        return ""
