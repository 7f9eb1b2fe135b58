"""The text of a cell to the field that its column holds."""

import re
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import orjson

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.full_names import NameOrder, NameWords, split_name
from ingest.domain.notations import Notation
from ingest.domain.phones import cut_extension, split_phones
from ingest.wire.cell_notes import CellNotes, NoteKind
from ingest.wire.headers import AS_OF, CONSENT, KEYS, SUBSCRIPTION
from ingest.wire.notations import EasyNotation, list_empty_words
from ingest.wire.phone_regions import PhoneRegion
from ingest.wire.suggestions.vocabulary import load_vocabulary

_CHANNELS = {"email_sub": ("email", "email"), "phone_sub": ("sms", "phone")}
#: What separates tags separates phones too (contract section 5), and so does a line
#: end; a comma in a number that lost its digits does not.
_SEPARATORS = re.compile(r"[|;\r\n]|,(?![0-9]+[Ee]\+?[0-9])")
#: What an apostrophe keeps a spreadsheet from taking for a number or a formula.
_APOSTROPHE = re.compile("'[0-9=+@-][^']*")
_FORMULA = re.compile(r'=\s*"((?:[^"]|"")*)"')
#: What spreadsheets take for the beginning of a formula, in some alphabets too.
_RISKY = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
#: Lists as Postgres, Python and PHP write them.
_LISTS = re.compile(r"""\{.*\}|\(\s*['"].*\)|a:[0-9]+:\{.*\}""", re.DOTALL)
_QUOTED = re.compile(r"""(['"])[^'"]+\1(?:\s*[,;|]\s*\1[^'"]*\1)*""")
_QUOTED_PART = re.compile(r"""'([^']*)'|"([^"]*)\"""")
#: What makes a list of tags need more than the separators of tags.
_MARKED = re.compile(r""":::|["'\[{\n\r]|^\* |[,;|]\s*\* """)
_LABELS = re.compile(r":::|[\n\r]|^\* |[,;|]\s*\* ")
_LIST_ENDS = re.compile(r"\s:::\s|[,;|\r\n]")
_EMAIL_ENDS = re.compile(r"\s:::\s|[,;|\s]+")
_PYTHON_TEXT = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_PYTHON_ARRAY = re.compile(
    rf"\[\s*+(?:(?:{_PYTHON_TEXT.pattern})\s*+"
    rf"(?:,\s*+(?:{_PYTHON_TEXT.pattern})\s*+)*+(?:,\s*+)?+)?+\]"
)
_ESCAPED = re.compile(r"\\(.)")
#: Types of which a cell is never any text.
_KNOWN_TYPES = frozenset(
    {
        *(FieldType.INT, FieldType.FLOAT, FieldType.DATE, FieldType.BOOL),
        *(FieldType.SEX, FieldType.COUNTRY, FieldType.TIMEZONE),
        *(FieldType.IP, FieldType.ANY_IP),
    }
)
_NOT_ENCODED = "Not valid in the encoding of the file"
_NO_LIST = 'Must be a JSON list, such as ["a", "b"]'
_JSON_TYPES = {FieldType.OBJECT, FieldType.ARR_OBJECT}
#: Moments that are no fields, unless a field is called so.
MOMENTS = (AS_OF, "consent_time")
#: Before the order of the parts of a whole name.
FULL_NAME = "full_name:"
#: Puts the text of a cell into a row's element; raises InvalidValue.
Put = Callable[[dict[str, object], dict[str, object], str], None]


def read_formula(cell: str) -> str:
    """Return what a spreadsheet shows for a cell that begins with `=` or `'`.

    `="007"` and `'007` keep it from taking a text for a number (V6). Any other formula
    stays.
    """
    text = cell.strip()
    if _APOSTROPHE.fullmatch(text):
        return text[1:].strip()
    return read_exact_formula(text).strip()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CellContext:
    """Facts of a whole table, for the cells of each column."""

    #: Where subscriptions are whose column names no resource.
    resource_id: int | None = None
    #: Whether an export wrote the cells, so that each is what it was (E4).
    is_exact: bool = False
    #: Reads phones that name no country.
    region: PhoneRegion = field(default_factory=PhoneRegion)
    notes: CellNotes = field(default_factory=CellNotes)


