"""A call: an HTTP request, and what is known of it while it is served."""

from typing import Any

from falcon.asgi import Request
from msgspec import Struct

from ingest.telemetry.tracing import Span
from ingest.wire.bodies import Format, guess_format
from ingest.wire.replies import choose_format

#: Where uploads go; elsewhere a body is read at once.
UPLOADS = "/api/v1.1/jobs/import"
#: Where files go of which the beginning is enough.
SUGGESTIONS = "/api/v1.1/jobs/suggest"


class Decoded(Struct, frozen=True, kw_only=True):
    """A request whose body could be read; its parameters are still unchecked."""

    document: dict[str, object]
    #: The secret of an API token, wherever it was sent.
    secret: str | None
    size_bytes: int = 0
    #: Too long to work on without giving others their turns.
    is_large: bool = False
    #: Nothing is to be written.
    dry_run: bool = False


class Call(Request):
    """A request with what its parts of the way note for the later ones."""

    __slots__ = (
        *("started", "span", "sent_as", "is_parsed", "reply_in", "waited", "is_cut"),
    )

    #: `time.perf_counter()` when it came.
    started: float
    #: Of what is traced; None elsewhere.
    span: Span | None
    #: The format of its body; None until that is read.
    sent_as: Format | None
    #: What is wrong from here on is an error of the application (contract 13.1).
    is_parsed: bool
    #: The format of the reply; None until it is decided.
    reply_in: Format | None
    #: Its caller was kept waiting for an outcome.
    waited: bool
    #: Its caller left before the end of the body; the framework takes that for the end.
    is_cut: bool

    def __init__(
        self, scope: dict[str, Any], receive: Any, *args: Any, **more: Any
    ) -> None:
        # Where the length is told, it tells whether the body is whole.
        path = scope["path"]
        if UPLOADS in path or SUGGESTIONS in path or _is_chunked(scope):
            receive = self._watch(receive)
        super().__init__(scope, receive, *args, **more)
        self.started = 0.0
        self.span = self.sent_as = self.reply_in = None
        self.is_parsed = self.waited = self.is_cut = False

    def settle_format(self, explicit: str | None = None) -> None:
        """Decide the format of the reply; raise InvalidRequest for one unknown."""
        self.reply_in = self._choose_format(explicit or self.get_param("format"))

    def get_format(self) -> Format:
        """Return the format to reply in, as far as the request got to tell."""
        return self.reply_in or self._choose_format(None)

    def _choose_format(self, explicit: str | None) -> Format:
        # What it was sent as, or would have been.
        sent_as = self.sent_as or guess_format(self.content_type)
        return choose_format(explicit, self.get_header("Accept"), sent_as)

    def _watch(self, receive: Any) -> Any:
        async def watched() -> Any:
            event = await receive()
            if event["type"] == "http.disconnect":
                self.is_cut = True
            return event

        return watched


def _is_chunked(scope: dict[str, Any]) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])
