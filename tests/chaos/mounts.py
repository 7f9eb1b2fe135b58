"""A disk that can be full, and names that nobody resolves: where mounts are permitted.

The disk is a file system in memory, which is full when it is told to be no larger than
what it holds. The names are asked of a server that takes questions and answers none.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import randbelow

#: What it may hold. Only what it holds takes memory.
_DISK_BYTES = 8 << 30
#: Between what it holds and what it is told, others write.
_ATTEMPTS = 50
#: To glibc: ask once, and wait for longer than anybody does.
_RESOLVER = "nameserver {address}\noptions timeout:30 attempts:5\n"
#: Ends as the program that it becomes, whose mounts are its own.
_SCRIPT = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that `penstock up` writes to."""

    path: Path

    def fill(self) -> None:
        """Leave no room on it."""
        for _ in range(_ATTEMPTS):
            used = shutil.disk_usage(self.path).used
            if _mount("-o", f"remount,size={used}", str(self.path)):
                return
        raise OSError(f"{self.path} is written to faster than it can be filled")

    def free(self) -> None:
        """Give the room back."""
        assert _mount("-o", f"remount,size={_DISK_BYTES}", str(self.path))

    @property
    def is_full(self) -> bool:
        """Whether nothing more can be written."""
        return shutil.disk_usage(self.path).free == 0


def _mount(*arguments: str) -> bool:
    done = subprocess.run(
        ["mount", *arguments], check=False, capture_output=True, timeout=10
    )
    return done.returncode == 0


@contextmanager
def small_disk(path: Path) -> Iterator[Disk | None]:
    """Mount a disk at `path` as long as the block lasts; None if it may not be."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    how = ("-t", "tmpfs", "-o", f"size={_DISK_BYTES},mode=0700")
    if os.geteuid() != 0 or not _mount(*how, "chaos", str(path)):
        yield None
        return
    try:
        yield Disk(path)
    finally:
        # What was logged is for a person to look at afterwards.
        with suppress(OSError):
            shutil.copytree(path / "logs", path.with_name("logs"), dirs_exist_ok=True)
        # Lazily: somebody may still look at a log there.
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=10)


@contextmanager
def hung_names(directory: Path) -> Iterator[tuple[str, ...]]:
    """Yield what to put before a command so that it resolves no name in any time.

    Nothing where that is not permitted.
    """
    address = f"127.{1 + randbelow(200)}.{randbelow(256)}.{1 + randbelow(200)}"
    with ExitStack() as stack:
        opened = stack.enter_context(
            closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        )
        told = directory / "resolv.conf"
        told.write_text(_RESOLVER.format(address=address))
        prefix = ("unshare", "--mount", "sh", "-c", _SCRIPT, str(told))
        try:
            opened.bind((address, 53))
            subprocess.run([*prefix, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            yield ()
            return
        yield prefix
