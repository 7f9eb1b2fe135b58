"""An embedded Valkey or Redis: its settings, its program, and whether it answers."""

import signal
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import redis

from ingest.local.binaries import Binaries, find_valkey
from ingest.local.processes import (
    Program,
    ask_stranger,
    command_line,
    end_stranger,
    identity,
)
from ingest.local.state import find_port, keep_password, keep_port, write_private
from ingest.streams.connections import connect_blocking

_STRANGER_SECONDS = 10.0

_SETTINGS = """\
bind 127.0.0.1
port {port}
requirepass "{password}"
dir "{directory}"
pidfile "{pid_file}"
daemonize no
save ""
appendonly {appendonly}
appendfsync always
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """One directory of Valkey's and what serves it."""

    binaries: Binaries
    directory: Path
    port: int
    password: str
    log: Path
    durable: bool

    @property
    def url(self) -> str:
        """Return the URL of its first database."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def _quote(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def _clear_stale(directory: Path, port: int | None) -> None:
    """End the server that a dead supervisor left on `directory`."""
    pid_file = directory / "valkey.pid"
    try:
        pid = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    name = identity(pid)
    # It calls itself `valkey-server 127.0.0.1:PORT`.
    if name is not None and f"-server 127.0.0.1:{port}" in command_line(pid):
        ask_stranger(pid, name, signal.SIGTERM)
        end_stranger(pid, name, _STRANGER_SECONDS)
    pid_file.unlink(missing_ok=True)


def prepare_valkey(state: Path, *, durable: bool, environ: Mapping[str, str]) -> Keeper:
    """Find the program and write its settings."""
    directory = state / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    _clear_stale(directory, find_port(state, "valkey"))
    keeper = Keeper(
        binaries=find_valkey(environ),
        directory=directory,
        port=keep_port(state, "valkey"),
        password=keep_password(state, "valkey"),
        log=state / "logs" / "valkey.log",
        durable=durable,
    )
    # In a file rather than in arguments, which everybody can list.
    content = _SETTINGS.format(
        port=keeper.port,
        password=keeper.password,
        directory=_quote(keeper.directory),
        pid_file=_quote(keeper.directory / "valkey.pid"),
        appendonly="yes" if durable else "no",
    )
    write_private(keeper.directory / "valkey.conf", content)
    return keeper


def valkey_program(keeper: Keeper) -> Program:
    """Describe the server's process."""
    settings = keeper.directory / "valkey.conf"
    return Program(
        name="redis",
        argv=(str(keeper.binaries.server), str(settings)),
        log=keeper.log,
        directory=keeper.directory,
        grace_seconds=30.0,
        orphan_seconds=_STRANGER_SECONDS,
    )


def probe_redis(url: str) -> str | None:
    """Ping it; return why it does not answer yet."""
    client = connect_blocking(url, client_name="penstock-probe", timeout_seconds=2)
    with closing(client):
        try:
            client.ping()
        except redis.RedisError as error:
            return str(error)
    return None
