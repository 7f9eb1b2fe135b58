"""docs/tutorial.md, followed from its first line to its last."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.local.state import find_free_port
from tests.acceptance.conftest import START_SECONDS, STOP_SECONDS
from tests.pages import ROOT, Block, read_blocks, read_commands

PAGE = ROOT / "docs/tutorial.md"
ENVIRON = os.environ | {
    "PENSTOCK_WEBHOOK_ALLOW": "127.0.0.1",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory as a reader has it, but for ports that may be taken here."""
    shutil.copytree(ROOT / "docs/tutorial", tmp_path / "docs/tutorial")
    port = str(find_free_port())
    for file in (tmp_path / "docs/tutorial").iterdir():
        file.write_text(file.read_text().replace("8099", port))
    return tmp_path


@pytest.fixture
def group(clone: Path) -> Iterator[dict[str, Any]]:
    """What the first command starts."""
    argv = [sys.executable, "-m", "ingest.cli", "up", "--json", "--http-port", "0"]
    with subprocess.Popen(
        [*argv, "--state-dir", str(clone / ".state")],
        cwd=ROOT,
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "it did not start"
        yield json.loads(line)
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0


class Reader:
    """Types what the page says; the receiver runs in a terminal of its own."""

    def __init__(self, clone: Path, url: str) -> None:
        self._clone = clone
        self._url = url
        self._lines: list[str] = []
        self.receiver: subprocess.Popen[str] | None = None
        self.typed = 0

    def follow(self, block: Block) -> None:
        if block.kind == "console":
            for command in read_commands(block):
                self._type(command.text, command.output)
        elif "receiver.py" in block.text:
            self._start_receiver(block.text)
        else:
            assert "make up" in block.text

    def _type(self, text: str, shown: str) -> None:
        text = text.replace("http://127.0.0.1:8080", self._url)
        if text.startswith("export "):
            self._lines.append(text.replace('"$PWD/.venv/bin:$PATH"', '"$PATH"'))
        done = subprocess.run(
            ["bash", "-eu", "-c", "\n".join([*self._lines, text])],
            cwd=self._clone,
            env=ENVIRON,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        assert without_ids(shown) in without_ids(done.stdout), text
        self.typed += 1

    def _start_receiver(self, text: str) -> None:
        command = text.strip().replace(".venv/bin/", "")
        self.receiver = subprocess.Popen(
            ["bash", "-eu", "-c", f"exec {command}"],
            cwd=self._clone,
            env=ENVIRON,
            stdout=subprocess.PIPE,
            text=True,
        )
        # A reader sees it too; a first attempt that finds nobody is repeated late.
        assert self.receiver.stdout is not None
        assert self.receiver.stdout.readline().startswith("Waiting for events")


def without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{24}", "ID", text)


def read_event(receiver: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the first event that the receiver prints."""
    assert receiver.stdout is not None
    lines: list[str] = []
    while not lines or lines[-1] != "}\n":
        lines.append(receiver.stdout.readline())
        assert lines[-1], "the receiver ended"
    event: dict[str, Any] = json.loads("".join(lines))
    return event


@pytest.mark.timeout(START_SECONDS + 120)
def test_the_tutorial_leads_to_a_trigger_that_fires(
    clone: Path, group: dict[str, Any]
) -> None:
    reader = Reader(clone, group["http"])
    blocks = [block for block in read_blocks(PAGE) if block.kind in {"sh", "console"}]
    try:
        for block in blocks:
            reader.follow(block)
        assert reader.receiver is not None
        event = read_event(reader.receiver)
    finally:
        if reader.receiver is not None:
            with reader.receiver:
                reader.receiver.kill()

    assert reader.typed >= 10
    assert event["type"] == "profile_created"
