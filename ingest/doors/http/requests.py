"""HTTP requests to documents, and what else they say about themselves."""

import asyncio
from functools import partial

from falcon.asgi import Request
from msgspec import Struct

from ingest.domain.errors import BodyTooLarge, UnsupportedMediaType
from ingest.settings import Settings
from ingest.wire.bodies import Format, decode
from ingest.wire.envelopes import peek_format, peek_token
from ingest.wire.promises import refuse_promises
from ingest.wire.replies import choose_format

_LARGE_BYTES = 256 * 1024


class Decoded(Struct, frozen=True, kw_only=True):
    """A request whose body could be read; its parameters are still unchecked."""

    document: dict[str, object]
    #: The secret of an API token, wherever it was sent.
    secret: str | None
    size_bytes: int = 0
    #: Too long to work on without giving others their turns.
    is_large: bool = False


async def read_body(req: Request, limit_bytes: int) -> bytes:
    """Return the body; BodyTooLarge, before reading it where it says its length.

    A compressed one is UnsupportedMediaType: a few bytes of it could grow to gigabytes.
    """
    encoding = req.get_header("Content-Encoding", default="identity")
    if encoding.strip().lower() != "identity":
        raise UnsupportedMediaType("A body with a Content-Encoding is not taken")
    if (req.content_length or 0) > limit_bytes:
        raise BodyTooLarge(f"The body is longer than {limit_bytes} bytes")
    body = await req.stream.read(limit_bytes + 1)
    if len(body) > limit_bytes:
        raise BodyTooLarge(f"The body is longer than {limit_bytes} bytes")
    return body


async def read_request(req: Request, settings: Settings) -> Decoded:
    """Read and decode the body.

    From here on the request counts as parsed: what is wrong with it is an answer of
    the application, not a fault of the transport (contract 13.1).
    """
    body = await read_body(req, settings.max_body_bytes)
    read = partial(decode, body, req.content_type, limits=settings.limits)
    # A body of megabytes takes a while, in which the others shall have their turns.
    large = len(body) > _LARGE_BYTES
    sent_as, document = await asyncio.to_thread(read) if large else read()
    req.context.parsed = True
    req.context.sent_as = sent_as
    settle_format(req, peek_format(document))
    refuse_promises(document)
    if req.query_string:
        refuse_promises(req.params)
    return Decoded(
        document=document,
        secret=peek_token(document) or find_secret(req),
        size_bytes=len(body),
        is_large=large,
    )


def find_secret(req: Request) -> str | None:
    """Return the token of the Authorization header, else of the query, if any."""
    scheme, _, credentials = (req.auth or "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return req.get_param("token")


def settle_format(req: Request, explicit: str | None = None) -> None:
    """Decide the format of the reply; InvalidRequest for one unknown."""
    req.context.format = choose_format(
        explicit or req.get_param("format"),
        req.get_header("Accept"),
        _guess_sent_as(req),
    )


def is_parsed(req: Request) -> bool:
    """Say whether the body could be read."""
    return getattr(req.context, "parsed", False)


def get_format(req: Request) -> Format:
    """Return the format to reply in, as far as the request got to tell."""
    chosen: Format | None = getattr(req.context, "format", None)
    if chosen is None:
        chosen = choose_format(None, req.get_header("Accept"), _guess_sent_as(req))
    return chosen


def _guess_sent_as(req: Request) -> Format:
    """Return what the request was sent as, or would have been."""
    guess = Format.XML if "xml" in (req.content_type or "") else Format.JSON
    sent_as: Format = getattr(req.context, "sent_as", guess)
    return sent_as
