"""Priorities of processes when there is less processor time than work."""

import os
from contextlib import suppress
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")


def give_way(by: int) -> None:
    """Lower the priority of this process by `by` steps of nice, from 0 to 19.

    Linux may group processes by session and weigh the groups first, so that nice counts
    within a session only; then the session of this process gives way too, provided
    that it leads one: a shell's would slow the shell.
    """
    os.nice(by)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _AUTOGROUP.write_text(str(by))
