"""Bodies as they come in: how many bytes of them one process holds at a time."""

import asyncio
import ctypes
from collections.abc import Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ingest.domain.errors import (
    BodyTooLarge,
    InvalidRequest,
    Unavailable,
    UnsupportedMediaType,
)
from ingest.doors.http.calls import Call

_T = TypeVar("_T")

#: A body of no more than this is not counted: its connection takes more.
SMALL_BYTES = 4096
#: A body that takes longer to decode than other requests may be kept waiting.
LARGE_BYTES = 256 * 1024
#: The part of the room that is for bodies whose token nobody knows yet.
_UNKNOWN_SHARE = 0.75
#: The part of the room that one document may take beside others.
_DOCUMENT_SHARE = 0.25
#: Bytes that a value takes once it is decoded, and what may begin one.
_VALUE_BYTES = 128
_MARKS = (b",", b"[", b"{", b"<")
#: Where a request keeps what it holds.
_HOLD = "penstock.hold"


class BodyHold:
    """The part of the room for bodies that one request holds."""

    __slots__ = ("_bodies", "_document", "_read", "has_turn")

    def __init__(self, bodies: "Bodies") -> None:
        self._bodies = bodies
        self._read = self._document = 0
        #: It is the only large document.
        self.has_turn = False

    def read(self, count: int, limit: float) -> None:
        """Take room for `count` bytes more of the body; raise Unavailable."""
        bodies = self._bodies
        if bodies.read_bytes + count > limit and bodies.read_bytes > self._read:
            raise _full()
        self._read += count
        bodies.read_bytes += count

    async def decode(self, body: bytes) -> None:
        """Take room for what `body` becomes; raise Unavailable.

        The largest take turns, so that there is one of them at a time.
        """
        bodies = self._bodies
        size = len(body) + _VALUE_BYTES * sum(map(body.count, _MARKS))
        if size > bodies.limit_bytes * _DOCUMENT_SHARE:
            await bodies.turns.acquire()
            self.has_turn = True
            return
        if bodies.document_bytes + size > bodies.limit_bytes:
            raise _full()
        self._document = size
        bodies.document_bytes += size

    def drop_body(self) -> None:
        """Give back the room of the body, which has become a document."""
        self._bodies.read_bytes -= self._read
        self._read = 0

    def release(self) -> None:
        """Give everything back; what is held no longer is not given back again."""
        self.drop_body()
        self._bodies.document_bytes -= self._document
        self._document = 0
        if self.has_turn:
            self._bodies.turns.release()
            self.has_turn = False


class Bodies:
    """Reads bodies, as long as there is room for them."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        #: Bytes of bodies that are being read, or wait to be decoded.
        self.read_bytes = 0
        #: About what the documents take that were made of them.
        self.document_bytes = 0
        self.turns = asyncio.Lock()
        # One: several would take more memory, and no less time.
        self._thread = ThreadPoolExecutor(1, "bodies")

    def close(self) -> None:
        """End the thread; by now nothing is decoded."""
        self._thread.shutdown()

    async def read(self, req: Call, max_bytes: int, *, is_known: bool) -> bytes:
        """Return the body, for which there is room until `release` of the request.

        Raises BodyTooLarge, before reading it where it says its length, and Unavailable
        where there is no room. A compressed one is UnsupportedMediaType: a few bytes of
        it could grow to gigabytes. `is_known` says that a good token came before it.
        """
        encoding = req.get_header("Content-Encoding", default="identity")
        if encoding.strip().lower() != "identity":
            raise UnsupportedMediaType("A body with Content-Encoding is not supported")
        length = req.content_length
        if length is not None and length > max_bytes:
            raise _too_large(max_bytes)
        if length is not None and length <= SMALL_BYTES:
            body = await req.stream.read()
        else:
            limit = self.limit_bytes * (1.0 if is_known else _UNKNOWN_SHARE)
            body = await self._read(req, max_bytes, limit)
        if length is not None and len(body) < length:
            raise BodyCut("The body ended before it was complete")
        return body

    async def decode(self, req: Call, body: bytes, work: Callable[[], _T]) -> _T:
        """Return what `work` makes of `body`, others having their turns meanwhile.

        Raises Unavailable if there is no room for it, and what `work` raises.
        """
        hold = _find_hold(req.scope)
        if hold is None:
            return work()
        await hold.decode(body)
        if len(body) <= LARGE_BYTES:
            made = work()
        else:
            loop = asyncio.get_running_loop()
            if hold.has_turn:
                # The one before may have left the most that a document takes.
                await loop.run_in_executor(self._thread, _give_back)
            made = await loop.run_in_executor(self._thread, work)
        hold.drop_body()
        return made

    async def _read(self, req: Call, max_bytes: int, limit: float) -> bytes:
        req.scope[_HOLD] = hold = BodyHold(self)
        chunks, size = [], 0
        async for chunk in req.stream:
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            hold.read(len(chunk), limit)
            chunks.append(chunk)
        if req.is_cut:
            raise BodyCut("The body ended before it was complete")
        return b"".join(chunks)


class BodyCut(InvalidRequest):
    """The body ended before it was complete, and may be sent again."""


def release(scope: MutableMapping[str, Any]) -> None:
    """Give back what the request of `scope` holds, if it holds anything."""
    hold = _find_hold(scope)
    if hold is not None:
        hold.release()


def _find_hold(scope: MutableMapping[str, Any]) -> BodyHold | None:
    hold: BodyHold | None = scope.get(_HOLD)
    return hold


def _give_back() -> None:
    """Return to the system what was freed; the C library of some keeps it for later.

    A tree of XML would else stay beside the objects of the next JSON.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is too large (at most {max_bytes} bytes)")


def _full() -> Unavailable:
    return Unavailable(
        "Too many request bodies are being read (PENSTOCK_MAX_BODIES_BYTES)"
    )
