"""The one-command default: boot everything, keep it running, stop it in order."""

import os
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.domain.errors import PenstockError
from ingest.local.answers import answer_path, group_pids
from ingest.local.bootstrap import ensure_admin, prepare
from ingest.local.children import GroupLayout, forget_workers, list_children
from ingest.local.leftovers import end_leftovers
from ingest.local.servers import ServerUrls
from ingest.local.services import Tell, choose_postgres, choose_redis
from ingest.local.signals import Signals
from ingest.local.stalls import StallWatch, watching
from ingest.local.state import (
    keep_password,
    keep_port,
    keep_secret,
    locked,
    open_state,
    write_record,
)
from ingest.local.supervisor import Supervisor
from ingest.local.watchdog import watched
from ingest.settings import Settings

_DEFAULT_PORT = 8080
#: Where the console is looked for first, and how far on.
_CONSOLE_PORTS = range(9109, 9209)
_BACKLOG = 2048
_READY_SECONDS = 60.0
#: A server that was killed reads its log back first, and answers that it does.
_RECOVERY_SECONDS = 300.0

ProbeAnswer = dict[str, object]
#: The demo's, by how the answer names them; None where there is none.
Tokens = dict[str, str | None]


class PortTaken(PenstockError):
    """The port that was asked for cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `penstock up`."""

    state_dir: Path
    #: None is the default one, or any if that is taken; 0 is any.
    http_port: int | None
    workers: int
    intakes: int
    #: Workers that make no progress for this long are restarted.
    stall_seconds: float


def _listen(wanted: int | None, tell: Tell) -> socket.socket:
    """Listen for all intakes, so that the port stays open while one restarts."""
    port = _DEFAULT_PORT if wanted is None else wanted
    try:
        return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
    except OSError as error:
        if wanted is not None:
            raise PortTaken(
                f"port {wanted} cannot be used: {error.strerror}. Choose another one "
                "with --http-port, or 0 for any port."
            ) from error
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    tell(f"port {port} is in use; using {listener.getsockname()[1]} instead")
    return listener


def _try_port(port: int) -> socket.socket | None:
    with suppress(OSError):
        return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
    return None


def listen_console(
    ports: Sequence[int] = _CONSOLE_PORTS, *, tell: Tell
) -> socket.socket:
    """Listen on the first free port of `ports`; on any other if none is.

    The console inherits the socket: no other group can take the port meanwhile.
    """
    free = (listener for port in ports if (listener := _try_port(port)))
    listener = next(free, None) or socket.create_server(("127.0.0.1", 0))
    if (chosen := listener.getsockname()[1]) != ports[0]:
        tell(f"port {ports[0]} is taken; the console is on {chosen} instead")
    return listener


def _clear(state: Path, tell: Tell) -> None:
    """Do away with what an earlier group left that must not be mistaken for ours."""
    answer_path(state).unlink(missing_ok=True)
    tell(f"state directory: {state}")
    end_leftovers(state)
    shutil.rmtree(state / "metrics", ignore_errors=True)
    for name in ("metrics", "logs"):
        (state / name).mkdir(mode=0o700, exist_ok=True)


def _start_servers(
    supervisor: Supervisor, state: Path, environ: Mapping[str, str], tell: Tell
) -> tuple[ServerUrls, Tokens]:
    """Start what no URL names, and bring the database up to date."""
    services = {
        "postgres": choose_postgres(state, environ, tell),
        "redis": choose_redis(state, environ, tell),
    }
    supervisor.add(service.child for service in services.values() if service.child)
    probes = {name: service.probe for name, service in services.items()}
    supervisor.wait_ready(probes, seconds=_RECOVERY_SECONDS)

    postgres = services["postgres"]
    tell("applying database migrations")
    # The demo's catalog and tokens are for a database of our own only.
    is_ours = postgres.child is not None
    tokens: Tokens = {"token": prepare(postgres.url, demo=is_ours), "admin_token": None}
    if is_ours:
        secret = keep_password(state, "console")
        tokens["admin_token"] = ensure_admin(postgres.url, secret)
    urls = ServerUrls(database_url=postgres.url, redis_url=services["redis"].url)
    return urls, tokens


