"""Outcomes and faults to replies, in JSON or XML."""

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from falcon.errors import InvalidMediaType
from falcon.util import mediatypes
from lxml import etree

from ingest.domain.errors import InvalidRequest, PenstockError, Rejected
from ingest.domain.names import one_of
from ingest.wire.bodies import Format
from ingest.wire.reply_types import ErrorReply

CONTENT_TYPES: Mapping[Format, str] = {
    Format.JSON: "application/json",
    Format.XML: "application/xml; charset=utf-8",
}

# The productions Char, NameStartChar and NameChar of XML 1.0, without the colon.
_NOT_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME_START = (
    "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
    "\U00010000-\U000effff"
)
_NOT_NAME = re.compile(f"[^{_NAME_START}.0-9\xb7\u0300-\u036f\u203f-\u2040-]")
_NAME_STARTS = re.compile(f"[{_NAME_START}]")
_ROOT = "xml"
#: Names the elements of a list within a list, which repetition cannot tell apart.
_ITEM = "item"


def _element_name(key: str) -> str:
    name = _NOT_NAME.sub("_", key)
    return name if _NAME_STARTS.match(name) else f"_{name}"


def _append(parent: etree._Element, key: str, value: object) -> None:
    """Add `value` as one element, or as one per item; nothing as an empty one."""
    name = _element_name(key)
    for item in (value or [None]) if isinstance(value, list) else [value]:
        _fill(etree.SubElement(parent, name), item)


def _fill(element: etree._Element, value: object) -> None:
    match value:
        case None:
            return
        case dict():
            for key in sorted(value):
                _append(element, key, value[key])
        case list():
            for item in value:
                _append(element, _ITEM, item)
        case bool():
            element.text = "true" if value else "false"
        case _:
            element.text = _NOT_TEXT.sub("\ufffd", str(value))


_dump_json = msgspec.json.Encoder(order="sorted").encode


def _dump_xml(reply: object) -> bytes:
    root = etree.Element(_ROOT)
    # By way of JSON, so that moments, ids and words read alike in both formats.
    _fill(root, msgspec.json.decode(_dump_json(reply)))
    return etree.tostring(root, encoding="UTF-8")


_DUMPERS = {Format.JSON: _dump_json, Format.XML: _dump_xml}


def dump(reply: object, fmt: Format) -> bytes:
    """Write a reply, its keys in alphabetical order (contract section 11).

    What XML cannot hold is replaced: U+FFFD in text, an underscore in a name.
    """
    return _DUMPERS[fmt](reply)


_REPLY_TYPES = {"application/json": Format.JSON, "application/xml": Format.XML}
#: The same, the request's format first: a wildcard in Accept takes the first.
_OFFERS = {
    Format.JSON: ["application/json", "application/xml"],
    Format.XML: ["application/xml", "application/json"],
}


#: A longer Accept header is read each time.
_LONGEST_REMEMBERED = 256


def choose_format(explicit: str | None, accept: str | None, request: Format) -> Format:
    """Pick the reply's format: `explicit`, then the `accept` header, then `request`.

    An unknown `explicit` is refused; an `accept` that cannot be met is not
    (contract 11; contract 14, point 68).
    """
    if explicit:
        try:
            return Format(explicit.lower())
        except ValueError as error:
            raise InvalidRequest(f"Unknown format{one_of(Format)}", "format") from error

    short = accept is None or len(accept) <= _LONGEST_REMEMBERED
    negotiate = _negotiate if short else _negotiate.__wrapped__
    return negotiate(accept, request)


# A tenth of the intake's time, for the same few headers time after time.
@lru_cache(maxsize=256)
def _negotiate(accept: str | None, request: Format) -> Format:
    # A browser's, which names what it can show and not what it wants (16.11).
    if accept is not None and "text/html" in accept.lower():
        return request
    # Whoever asks for text/xml is served by application/xml, and so for JSON.
    ranges = (accept or "*/*").lower().replace("text/", "application/")
    try:
        best = mediatypes.best_match(_OFFERS[request], ranges)
    except InvalidMediaType:
        return request
    return _REPLY_TYPES.get(best, request)


#: What broke inside is for the log, not for the caller.
INTERNAL_ERROR = ErrorReply(error=500, error_text="Internal error")


def to_reply(error: PenstockError) -> ErrorReply:
    """Say why there is no outcome; of many faults, the first."""
    match error:
        case Rejected(faults=[fault, *_]):
            return ErrorReply(error=fault.code, error_text=fault.text)
        case PenstockError(code=500):
            return INTERNAL_ERROR
    return ErrorReply(error=error.code, error_text=str(error))
