"""Intakes and workers may start before Redis and Postgres: they wait, and say so."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from ingest.local.bootstrap import prepare
from ingest.local.servers import start_postgres, start_valkey
from ingest.local.state import find_free_port
from tests.groups import ROOT, STOP_SECONDS, wait_for

WAIT_SECONDS = 90
ADDRESS = "early@example.com"


@contextmanager
def serving(state: Path) -> Iterator[dict[str, str]]:
    """Postgres and Redis on `state`: the same URLs each time."""
    with ExitStack() as stack:
        postgres = start_postgres(state)
        stack.callback(postgres.stop)
        valkey = start_valkey(state)
        stack.callback(valkey.stop)
        yield {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}


@contextmanager
def process(log: Path, urls: dict[str, str], *module: str) -> Iterator[None]:
    """Run a module of ours until the block ends, then end it by SIGTERM, cleanly."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env={**os.environ, **urls},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
        assert running.poll() is None, log.read_text()
        running.send_signal(signal.SIGTERM)
        # uvicorn ends by the signal that it was sent, once it has shut down.
        ends = (0, -signal.SIGTERM)
        assert running.wait(STOP_SECONDS) in ends, log.read_text()
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def is_applied(url: str, token: str) -> bool:
    """Try an import; while something is away it is refused, or not applied in time."""
    document = {"token": token, "db_id": 1, "email": ADDRESS, "data": {}}
    try:
        answer = httpx.post(
            f"{url}/api/v1.1/profiles/import", json=document, timeout=30
        )
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and "profile_id" in answer.json()


@pytest.mark.timeout(300)
def test_what_starts_before_its_servers_waits_and_says_so(
    tmp_path: Path, token: str
) -> None:
    state = tmp_path / "state"
    with serving(state) as urls:
        prepare(urls["DATABASE_URL"], demo=True)
    port = str(find_free_port())
    worker, intake = tmp_path / "worker.log", tmp_path / "intake.log"
    celery = ("celery", "-A", "workers.app", "worker", "-Q", "drains", "-c", "1")

    with (
        process(worker, urls, *celery, "--loglevel", "warning"),
        process(intake, urls, "ingest.cli", "intake", "--port", port),
    ):
        wait_for(lambda: "Cannot connect to redis" in worker.read_text(), WAIT_SECONDS)
        wait_for(lambda: "catalog refresh failed" in intake.read_text(), WAIT_SECONDS)
        with serving(state) as again:
            wait_for(
                lambda: is_applied(f"http://127.0.0.1:{port}", token), WAIT_SECONDS
            )

    assert again == urls
