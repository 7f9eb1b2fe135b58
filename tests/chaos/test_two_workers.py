"""A worker that is restarted beside another keeps no caller waiting."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from ingest.queues import worker_key
from tests.intakes import make_document, wait_until
from tests.pages import ROOT

SECOND = "second"
#: While the worker of the group ends and starts again, and a while after.
SECONDS = 15.0
#: What a caller would notice.
LONGEST_SECONDS = 2.0


@pytest.fixture
def group(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A `penstock up`, and a second worker on its servers."""
    argv = [sys.executable, "-m", "ingest.cli", "up", "--json", "--http-port", "0"]
    with subprocess.Popen(
        [*argv, "--state-dir", str(tmp_path / "state")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as up:
        assert up.stdout is not None
        said: dict[str, Any] = json.loads(up.stdout.readline())
        urls = {"DATABASE_URL": said["database"], "REDIS_URL": said["redis"]}
        queue = ("-Q", "drains", "-c", "1", "-n", f"{SECOND}@%h")
        with subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "workers.app", "worker", *queue],
            cwd=ROOT,
            env=os.environ | urls,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as second:
            with redis.Redis.from_url(said["redis"]) as client:
                wait_until(lambda: client.exists(worker_key(SECOND)))
            yield said
            second.terminate()
        up.terminate()


@pytest.mark.timeout(180)
def test_no_caller_notices_that_a_worker_is_restarted(group: dict[str, Any]) -> None:
    taken: list[float] = []
    with httpx.Client(base_url=group["http"], timeout=30) as client:

        def send() -> None:
            started = time.monotonic()
            answer = client.post(
                "/api/v1.1/profiles/import", json=make_document(group["token"])
            )
            taken.append(time.monotonic() - started)
            assert answer.json()["error"] == 0

        for _ in range(20):
            send()
        os.kill(group["pids"]["workers"][0], signal.SIGTERM)
        ends_at = time.monotonic() + SECONDS
        while time.monotonic() < ends_at:
            send()

    assert len(taken) > 100
    assert max(taken) < LONGEST_SECONDS
