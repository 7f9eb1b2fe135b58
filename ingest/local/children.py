"""Processes of a group: intakes, workers, beat, exporter, and console."""

import http.client
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import redis

from ingest.local.processes import Program
from ingest.local.supervisor import Child
from ingest.streams.connections import connect_blocking
from ingest.streams.queues import DRAINS, UPKEEP, worker_key

_PROBE_SECONDS = 2.0
#: An intake lets its waiting callers have their outcome first.
_INTAKE_GRACE_SECONDS = 15.0
#: Producers that nothing throttles would have all processor time go into accepting,
#: and none into applying.
_INTAKE_NICE = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLayout:
    """Numbers and addresses of the processes of a group."""

    state: Path
    environ: Mapping[str, str]
    redis_url: str
    #: The socket on which every intake accepts.
    listener: int
    http_port: int
    exporter_port: int
    #: The socket of the console.
    console_listener: int
    console_port: int
    intakes: int
    workers: int


def probe_http(port: int, path: str) -> str | None:
    """Ask `path` of a server on this machine; return why it is not well, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(200).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None if response.status == 200 else f"HTTP {response.status} {body}"


def _probe_worker(redis_url: str, name: str) -> str | None:
    """Look for the key that a worker sets when it is ready."""
    try:
        with closing(_connect(redis_url)) as client:
            ready = client.exists(worker_key(name))
    except redis.RedisError as error:
        return str(error)
    return None if ready else "not ready yet"


def forget_workers(redis_url: str) -> None:
    """Delete what earlier workers said of themselves."""
    with closing(_connect(redis_url)) as client:
        client.delete(worker_key(DRAINS), worker_key(UPKEEP))


def _connect(redis_url: str) -> redis.Redis:
    return connect_blocking(
        redis_url, client_name="penstock-up", timeout_seconds=_PROBE_SECONDS
    )


def _program(
    layout: GroupLayout,
    name: str,
    argv: Iterable[str],
    *,
    grace_seconds: float = 10.0,
    descriptors: tuple[int, ...] = (),
) -> Program:
    return Program(
        name=name,
        argv=(sys.executable, "-m", *argv),
        log=layout.state / "logs" / f"{name}.log",
        environ=layout.environ,
        grace_seconds=grace_seconds,
        descriptors=descriptors,
    )


def _celery(*arguments: str) -> tuple[str, ...]:
    return ("celery", "-A", "workers.app", *arguments, "--loglevel", "warning")


def _worker(queue: str, *arguments: str) -> tuple[str, ...]:
    return _celery("worker", "-Q", queue, "-n", f"{queue}@%h", *arguments)


def _list_intakes(layout: GroupLayout) -> Iterator[Child]:
    intake = ("ingest.cli", "intake")
    for number in range(1, layout.intakes + 1):
        yield Child(
            program=_program(
                layout,
                f"intake-{number}",
                (*intake, "--fd", str(layout.listener), "--nice", _INTAKE_NICE),
                grace_seconds=_INTAKE_GRACE_SECONDS,
                descriptors=(layout.listener,),
            ),
            probe=partial(probe_http, layout.http_port, "/health/ready"),
            stop_order=0,
        )


def _list_workers(layout: GroupLayout) -> Iterator[Child]:
    commands = {
        DRAINS: ("-c", str(layout.workers), "--prefetch-multiplier", "1"),
        UPKEEP: ("-c", "1", "--pool", "solo"),
    }
    for queue, arguments in commands.items():
        yield Child(
            program=_program(layout, queue, _worker(queue, *arguments)),
            probe=partial(_probe_worker, layout.redis_url, queue),
            stop_order=2,
        )


def list_children(layout: GroupLayout) -> list[Child]:
    """List every child in the order in which they start.

    They stop in another: intakes first, whose callers wait for what workers do.
    """
    schedule = str(layout.state / "beat")
    beat = _celery("beat", "--schedule", schedule, "--pidfile=")
    port = str(layout.exporter_port)
    exporter = ("ingest.cli", "exporter", "--port", port)
    console = ("ingest.cli", "console", "--fd", str(layout.console_listener))
    return [
        *_list_workers(layout),
        *_list_intakes(layout),
        Child(program=_program(layout, "beat", beat), stop_order=1),
        Child(
            program=_program(layout, "exporter", exporter),
            probe=partial(probe_http, layout.exporter_port, "/metrics"),
            stop_order=1,
        ),
        Child(
            program=_program(
                layout, "console", console, descriptors=(layout.console_listener,)
            ),
            probe=partial(probe_http, layout.console_port, "/health/live"),
            stop_order=1,
        ),
    ]
