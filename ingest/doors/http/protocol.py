"""HTTP/1.1 as our servers speak it: uvicorn's, and what it leaves out.

An answer may come before the end of the body that it refuses. A socket that is closed
while the other side sends is reset, and the reset overtakes the answer: so what is
still sent is read and dropped, up to a bound, before the end (RFC 9112, 9.6).

An offer to speak another protocol is passed over (RFC 9110, 7.8). The parser takes what
follows it for that protocol, and so would lose the body.

The head of a request is bounded, as is all else that belongs to no body: the parser
keeps whatever comes, and nothing would be answered before its end.
"""

import asyncio
from asyncio import TimerHandle
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest.domain.errors import HeadTooLong
from ingest.wire.bodies import Format
from ingest.wire.replies import CONTENT_TYPES, dump, to_reply

#: How long, and how much, is read of a body that has been answered already: of one
#: that says its length, and of one that may never end.
LINGER_SECONDS = 30.0
LINGER_BYTES = 128 * 1024 * 1024
LINGER_CHUNKED_BYTES = 8 * 1024 * 1024
#: Headers that speak of another protocol, or of the connection: ours is kept as it is.
_OFFERS = frozenset({b"upgrade", b"http2-settings"})
#: Whether all of a request had come when it was given to the application; in its scope.
WHOLE = "penstock.whole"


class LingeringTransport:
    """A transport that lets its protocol say when it really closes."""

    def __init__(self, transport: asyncio.Transport, protocol: "Http1Protocol") -> None:
        self._protocol = protocol
        self._transport = transport
        self._half_closed = False
        # Used as they are, and often.
        self.write = transport.write
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.set_protocol = transport.set_protocol

    @property
    def is_half_closed(self) -> bool:
        """Whether nothing more is answered, and what comes is dropped."""
        return self._half_closed

    def close(self) -> None:
        """Close; while the other side still sends, say the end and hear it out."""
        if self._half_closed or not self._protocol.is_receiving():
            self._transport.close()
        elif not self._transport.is_closing():
            self._half_closed = True
            self._transport.write_eof()
            self._protocol.linger()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Say whether it is, or will be, of no more use."""
        return self._half_closed or self._transport.is_closing()


class Http1Protocol(HttpToolsProtocol):
    """Serves one connection."""

    #: Longest head of a request.
    max_head_bytes = 64 * 1024

    _lingering: TimerHandle | None = None
    _left = 0
    #: What came could not be read: where its message ends is not known.
    _garbled = False
    #: The headers offer another protocol; nothing of it is served.
    _offered = False
    #: A message has begun and not ended.
    _begun = False
    #: Bytes that came in the last piece, and those since the end of a head, a part of
    #: a body, or the end of a message.
    _received = 0
    _pending = 0

    def connection_made(self, transport: Any) -> None:
        """Serve `transport`."""
        super().connection_made(LingeringTransport(transport, self))  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_lingering()
        super().connection_lost(exc)

    def is_receiving(self) -> bool:
        """Say whether the other side may still send of what was answered."""
        return self._garbled or self._begun

    def linger(self) -> None:
        """Read on for a while, for nothing."""
        if self._lingering is None:
            named = (name for name, _ in self.headers)
            chunked = b"transfer-encoding" in named
            self._left = LINGER_CHUNKED_BYTES if chunked else LINGER_BYTES
            self._lingering = self.loop.call_later(LINGER_SECONDS, self._give_up)
        self.flow.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._lingering is not None:
            self._left -= len(data)
            if self._left < 0:
                self._give_up()
                return
            if self.transport.is_half_closed:  # type: ignore[attr-defined]
                return
        self._unset_keepalive_if_required()
        self._received = len(data)
        self._pending += self._received
        self._parse(data)
        if self._pending > self.max_head_bytes and not self._garbled:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        """Begin a request, unless it is to be read again."""
        if self._pending + self._received > self.max_head_bytes:
            self._check_head()
        self._pending = 0
        self._offered = self.parser.should_upgrade() and _may_decline(self.parser)
        if not self._offered:
            self._begun = True
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._pending = 0
        if not self._offered:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless it is to be read again."""
        self._pending = 0
        if self._offered:
            return
        self._begun = False
        if self._lingering is not None:
            # It had been answered; the connection is as good as new.
            self._stop_lingering()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if self.cycle is not None:
            # Typed by the members that the standard names.
            scope: Any = self.cycle.scope
            scope[WHOLE] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, behind what is still sent of this one."""
        super().on_response_complete()
        if self.is_receiving() and self.cycle.response_complete:
            self.linger()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read."""
        self._garbled = True
        super().send_400_response(msg)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._offered:
                self._decline(data[offer.args[0] :])
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, HeadTooLong):
                self._refuse_head()
                return
            message = "Malformed HTTP request"
            self.logger.warning(message)
            self.send_400_response(message)

    def _check_head(self) -> None:
        """Raise HeadTooLong if the head that has just ended is.

        The piece that it came in may hold other messages, so it is measured by itself.
        """
        listed = sum(len(name) + len(value) + 4 for name, value in self.headers)
        # The method and the version, the spaces between, and the line ends.
        size = len(self.parser.get_method()) + len(self.url) + listed + 14
        if size > self.max_head_bytes:
            raise HeadTooLong("")

    def _refuse_head(self) -> None:
        """Answer what is too long, if no other answer is owed before it, and end."""
        self._garbled = True
        # Before the first request there is no cycle.
        if self._begun or not getattr(self.cycle, "response_complete", True):
            self.transport.abort()
            return
        error = HeadTooLong(
            "The request head is too large (path and headers, at most"
            f" {self.max_head_bytes} bytes)"
        )
        body = dump(to_reply(error), Format.JSON)
        rest = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        kind = CONTENT_TYPES[Format.JSON].encode()
        self.transport.write(STATUS_LINE[error.code] + rest % (kind, len(body), body))
        self.transport.close()

    def _decline(self, rest: bytes) -> None:
        """Read the request again as if nothing had been offered, then what follows."""
        self._offered = False
        method, version = self.parser.get_method(), self.parser.get_http_version()
        head = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
        for name, value in self.headers:
            if name not in _OFFERS:
                told = _keep_options(value) if name == b"connection" else value
                head.append(b"%b: %b" % (name, told))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._parse(b"\r\n".join([*head, b"", rest]))

    def _stop_lingering(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    def _give_up(self) -> None:
        self._stop_lingering()
        self.transport.abort()


def bound_heads(max_bytes: int) -> type[Http1Protocol]:
    """Return the protocol of servers that read heads of `max_bytes` at most."""
    return type("BoundedProtocol", (Http1Protocol,), {"max_head_bytes": max_bytes})


def _may_decline(parser: httptools.HttpRequestParser) -> bool:
    """Say whether a request means the same without its offer: a tunnel does not."""
    method: bytes = parser.get_method()
    return method != b"CONNECT"


def _keep_options(value: bytes) -> bytes:
    """Return the options of a Connection header without those of an offer."""
    options = [option.strip() for option in value.split(b",")]
    return b", ".join(one for one in options if one.lower() not in _OFFERS)
