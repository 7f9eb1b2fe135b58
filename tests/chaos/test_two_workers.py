"""A worker that is restarted beside another keeps no caller waiting."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from ingest.streams.queues import worker_key
from tests.groups import ROOT, STOP_SECONDS, Group, wait_for
from tests.intakes import make_document

SECOND = "second"
#: Sent before the one worker ends, and after another has its place.
AROUND = 20
#: Enough for a busy machine, too little for a worker to end and start again.
WAIT_SECONDS = 5


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    """A `penstock up`, and a second worker on its servers."""
    group = Group(tmp_path / "state")
    answer = group.wait_ready()
    urls = {"DATABASE_URL": answer["database"], "REDIS_URL": answer["redis"]}
    queue = ("-Q", "drains", "-c", "1", "-n", f"{SECOND}@%h")
    with subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker", *queue],
        cwd=ROOT,
        env=os.environ | urls,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as second:
        with redis.Redis.from_url(answer["redis"]) as client:
            wait_for(lambda: client.exists(worker_key(SECOND)))
        yield group
        second.terminate()
        second.wait(STOP_SECONDS)
    assert group.end() == 0, group.said


@pytest.mark.timeout(180)
def test_no_caller_notices_that_a_worker_is_restarted(group: Group) -> None:
    answer = group.answer()
    answers: list[dict[str, Any]] = []
    with httpx.Client(base_url=answer["http"], timeout=30) as client:

        def send() -> None:
            sent = client.post(
                "/api/v1.1/profiles/import",
                json=make_document(answer["token"]),
                headers={"Prefer": f"wait={WAIT_SECONDS}"},
            )
            answers.append(sent.json())

        def is_replaced() -> bool:
            send()
            return "drains: restarted" in group.said

        for _ in range(AROUND):
            send()
        os.kill(answer["pids"]["workers"][0], signal.SIGTERM)
        wait_for(is_replaced)
        for _ in range(AROUND):
            send()

    # What is not applied in time is accepted, and has no profile yet.
    assert [each for each in answers if "profile_id" not in each] == []
    assert len(answers) > 2 * AROUND
