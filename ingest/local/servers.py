"""Start and stop an embedded PostgreSQL and Valkey from Python."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.domain.errors import PenstockError
from ingest.local import processes
from ingest.local.postgres import postgres_program, prepare_postgres, probe_postgres
from ingest.local.processes import ProcessUser, Program
from ingest.local.state import locked, open_state
from ingest.local.valkey import prepare_valkey, probe_redis, valkey_program

_READY_SECONDS = 60.0
_POLL_SECONDS = 0.02


class ServerNotReady(PenstockError):
    """A server ended while starting, or did not answer in time; with its log's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrls:
    """Addresses of the servers."""

    database_url: str
    redis_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server, which dies with this process at the latest."""

    url: str
    program: Program
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        processes.stop(self.program, self.process)


def _wait_ready(server: Server, probe: Callable[[], str | None]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while (reason := probe()) is not None:
        if (code := server.process.poll()) is not None:
            reason = processes.describe_exit(code)
        elif time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            continue
        log = processes.tail(server.program.log)
        server.stop()
        raise ServerNotReady(f"{server.program.name}: {reason}\n{log}")


def start_postgres(
    state_dir: Path,
    *,
    durable: bool = True,
    environ: Mapping[str, str] = os.environ,
    account: ProcessUser | None = None,
) -> Server:
    """Start PostgreSQL on `state_dir` and wait until it answers."""
    cluster = prepare_postgres(
        open_state(state_dir), durable=durable, environ=environ, account=account
    )
    program = postgres_program(cluster)
    server = Server(
        url=cluster.url(), program=program, process=processes.start(program)
    )
    _wait_ready(server, lambda: probe_postgres(cluster))
    return server


def start_valkey(
    state_dir: Path, *, durable: bool = True, environ: Mapping[str, str] = os.environ
) -> Server:
    """Start Valkey on `state_dir` and wait until it answers."""
    keeper = prepare_valkey(open_state(state_dir), durable=durable, environ=environ)
    program = valkey_program(keeper)
    server = Server(url=keeper.url, program=program, process=processes.start(program))
    _wait_ready(server, lambda: probe_redis(keeper.url))
    return server


@contextmanager
def embedded_servers(
    state_dir: Path, *, durable: bool, environ: Mapping[str, str] = os.environ
) -> Iterator[ServerUrls]:
    """Run both servers on `state_dir` as long as the block lasts.

    Without `durable` they keep nothing safe and are fast: for tests. Enter it in the
    main thread. Raise StateInUse when another process runs on the directory.
    """
    state = open_state(state_dir)
    with ExitStack() as stack:
        stack.enter_context(locked(state))
        postgres = start_postgres(state, durable=durable, environ=environ)
        stack.callback(postgres.stop)
        valkey = start_valkey(state, durable=durable, environ=environ)
        stack.callback(valkey.stop)
        yield ServerUrls(database_url=postgres.url, redis_url=valkey.url)
