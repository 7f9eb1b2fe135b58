"""Print the newest interpreter of this machine, if it is newer than the one that asks.

For any Python, before there is an environment.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ASK_SECONDS = 20


def _list_interpreters() -> Iterator[Path]:
    """Yield interpreters of all versions that PATH and a version manager know."""
    for minor in range(12, 20):
        if found := shutil.which(f"python3.{minor}"):
            yield Path(found)
    yield from Path.home().glob(".pyenv/versions/3.*/bin/python3")


def _ask_version(program: Path) -> tuple[int, ...]:
    """Return the version of an interpreter; nothing if it makes no environments."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    asked = subprocess.run(
        [program, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=_ASK_SECONDS,
    )
    return tuple(map(int, asked.stdout.split())) if asked.returncode == 0 else ()


def find_newer() -> Path | None:
    """Return the newest interpreter here, or None if this one is."""
    found = {_ask_version(each): each for each in _list_interpreters()}
    newest = max(found, default=())
    return found[newest] if newest > sys.version_info[:2] else None


if __name__ == "__main__":
    sys.stdout.write(str(find_newer() or ""))
