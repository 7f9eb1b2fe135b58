"""The questions of docs/operations.md, answered by its commands on a real pipeline."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Connection
from tests.pages import ROOT, read_blocks, read_commands

PAGE = ROOT / "docs/operations.md"


def commands(heading: str, tmp_path: Path) -> list[str]:
    """Return what the section under `heading` tells to type."""
    section = PAGE.read_text().partition(f"### {heading}")[2]
    page = tmp_path / "section.md"
    page.write_text(re.split(r"(?m)^##", section)[0])
    blocks = [block for block in read_blocks(page) if block.kind == "console"]
    return [command.text for block in blocks for command in read_commands(block)]


def follow(running: dict[str, Any], text: str) -> str:
    """Type a command; return what it prints."""
    program, *arguments = shlex.split(text)
    assert program == "penstock"
    urls = {"DATABASE_URL": running["database"], "REDIS_URL": running["redis"]}
    done = subprocess.run(
        [sys.executable, "-m", "ingest.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **urls},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def send(http: httpx.Client, email: str, **data: object) -> dict[str, Any]:
    body = {"db_id": 1, "matching": "email", "email": email, "data": data}
    answer: dict[str, Any] = http.post("/api/v1.1/profiles/import", json=body).json()
    return answer


def test_why_an_import_was_rejected(
    running: dict[str, Any], http: httpx.Client, tmp_path: Path
) -> None:
    assert send(http, "why@example.com", points="many")["error"] == 400
    tail, show = commands("Why was this import rejected?", tmp_path)

    listed = follow(running, tail)
    last = [line for line in listed.splitlines() if "data.points" in line][-1]
    found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", last)
    assert found
    shown = follow(running, show.replace("IMPORT_ID", found[0]))

    assert "Must be an integer" in shown
    assert "Use a whole number" in shown


def test_what_waits_and_when_it_will_be_gone(
    running: dict[str, Any], tmp_path: Path
) -> None:
    (status,) = commands("How long is the backlog?", tmp_path)

    shown = follow(running, status)

    assert re.search(r"waiting +\d+", shown)
    assert re.search("empty|drains in|add workers|measuring|check that workers", shown)


def test_a_dead_letter_is_applied_after_all(
    running: dict[str, Any],
    http: httpx.Client,
    database: Connection,
    tmp_path: Path,
) -> None:
    constraint = "CHECK (email IS DISTINCT FROM 'dead@example.com')"
    database.execute(f"ALTER TABLE profiles ADD CONSTRAINT a_bug {constraint}")
    assert send(http, "dead@example.com")["error"] == 500
    database.execute("ALTER TABLE profiles DROP CONSTRAINT a_bug")
    list_, rehearse, replay = commands("How do I apply a dead letter?", tmp_path)

    assert "a_bug" in follow(running, list_)
    assert "would be resolved" in follow(running, rehearse)
    assert "0 still open" in follow(running, replay)
    found = database.execute(
        "SELECT count(*) FROM profiles WHERE email = 'dead@example.com'"
    ).fetchone()
    assert found == (1,)
