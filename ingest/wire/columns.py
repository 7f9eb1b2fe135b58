"""The columns of a table to the fields of a profile.

What a column holds is told by `--map`, else by its name or title. How its cells are
written is told by file and by column: `--dates DD.MM.YYYY`, `--dates Birthday=DD.MM`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import orjson

from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.notations import (
    Notation,
    dates_notation,
    decimal_notation,
    words_notation,
)
from ingest.wire.headers import KEYS, OWN_PREFIX, SUBSCRIPTION, know

_CHANNELS = {"email_sub": ("email", "email"), "phone_sub": ("sms", "phone")}
#: What separates tags separates phones too (contract section 5).
_SEPARATORS = re.compile(r"[,|;]")
_JSON_TYPES = {FieldType.OBJECT, FieldType.ARR_OBJECT}
#: Types that take a word apart from `true` or `male`, or a mark apart from `.`.
_NOTED_TYPES = {
    "dates": {FieldType.DATE},
    "decimal": {FieldType.INT, FieldType.FLOAT},
    "booleans": {FieldType.BOOL},
    "sexes": {FieldType.SEX},
}
_NOTED_NAMES = {
    "dates": "date",
    "decimal": "number",
    "booleans": "yes or no",
    "sexes": "sex",
}
#: How cells of a kind look, to tell rows that a quoted cell has swallowed.
_LOOKS = {
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "phone": re.compile(r"\+?[0-9][0-9\s().-]{6,}"),
    "number": re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?"),
    "date": re.compile(r"[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}.*"),
}
_TYPE_LOOKS = {
    FieldType.INT: "number",
    FieldType.FLOAT: "number",
    FieldType.DATE: "date",
}

#: Puts the text of a cell into a row's element; raises InvalidValue.
_Put = Callable[[dict[str, object], dict[str, object], str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRules:
    """What is told of how the cells of a table are written."""

    #: `dates`, `decimal`, `booleans` and `sexes`: each a VALUE or a COLUMN=VALUE.
    notations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Cells that say nothing, as empty ones do.
    nulls: Sequence[str] = ()
    #: Cells that empty their field.
    clears: Sequence[str] = ()
    #: Told for a file with more columns: what names others is no fault.
    kept: bool = False


#: Nothing is told.
NO_RULES = CellRules()


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a table holds; None for one that is passed over."""

    #: Where each column goes, for a reader: the field's name, empty for nowhere.
    targets: tuple[str, ...]
    _puts: tuple[_Put | None, ...]
    _clears: tuple[_Put | None, ...]
    _looks: tuple[str, ...]
    _nothing: frozenset[str]
    _clearing: frozenset[str]

    def load(self, cells: Sequence[str]) -> dict[str, object]:
        """Return the element of a batch that one row is; raise InvalidRequest.

        Cells are trimmed. An empty one says nothing: it changes and clears nothing.
        """
        if len(cells) != len(self._puts):
            cells = self.fit(cells)
        data: dict[str, object] = {}
        element: dict[str, object] = {"data": data}
        faults = []
        nothing, clearing = self._nothing, self._clearing
        for place, cell in enumerate(cells):
            put = self._puts[place]
            if put is None or not cell:
                continue
            text = cell.strip()
            if text in nothing:
                continue
            if text in clearing:
                put = self._clears[place] or put
            try:
                _check(text)
                put(element, data, text)
            except InvalidValue as error:
                target = self.targets[place]
                path = target if target in KEYS else f"data.{target}"
                faults.append(Fault(code=400, message=str(error), path=path))
        if faults:
            raise InvalidRequest(faults)
        return element

    def fit(self, cells: Sequence[str]) -> Sequence[str]:
        """Return `cells`, one for each column: at the end empty ones come and go.

        Raises InvalidRequest where more of them hold something.
        """
        width = len(self._puts)
        if any(cell.strip() for cell in cells[width:]):
            raise InvalidRequest("More values than columns")
        return [*cells[:width], *[""] * (width - len(cells))]

    def resemble(self, cells: Sequence[str]) -> bool:
        """Say whether `cells` look like a row: contacts, numbers and dates in place."""
        if len(cells) != len(self._puts):
            return False
        seen = [
            bool(_LOOKS[look].fullmatch(cell.strip()))
            for look, cell in zip(self._looks, cells, strict=True)
            if look and cell.strip()
        ]
        return bool(seen) and all(seen)


