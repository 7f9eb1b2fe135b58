"""The text of a cell to the field that its column holds."""

import re
from collections.abc import Callable
from functools import partial

import orjson

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.notations import Notation
from ingest.wire.headers import AS_OF, CONSENT, KEYS, SUBSCRIPTION

_CHANNELS = {"email_sub": ("email", "email"), "phone_sub": ("sms", "phone")}
#: What separates tags separates phones too (contract section 5), and so does a line
#: end; a comma in a number that lost its digits does not.
_SEPARATORS = re.compile(r"[|;\r\n]|,(?![0-9]+[Ee]\+?[0-9])")
_FORMULA = re.compile(r'=\s*"((?:[^"]|"")*)"')
#: What spreadsheets take for the beginning of a formula, in some alphabets too.
_RISKY = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
#: Lists as Postgres, Python and PHP write them.
_LISTS = re.compile(r"""\{.*\}|\(\s*['"].*\)|a:[0-9]+:\{.*\}""", re.DOTALL)
_QUOTED = re.compile(r"""(['"])[^'"]*\1(?:\s*[,;|]\s*\1[^'"]*\1)+""")
_NOT_ENCODED = "Not valid in the encoding of the file"
_NO_LIST = 'Must be a JSON list, such as ["a", "b"]'
_JSON_TYPES = {FieldType.OBJECT, FieldType.ARR_OBJECT}
#: Puts the text of a cell into a row's element; raises InvalidValue.
Put = Callable[[dict[str, object], dict[str, object], str], None]


def read_formula(cell: str) -> str:
    """Return what a spreadsheet shows for a cell that begins with `=`.

    `="007"` keeps it from taking a text for a number. Any other formula stays.
    """
    return read_exact_formula(cell).strip()


def read_exact_formula(cell: str) -> str:
    """Return what `read_formula` does, with the blanks at its ends (E4)."""
    text = cell.strip()
    found = _FORMULA.fullmatch(text)
    return found[1].replace('""', '"') if found else text


def write_cell(value: object) -> str:
    """Return the cell that an exact file has for the canonical value of a field (E4).

    No spreadsheet takes it for a formula that does anything. Empty for no value.
    """
    match value:
        case None:
            return ""
        case str():
            return _write_text(value)
        case bool() | int() | float():
            return orjson.dumps(value).decode()
        case _:
            text = orjson.dumps(value).decode()
            # A backslash before u0000, which would be read as NUL.
            return text.replace("\\\\", "\\u005c") if "\\u0000" in text else text


def _write_text(text: str) -> str:
    if _RISKY.match(text) or text != text.strip():
        doubled = text.replace('"', '""')
        return f'="{doubled}"'
    return text


def check_exact_cell(cell: str) -> None:
    """Raise InvalidValue as `check_cell` does, but take any control character (E4)."""
    if "\0" in cell:
        raise InvalidValue("Must not contain the NUL character")
    if any("\ud800" <= character <= "\udfff" for character in cell):
        raise InvalidValue(_NOT_ENCODED)


def check_cell(cell: str) -> None:
    """Raise InvalidValue for text that cannot be stored, or is none."""
    if "\0" in cell:
        raise InvalidValue("Must not contain the NUL character")
    if not cell.isascii() and not cell.isprintable():
        _check_encoding(cell)


def _check_encoding(cell: str) -> None:
    """Raise InvalidValue if a cell was surely written in another encoding.

    Bytes that are no text in the file's are surrogates. In some one-byte encodings the
    signs of another are controls that nobody writes.
    """
    for character in cell:
        if "\ud800" <= character <= "\udfff":
            raise InvalidValue(_NOT_ENCODED)
        if "\x80" <= character <= "\x9f":
            told = f"holds the control character U+{ord(character):04X}"
            raise InvalidValue(f"Not valid in the encoding of the file ({told})")


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
    if target in KEYS or (target == AS_OF and declared is None):
        return lambda element, _, cell: element.update({target: cell})
    if target in CONSENT and declared is None:
        return partial(_put_basis, CONSENT[target])
    return make_field_put(target, declared)


def _put_basis(name: str, element: dict[str, object], _: object, cell: str) -> None:
    basis = element.setdefault("consent", {})
    if isinstance(basis, dict):
        basis[name] = cell


def make_field_put(target: str, declared: Field | None) -> Put:
    """Return what puts cells into a field, even one that is called as a key is."""
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
    if _QUOTED.fullmatch(cell):
        raise InvalidValue(_NO_LIST)
    data[target] = _parse_listed(cell)


def _parse_listed(cell: str) -> object:
    """Return a cell of several values; one that begins with `[` is a JSON list.

    As anything else its brackets would become part of the values (contract 16.9), as
    would those of other lists.
    """
    if not cell.startswith("["):
        if _LISTS.fullmatch(cell):
            raise InvalidValue(_NO_LIST)
        return cell
    try:
        listed = _parse_json(cell)
    except InvalidValue as error:
        raise InvalidValue(_NO_LIST) from error
    if not isinstance(listed, list):
        raise InvalidValue(_NO_LIST)
    return listed


def _put_phones(_: object, data: dict[str, object], cell: str) -> None:
    """Add the phones of a cell to those of other columns."""
    listed = data.setdefault("phones", [])
    if not isinstance(listed, list):
        raise InvalidValue("Another column clears this field")
    found = _parse_listed(cell)
    if not isinstance(found, list):
        found = [one.strip() for one in _SEPARATORS.split(cell) if one.strip()]
    listed += found


def _make_subscription(kind: str, resource_id: int | None) -> Put:
    channel, contact = _CHANNELS[kind]
    placed = {} if resource_id is None else {"resource_id": resource_id}

    def put(_: object, data: dict[str, object], cell: str) -> None:
        listed = data.setdefault("subscriptions", [])
        found = _parse_listed(cell)
        if isinstance(listed, list):
            listed += [
                {"channel": channel, contact: one, **placed}
                for one in (found if isinstance(found, list) else [found])
            ]

    return put


def make_clear(target: str) -> Put | None:
    """Return what empties the field of a column; None for a column that has none."""
    return partial(_clear, target) if target else None


def _clear(target: str, _: object, data: dict[str, object], __: str) -> None:
    """Empty a field that can be emptied."""
    if target in {"email", *KEYS} or SUBSCRIPTION.fullmatch(target):
        raise InvalidValue("This field cannot be cleared")
    if data.get(target):
        raise InvalidValue("Another column sets this field")
    data[target] = {"action": "unset"}


def _parse_json(cell: str) -> object:
    if "\\u0000" in cell:
        raise InvalidValue("Must not contain the NUL character")
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError as error:
        raise InvalidValue("Must be JSON") from error