def make_put(
    target: str,
    declared: Field | None,
    notation: Notation | None,
    context: CellContext,
    column: str = "",
) -> Put | None:
    """Return what puts the cells of a column where it leads; None for nowhere.

    `notation` reads what is `declared`, or each phone; it is told, or the column has
    shown it.
    """
    if not target:
        return None
    if context.is_exact:
        return _make_exact(target, declared, notation, context)
    if (put := _make_person(target, notation, context, column)) is not None:
        return put
    if notation is not None:
        return _make_noted(target, declared, notation)
    return _make_plain(target, declared)


def _put_read(
    put: Put,
    read: Notation,
    element: dict[str, object],
    data: dict[str, object],
    cell: str,
) -> None:
    text = read(cell)
    if text or (text is None and cell not in list_empty_words()):
        put(element, data, text or cell)


def _make_noted(target: str, declared: Field | None, notation: Notation) -> Put:
    if declared is None and target in MOMENTS:
        return partial(_put_read, _make_plain(target, None), notation)
    if isinstance(notation, EasyNotation):
        return partial(_put_easy, target, notation.is_easy, notation.read)
    return partial(_put_noted, target, notation)


def _make_person(
    target: str, notation: Notation | None, context: CellContext, column: str
) -> Put | None:
    """Return what puts contacts or names, which have more than one part."""
    if target == "phones":
        return _Phones(context, notation, column).put
    if target == "email":
        return partial(_put_email, _FirstEmail(context.notes, column))
    if found := SUBSCRIPTION.fullmatch(target):
        return _make_contact(found[1], int(found[2] or 0), notation, context, column)
    if target.startswith(FULL_NAME):
        return _make_names(target.removeprefix(FULL_NAME), context.notes, column)
    return None


def _make_exact(
    target: str,
    declared: Field | None,
    notation: Notation | None,
    context: CellContext,
) -> Put:
    """Return what puts cells that an export wrote, which need no reading."""
    if declared is not None and notation is None:
        return make_field_put(target, declared, is_exact=True)
    if target == "phones":
        return _put_listed_phones
    if found := SUBSCRIPTION.fullmatch(target):
        resource_id = int(found[2] or 0) or context.resource_id
        return _make_subscription(found[1], resource_id, _list_exact)
    if notation is not None:
        return partial(_put_noted, target, notation)
    return _make_plain(target, declared, is_exact=True)


def _make_plain(target: str, declared: Field | None, *, is_exact: bool = False) -> Put:
    if target in KEYS or (target == AS_OF and declared is None):
        return lambda element, _, cell: element.update({target: cell})
    if target in CONSENT and declared is None:
        return partial(_put_basis, CONSENT[target])
    return make_field_put(target, declared, is_exact=is_exact)


def _put_basis(name: str, element: dict[str, object], _: object, cell: str) -> None:
    basis = element.setdefault("consent", {})
    if isinstance(basis, dict):
        basis[name] = cell


def make_field_put(
    target: str, declared: Field | None, *, is_exact: bool = False
) -> Put:
    """Return what puts cells into a field, even one that is called as a key is."""
    if declared is not None and declared.type in _JSON_TYPES:
        return lambda _, data, cell: data.update({target: _parse_json(cell)})
    if declared is not None and declared.type is FieldType.TAGS:
        return partial(_put_exact_tags if is_exact else _put_tags, target)
    if declared is not None and declared.type in _KNOWN_TYPES and not is_exact:
        return partial(_put_known, target, list_empty_words())
    return partial(_put_text, target)


def _put_text(target: str, _: object, data: dict[str, object], cell: str) -> None:
    data[target] = cell


