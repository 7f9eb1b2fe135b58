"""The whole of Penstock as a user runs it: one `penstock up` a session."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.store.database import connect
from tests.conftest import Connection

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "samples"
START_SECONDS = 120
STOP_SECONDS = 60


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What `penstock up --json` says of the group it started."""
    state = tmp_path_factory.mktemp("up")
    argv = [sys.executable, "-m", "ingest.cli", "up", "--json", "--http-port", "0"]
    with (state / "up.log").open("w") as log:
        process = subprocess.Popen(
            [*argv, "--state-dir", str(state / "state")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (state / "up.log").read_text()
    yield json.loads(line)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=STOP_SECONDS) == 0
    process.stdout.close()


@pytest.fixture(scope="session")
def http(running: dict[str, Any]) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=running["http"],
        headers={"Authorization": f"Bearer {running['token']}"},
        timeout=30,
    ) as client:
        yield client


@pytest.fixture
def database(running: dict[str, Any]) -> Iterator[Connection]:
    with connect(running["database"]) as opened:
        yield opened
