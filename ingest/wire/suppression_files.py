"""Files of suppression lists: a contact a line, or what an export wrote (L7)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from ingest.domain.contact_hashes import (
    HASH_BYTES,
    ContactReference,
    parse_digest,
    read_contact,
)
from ingest.domain.errors import InvalidRequest, InvalidValue

#: A first line that names the column.
_HEADERS = {b"email", b"phone", b"contact", b"sha256"}
_MARK = b"\xef\xbb\xbf"
#: Longer than any contact, or line of an export.
MAX_LINE = 4096


class SuppressionLine(Struct, frozen=True, kw_only=True):
    """A line of a file: a contact and, of an export, what was known of it."""

    #: Counted from 1.
    number: int
    #: None where the line is wrong, and `fault` says how.
    contact: ContactReference | None = None
    fault: str = ""
    reason: str | None = None
    source: str | None = None
    expires_at: datetime | None = None


class ExportedEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry as an export has it: a line of JSON."""

    hash: str
    reason: str = ""
    source: str = ""
    added_at: datetime | None = None
    expires_at: datetime | None = None


_DECODER = msgspec.json.Decoder(ExportedEntry)
_ENCODER = msgspec.json.Encoder()


def dump_line(entry: Mapping[str, Any], hash_: bytes) -> bytes:
    """Return the line of an export for an entry."""
    return _ENCODER.encode(ExportedEntry(hash=hash_.hex(), **entry)) + b"\n"


def read_lines(file: BinaryIO, *, is_hashed: bool) -> Iterator[SuppressionLine]:
    """Yield the lines of a file that are not empty, wrong ones too.

    A plain line is an email or a phone or, where they are hashed, a SHA-256. A UTF-8
    mark and a first line that names the column are skipped.
    """
    for number, raw in enumerate(_split(file), start=1):
        text = raw.strip()
        if number == 1:
            text = text.removeprefix(_MARK)
        if text and not (number == 1 and text.lower() in _HEADERS):
            yield _read_line(number, text, is_hashed=is_hashed)


def _split(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of those that are too long the beginning, which is too long."""
    while line := file.readline(MAX_LINE + 1):
        yield line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 1)


def _read_line(number: int, text: bytes, *, is_hashed: bool) -> SuppressionLine:
    if len(text) > MAX_LINE:
        fault = f"Too long (at most {MAX_LINE:,} bytes)"
        return SuppressionLine(number=number, fault=fault)
    try:
        if text.startswith(b"{"):
            return _read_exported(number, text)
        plain = text.decode()
        contact = (
            ContactReference(digest=parse_digest(plain))
            if is_hashed
            else read_contact(plain)
        )
        return SuppressionLine(number=number, contact=contact)
    except UnicodeDecodeError:
        return SuppressionLine(number=number, fault="Not UTF-8")
    except (InvalidValue, InvalidRequest) as error:
        return SuppressionLine(number=number, fault=str(error))


def _read_exported(number: int, text: bytes) -> SuppressionLine:
    try:
        entry = _DECODER.decode(text)
        hash_ = bytes.fromhex(entry.hash)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidValue("Not a line of an export") from error
    if len(hash_) != HASH_BYTES:
        raise InvalidValue("Not a line of an export")
    return SuppressionLine(
        number=number,
        contact=ContactReference(hash=hash_),
        reason=entry.reason,
        source=entry.source,
        expires_at=entry.expires_at,
    )
