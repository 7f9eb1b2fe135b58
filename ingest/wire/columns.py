"""The columns of a table to the fields of a profile.

What a column holds is told by `--map`, else by its name or title.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.invisible import trim
from ingest.wire.cell_rules import NO_RULES, CellRules, list_rules, plan_notations
from ingest.wire.cells import (
    Put,
    check_cell,
    check_exact_cell,
    make_clear,
    make_field_put,
    make_put,
    read_exact_formula,
    read_formula,
)
from ingest.wire.headers import EXACT_MARK, KEYS, OWN_PREFIX, know

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


class UnreadableRow(InvalidRequest):
    """A row of which some values were not read, and what the others are."""

    def __init__(self, faults: list[Fault], element: Mapping[str, object]) -> None:
        super().__init__(faults)
        self.element = element


@dataclass(frozen=True, slots=True)
class Columns:
    """The field of each column of a table; None for a skipped one."""

    #: Where each column goes, for a reader: the field's name, empty for nowhere.
    targets: tuple[str, ...]
    _puts: tuple[Put | None, ...]
    _clears: tuple[Put | None, ...]
    _looks: tuple[str, ...]
    _nothing: frozenset[str]
    _clearing: frozenset[str]
    #: Whether an export wrote the cells, so that each is what it was (E4).
    is_exact: bool = False

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
        read = read_exact_formula if self.is_exact else read_formula
        check = check_exact_cell if self.is_exact else check_cell
        for place, cell in enumerate(cells):
            put = self._puts[place]
            if put is None or not cell:
                continue
            text = read(cell) if cell[0] == "=" else cell.strip()
            if text in nothing:
                continue
            if text in clearing:
                put = self._clears[place] or put
            try:
                check(text)
                put(element, data, text)
            except InvalidValue as error:
                target = self.targets[place]
                path = target if target in KEYS else f"data.{target}"
                faults.append(Fault(code=400, message=str(error), path=path))
        if faults:
            raise UnreadableRow(faults, element)
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
    names = list(map(trim, header))
    is_exact = EXACT_MARK in names
    told = {trim(column): target for column, target in told.items()}
    faults = [] if rules.kept else list(_find_strangers(names, told, rules))
    targets = []
    for column in names:
        try:
            targets.append(_find_target(column, database, told, is_exact=is_exact))
        except InvalidValue as error:
            _refuse_data(column)
            targets.append("")
            faults.append(Fault(code=400, message=str(error), path="map"))
    for target in sorted({one for one in targets if one and targets.count(one) > 1}):
        if target != "phones":
            message = f"Several columns contain {target} (keep one of them)"
            faults.append(Fault(code=400, message=message, path="map"))
    fields = [database.fields.get(target) for target in targets]
    read = plan_notations(names, fields, rules, faults)
    if faults:
        raise InvalidRequest(faults)
    return Columns(
        tuple(targets),
        tuple(
            make_field_put(target, one)
            if is_exact and one is not None and notation is None
            else make_put(target, one, notation, resource_id)
            for target, one, notation in zip(targets, fields, read, strict=True)
        ),
        tuple(map(make_clear, targets)),
        tuple(map(_find_look, targets, fields)),
        frozenset({"", *(one.strip() for one in rules.nulls)}),
        frozenset(one.strip() for one in rules.clears),
        is_exact=is_exact,
    )


def _find_strangers(
    names: Sequence[str], told: Iterable[str], rules: CellRules
) -> Iterator[Fault]:
    """Yield a fault for each column that is told of and is not there."""
    for path, name in [*(("map", name) for name in told), *list_rules(rules)]:
        if name not in names:
            yield Fault(code=400, message=f"Unknown column {name!r}", path=path)


def _find_target(
    column: str, database: Database, told: Mapping[str, str], *, is_exact: bool
) -> str:
    """Return what a column holds; empty for nothing."""
    if column in told:
        return know(told[column].strip(), database) if told[column].strip() else ""
    if is_exact and column in database.fields:
        return column
    if not column or column.lower().startswith(OWN_PREFIX):
        return ""
    return know(column, database)


def _refuse_data(column: str) -> None:
    """Raise InvalidRequest if the name of a column looks like somebody's contact."""
    if any(_LOOKS[look].fullmatch(column) for look in ("email", "phone")):
        raise InvalidRequest(
            f"The first row looks like data, not like a header ({column[:80]!r} is in "
            "it). Name the columns, such as --columns email,_fname (over HTTP, "
            "columns=email,_fname)"
        )


def _find_look(target: str, declared: Field | None) -> str:
    if target == "email" or target.startswith("email_sub"):
        return "email"
    if target == "phones" or target.startswith("phone_sub"):
        return "phone"
    return _TYPE_LOOKS.get(declared.type, "") if declared else ""
