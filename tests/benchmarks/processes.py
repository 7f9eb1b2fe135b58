"""CPU time of processes, from /proc: what is comparable on a machine that is shared."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat that follow the name, which may hold ')'."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def find_tree(root: int) -> list[int]:
    """Return `root` and every process under it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += parents.get(pid, [])
    return found


def read_cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds of `pids` and of their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            # utime, stime, cutime, cstime
            ticks += sum(map(int, _stat(pid)[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return ticks * _TICK_SECONDS


def read_tree_cpu_seconds(root: int) -> float:
    """Return the CPU seconds of `root` with everything under it, dead or alive."""
    return read_cpu_seconds(find_tree(root))


def read_processor_ticks() -> tuple[int, int]:
    """Return what this machine was given of its processors, and what it was not.

    In ticks since it started. What its host gave to others, though there was work,
    is stolen.
    """
    user, nice, system, _, _, irq, softirq, stolen, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return user + nice + system + irq + softirq, stolen


def read_resident_bytes(pid: int) -> int:
    """Return how much memory of `pid` is in RAM."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
