"""The files that one process counts in, and the sign that it lives.

prometheus_client gives every process files of its own in PROMETHEUS_MULTIPROC_DIR. A
name is never used twice, and beside its files each process holds a lock on one more
until it ends, however it ends: so the exporter can tell the dead from the living in
whatever container they are, and fold the files of the dead into one (ingest/exporter).
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from socket import gethostname

#: Ends the name of the file that a living process holds locked.
ALIVE = ".alive"

# prometheus_client parts the names of its files by underscores.
_HOST = gethostname().replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    name: str
    #: Of the locked file.
    descriptor: int


class ProcessName:
    """Names the process that asks; a forked child is another one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._claim: _Claim | None = None
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> str:
        """Return the name of this process, claiming one first if it has none."""
        if self._claim is None:
            self._claim = _claim(self._directory)
        return self._claim.name

    def _forget(self) -> None:
        """Leave the parent its claim: its lock ends with its own descriptor."""
        if self._claim is not None:
            os.close(self._claim.descriptor)
            self._claim = None


def _claim(directory: Path) -> _Claim:
    directory.mkdir(parents=True, exist_ok=True)
    # Containers may share the directory, and in each of them the pids begin at 1.
    name = f"{_HOST}-{os.getpid()}-{token_hex(4)}"
    unlocked = directory / f"{name}.claim"
    descriptor = os.open(unlocked, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    # Under its last name it was never seen unlocked.
    unlocked.rename(directory / f"{name}{ALIVE}")
    return _Claim(name=name, descriptor=descriptor)


def is_alive(sign: Path) -> bool:
    """Tell whether the process that `sign` belongs to still holds it locked."""
    with sign.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
