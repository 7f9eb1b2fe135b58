"""Child processes: how they are started, told apart, stopped, and what they logged."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launch.py")
_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_TAIL_BYTES = 8 * 1024
_POLL_SECONDS = 0.02


class Isolation(StrEnum):
    """The ways to give another user to a program that refuses to run as root."""

    NONE = "none"
    #: A user namespace: looks like another user, files stay owned by root.
    NAMESPACE = "namespace"
    #: Really another user, which needs a path of its own to every file.
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUser:
    """The user a program runs as."""

    isolation: Isolation = Isolation.NONE
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program of the group: what to run, and how to stop it."""

    name: str
    #: The first is an absolute path.
    argv: tuple[str, ...]
    #: Receives standard output and error.
    log: Path
    #: None inherits ours.
    environ: Mapping[str, str] | None = None
    directory: Path | None = None
    account: ProcessUser = ProcessUser()
    #: Sent to stop it, and by the kernel when we die.
    stop_signal: signal.Signals = signal.SIGTERM
    #: After this time it is killed.
    grace_seconds: float = 10.0
    #: The same when we have died, and what it works with may be gone.
    orphan_seconds: float = 3.0
    descriptors: tuple[int, ...] = ()


def launch_argv(argv: tuple[str, ...], account: ProcessUser, death: int) -> list[str]:
    """Wrap `argv` in the launcher, which ties it to this process."""
    tie = [os.getpid(), death, account.isolation, account.uid, account.gid]
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, tie), *argv]


def rotate(log: Path) -> int:
    """Put an overlong log aside; return how long it is now."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not log.exists():
        return 0
    if log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(f"{log.suffix}.1"))
        return 0
    return log.stat().st_size


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start `program` in a session of its own, so that Ctrl-C does not reach it.

    Call it from the main thread: the kernel ties the child to the calling thread.
    """
    rotate(program.log)
    argv = launch_argv(program.argv, program.account, program.stop_signal)
    with program.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own programs
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=program.environ,
            cwd=program.directory,
            start_new_session=True,
            pass_fds=program.descriptors,
        )


def kill_group(pid: int) -> None:
    """Kill the process group led by `pid`, as far as it is still there."""
    # macOS answers EPERM for a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def stop(program: Program, process: subprocess.Popen[bytes]) -> bool:
    """Stop `process` and wait; say whether it went by itself."""
    process.send_signal(program.stop_signal)
    try:
        process.wait(program.grace_seconds)
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()
        return False
    return True


def tail(log: Path, since: int = 0, lines: int = 10) -> str:
    """Return the last `lines` of what `log` holds after byte `since`, indented."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(since, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def describe_exit(code: int) -> str:
    """Say how a process ended: by itself, or by which signal."""
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name


def _ask_ps(pid: int, column: str) -> str:
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    done = subprocess.run(  # noqa: S603 - fixed command
        command, check=False, capture_output=True, text=True, timeout=10
    )
    return done.stdout.strip()


def identity(pid: int) -> str | None:
    """Name the process `pid` so that a later one with that number differs.

    None when there is no such process, or only its zombie.
    """
    if sys.platform != "linux":
        started = _ask_ps(pid, "lstart")
        return (
            started if started and not _ask_ps(pid, "state").startswith("Z") else None
        )
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command may hold spaces and brackets; fields are counted after it.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else f"{boot} {fields[18]}"


def command_line(pid: int) -> str:
    """Return the command line of `pid`, empty when there is no such process."""
    if sys.platform != "linux":
        return _ask_ps(pid, "command")
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def wait_gone(pid: int, name: str, seconds: float) -> bool:
    """Wait until the process that `identity` called `name` is gone; say whether it is.

    For processes that are not our children; ours are waited for as such.
    """
    deadline = time.monotonic() + seconds
    while identity(pid) == name:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def ask_stranger(pid: int, name: str, sign: signal.Signals) -> None:
    """Send `sign` to a process that is not our child, unless it is another by now."""
    if identity(pid) == name:
        with suppress(ProcessLookupError):
            os.kill(pid, sign)


def end_stranger(pid: int, name: str, seconds: float) -> None:
    """Wait for a process that was asked to end; then kill what is left of its group.

    The number of a dead leader is not used again while its group has members.
    """
    if not wait_gone(pid, name, seconds) or identity(pid) is None:
        kill_group(pid)
        wait_gone(pid, name, seconds)
