"""`penstock import` as people run it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ingest.settings import Settings

DEADLINE_SECONDS = 100.0


def start(
    settings: Settings, *arguments: str | Path, errors: int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start an import into database 1."""
    command = [sys.executable, "-m", "ingest.cli", "import", *map(str, arguments)]
    environment = {"DATABASE_URL": settings.database_url}
    environment |= {"REDIS_URL": settings.redis_url}
    return subprocess.Popen(
        [*command, "--database", "1"],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def finish(
    process: subprocess.Popen[bytes], stdin: bytes = b""
) -> tuple[int, str, str]:
    """Return its exit status and what it printed."""
    output, errors = process.communicate(stdin, timeout=DEADLINE_SECONDS)
    return process.returncode, output.decode(), (errors or b"").decode()


def run(
    settings: Settings, *arguments: str | Path, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run an import to its end."""
    return finish(start(settings, *arguments), stdin)


def summarize(
    settings: Settings, *arguments: str | Path, stdin: bytes = b""
) -> tuple[int, list[dict[str, Any]]]:
    """Run an import to its end; return its status, and the summary of each file."""
    status, output, errors = run(settings, *arguments, "--json", stdin=stdin)
    assert output, errors
    return status, json.loads(output)


def write_people(path: Path, numbers: Iterable[int]) -> Path:
    """Write a table in which each row adds its profile's number of points once."""
    lines = [f"p{number}@example.com,P{number}\n" for number in numbers]
    path.write_text("email,_fname\n" + "".join(lines))
    return path


def write_increments(path: Path, numbers: Iterable[int]) -> Path:
    """Write documents that each add a point to a profile: twice would show."""
    incr = {"action": "incr", "value": 1}
    lines = [
        json.dumps({"email": f"p{number}@example.com", "points": incr}) + "\n"
        for number in numbers
    ]
    path.write_text("".join(lines))
    return path


def wait_while_running(
    process: subprocess.Popen[bytes], check: Callable[[], object]
) -> None:
    """Wait until `check` is true; the import must not end before."""
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while not check():
        assert process.poll() is None, finish(process)
        assert time.monotonic() < ends_at, "it did not happen in time"
        threading.Event().wait(0.005)
