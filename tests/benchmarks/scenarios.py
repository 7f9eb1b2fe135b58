"""What is measured end to end, and what it came to."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis
from psycopg.rows import TupleRow

from ingest.local.state import find_free_port
from tests.benchmarks.figures import summarize
from tests.benchmarks.load import Job, send_from_another_process
from tests.benchmarks.processes import find_tree, read_cpu_seconds, read_resident_bytes
from tests.benchmarks.requests import Imports, Template, make_sample
from tests.benchmarks.targets import Target

_ASYNC = "Prefer: respond-async\r\n"
_DRAIN_SECONDS = 90.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of a scenario."""

    name: str
    #: Profiles answered (or accepted, where nobody waits) a second.
    per_second: float
    #: Receipts written a second, from the first request until the last one.
    applied_per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    #: From acceptance to the commit, of the receipts of this run.
    queue_p50_ms: float = 0.0
    queue_p99_ms: float = 0.0
    #: CPU microseconds a profile, by process.
    cpu_us: dict[str, float] = field(default_factory=dict)
    first_fault: str = ""
    #: Of the processor time there was work for, what the machine's host withheld.
    stolen: float = 0.0


class System:
    """A Penstock that runs, and what can be asked of its servers."""

    def __init__(self, target: Target) -> None:
        assert target.database_url is not None
        assert target.redis_url is not None
        self.target = target
        self.database_url, self.redis_url = target.database_url, target.redis_url
        self.connection: psycopg.Connection[TupleRow] = psycopg.connect(
            target.database_url, autocommit=True
        )
        #: Customers that the database was filled with.
        self.known = 0
        #: The rate of 256 waiting callers that was measured last.
        self.best = 0.0

    def ask(self, statement: Any, *parameters: object) -> Any:
        """Return the one row of a query."""
        return self.connection.execute(statement, parameters).fetchone()

    def clocks(self) -> dict[str, float]:
        """Return CPU seconds by process, without those of whoever supervises."""
        return {
            name: sum(read_cpu_seconds(find_tree(pid)) for pid in _listed(pids))
            for name, pids in self.target.pids.items()
            if name != "supervisor"
        }

    def memory(self) -> dict[str, int]:
        """Return resident bytes of the largest process of each sort that imports."""
        return {
            name: max(
                read_resident_bytes(each)
                for pid in _listed(self.target.pids[name])
                for each in find_tree(pid)
            )
            for name in ("intake", "workers")
        }

    def imports(self, **changes: Any) -> Imports:
        """Return requests for this system."""
        target = self.target
        return Imports(
            host=target.host, token=target.token, known=self.known, **changes
        )

    def wait_applied(self, least: int) -> float:
        """Wait until there are `least` receipts; return when, by the clock of rates."""
        ends_at = time.perf_counter() + _DRAIN_SECONDS
        while time.perf_counter() < ends_at:
            if self.ask("SELECT count(*) FROM imports")[0] >= least:
                break
            time.sleep(_POLL_SECONDS)
        return time.perf_counter()


def _listed(pids: int | list[int]) -> list[int]:
    return pids if isinstance(pids, list) else [pids]


