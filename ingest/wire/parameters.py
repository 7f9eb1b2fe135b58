"""Parsers of request parameters, for marshmallow schemas.

Each parser takes the text form too, since every leaf of an XML body is text
(contract 14, points 63, 64), and raises marshmallow's ValidationError.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from marshmallow import ValidationError, fields

from ingest.domain.bases import parse_basis
from ingest.domain.consent import Basis
from ingest.domain.dates import parse_moment
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.imports import (
    Digits,
    Matching,
    OnAmbiguous,
    Otherwise,
    Scalar,
    Timestamp,
)
from ingest.domain.lanes import Lane
from ingest.domain.names import one_of
from ingest.domain.updates import INCORRECT_AS_OF

_T = TypeVar("_T")

MAX_ID = 2**31 - 1
_INTEGER = re.compile(r"-?[0-9]+")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def parse_text(value: object) -> str:
    """Take a string."""
    if not isinstance(value, str):
        raise ValidationError("Must be a string")
    return value


def parse_digits_or_text(value: object) -> str:
    """Take a string, or a whole number for its digits, such as a phone."""
    return str(value) if _is_integer(value) else parse_text(value)


def parse_id(value: object) -> int:
    """Take a positive 32-bit integer."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        # Longer than any id; int() refuses thousands of digits.
        value = int(value) if len(value) <= 20 else MAX_ID + 1
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValidationError("Must be an integer")
    if not 0 < value <= MAX_ID:
        raise ValidationError(f"Out of range (from 1 to {MAX_ID})")
    return value


def parse_ids(value: object) -> tuple[int, ...]:
    """Take a list of ids; one id stands for a list of one."""
    if not isinstance(value, list):
        return (parse_id(value),)

    found, faults = [], {}
    for index, item in enumerate(value):
        try:
            found.append(parse_id(item))
        except ValidationError as error:
            faults[index] = error.messages
    if faults:
        raise ValidationError(faults)
    return tuple(found)


def parse_flag(value: object) -> bool:
    """Take true, false, 1 or 0, as such or as text."""
    text = str(value).lower() if isinstance(value, str | int) else ""
    if text not in _FLAGS:
        raise ValidationError(f"Must be true or false{one_of(_FLAGS)}")
    return _FLAGS[text]


def parse_mode(value: object) -> Matching:
    """Take the name of a matching mode (contract 3.1)."""
    try:
        return Matching(parse_text(value))
    except ValueError as error:
        raise ValidationError(f"Unknown matching mode{one_of(Matching)}") from error


def parse_policy(value: object) -> OnAmbiguous:
    """Take the name of a policy for several matches."""
    try:
        return OnAmbiguous(parse_text(value))
    except ValueError as error:
        raise ValidationError(f"Unknown policy{one_of(OnAmbiguous)}") from error


def parse_as_of(value: object) -> datetime:
    """Take a moment: RFC 3339, or Unix time in seconds or milliseconds."""
    try:
        return parse_moment(value)
    except InvalidValue as error:
        raise ValidationError(INCORRECT_AS_OF) from error


def parse_time(value: object) -> datetime:
    """Take a moment, as a field of type date does."""
    try:
        return parse_moment(value)
    except InvalidValue as error:
        raise ValidationError(str(error)) from error


def parse_uuid(value: object) -> UUID:
    """Take a UUID."""
    try:
        return UUID(parse_text(value).strip())
    except ValueError as error:
        raise ValidationError("Must be a UUID") from error


def find_parameter(
    document: Mapping[str, object], name: str, parse: Callable[[object], _T]
) -> _T | None:
    """Read a parameter that may be absent; raise InvalidRequest."""
    value = document.get(name)
    if value is None or value == "":
        return None
    try:
        return parse(value)
    except ValidationError as error:
        raise InvalidRequest(str(error.messages[0]), name) from error


def read_basis(value: object) -> Basis:
    """Take the basis of statuses (C5)."""
    try:
        return parse_basis(value)
    except InvalidRequest as error:
        found: dict[str, list[str]] = {}
        for fault in error.faults:
            found.setdefault(fault.path, []).append(fault.message)
        raise ValidationError(found.get("") or found) from error


def parse_otherwise(value: object) -> Otherwise:
    """Take the name of what follows if a policy does not decide."""
    try:
        return Otherwise(parse_text(value))
    except ValueError as error:
        raise ValidationError(f"Unknown policy{one_of(Otherwise)}") from error


def parse_lane(value: object) -> Lane:
    """Take the name of a lane."""
    try:
        return Lane(parse_text(value))
    except ValueError as error:
        raise ValidationError(f"Unknown lane{one_of(Lane)}") from error


def parse_scalar(value: object) -> str | int | float:
    """Take one value of any kind, as sent."""
    if not isinstance(value, str | int | float):
        raise ValidationError("Must be a single value")
    return value


def parse_document(value: object) -> dict[str, object]:
    """Take an object; an XML element without children is an empty one."""
    if isinstance(value, str) and not value.strip():
        return {}
    if not isinstance(value, dict):
        raise ValidationError("Must be an object")
    return value


def refuse_nul(given: Mapping[str, object]) -> None:
    """Raise InvalidRequest for a NUL in flat parameters, which Postgres cannot hold."""
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if any("\0" in str(text) for text in [name, *texts]):
            raise InvalidRequest("Must not contain the NUL character", name[:100])


#: What reads the values of each kind of parameter (`Declared.kind`).
PARSERS_BY_KIND: Mapping[Any, Callable[[object], object]] = {
    str: parse_text,
    Digits: parse_digits_or_text,
    int: parse_id,
    tuple[int, ...]: parse_ids,
    bool: parse_flag,
    Matching: parse_mode,
    OnAmbiguous: parse_policy,
    Timestamp: parse_as_of,
    Basis: read_basis,
    Otherwise: parse_otherwise,
    Scalar: parse_scalar,
    Mapping[str, object]: parse_document,
}


class Parameter(fields.Field[_T]):
    """A parameter read by `parse`, which never sees an absent one."""

    def __init__(self, parse: Callable[[object], _T], data_key: str | None = None):
        super().__init__(data_key=data_key)
        self.parse = parse

    def deserialize(self, value: object, *_: object, **__: object) -> _T:
        """Parse `value`, without the steps of marshmallow's that have nothing to do.

        They are a third of the time that a request takes to load.
        """
        return self.parse(value)
