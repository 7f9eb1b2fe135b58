"""A reader's shell: the commands of a page, typed one after another."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.pages import read_blocks, read_commands

_END = "---end of command---"


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What commands have printed."""

    #: The standard output of each.
    answers: list[str]
    #: The standard error of all.
    errors: str


def list_typed(page: Path) -> list[str]:
    """Return the commands that a page tells a reader to type."""
    return [
        command.text
        for block in read_blocks(page)
        if block.kind == "console"
        for command in read_commands(block)
    ]


def make_environ(running: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a reader of a running group."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": running["database"],
        "REDIS_URL": running["redis"],
        "URL": running["http"],
        "TOKEN": running["token"],
    }


def type_commands(
    commands: Iterable[str],
    running: Mapping[str, Any],
    directory: Path,
    *,
    seconds: float = 120,
) -> Typed:
    """Type `commands` into one shell; return what they have printed.

    The shell ends with the first that fails, and so does the test.
    """
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=f"\necho '{_END}'\n".join(commands),
        cwd=directory,
        env=make_environ(running),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answers = [answer.strip() for answer in done.stdout.split(_END)]
    return Typed(answers=answers, errors=done.stderr)