def plan_columns(
    header: Sequence[str],
    database: Database,
    told: Mapping[str, str],
    resource_id: int | None = None,
    rules: CellRules = NO_RULES,
) -> Columns:
    """Return what the columns of `header` hold; raise InvalidRequest for every doubt.

    `told` has fields by column name, an empty one for a column to pass over.
    `email_sub` and `phone_sub` subscribe on `resource_id`, where there is one.
    """
    names = [column.strip() for column in header]
    faults = [] if rules.kept else list(_find_strangers(names, told, rules))
    targets = []
    for column in names:
        try:
            targets.append(_find_target(column, database, told))
        except InvalidValue as error:
            targets.append("")
            faults.append(Fault(code=400, message=str(error), path="map"))
    for target in sorted({one for one in targets if one and targets.count(one) > 1}):
        if target != "phones":
            message = f"Several columns hold {target}; keep one of them"
            faults.append(Fault(code=400, message=message, path="map"))
    fields = [database.fields.get(target) for target in targets]
    read = _plan_notations(names, fields, rules, faults)
    if faults:
        raise InvalidRequest(faults)
    return Columns(
        tuple(targets),
        tuple(
            _make_put(target, one, notation, resource_id)
            for target, one, notation in zip(targets, fields, read, strict=True)
        ),
        tuple(partial(_clear, target) if target else None for target in targets),
        tuple(map(_find_look, targets, fields)),
        frozenset({"", *(one.strip() for one in rules.nulls)}),
        frozenset(one.strip() for one in rules.clears),
    )


def _find_strangers(
    names: Sequence[str], told: Iterable[str], rules: CellRules
) -> Iterator[Fault]:
    """Yield a fault for each column that is told of and is not there."""
    listed = [("map", name) for name in told]
    for option, values in rules.notations.items():
        columns = (value.rpartition("=")[0].strip() for value in values)
        listed += [(option, column) for column in columns if column]
    for path, name in listed:
        if name not in names:
            yield Fault(code=400, message=f"No column is called {name!r}", path=path)


def _plan_notations(
    names: Sequence[str],
    fields: Sequence[Field | None],
    rules: CellRules,
    faults: list[Fault],
) -> list[Notation | None]:
    """Return how the cells of each column are written, where it is told."""
    read: list[Notation | None] = [None] * len(names)
    for option, values in rules.notations.items():
        by_column: dict[str, list[str]] = {}
        for value in values:
            column, _, text = value.rpartition("=")
            by_column.setdefault(column.strip(), []).append(text.strip())
        for column, texts in by_column.items():
            try:
                notation = _make_notation(option, texts)
            except InvalidValue as error:
                faults.append(Fault(code=400, message=str(error), path=option))
                continue
            for place, name in enumerate(names):
                one = fields[place]
                fits = one is not None and one.type in _NOTED_TYPES[option]
                if column and column == name and not fits:
                    message = f"The column {name!r} holds no {_NOTED_NAMES[option]}"
                    faults.append(Fault(code=400, message=message, path=option))
                # What is told of a column goes before what is told of all.
                if fits and (column == name or (not column and name not in by_column)):
                    read[place] = notation
    return read


def _make_notation(option: str, texts: list[str]) -> Notation:
    if option == "dates":
        return dates_notation(texts)
    if option == "booleans":
        return words_notation(texts, ("true", "false"))
    if option == "sexes":
        return words_notation(texts, ("male", "female"))
    if len(texts) > 1:
        raise InvalidValue("One decimal mark is enough")
    return decimal_notation(texts[0])


def _check(cell: str) -> None:
    if "\0" in cell:
        raise InvalidValue("A NUL character cannot be stored")
    if not cell.isascii() and not cell.isprintable() and _has_surrogate(cell):
        raise InvalidValue("Not in the encoding of the file")


def _has_surrogate(cell: str) -> bool:
    """Say whether bytes that are no text in the file's encoding got into `cell`."""
    return any("\ud800" <= character <= "\udfff" for character in cell)


def _find_target(column: str, database: Database, told: Mapping[str, str]) -> str:
    """Return what a column holds; empty for nothing."""
    if column in told:
        return know(told[column].strip(), database) if told[column].strip() else ""
    if not column or column.lower().startswith(OWN_PREFIX):
        return ""
    return know(column, database)


def _find_look(target: str, declared: Field | None) -> str:
    if target == "email" or target.startswith("email_sub"):
        return "email"
    if target == "phones" or target.startswith("phone_sub"):
        return "phone"
    return _TYPE_LOOKS.get(declared.type, "") if declared else ""


def _make_put(
    target: str,
    declared: Field | None,
    notation: Notation | None,
    resource_id: int | None,
) -> _Put | None:
    if not target:
        return None
    if target == "phones":
        return _put_phones
    if found := SUBSCRIPTION.fullmatch(target):
        return _make_subscription(found[1], int(found[2] or 0) or resource_id)
    if notation is not None:
        return partial(_put_noted, target, notation)
    return _make_plain(target, declared)


def _make_plain(target: str, declared: Field | None) -> _Put:
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


def _make_subscription(kind: str, resource_id: int | None) -> _Put:
    channel, contact = _CHANNELS[kind]
    placed = {} if resource_id is None else {"resource_id": resource_id}

    def put(_: object, data: dict[str, object], cell: str) -> None:
        listed = data.setdefault("subscriptions", [])
        if isinstance(listed, list):
            listed.append({"channel": channel, contact: cell, **placed})

    return put


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
