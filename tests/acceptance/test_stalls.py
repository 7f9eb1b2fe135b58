"""Workers that live and make no progress are noticed and started anew."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery

from ingest.store.database import connect
from ingest.streams.queues import CELERY_KEY_PREFIX, DRAINS
from tests.groups import Group, wait_for

#: Longer than any pause of a group that is well, on a machine that does other things.
STALLED_AFTER = 6
DEADLINE_SECONDS = 150


def count_profiles(answer: dict[str, Any]) -> int:
    with connect(answer["database"]) as connection:
        row = connection.execute("SELECT count(*) FROM profiles").fetchone()
    return 0 if row is None else int(row[0])


def send(answer: dict[str, Any], email: str, prefer: str) -> None:
    response = httpx.post(
        f"{answer['http']}/api/v1.1/profiles/import",
        json={"token": answer["token"], "db_id": 1, "email": email, "data": {}},
        headers={"Prefer": prefer},
        timeout=30,
    )
    assert response.json()["error"] == 0, response.text


def stop_worker(group: Group, answer: dict[str, Any]) -> None:
    """Freeze the worker with its pool, as a host that swaps does."""
    (leader,) = group.pids()["workers"]
    os.killpg(leader, signal.SIGSTOP)


def wedge_worker(group: Group, answer: dict[str, Any]) -> None:
    """Leave the worker alive, answering, and deaf to its queue."""
    app = Celery(broker=answer["redis"])
    app.conf.broker_transport_options = {"global_keyprefix": CELERY_KEY_PREFIX}
    replies = app.control.cancel_consumer(
        DRAINS,
        destination=[f"{DRAINS}@{socket.gethostname()}"],
        reply=True,
        timeout=10,
        limit=1,
    )
    assert "no longer consuming" in str(replies)
    app.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("harm", [stop_worker, wedge_worker])
def test_a_worker_that_makes_no_progress_is_restarted(
    tmp_path: Path, harm: Any
) -> None:
    group = Group(tmp_path / "state", f"--stalled-after={STALLED_AFTER}")
    answer = group.wait_ready()
    send(answer, "before@example.com", "wait=30")
    pids = group.pids()["workers"]

    harm(group, answer)
    send(answer, "after@example.com", "respond-async")
    wait_for(lambda: "drains: restarted" in group.said, DEADLINE_SECONDS)
    wait_for(lambda: count_profiles(answer) == 2, DEADLINE_SECONDS)

    assert "drains: stalled (partition" in group.said
    assert group.pids()["workers"] != pids
    assert group.end() == 0, group.said