def _put_known(
    target: str, empty: Set[str], _: object, data: dict[str, object], cell: str
) -> None:
    """Put a cell that is of a known kind, where `n/a` says nothing (V11)."""
    if cell not in empty:
        data[target] = cell


def _put_easy(
    target: str,
    is_easy: Callable[[str], object],
    read: Notation,
    element: dict[str, object],
    data: dict[str, object],
    cell: str,
) -> None:
    if is_easy(cell):
        data[target] = cell
    else:
        _put_noted(target, read, element, data, cell)


def _put_noted(
    target: str, read: Notation, _: object, data: dict[str, object], cell: str
) -> None:
    noted = read(cell)
    if noted:
        data[target] = noted
    elif noted is None and cell not in list_empty_words():
        data[target] = cell


def put_bare(
    put: Put, element: dict[str, object], data: dict[str, object], cell: str
) -> None:
    """Put a cell without the apostrophe that its column has before most cells (V6)."""
    if text := cell.removeprefix("'").strip():
        put(element, data, text)


def _put_exact_tags(target: str, _: object, data: dict[str, object], cell: str) -> None:
    data[target] = _parse_listed(cell)


def _put_tags(target: str, _: object, data: dict[str, object], cell: str) -> None:
    parts = list_parts(cell) if _MARKED.search(cell) else cell
    # A cell of marked labels only says nothing; an empty array empties the field.
    if parts or cell[0] == "[":
        data[target] = parts


def list_parts(cell: str) -> object:
    """Return the parts of a cell of several values, or its text (V7).

    A JSON array is a list, and so is a Python one; quotation marks around parts are no
    part of them. A part that is marked with `* ` is a system group of Google.
    """
    if cell.startswith("["):
        return _parse_array(cell)
    if _LISTS.fullmatch(cell):
        raise InvalidValue(_NO_LIST)
    if _QUOTED.fullmatch(cell):
        return [one or other for one, other in _QUOTED_PART.findall(cell)]
    if not _LABELS.search(cell):
        return cell
    parts = (part.strip() for part in _LIST_ENDS.split(cell))
    return [part for part in parts if part and not part.startswith("* ")]


def _parse_array(cell: str) -> object:
    """Return the elements of a JSON or Python array; raise InvalidValue."""
    with suppress(InvalidValue):
        return _parse_listed(cell)
    if not _PYTHON_ARRAY.fullmatch(cell):
        raise InvalidValue(_NO_LIST)
    found = _PYTHON_TEXT.findall(cell)
    return [_ESCAPED.sub(r"\1", single or double) for single, double in found]


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


def _put_listed_phones(_: object, data: dict[str, object], cell: str) -> None:
    """Add the phones of a cell to those of other columns, as they are written."""
    found = _parse_listed(cell)
    if not isinstance(found, list):
        found = [one.strip() for one in _SEPARATORS.split(cell) if one.strip()]
    _add_phones(data, found)


def _add_phones(data: dict[str, object], found: Iterable[object]) -> None:
    listed = data.setdefault("phones", [])
    if not isinstance(listed, list):
        raise InvalidValue("Another column clears this field")
    listed += [one for one in found if one not in listed]


class _Phones:
    """Reads the phones of a column (V4)."""

    def __init__(
        self, context: CellContext, coded: Notation | None, column: str
    ) -> None:
        self._region = context.region
        self._is_coded = coded is not None
        self._note = context.notes.adder(NoteKind.EXTENSION, column)

    def put(self, _: object, data: dict[str, object], cell: str) -> None:
        """Add the phones of a cell to those of other columns.

        Raises InvalidValue for one that may be somebody else's, after the others.
        """
        # As nearly all are written.
        if cell[0] == "+" and cell[1:].isdecimal() and "phones" not in data:
            data["phones"] = [cell]
            return
        found, fault = self.read(cell)
        if found:
            _add_phones(data, found)
        if fault is not None:
            raise fault

    def read(self, cell: str) -> tuple[list[object], InvalidValue | None]:
        """Return the phones of a cell, and why one of them is not among them."""
        if cell in list_empty_words():
            return [], None
        listed = _list_phones(cell)
        found: list[object] = []
        fault = None
        for one in listed:
            try:
                found.append(self._read(one) if isinstance(one, str) else one)
            except InvalidValue as error:
                fault = error
        return found, fault

    def _read(self, phone: str) -> str:
        phone, was_cut = cut_extension(phone)
        if was_cut:
            self._note()
        return self._region.read(phone, coded=self._is_coded)


