"""Imports to stream entries and back.

An entry outlives the process that wrote it, and the code may change meanwhile: it says
which form it has, and leaves out what is the default.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import orjson
from msgspec.structs import asdict, fields

from ingest.domain.errors import Fault, PenstockError
from ingest.domain.imports import (
    Import,
    Key,
    Matching,
    Operation,
    Start,
    SubscriptionChange,
)

_T = TypeVar("_T")

_VERSION = 1
# Of a required member the default is msgspec's NODEFAULT, which nothing equals.
_IMPORT_DEFAULTS = {member.name: member.default for member in fields(Import)}
_KEY_DEFAULTS = {member.name: member.default for member in fields(Key)}
_START_DEFAULTS = {member.name: member.default for member in fields(Start)}


class MalformedEntry(PenstockError):
    """A stream entry is not an import; no retry makes it one."""


class UnknownForm(MalformedEntry):
    """A stream entry is of a form, or has members, that another release may know."""


def _given(
    record: Import | Key | Start, defaults: Mapping[str, object]
) -> dict[str, object]:
    return {
        name: value
        for name, default in defaults.items()
        if (value := getattr(record, name)) != default
    }


def encode(import_: Import) -> bytes:
    """Write `import_` as a stream entry."""
    entry = _given(import_, _IMPORT_DEFAULTS)
    entry["key"] = _given(import_.key, _KEY_DEFAULTS)
    if import_.start is not None:
        entry["start"] = _given(import_.start, _START_DEFAULTS)
    return orjson.dumps({"v": _VERSION} | entry, default=asdict)


def _exactly(kind: type[_T], value: object) -> _T:
    # Not isinstance, to which true is an integer.
    if type(value) is not kind:
        raise ValueError(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _parse_number(value: object) -> int:
    """Return an id that a column of Postgres holds."""
    if abs(number := _exactly(int, value)) >= 2**31:
        raise ValueError("an id out of range")
    return number


def _parse_token(value: object) -> int | None:
    return None if value is None else _parse_number(value)


def _parse_word(value: object) -> str:
    """Return a text that a column of Postgres holds."""
    if not (word := _exactly(str, value)).isprintable():
        raise ValueError("a word with control characters")
    return word


def _parse_id(value: object) -> UUID:
    return UUID(_exactly(str, value))


def _parse_moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_exactly(str, value))
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC)


def _parse_ids(value: object) -> tuple[int, ...]:
    return tuple(_exactly(int, item) for item in _exactly(list, value))


def _parse_scalar(value: object) -> object:
    return value if isinstance(value, bool | int | float) else _exactly(str, value)


def _parse_matching(value: object) -> Matching:
    return Matching(_exactly(str, value))


def _parse_operation(value: object) -> Operation:
    return Operation(_exactly(str, value))


def _parse_subscription_change(value: object) -> SubscriptionChange:
    return SubscriptionChange(_exactly(str, value))


def _parse_key(value: object) -> Key:
    parts = _exactly(dict, value)
    return Key(**{name: _KEY_PARSERS[name](part) for name, part in parts.items()})


def _parse_start(value: object) -> Start:
    parts = _exactly(dict, value)
    if not {"payload"} < parts.keys():
        raise ValueError("a start of another form")
    return Start(**{name: _START_PARSERS[name](part) for name, part in parts.items()})


def _parse_faults(value: object) -> tuple[Fault, ...]:
    return tuple(_parse_fault(_exactly(dict, one)) for one in _exactly(list, value))


def _parse_fault(parts: Mapping[str, object]) -> Fault:
    if parts.keys() != {"code", "message", "path"}:
        raise ValueError("a warning of another form")
    return Fault(
        code=_exactly(int, parts["code"]),
        message=_exactly(str, parts["message"]),
        path=_exactly(str, parts["path"]),
    )


_Parser = Callable[[object], Any]

_KEY_PARSERS: Mapping[str, _Parser] = dict.fromkeys(
    _KEY_DEFAULTS, partial(_exactly, str)
) | {"field_value": _parse_scalar}
_START_PARSERS: Mapping[str, _Parser] = {
    "trigger_id": partial(_exactly, int),
    "workflow_id": partial(_exactly, int),
    "payload": partial(_exactly, dict),
}

_PARSERS: Mapping[str, _Parser] = {
    "import_id": _parse_id,
    "accepted_at": _parse_moment,
    "door": _parse_word,
    "token_id": _parse_token,
    "database_id": _parse_number,
    "matching": _parse_matching,
    "key": _parse_key,
    "data": partial(_exactly, dict),
    "operation": _parse_operation,
    "resource_id": partial(_exactly, int),
    "skip_triggers": partial(_exactly, bool),
    "skip_invalid_subscriptions": partial(_exactly, bool),
    "skip_invalid_fields": partial(_exactly, bool),
    "detect_geo": partial(_exactly, bool),
    "add_to_segments": _parse_ids,
    "remove_from_segments": _parse_ids,
    "start": _parse_start,
    "subscription_change": _parse_subscription_change,
    "traceparent": partial(_exactly, str),
    "fingerprint": _parse_word,
    "other_id": _parse_id,
    "warnings": _parse_faults,
}
_REQUIRED = frozenset(member.name for member in fields(Import) if member.required)


def decode(payload: bytes) -> Import:
    """Read a stream entry; raise MalformedEntry for anything `encode` does not write.

    Members this version does not know are refused rather than dropped: they would
    change what the import does.
    """
    try:
        entry = _exactly(dict, orjson.loads(payload))
        if (version := _exactly(int, entry.pop("v", None))) != _VERSION:
            raise UnknownForm(f"The entry has an unknown form: {version}")
        members = {name: _PARSERS[name](value) for name, value in entry.items()}
    except KeyError as error:
        raise UnknownForm(f"The entry has an unknown member: {error!s:.40}") from error
    except (ValueError, OverflowError) as error:
        raise MalformedEntry(f"The entry cannot be read: {error}") from error

    if absent := _REQUIRED - members.keys():
        raise MalformedEntry(f"The entry lacks {', '.join(sorted(absent))}")
    return Import(**members)
