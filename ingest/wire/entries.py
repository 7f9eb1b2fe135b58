"""Imports to stream entries and back.

An entry outlives the process that wrote it, and the code may change meanwhile: it says
which form it has, and leaves out what is the default.
"""

from datetime import UTC

import msgspec
import orjson
from msgspec.structs import fields, replace

from ingest.domain.errors import PenstockError
from ingest.domain.imports import FORM, Import, Key, Start

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Import)
#: The member that names the form; every entry begins with it.
_FORM_MEMBER = Import.__struct_config__.tag_field or ""
_BEGIN = f'{{"{_FORM_MEMBER}":'.encode()


class MalformedEntry(PenstockError):
    """A stream entry is not an import; no retry makes it one."""


class UnknownForm(MalformedEntry):
    """A stream entry is of a form, or has members, that another release may know."""


def encode(import_: Import) -> bytes:
    """Write `import_` as a stream entry."""
    return _encoder.encode(import_)


def decode(payload: bytes) -> Import:
    """Read a stream entry; raise MalformedEntry for anything `encode` does not write.

    Members that this release does not know are refused rather than dropped: they would
    change what the import does.
    """
    if not payload.startswith(_BEGIN):
        raise MalformedEntry("The entry cannot be read: it has no form")
    try:
        import_ = _decoder.decode(payload)
        if import_.accepted_at.tzinfo is UTC:
            return import_
        return replace(import_, accepted_at=import_.accepted_at.astimezone(UTC))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        if strange := _find_strange(payload):
            raise UnknownForm(f"The entry has an unknown {strange:.60}") from error
        raise MalformedEntry(f"The entry cannot be read: {error}") from error


def _find_strange(payload: bytes) -> str:
    """Return what of an entry only another release may know; empty if nothing is."""
    try:
        entry = orjson.loads(payload)
    except ValueError:
        return ""
    if (form := entry.get(_FORM_MEMBER)) != FORM:
        return f"form: {form}" if type(form) is int else ""
    for record, members in (
        (Import, entry.keys() - {_FORM_MEMBER}),
        (Key, _list_members(entry.get("key"))),
        (Start, _list_members(entry.get("start"))),
    ):
        if unknown := sorted(members - {member.name for member in fields(record)}):
            return f"member: {unknown[0]!r}"
    return ""


def _list_members(value: object) -> set[str]:
    return set(value) if isinstance(value, dict) else set()