def _list_phones(cell: str) -> list[object]:
    """Return the phones of a cell as they are written."""
    if cell.startswith("[") or _LISTS.fullmatch(cell):
        listed = _parse_array(cell)
        return listed if isinstance(listed, list) else [listed]
    return list(split_phones(cell))


def _make_contact(
    kind: str,
    resource_id: int,
    notation: Notation | None,
    context: CellContext,
    column: str,
) -> Put:
    """Return what subscribes the contacts of a column."""
    if kind == "phone_sub":
        read = _Phones(context, notation, column).read
    else:
        read = _FirstEmail(context.notes, column).read_listed
    return _make_subscription(kind, resource_id or context.resource_id, read)


#: Reads the contacts of a cell, and why one of them is not among them.
_ReadContacts = Callable[[str], tuple[list[object], InvalidValue | None]]


def _list_exact(cell: str) -> tuple[list[object], InvalidValue | None]:
    found = _parse_listed(cell)
    return found if isinstance(found, list) else [found], None


def _make_subscription(kind: str, resource_id: int | None, read: _ReadContacts) -> Put:
    channel, contact = _CHANNELS[kind]
    placed = {} if resource_id is None else {"resource_id": resource_id}

    def put(_: object, data: dict[str, object], cell: str) -> None:
        found, fault = read(cell)
        if found:
            listed = data.setdefault("subscriptions", [])
            if isinstance(listed, list):
                listed += [
                    {"channel": channel, contact: one, **placed} for one in found
                ]
        if fault is not None:
            raise fault

    return put


class _FirstEmail:
    """Reads the first of the emails of a cell; others are counted (V7, R6)."""

    def __init__(self, notes: CellNotes, column: str) -> None:
        self._notes = notes
        self._column = column

    def read(self, cell: str) -> str:
        """Return the first email of a cell; empty for a word that says nothing."""
        if cell in list_empty_words():
            return ""
        parts = [part for one in _EMAIL_ENDS.split(cell) if (part := one.strip(" *"))]
        # Of a text that is no list of emails, all is one, which is no email.
        if not parts or not all("@" in part for part in parts):
            return cell
        if len(parts) > 1:
            self._notes.add(NoteKind.FURTHER_EMAIL, self._column, len(parts) - 1)
        return parts[0]

    def read_listed(self, cell: str) -> tuple[list[object], InvalidValue | None]:
        """Return the emails to subscribe: those of a JSON list, or the first."""
        if cell.startswith("["):
            return _list_exact(cell)
        email = self.read(cell)
        return [email] if email else [], None


def _put_email(
    first: _FirstEmail, _: object, data: dict[str, object], cell: str
) -> None:
    if cell.count("@") == 1 and cell[0] != "*":
        data["email"] = cell
    elif email := first.read(cell):
        data["email"] = email


def _make_names(order: str, notes: CellNotes, column: str) -> Put:
    """Return what splits the whole names of a column into their parts (R5)."""
    vocabulary = load_vocabulary()
    words = NameWords(vocabulary.companies, vocabulary.patronymics)
    parts = NameOrder(order)

    def put(_: object, data: dict[str, object], cell: str) -> None:
        found = split_name(cell, parts, words)
        if found is None:
            notes.add(NoteKind.COMPANY, column)
            return
        if found.patronymic:
            notes.add(NoteKind.PATRONYMIC, column)
        for name, text in (("_fname", found.given), ("_lname", found.family)):
            if text:
                data.setdefault(name, text)

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
