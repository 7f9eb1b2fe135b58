"""A load of HTTP requests over raw keep-alive sockets, cheap enough to share cores.

A client library spends more on a request than the intake does, and would measure
itself. This one knows HTTP/1.1 as far as our answers need it.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context

import orjson
import uvloop

#: Given to requests under way when the time is up; then they count as failed.
_PATIENCE_SECONDS = 30.0
#: Between two looks at what is not there yet.
_RETRY_SECONDS = 0.05

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to send, how much at once, and for how long."""

    host: str
    port: int
    #: Whole HTTP requests; each is sent by whichever connection is free.
    requests: Iterable[bytes]
    connections: int
    #: None is begun later than this.
    seconds: float
    #: None is begun after so many.
    count: int | None = None
    #: So many are begun a second at most; None for as many as are answered.
    rate: float | None = None
    #: An answer with this `error` is asked for again.
    retry_error: int | None = None
    #: The members of each answer that the caller wants to see.
    keep: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a job."""

    #: Answers without an error.
    succeeded: int = 0
    failed: int = 0
    first_fault: str = ""
    #: Succeeded, but as "accepted": the outcome was not there in time, or not wanted.
    unresolved: int = 0
    #: From the first request to the last answer.
    seconds: float = 0.0
    #: Seconds that each success took.
    latencies: list[float] = field(default_factory=list)
    kept: list[tuple[object, ...]] = field(default_factory=list)

    def fail(self, fault: str) -> None:
        """Count a failure and keep the first one's reason."""
        self.failed += 1
        self.first_fault = self.first_fault or fault


def parse_answer(received: bytes | bytearray) -> tuple[int, bytes] | None:
    """Return the status and body of one whole answer, or None while it is not whole."""
    head, end, body = bytes(received).partition(b"\r\n\r\n")
    if not end:
        return None
    status_line, *lines = head.split(b"\r\n")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines)
    }
    length = int(headers[b"content-length"])
    return (int(status_line.split()[1]), body) if len(body) >= length else None


class _Load:
    """The requests of a job, and the account of their answers."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.result = Result()
        self.finished = asyncio.get_running_loop().create_future()
        self._requests = islice(job.requests, job.count)
        self._open = job.connections
        self._began = time.perf_counter()
        self._slots = 0

    def find_delay(self) -> float:
        """Return the seconds until the next request may be begun."""
        if self.job.rate is None:
            return 0.0
        self._slots += 1
        due = self._began + self._slots / self.job.rate
        return max(0.0, due - time.perf_counter())

    def take(self) -> bytes | None:
        """Return the next request; None when there is none, or no time for it."""
        if time.perf_counter() - self._began > self.job.seconds:
            return None
        return next(self._requests, None)

    def record(self, status: int, document: Document, latency: float) -> None:
        """Count one answer."""
        result = self.result
        result.seconds = time.perf_counter() - self._began
        if status not in (200, 202) or document.get("error") != 0:
            result.fail(f"HTTP {status}: {document.get('error_text')}")
            return
        result.succeeded += 1
        result.unresolved += status == 202
        result.latencies.append(latency)
        if self.job.keep:
            result.kept.append(tuple(document.get(name) for name in self.job.keep))

    def give_up(self) -> None:
        """Count every request still under way as failed."""
        for _ in range(self._open):
            self.result.fail("no answer in time")

    def leave(self) -> None:
        """Note that a connection has nothing more to do."""
        self._open -= 1
        if not self._open and not self.finished.done():
            self.finished.set_result(None)


class _Connection(asyncio.Protocol):
    """Sends one request after another."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._received = bytearray()
        self._request: bytes | None = None
        self._sent_at = 0.0

    # A stream connection has a transport to write to; uvloop's is not asyncio's class.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._transport = transport
        self._send_next()

    def data_received(self, data: bytes) -> None:
        """Count a whole answer and go on."""
        self._received += data
        answer = parse_answer(self._received)
        if answer is None:
            return
        self._received.clear()
        status, body = answer
        document = orjson.loads(body)
        if document["error"] == self._load.job.retry_error:
            asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._send)
            return
        self._load.record(status, document, time.perf_counter() - self._sent_at)
        self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the request under way as failed."""
        if self._request is not None:
            self._load.result.fail(f"connection lost: {exc}")
        self._load.leave()

    def _send_next(self) -> None:
        delay = self._load.find_delay()
        if delay:
            self._request = None
            asyncio.get_running_loop().call_later(delay, self._send_new)
        else:
            self._send_new()

    def _send_new(self) -> None:
        self._request = self._load.take()
        if self._request is None:
            self._transport.close()
        else:
            self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(self._request or b"")


async def send(job: Job) -> Result:
    """Do `job` in this process."""
    loop = asyncio.get_running_loop()
    load = _Load(job)
    connecting = (
        loop.create_connection(lambda: _Connection(load), job.host, job.port)
        for _ in range(job.connections)
    )
    try:
        async with asyncio.timeout(job.seconds + _PATIENCE_SECONDS):
            await asyncio.gather(*connecting)
            await load.finished
    except TimeoutError:
        load.give_up()
    return load.result


def _run(job: Job) -> Result:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(send(job))


def send_from_another_process(job: Job) -> Result:
    """Do `job` in a process of its own, so that the caller's work costs it nothing."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, job).result()
