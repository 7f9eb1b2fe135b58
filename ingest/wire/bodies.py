"""Bodies to documents, whichever format they came in."""

import re
from enum import StrEnum

from ingest.domain.errors import InvalidRequest, UnsupportedMediaType
from ingest.wire import json_bodies, xml_bodies
from ingest.wire.charsets import find_charset, find_media_type
from ingest.wire.limits import DEFAULT_LIMITS, Limits


class Format(StrEnum):
    """Formats of bodies; the values are those of `format`."""

    JSON = "json"
    XML = "xml"


_MEDIA_TYPES = {
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
}

_SUFFIXES = {"json": Format.JSON, "xml": Format.XML}
#: How a body starts; XML may also be UTF-16.
_STARTS = {
    Format.JSON: re.compile(rb"(\xef\xbb\xbf)?\s*\{"),
    Format.XML: re.compile(rb"(\xef\xbb\xbf)?\s*<|\xff\xfe<\x00|\xfe\xff\x00<"),
}


def guess_format(content_type: str | None) -> Format:
    """Return what a body that cannot be read, or is not there, was to be."""
    # A spreadsheet's own name for itself has "xml" in it.
    is_xml = find_media_type(content_type).endswith(("/xml", "+xml"))
    return Format.XML if is_xml else Format.JSON


def _declared_format(content_type: str | None) -> Format | None:
    media_type = find_media_type(content_type)
    return _MEDIA_TYPES.get(media_type) or _SUFFIXES.get(media_type.rpartition("+")[2])


def _sniffed_format(body: bytes) -> Format:
    for format_, start in _STARTS.items():
        if start.match(body):
            return format_
    raise UnsupportedMediaType("The body must be JSON or XML")


def decode(
    body: bytes, content_type: str | None, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Format, dict[str, object]]:
    """Read `body` by its `content_type`, or by how it starts when that says nothing.

    Raises InvalidRequest, or UnsupportedMediaType (contract 14, point 65).
    """
    if not body or body.isspace():
        raise InvalidRequest("The body is empty")
    format_ = _declared_format(content_type) or _sniffed_format(body)
    if format_ is Format.JSON:
        return format_, json_bodies.decode(body, limits=limits)
    charset = find_charset(content_type)
    return format_, xml_bodies.decode(body, charset=charset, limits=limits)
