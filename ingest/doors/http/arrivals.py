"""Bodies that come too slowly, or never to their end: 408.

And requests that are still answered when the server stops: they end before it does.
"""

import asyncio
from asyncio import AbstractEventLoop, Event, Task
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ingest.domain.errors import BodyTooSlow
from ingest.doors.http.bodies import release
from ingest.doors.http.protocol import WHOLE
from ingest.settings import Settings
from ingest.telemetry import metrics
from ingest.wire.bodies import guess_format
from ingest.wire.replies import CONTENT_TYPES, choose_format, dump, to_reply

AsgiScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

#: A body may be this late before its rate counts: networks have their moments.
GRACE_SECONDS = 10.0
#: How often the bodies under way are looked at.
_LOOK_SECONDS = 1.0
#: What requests get that are cut short when the server stops, to answer all the same.
_LAST_SECONDS = 2.0
_NOTHING_YET = {"type": "http.request", "body": b"", "more_body": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The least rate of a body, over the time in which it was waited for."""

    #: The longest that it may take.
    max_seconds: float
    #: Bytes a second, over the whole of it.
    min_rate: float

    def is_kept(self, size_bytes: int, seconds: float) -> bool:
        """Say whether `size_bytes` in `seconds` are enough."""
        due = (seconds - GRACE_SECONDS) * self.min_rate
        return seconds <= self.max_seconds and size_bytes >= due


class _Arrival:
    """A body under way."""

    __slots__ = ("is_late", "seconds", "since", "size_bytes", "task")

    def __init__(self, task: Task[Any] | None) -> None:
        self.task = task
        self.size_bytes = 0
        # How long it was waited for, and since when it is now.
        self.seconds = 0.0
        self.since: float | None = None
        self.is_late = False


class Arrivals:
    """An application in front of `app` that lets no body keep it waiting.

    `app` looks at the head of a request before the first byte of its body has come.
    The bodies of `open_ended` may be written while they are sent: whoever reads them
    says how long they may pause.
    """

    def __init__(self, app: App, settings: Settings, *, open_ended: str = "") -> None:
        self._app = app
        self._pace = Pace(
            max_seconds=settings.body_seconds, min_rate=settings.min_body_rate
        )
        self._open_ended = open_ended
        self._under_way: set[_Arrival] = set()
        self._is_looking = False
        self._serving = 0
        # Set when the last request has been served of a server that stops.
        self._is_idle: Event | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve a request; answer 408 where its body does not come."""
        if scope["type"] != "http":
            await self._app(scope, partial(self._receive_last, receive), send)
            return
        self._serving += 1
        try:
            if WHOLE in scope or scope["method"] in ("GET", "HEAD"):
                # Nothing is waited for, as with nearly every import.
                await self._serve(scope, receive, send)
            else:
                await self._await_body(scope, receive, send)
        finally:
            self._serving -= 1
            if self._is_idle is not None and not self._serving:
                self._is_idle.set()

    async def _receive_last(self, receive: Receive) -> Any:
        """Let the application close what it has when no request needs it."""
        event = await receive()
        if event["type"] == "lifespan.shutdown" and self._serving:
            self._is_idle = Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_idle.wait(), _LAST_SECONDS)
        return event

    async def _await_body(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        arrival = _Arrival(asyncio.current_task())
        try:
            await self._serve(scope, self._timed(scope, receive, arrival), send)
        except asyncio.CancelledError:
            if not arrival.is_late or arrival.task is None:
                raise
            arrival.task.uncancel()
            await _refuse(scope, send)
        finally:
            self._under_way.discard(arrival)

    async def _serve(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            release(scope)

    def _timed(self, scope: AsgiScope, receive: Receive, arrival: _Arrival) -> Receive:
        loop = asyncio.get_running_loop()
        is_open_ended = scope["path"] == self._open_ended
        has_begun = False

        async def timed() -> Any:
            nonlocal has_begun
            if not has_begun:
                # The framework asks for the first bytes before it looks at anything.
                has_begun = True
                return _NOTHING_YET
            if is_open_ended:
                return await receive()
            arrival.since = loop.time()
            self._watch(arrival, loop)
            try:
                event = await receive()
            finally:
                arrival.seconds += loop.time() - arrival.since
                arrival.since = None
                self._under_way.discard(arrival)
            arrival.size_bytes += len(event.get("body", b""))
            return event

        return timed

    def _watch(self, arrival: _Arrival, loop: AbstractEventLoop) -> None:
        self._under_way.add(arrival)
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(_LOOK_SECONDS, self._look, loop)

    def _look(self, loop: AbstractEventLoop) -> None:
        """Give up the bodies that are late."""
        now = loop.time()
        for arrival in self._under_way:
            if arrival.since is None or arrival.task is None or arrival.is_late:
                continue
            seconds = arrival.seconds + now - arrival.since
            if not self._pace.is_kept(arrival.size_bytes, seconds):
                arrival.is_late = True
                arrival.task.cancel()
        self._is_looking = bool(self._under_way)
        if self._is_looking:
            loop.call_later(_LOOK_SECONDS, self._look, loop)


async def _refuse(scope: AsgiScope, send: Send) -> None:
    """Answer 408; what is left of the body is not read."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    sent_as = guess_format(headers.get(b"content-type"))
    format_ = choose_format(None, headers.get(b"accept"), sent_as)
    error = BodyTooSlow("The body took too long to arrive")
    metrics.REFUSED.labels("http", error.code).inc()
    body = dump(to_reply(error), format_)
    said = [
        (b"content-type", CONTENT_TYPES[format_].encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": error.code, "headers": said})
    await send({"type": "http.response.body", "body": body})
