"""Pages of documentation, and the commands that they tell a reader to type."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str


@dataclass(frozen=True)
class Command:
    """What stands behind a prompt, and what the page shows of its output."""

    text: str
    output: str


def read_blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in _FENCE.findall(page.read_text())]


@cache
def is_complete(text: str) -> bool:
    """Tell whether a shell would run `text`, or wait for the rest of it."""
    checked = subprocess.run(
        ["bash", "-n"], input=text, capture_output=True, text=True, check=False
    )
    return checked.returncode == 0 and "unexpected end" not in checked.stderr


def read_commands(block: Block) -> list[Command]:
    """Return the commands behind `$ ` in a block of kind `console`, in order."""
    commands = []
    for part in re.split(r"(?m)^\$ ", block.text)[1:]:
        lines = part.splitlines()
        length = 1
        while not is_complete("\n".join(lines[:length])) and length < len(lines):
            length += 1
        # A line that ends in a backslash is complete, and goes on all the same.
        while lines[length - 1].endswith("\\") and length < len(lines):
            length += 1
        text = "\n".join(lines[:length])
        commands.append(Command(text, "\n".join(lines[length:])))
    return commands
