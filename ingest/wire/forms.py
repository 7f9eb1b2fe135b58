"""Bodies that a page's form sends, to their inputs (contract 16.6)."""

import io
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from falcon.media.multipart import (
    MultipartForm,
    MultipartParseError,
    MultipartParseOptions,
)
from msgspec import Struct

from ingest.domain.errors import InvalidRequest
from ingest.wire.charsets import check_charset, find_charset, find_media_type

MULTIPART = "multipart/form-data"
_FORM_TYPE = "application/x-www-form-urlencoded"
#: The input into which a browser writes the charset of its form.
_CHARSET = "_charset_"
_CHARSET_INPUT = re.compile(rb"(?:^|&)_charset_=([\w.:-]+)(?=&|$)")
#: A longer boundary is none (RFC 2046).
_MAX_BOUNDARY = 70


class Form(Struct, frozen=True, kw_only=True):
    """The inputs of a form: one text each, or the texts of a repeated one."""

    inputs: Mapping[str, object]
    #: Inputs that hold files, by name.
    files: tuple[str, ...] = ()


def is_form(content_type: str | None) -> bool:
    """Say whether a body is a form that a page has sent."""
    return find_media_type(content_type) == _FORM_TYPE


def check_form_size(text: bytes, max_keys: int) -> None:
    """Refuse more fields than allowed, in a body or an URL, before they are read."""
    if text.count(b"&") >= max_keys:
        raise InvalidRequest(f"The form has too many fields (at most {max_keys})")


def decode_form(body: bytes, content_type: str | None = None) -> dict[str, object]:
    """Read a form; of repeated names, all values in a list.

    It is in the charset of its `content_type`, else in that of its input `_charset_`,
    else in UTF-8; InvalidRequest for what does not decode. Values are trimmed, and an
    input of blanks is left out like an empty one.
    """
    marked = _CHARSET_INPUT.search(body)
    told = find_charset(content_type) or (marked[1].decode() if marked else "utf-8")
    charset = check_charset(told)
    try:
        pairs = parse_qsl(body.decode(charset), encoding=charset, errors="strict")
    except ValueError as error:
        raise InvalidRequest(
            f"The form is not in the encoding {told} (set its charset in Content-Type)"
        ) from error
    stripped = ((name, value.strip()) for name, value in pairs if name != _CHARSET)
    return gather((name, text) for name, text in stripped if text)


def is_multipart(content_type: str | None) -> bool:
    """Say whether a body is a form of several parts."""
    return find_media_type(content_type) == MULTIPART


def gather(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return inputs by name; of repeated names, all values in a list."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {
        name: values if len(values) > 1 else values[0] for name, values in found.items()
    }


def decode_multipart(body: bytes, content_type: str, max_keys: int) -> Form:
    """Read a form of several parts; raise InvalidRequest.

    A text is in the charset of its part, else in that of the input `_charset_` (RFC
    7578), of the `content_type`, or in UTF-8. An input for files that was left empty is
    as good as absent.
    """
    options = MultipartParseOptions()
    options.max_body_part_count = max_keys
    options.max_body_part_buffer_size = len(body)
    boundary = _find_boundary(content_type)
    form = MultipartForm(io.BytesIO(body), boundary, len(body), options)
    parts: list[tuple[str, bytes, str | None]] = []
    files: list[str] = []
    try:
        for part in form:
            name, data = part.name or "", part.get_data()
            if part.filename:
                files.append(name)
            elif data or part.filename is None:
                parts.append((name, data, find_charset(part.content_type)))
    except MultipartParseError as error:
        raise InvalidRequest("The body must be a multipart form") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("The name of a form field must be UTF-8") from error
    told = next(
        (
            data.decode("ascii", "replace")
            for name, data, _ in parts
            if name == _CHARSET
        ),
        None,
    )
    charset = told or find_charset(content_type) or "utf-8"
    pairs = (
        (name, _decode(data, own or charset, name))
        for name, data, own in parts
        if name != _CHARSET
    )
    return Form(inputs=gather(pairs), files=tuple(files))


def _find_boundary(content_type: str) -> bytes:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        boundary = value.strip().strip('"')
        if name.lower() == "boundary" and 0 < len(boundary) <= _MAX_BOUNDARY:
            return boundary.encode()
    raise InvalidRequest("Missing boundary of the multipart form", "Content-Type")


def _decode(data: bytes, charset: str, name: str) -> str:
    try:
        return data.decode(check_charset(charset))
    except ValueError as error:
        told = "UTF-8" if charset == "utf-8" else charset
        raise InvalidRequest(f"The value must be {told}", name[:100]) from error
