"""Become another program whose life is tied to the process that started this one.

Run by path (`python -I -S launch.py PARENT SIGNAL ISOLATION UID GID PROGRAM ARG...`),
so it uses the standard library only. It does between fork and exec what a preexec
function would do inside the fork, where Python is not safe.
"""

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def _check(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def _enter_namespace(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Appear as `uid` and `gid` in a namespace of our own; files keep their owner."""
    own_uid, own_gid = os.getuid(), os.getgid()
    _check(libc.unshare(_CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {own_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {own_gid} 1")


def _become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _tie_to_parent(libc: ctypes.CDLL, parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` when `parent` dies."""
    _check(libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0), "prctl")
    # The parent may have died before the kernel was asked.
    if os.getppid() != parent:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Isolate, tie to the parent, and exec the program."""
    parent, death_signal = int(arguments[0]), int(arguments[1])
    isolation, uid, gid = arguments[2], int(arguments[3]), int(arguments[4])
    program = arguments[5:]
    libc = ctypes.CDLL(None, use_errno=True)

    if isolation == "namespace":
        _enter_namespace(libc, uid, gid)
    elif isolation == "user":
        _become(uid, gid)
    # A change of credentials clears the death signal, so this comes second.
    if sys.platform == "linux":
        _tie_to_parent(libc, parent, death_signal)

    # The program and its arguments come from our own supervisor.
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
