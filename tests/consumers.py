"""Consumers of the broker door: in a thread of the test, or as real processes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.commands.consume import Door, serve
from ingest.settings import Settings
from tests.intakes import DEADLINE_SECONDS

ROOT = Path(__file__).parents[1]


#: How long a consumer listens before it looks whether it is to stop.
SHORTER = {
    "ingest.doors.broker.redis_stream._BLOCK_MILLISECONDS": 50,
    "ingest.doors.broker.amqp_broker._WAIT_SECONDS": 0.05,
    "ingest.doors.broker.results._PAUSE_SECONDS": 0.05,
}


@contextmanager
def consuming(settings: Settings, door: Door) -> Iterator[None]:
    """Consume until the block ends, then stop as SIGTERM does."""
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=[settings, door, stop], daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SHORTER.items():
            patch.setattr(name, value)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(2 * DEADLINE_SECONDS)
            assert not thread.is_alive(), "the consumer did not stop"


@contextmanager
def consumer_process(
    settings: Settings, log: Path, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `penstock consume`; kill it at the end if it still lives."""
    environment = os.environ | {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PENSTOCK_WAIT_SECONDS": "1",
    }
    argv = [sys.executable, "-m", "ingest.cli", "consume", *options]
    with log.open("ab") as errors:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=errors)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def make_message(number: int = 0, **changes: Any) -> bytes:
    """Return a message for the demo catalog's first database."""
    message = {
        "account_id": 1,
        "db_id": 1,
        "matching": "email",
        "email": f"n{number}@example.com",
        "feedback_id": f"message-{number}",
        "data": {"points": {"action": "incr", "value": 1}},
    }
    return orjson.dumps(message | changes)
