"""The state directory: its lock, its passwords and ports, and its records."""

import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ingest.domain.errors import PenstockError
from ingest.domain.secrets import SHORTEST

#: Below the range from which systems take ports of outgoing connections, so that none
#: of those sits on a server's port while it restarts.
_PORTS = range(20_000, 32_000)
_DEPLOYMENT = "deployment"


class StateInUse(PenstockError):
    """Another process runs on this state directory."""


class StateUnusable(PenstockError):
    """The state directory cannot be made or written to."""


def open_state(path: Path) -> Path:
    """Make the state directory, for its owner only, and return its absolute path."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = path.resolve(strict=True)
    except OSError as error:
        raise StateUnusable(f"{path} cannot be used: {error.strerror}") from error
    if not os.access(state, os.R_OK | os.W_OK | os.X_OK):
        raise StateUnusable(f"{state} is not writable; choose another --state-dir")
    return state


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the directory for this process; raise StateInUse if another does.

    The lock goes with the process, however it dies; its file says who holds it.
    """
    file = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise StateInUse(f"{state} is in use by process {holder(state)}") from error
    try:
        os.truncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        os.close(file)


def holder(state: Path) -> int | None:
    """Read which process took the lock last."""
    text = (state / "lock").read_text()
    return int(text) if text.isdigit() else None


def read_record(path: Path) -> dict[str, object]:
    """Read a JSON object; empty when there is none, or it was not finished."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def write_private(path: Path, content: str) -> None:
    """Replace a file at once, readable by its owner only."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(new, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(content)
    new.replace(path)


def write_record(path: Path, document: Mapping[str, object]) -> None:
    """Replace a JSON object at once, readable by its owner only."""
    write_private(path, json.dumps(document, indent=2) + "\n")


def keep_password(state: Path, name: str, size: int = 24) -> str:
    """Return the password called `name`, made of `size` bytes at its first use."""
    path = _name_password(state, name)
    if not path.exists():
        write_private(path, secrets.token_urlsafe(size))
    return path.read_text().strip()


def keep_secret(state: Path) -> str:
    """Return the secret of a deployment on this machine, made at its first use."""
    return keep_password(state, _DEPLOYMENT, SHORTEST)


def read_kept_secret(state: Path) -> str:
    """Return the secret that `keep_secret` made; empty for none."""
    with suppress(OSError):
        return _name_password(state, _DEPLOYMENT).read_text().strip()
    return ""


def _name_password(state: Path, name: str) -> Path:
    return state / f"{name}.password"


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_free_port() -> int:
    """Find a port of 127.0.0.1 on which nobody listens."""
    choices = random.sample(_PORTS, 200)
    port = next((port for port in choices if _is_free(port)), None)
    if port is None:
        raise PenstockError("no free port on 127.0.0.1")
    return port


def find_port(state: Path, name: str) -> int | None:
    """Return the port that was called `name` at the last start."""
    port = read_record(state / "ports.json").get(name)
    return port if isinstance(port, int) else None


def keep_port(state: Path, name: str) -> int:
    """Return the port called `name`: the last one while it is free, or a new one."""
    kept = find_port(state, name)
    if kept is not None and _is_free(kept):
        return kept
    port = find_free_port()
    ports = read_record(state / "ports.json")
    write_record(state / "ports.json", {**ports, name: port})
    return port
