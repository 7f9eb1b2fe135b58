"""Bodies that a page's form sends, to their inputs (contract 16.6)."""

import io
from collections.abc import Iterable, Mapping

from falcon.media.multipart import (
    MultipartForm,
    MultipartParseError,
    MultipartParseOptions,
)
from msgspec import Struct

from ingest.domain.errors import InvalidRequest
from ingest.wire.charsets import find_media_type

MULTIPART = "multipart/form-data"
#: A longer boundary is none (RFC 2046).
_MAX_BOUNDARY = 70


class Form(Struct, frozen=True, kw_only=True):
    """The inputs of a form: one text each, or the texts of a repeated one."""

    inputs: Mapping[str, object]
    #: Inputs that hold files, by name.
    files: tuple[str, ...] = ()


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

    An input for files that was left empty is as good as absent.
    """
    options = MultipartParseOptions()
    options.max_body_part_count = max_keys
    options.max_body_part_buffer_size = len(body)
    boundary = _find_boundary(content_type)
    form = MultipartForm(io.BytesIO(body), boundary, len(body), options)
    pairs: list[tuple[str, str]] = []
    files: list[str] = []
    try:
        for part in form:
            name, data = part.name or "", part.get_data()
            if part.filename:
                files.append(name)
            elif data or part.filename is None:
                pairs.append((name, _decode(data, name)))
    except MultipartParseError as error:
        raise InvalidRequest("The body is not a form of several parts") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("The name of an input is not UTF-8") from error
    return Form(inputs=gather(pairs), files=tuple(files))


def _find_boundary(content_type: str) -> bytes:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        boundary = value.strip().strip('"')
        if name.lower() == "boundary" and 0 < len(boundary) <= _MAX_BOUNDARY:
            return boundary.encode()
    raise InvalidRequest("Missing boundary", "Content-Type")


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except ValueError as error:
        raise InvalidRequest("The text is not UTF-8", name[:100]) from error
