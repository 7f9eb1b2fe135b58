"""The text of a cell to the field that its column holds."""

import re
from collections.abc import Callable
from functools import partial

import orjson

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.notations import Notation
from ingest.wire.headers import KEYS, SUBSCRIPTION

_CHANNELS = {"email_sub": ("email", "email"), "phone_sub": ("sms", "phone")}
#: What separates tags separates phones too (contract section 5).
_SEPARATORS = re.compile(r"[,|;]")
_JSON_TYPES = {FieldType.OBJECT, FieldType.ARR_OBJECT}
#: Puts the text of a cell into a row's element; raises InvalidValue.
Put = Callable[[dict[str, object], dict[str, object], str], None]


def check_cell(cell: str) -> None:
    """Raise InvalidValue for text that cannot be stored, or is none."""
    if "\0" in cell:
        raise InvalidValue("A NUL character cannot be stored")
    if not cell.isascii() and not cell.isprintable() and _has_surrogate(cell):
        raise InvalidValue("Not in the encoding of the file")


def _has_surrogate(cell: str) -> bool:
    """Say whether bytes that are no text in the file's encoding got into `cell`."""
    return any("\ud800" <= character <= "\udfff" for character in cell)


def make_put(
    target: str,
    declared: Field | None,
    notation: Notation | None,
    resource_id: int | None,
) -> Put | None:
    """Return what puts the cells of a column where it leads; None for nowhere.

    `notation` reads what is `declared`, where it is told how that is written;
    subscriptions are on `resource_id`, where their column names no other.
    """
    if not target:
        return None
    if target == "phones":
        return _put_phones
    if found := SUBSCRIPTION.fullmatch(target):
        return _make_subscription(found[1], int(found[2] or 0) or resource_id)
    if notation is not None:
        return partial(_put_noted, target, notation)
    return _make_plain(target, declared)


def _make_plain(target: str, declared: Field | None) -> Put:
    if target in KEYS:
        return lambda element, _, cell: element.update({target: cell})
    if declared is not None and declared.type in _JSON_TYPES:
        return lambda _, data, cell: data.update({target: _parse_json(cell)})
    if declared is not None and declared.type is FieldType.TAGS:
        return partial(_put_tags, target)
    return partial(_put_text, target)


def _put_text(target: str, _: object, data: dict[str, object], cell: str) -> None:
    data[target] = cell


def _put_noted(
    target: str, read: Notation, _: object, data: dict[str, object], cell: str
) -> None:
    noted = read(cell)
    data[target] = cell if noted is None else noted


def _put_tags(target: str, _: object, data: dict[str, object], cell: str) -> None:
    data[target] = _parse_listed(cell)


def _parse_listed(cell: str) -> object:
    """Return a cell of several values; one that begins with `[` is a JSON list.

    As anything else its brackets would become part of the values (contract 16.9).
    """
    if not cell.lstrip().startswith("["):
        return cell
    wrong = 'Not a JSON list, such as ["a", "b"]'
    try:
        listed = _parse_json(cell)
    except InvalidValue as error:
        raise InvalidValue(wrong) from error
    if not isinstance(listed, list):
        raise InvalidValue(wrong)
    return listed


def _put_phones(_: object, data: dict[str, object], cell: str) -> None:
    """Add the phones of a cell to those of other columns."""
    listed = data.setdefault("phones", [])
    if not isinstance(listed, list):
        raise InvalidValue("Another column clears it")
    found = _parse_listed(cell)
    if not isinstance(found, list):
        found = [one.strip() for one in _SEPARATORS.split(cell) if one.strip()]
    listed += found


def _make_subscription(kind: str, resource_id: int | None) -> Put:
    channel, contact = _CHANNELS[kind]
    placed = {} if resource_id is None else {"resource_id": resource_id}

    def put(_: object, data: dict[str, object], cell: str) -> None:
        listed = data.setdefault("subscriptions", [])
        if isinstance(listed, list):
            listed.append({"channel": channel, contact: cell, **placed})

    return put


def make_clear(target: str) -> Put | None:
    """Return what empties the field of a column; None for a column that has none."""
    return partial(_clear, target) if target else None


def _clear(target: str, _: object, data: dict[str, object], __: str) -> None:
    """Empty a field that can be emptied."""
    if target in {"email", *KEYS} or SUBSCRIPTION.fullmatch(target):
        raise InvalidValue("It cannot be cleared")
    if data.get(target):
        raise InvalidValue("Another column sets it")
    data[target] = {"action": "unset"}


def _parse_json(cell: str) -> object:
    if "\\u0000" in cell:
        raise InvalidValue("A NUL character cannot be stored")
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError as error:
        raise InvalidValue("Not a JSON value") from error
