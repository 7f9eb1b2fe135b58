"""A group as `penstock up` starts it is well, says the doctor."""

import json
import subprocess
import sys
from typing import Any

from tests.groups import wait_for


def examine(running: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return every finding that is not well, by its check."""
    urls = {"DATABASE_URL": running["database"], "REDIS_URL": running["redis"]}
    made = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "doctor", "--json"],
        env=urls,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.stdout, made.stderr
    found = {each["check"]: each for each in json.loads(made.stdout)}
    wrong = {check: each for check, each in found.items() if each["level"] != "ok"}
    assert (made.returncode == 0) is (not wrong)
    return wrong


def test_the_embedded_default_is_well(running: dict[str, Any]) -> None:
    # Workers say that they are there, and make their days, soon after their start.
    wait_for(lambda: not examine(running))

    assert examine(running) == {}
