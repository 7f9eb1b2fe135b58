"""Finds processes that tests started and left running."""

import os
from collections.abc import Iterator
from pathlib import Path

#: What every process that a session of tests starts inherits, however it is cut loose.
MARK = "PENSTOCK_TEST_SESSION"


def _read(process: Path, name: str) -> bytes:
    """Return what /proc has of a process; nothing of one that is gone or not ours."""
    try:
        return (process / name).read_bytes()
    except OSError:
        return b""


def list_processes(mark: str) -> Iterator[tuple[int, str]]:
    """Yield id and command line of every other process with `mark` (Linux only).

    Children of this process count even without it; the dead that wait to be reaped
    have no command line, and do not.
    """
    own = os.getpid()
    for process in Path("/proc").glob("[0-9]*"):
        command = (
            _read(process, "cmdline").replace(b"\0", b" ").decode(errors="replace")
        )
        if int(process.name) == own or not command:
            continue
        parent = _read(process, "stat").rpartition(b")")[2].split()[1:2]
        marked = f"{MARK}={mark}".encode() in _read(process, "environ").split(b"\0")
        if marked or parent == [str(own).encode()]:
            yield int(process.name), command