def _start_children(supervisor: Supervisor, layout: GroupLayout, tell: Tell) -> None:
    forget_workers(layout.redis_url)
    children = list_children(layout)
    tell(f"starting {', '.join(child.program.name for child in children)}")
    supervisor.add(children)
    probes = {child.program.name: child.probe for child in children}
    supervisor.wait_ready(probes, seconds=_READY_SECONDS)


def _make_layout(
    options: Options,
    state: Path,
    environ: Mapping[str, str],
    listener: socket.socket,
    console: socket.socket,
    urls: ServerUrls,
) -> GroupLayout:
    console_port = console.getsockname()[1]
    own = {
        "DATABASE_URL": urls.database_url,
        "REDIS_URL": urls.redis_url,
        "PROMETHEUS_MULTIPROC_DIR": str(state / "metrics"),
    }
    return GroupLayout(
        state=state,
        environ={
            "PENSTOCK_CONSOLE_URL": f"http://127.0.0.1:{console_port}",
            "PENSTOCK_SECRET": keep_secret(state),
            "PENSTOCK_PUBLIC_URL": f"http://127.0.0.1:{listener.getsockname()[1]}",
            **environ,
            **own,
        },
        redis_url=urls.redis_url,
        listener=listener.fileno(),
        http_port=listener.getsockname()[1],
        exporter_port=keep_port(state, "exporter"),
        console_listener=console.fileno(),
        console_port=console_port,
        intakes=options.intakes,
        workers=options.workers,
    )


def _partitions(environ: Mapping[str, str]) -> int:
    """Return the count of streams, as the children read it."""
    default = Settings(database_url="", redis_url="").partitions
    return int(environ.get("PENSTOCK_PARTITIONS") or default)


def _publish(
    supervisor: Supervisor, layout: GroupLayout, urls: ServerUrls, tokens: Tokens
) -> ProbeAnswer:
    """Write down where the group answers, for attaching and for other commands."""
    answer: ProbeAnswer = {
        "http": f"http://127.0.0.1:{layout.http_port}",
        "console": f"http://127.0.0.1:{layout.console_port}",
        "metrics": f"http://127.0.0.1:{layout.exporter_port}/metrics",
        "database": urls.database_url,
        "redis": urls.redis_url,
        **tokens,
        "pids": group_pids(supervisor.pids, os.getpid()),
    }
    supervisor.write(lambda: write_record(answer_path(layout.state), answer))
    return answer


def run_group(
    options: Options,
    environ: Mapping[str, str],
    *,
    tell: Tell,
    announce: Callable[[ProbeAnswer], None],
) -> None:
    """Boot the group, announce it when ready, and keep it until a signal says stop.

    Call it in the main thread. Raise StateInUse when another process runs on the
    directory. Whatever ends it, every process has ended when it returns.
    """
    state = open_state(options.state_dir)
    with ExitStack() as stack:
        stack.enter_context(locked(state))
        signals = stack.enter_context(Signals())
        _clear(state, tell)
        stack.callback(answer_path(state).unlink, missing_ok=True)
        listener = stack.enter_context(_listen(options.http_port, tell))
        console = stack.enter_context(listen_console(tell=tell))
        stack.enter_context(watched(state))
        supervisor = Supervisor(state=state, signals=signals, tell=tell)
        stack.callback(supervisor.stop)
        # First of all at the end: a caller is refused rather than left waiting.
        stack.callback(listener.close)
        stack.callback(console.close)

        urls, tokens = _start_servers(supervisor, state, environ, tell)
        layout = _make_layout(options, state, environ, listener, console, urls)
        _start_children(supervisor, layout, tell)

        publish = partial(_publish, supervisor, layout, urls, tokens)
        supervisor.on_change = publish
        announce(publish())
        servers = urls.database_url, urls.redis_url
        watch = StallWatch(supervisor.ask_restart, options.stall_seconds)
        with watching(*servers, _partitions(environ), watch):
            supervisor.run()