def run(
    system: System,
    name: str,
    imports: Imports,
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Measured:
    """Send `imports` for `seconds`, then wait until all are applied."""
    factor = imports.batch or 1
    before, clocks = system.ask("SELECT count(*), now() FROM imports"), system.clocks()
    result = send_from_another_process(
        Job(
            host=system.target.host,
            port=system.target.port,
            requests=imports,
            connections=connections,
            seconds=seconds,
            rate=rate,
        )
    )
    # Counted from the first request: the process takes its time to start.
    started = time.perf_counter() - result.seconds
    profiles = result.succeeded * factor
    applied_at = system.wait_applied(before[0] + profiles)
    spent = {
        each: (after - clocks.get(each, 0.0)) * 1e6 / max(profiles, 1)
        for each, after in system.clocks().items()
    }
    figures = summarize(name, connections, result, waited=False)
    queue = system.ask(
        """
        SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY
               extract(epoch FROM applied_at - accepted_at)::double precision)
          FROM imports
         WHERE accepted_at > %s
        """,
        before[1],
    )[0] or [0.0, 0.0]
    return Measured(
        name=name,
        per_second=figures.per_second * factor,
        applied_per_second=profiles / (applied_at - started),
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        failed=figures.failed,
        queue_p50_ms=queue[0] * 1000,
        queue_p99_ms=queue[1] * 1000,
        cpu_us=spent,
        first_fault=figures.first_fault,
    )


def run_async(system: System, name: str, seconds: float) -> Measured:
    """Send what nobody waits for."""
    imports = system.imports(headers=_ASYNC)
    return run(system, name, imports, connections=64, seconds=seconds)


@contextmanager
def _process(arguments: list[str], environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        arguments,
        env=os.environ | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def run_process(arguments: list[str], environ: dict[str, str]) -> None:
    """Run a command to its end; raise CalledProcessError if it fails."""
    subprocess.run(
        arguments, env=os.environ | environ, stdout=subprocess.PIPE, check=True
    )


def run_broker(system: System, name: str, count: int) -> Measured:
    """Put `count` messages into the stream of the broker door, and consume them."""
    environ = {"DATABASE_URL": system.database_url, "REDIS_URL": system.redis_url}
    text = make_sample("t").replace(b'"token":"t"', b'"account_id":1')
    template, first = Template(text), time.time_ns() // 1000
    client = redis.Redis.from_url(system.redis_url)
    before = system.ask("SELECT count(*) FROM imports")[0]
    with _process([sys.executable, "-m", "ingest.cli", "consume"], environ):
        pipeline = client.pipeline(transaction=False)
        started = time.perf_counter()
        for number in range(count):
            message = template.fill(first + number)
            pipeline.xadd("database_import", {"message": message})
            if len(pipeline) >= 500:
                pipeline.execute()
        pipeline.execute()
        rate = count / (system.wait_applied(before + count) - started)
    missing = before + count - system.ask("SELECT count(*) FROM imports")[0]
    return Measured(
        name=name,
        per_second=rate,
        applied_per_second=rate,
        p50_ms=0.0,
        p99_ms=0.0,
        failed=missing,
    )


def _wait_listening(port: int) -> None:
    ends_at = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < ends_at:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(_POLL_SECONDS)
        else:
            return


#: By the module that sends messages: what starts the two processes that apply them.
_QUEUES: Mapping[str, tuple[str, ...]] = {
    "tests.benchmarks.usual.tasks": (
        *("celery", "-A", "tests.benchmarks.usual.tasks", "worker"),
        *("-Q", "usual", "-c", "2", "--loglevel", "error", "--without-mingle"),
    ),
    "tests.benchmarks.usual.actors": (
        *("dramatiq", "tests.benchmarks.usual.actors"),
        *("--processes", "2", "--threads", "1"),
    ),
}


def run_queue(system: System, name: str, count: int, *, module: str) -> Measured:
    """Send `count` imports to a design with a message each, on the same servers."""
    environ = {"DATABASE_URL": system.database_url, "REDIS_URL": system.redis_url}
    port = find_free_port()
    python = (sys.executable, "-m")
    web = [*python, "tests.benchmarks.usual.web", str(port), module]
    with _process([*python, *_QUEUES[module]], environ), _process(web, environ):
        _wait_listening(port)
        job = Job(
            host="127.0.0.1",
            port=port,
            requests=system.imports(kind="mixed"),
            connections=64,
            seconds=_DRAIN_SECONDS,
            count=count,
        )
        return _send_beside(system, name, job, waited=False)


def run_direct(
    system: System, seconds: float, *, name: str, connections: int
) -> Measured:
    """Send imports to the design without a queue, on the same servers."""
    environ = {"DATABASE_URL": system.database_url}
    port = find_free_port()
    web = [sys.executable, "-m", "tests.benchmarks.usual.direct", str(port)]
    with _process(web, environ):
        _wait_listening(port)
        job = Job(
            host="127.0.0.1",
            port=port,
            requests=system.imports(kind="mixed"),
            connections=connections,
            seconds=seconds,
        )
        return _send_beside(system, name, job, waited=True)


def _send_beside(system: System, name: str, job: Job, *, waited: bool) -> Measured:
    """Do a job of another design than ours, which writes the same receipts."""
    before = system.ask("SELECT count(*) FROM imports")[0]
    result = send_from_another_process(job)
    started = time.perf_counter() - result.seconds
    applied_at = system.wait_applied(before + result.succeeded)
    figures = summarize(name, job.connections, result, waited=waited)
    return Measured(
        name=name,
        per_second=figures.per_second,
        applied_per_second=result.succeeded / (applied_at - started),
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        failed=figures.failed,
        first_fault=figures.first_fault,
    )
