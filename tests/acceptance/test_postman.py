"""The Postman collection, run by Newman against a running group."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.contract.postman import COLLECTION, make_collection
from tests.programs import find_program


def test_the_collection_is_the_api() -> None:
    assert COLLECTION.read_text() == make_collection()


@pytest.fixture
def leaving_nothing(http: httpx.Client) -> Iterator[None]:
    """Others send the same requests to this group, which succeed once."""
    yield
    asked = {"db_id": 1, "limit": 1000}
    while listed := http.post("/api/v1.1/profiles/list", json=asked).json()["data"]:
        for profile in listed:
            chosen = {"db_id": 1, "matching": "profile_id", "profile_id": profile["id"]}
            http.post("/api/v1.1/profiles/delete", json=chosen)


@pytest.mark.usefixtures("leaving_nothing")
def test_newman_runs_the_collection(running: dict[str, Any], tmp_path: Path) -> None:
    newman = find_program("newman")
    report = tmp_path / "report.json"

    done = subprocess.run(
        [
            *(newman, "run", COLLECTION, "--reporters", "cli,json"),
            *("--reporter-json-export", report),
            *("--env-var", f"url={running['http']}"),
            *("--env-var", f"token={running['token']}"),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout
    stats = orjson.loads(report.read_bytes())["run"]["stats"]
    requests = len(orjson.loads(COLLECTION.read_bytes())["item"])
    assert stats["assertions"] == {"total": requests, "pending": 0, "failed": 0}
