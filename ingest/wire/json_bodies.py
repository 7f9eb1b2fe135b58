"""JSON bodies to documents."""

import orjson

from ingest.domain.errors import InvalidRequest
from ingest.wire.json_checks import check, check_size
from ingest.wire.limits import DEFAULT_LIMITS, Limits

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _fault(body: bytes, error: orjson.JSONDecodeError) -> InvalidRequest:
    """Name the place in `body` where reading it stopped."""
    text = body.removeprefix(_BYTE_ORDER_MARK)
    reason, at = error.msg, len(error.doc[: error.pos].encode())
    try:
        text.decode()
    except UnicodeDecodeError as malformed:
        # orjson looks at the encoding first, and then gives no place.
        reason, at = "the text is not UTF-8", malformed.start

    line = text.count(b"\n", 0, at) + 1
    column = len(text[text.rfind(b"\n", 0, at) + 1 : at].decode()) + 1
    byte = at + len(body) - len(text)
    return InvalidRequest(
        f"The body is not JSON: {reason} at line {line}, column {column} (byte {byte})"
    )


def _name(document: object) -> str:
    """Say what a body is that callers send by mistake."""
    if isinstance(document, str) and document.lstrip().startswith("{"):
        return " (it is a string that contains JSON; encode the body once)"
    return " (it is a list)" if isinstance(document, list) else ""


def decode(body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, object]:
    """Read `body`, an object in UTF-8; raise InvalidRequest naming the place.

    Lone surrogates, NaN and infinities are not JSON. NUL is, but Postgres cannot hold
    it; a name given twice is, but nobody can tell which was meant; an integer beyond
    64 bits is, but it would arrive as another one.
    """
    text = body.removeprefix(_BYTE_ORDER_MARK)
    check_size(text, limits)
    try:
        document: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _fault(body, error) from error
    if not isinstance(document, dict):
        raise InvalidRequest(f"The body must be a JSON object{_name(document)}")
    check(text, document, limits)
    return document
