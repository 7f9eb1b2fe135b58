"""Canonical values of the field types that hold more than one value."""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping

from ingest.domain.errors import InvalidValue
from ingest.domain.limits import too_deep
from ingest.domain.values import (
    check_float,
    check_int,
    check_text,
    number_text,
    scalar_text,
)

#: Deeper objects are refused, long before Python's or PostgreSQL's stack ends.
MAX_DEPTH = 64

_TAG_SEPARATOR = re.compile(r"[,|;]")


def _check_leaf(value: object) -> None:
    match value:
        case str():
            check_text(value)
        case bool() | None:
            pass
        case int():
            check_int(value)
        case float():
            check_float(value)
        case _:
            raise InvalidValue("Must be JSON")


def check_json(value: object, depth: int = 0) -> None:
    """Refuse what JSON and PostgreSQL cannot hold, at any depth."""
    if depth > MAX_DEPTH:
        raise InvalidValue(too_deep(MAX_DEPTH))

    members: Iterable[object] = ()
    if isinstance(value, Mapping):
        for name in value:
            check_text(name)
        members = value.values()
    elif isinstance(value, list):
        members = value
    else:
        _check_leaf(value)
    for member in members:
        check_json(member, depth + 1)


def json_key(value: object) -> Hashable:
    """Return a key that equal JSON values share; unlike in Python, true is not 1."""
    match value:
        case bool():
            return (bool, value)
        # Before mappings: to ask whether a text is one takes longer.
        case str() | int() | float():
            return value
        case Mapping():
            return frozenset((name, json_key(one)) for name, one in value.items())
        case list():
            return tuple(map(json_key, value))
        case _:
            return None


def parse_object(raw: object) -> dict[str, object]:
    """Return a JSON object."""
    if not isinstance(raw, Mapping):
        raise InvalidValue("Must be an object")
    check_json(raw)
    return dict(raw)


def parse_objects(raw: object) -> list[dict[str, object]]:
    """Return a list of JSON objects; one object is a list of one."""
    elements = [raw] if isinstance(raw, Mapping) else raw
    if not isinstance(elements, list):
        raise InvalidValue("Must be a list of objects")
    for element in elements:
        if not isinstance(element, Mapping):
            raise InvalidValue("Must be a list of objects")
        check_json(element)
    return [dict(element) for element in elements]


def _split_tags(raw: object) -> Iterator[str]:
    if not isinstance(raw, str | int | float):
        raise InvalidValue("Must be strings, as a list or separated by commas")
    text = number_text(check_float(raw)) if isinstance(raw, float) else scalar_text(raw)
    yield from filter(None, map(str.strip, _TAG_SEPARATOR.split(text)))


def parse_tags(raw: object) -> list[str]:
    """Return tags without duplicates, in the order of first appearance.

    They come as one text split by `,`, `|` or `;`, as another scalar, or as a list
    of these: a separator is never part of a tag, so that every tag can be matched.
    """
    elements = raw if isinstance(raw, list) else [raw]
    tags = list(dict.fromkeys(tag for one in elements for tag in _split_tags(one)))
    if not tags and not isinstance(raw, list):
        raise InvalidValue("Must be strings, as a list or separated by commas")
    return tags
