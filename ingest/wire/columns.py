"""The columns of a table to the fields of a profile.

What a column holds is told by `--map`, else by its name or title. A column may have
several targets, and several columns one: the first that is filled counts (R4, R7).
"""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.invisible import trim
from ingest.domain.notations import Notation
from ingest.wire.cell_rules import (
    NO_RULES,
    CellRules,
    find_rule_faults,
    list_rules,
    sort_rules,
)
from ingest.wire.cells import (
    MOMENTS,
    CellContext,
    Put,
    check_cell,
    check_exact_cell,
    make_clear,
    make_put,
    put_bare,
    read_exact_formula,
    read_formula,
)
from ingest.wire.first_rows import TableSurvey
from ingest.wire.headers import EXACT_MARK, KEYS, OWN_PREFIX
from ingest.wire.notations import (
    CellColumn,
    has_apostrophes,
    make_exact_notation,
    make_notation,
)
from ingest.wire.phone_regions import PhoneRegion
from ingest.wire.row_statuses import (
    NO_STATUSES,
    Said,
    StatusRules,
    StatusTally,
    WordReader,
    settle,
)
from ingest.wire.suggestions.vocabulary import is_empty_word
from ingest.wire.targets import (
    FULL_NAME,
    PartTarget,
    SubscriptionName,
    add_subscriptions,
    find_group,
    is_shared,
    know_target,
    parse_target,
    read_part,
    read_subscription,
)

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


def is_contact(cell: str) -> bool:
    """Say whether a cell looks like an email or a phone."""
    return any(_LOOKS[look].fullmatch(cell) for look in ("email", "phone"))


class UnreadableRow(InvalidRequest):
    """A row of which some values were not read, and what the others are."""

    def __init__(self, faults: list[Fault], element: Mapping[str, object]) -> None:
        super().__init__(faults)
        self.element = element


class UnknownWord(InvalidValue):
    """A cell of a status has a word of which nobody said what it means."""

    def __init__(self, column: str, word: str) -> None:
        super().__init__(f"No status is known by {word[:_TOLD]!r}")
        self.column = column
        self.word = word


#: How much of a word is told back.
_TOLD = 80


def _pass_over(*_: object) -> None:
    """Put nothing: the cell says nothing."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The field of each column of a table; None for a skipped one."""

    #: Where each column goes, for a reader: the field's name, empty for nowhere.
    targets: tuple[str, ...]
    #: Each column's name; behind those of the table, groups of which one cell counts.
    names: tuple[str, ...]
    #: How many columns the table has.
    width: int
    #: Where each column's values are found in an import.
    _paths: tuple[str, ...]
    _puts: tuple[Put | None, ...]
    _clears: tuple[Put | None, ...]
    _looks: tuple[str, ...]
    _nothing: frozenset[str]
    #: The cells that say nothing, and those that clear their field.
    _special: frozenset[str]
    #: Whether an export wrote the cells, so that each is what it was (E4).
    is_exact: bool = False
    #: Phones may wait there for the country of their row (V4).
    _region: PhoneRegion = field(default_factory=PhoneRegion)

    def load(self, cells: Sequence[str]) -> dict[str, object]:
        """Return the element of a batch that one row is; raise InvalidRequest.

        Cells are trimmed. An empty one says nothing: it changes and clears nothing.
        """
        if len(cells) != len(self._puts):
            cells = self.fit(cells)
        data: dict[str, object] = {}
        element: dict[str, object] = {"data": data}
        faults: list[Fault] = []
        special = self._special
        read = read_exact_formula if self.is_exact else read_formula
        check = check_exact_cell if self.is_exact else check_cell
        for place, cell in enumerate(cells):
            put = self._puts[place]
            if put is None or not cell:
                continue
            text = read(cell) if cell[0] in "='" else cell.strip()
            if text in special:
                put = self._find_special(place, text)
            try:
                # Most are ASCII, of which only NUL is refused.
                if not text.isascii() or "\0" in text:
                    check(text)
                put(element, data, text)
            except InvalidValue as error:
                self._hear(error)
                message, path = str(error), self._paths[place]
                faults.append(Fault(code=400, message=message, path=path))
        if faults or self._region.is_waiting:
            self._finish(element, data, faults)
        return element

    def _find_special(self, place: int, text: str) -> Put:
        """Return what a cell does that says nothing, or clears its field."""
        put = None if text in self._nothing else self._clears[place]
        return put or _pass_over

    def _finish(
        self,
        element: dict[str, object],
        data: dict[str, object],
        faults: list[Fault],
    ) -> None:
        """Read the phones that waited for their country; raise UnreadableRow."""
        if self._region.is_waiting:
            try:
                self._region.finish(data)
            except InvalidValue as error:
                faults.append(Fault(code=400, message=str(error), path="data.phones"))
        if faults:
            raise UnreadableRow(faults, element)

    def _hear(self, error: InvalidValue) -> None:
        """Note what could not be read."""

    def fit(self, cells: Sequence[str]) -> Sequence[str]:
        """Return `cells`, one for each column: at the end empty ones come and go.

        Raises InvalidRequest where more of them hold something.
        """
        width = self.width
        if any(cell.strip() for cell in cells[width:]):
            raise InvalidRequest("More values than columns")
        return [*cells[:width], *[""] * (width - len(cells))]

    def resemble(self, cells: Sequence[str]) -> bool:
        """Say whether `cells` look like a row: contacts, numbers and dates in place."""
        if len(cells) != self.width:
            return False
        seen = [
            bool(_LOOKS[look].fullmatch(cell.strip()))
            for look, cell in zip(self._looks, cells, strict=False)
            if look and cell.strip()
        ]
        return bool(seen) and all(seen)


#: In the element of a row while it is read: what is said of its subscriptions.
_NOTES = "\0subscriptions"


@dataclass(frozen=True, slots=True)
class StatusColumns(Columns):
    """Columns of which some have statuses, or are alternatives of each other."""

    #: The places of the columns of each group, in order of preference.
    groups: tuple[tuple[int, ...], ...] = ()
    #: The subscriptions of which a column has the status.
    told: Set[SubscriptionName] = frozenset()
    #: The resource of subscriptions that name none.
    default_id: int | None = None
    rules: StatusRules = NO_STATUSES
    tally: StatusTally = field(default_factory=StatusTally)

    def load(self, cells: Sequence[str]) -> dict[str, object]:
        """Return the element of a row, with the statuses of its subscriptions."""
        if len(cells) != self.width:
            cells = self.fit(cells)
        chosen = [self._choose(cells, group) for group in self.groups]
        unknown = self.tally.unknown.total()
        try:
            # Without arguments, `super` does not know a class with slots.
            element = Columns.load(self, [*cells, *chosen])
        except UnreadableRow as error:
            element = dict(error.element)
            # A row with an unknown word is counted by it.
            is_counted = self.tally.unknown.total() == unknown
            self._settle(element, self.tally if is_counted else StatusTally())
            raise UnreadableRow(list(error.faults), element) from error
        self._settle(element, self.tally)
        return element

    def _choose(self, cells: Sequence[str], group: Sequence[int]) -> str:
        """Return the first cell of a group that is filled."""
        for place in group:
            cell = cells[place]
            text = read_formula(cell) if cell[:1] in {"=", "'"} else cell.strip()
            if text not in self._nothing and not is_empty_word(text):
                return cell
        return ""

    def _hear(self, error: InvalidValue) -> None:
        """Count the words that mean nothing known."""
        if isinstance(error, UnknownWord):
            self.tally.unknown[error.column, error.word] += 1

    def _settle(self, element: dict[str, object], tally: StatusTally) -> None:
        notes: Any = element.pop(_NOTES, {})
        settle(element, notes, self.told, self.default_id, self.rules, tally)


def plan_columns(
    header: Sequence[str],
    database: Database,
    told: Mapping[str, str],
    resource_id: int | None = None,
    rules: CellRules = NO_RULES,
    statuses: StatusRules = NO_STATUSES,
) -> Columns:
    """Return what the columns of `header` hold; raise InvalidRequest for every doubt.

    `told` has targets by column name, an empty one for a column to pass over.
    `email_sub` and `phone_sub` subscribe on `resource_id`, where there is one.
    """
    return ColumnPlan(header, database, told, rules, statuses).make(resource_id)


class ColumnPlan:
    """The columns of one table, while it is found out what they hold."""

    def __init__(
        self,
        header: Sequence[str],
        database: Database,
        told: Mapping[str, str],
        rules: CellRules = NO_RULES,
        statuses: StatusRules = NO_STATUSES,
        survey: TableSurvey | None = None,
    ) -> None:
        """Begin; `survey` has the first rows, by which columns are understood."""
        names = list(map(trim, header))
        self._survey = survey or TableSurvey()
        self._names = names
        self._width = len(names)
        self._database = database
        self._rules = rules
        self._statuses = statuses
        self._is_exact = EXACT_MARK in names
        self._told: dict[str, str] = {}
        self._groups: list[tuple[tuple[str, ...], str]] = []
        self._faults: list[Fault] = []
        self._split_told({trim(column): target for column, target in told.items()})

    def _split_told(self, told: Mapping[str, str]) -> None:
        """Take apart what is told of one column, and of several."""
        known = set(self._names)
        for column, target in told.items():
            group = find_group(column, known)
            if len(group) == 1:
                self._told[column] = target
            else:
                self._groups.append((group, target))
        for path, column in self._list_strangers(known):
            self._refuse(f"Unknown column {column!r}", path)

    def _list_strangers(self, known: Set[str]) -> Iterator[tuple[str, str]]:
        """Yield the columns that are told of and are not there, each with its option.

        Of kept options only those that would have the status of somebody.
        """
        named = [*self._told.items()]
        named += [(one, to) for group, to in self._groups for one in group]
        kept = self._rules.kept
        for column, target in named:
            decides = _STATUS.search(target.lower()) and not self._statuses.status
            if column not in known and (not kept or decides):
                yield "map", column
        told = [] if kept else list(list_rules(self._rules))
        told += [("words", column) for column in ([] if kept else self._statuses.words)]
        yield from (one for one in told if one[1] not in known)

    def _refuse(self, message: str, path: str) -> None:
        self._faults.append(Fault(code=400, message=message, path=path))

    def make(self, resource_id: int | None) -> Columns:
        """Return the columns; raise InvalidRequest with every fault."""
        targets = [self._find_targets(column) for column in self._names]
        groups = self._place_groups()
        names = [*self._names, *(", ".join(group) for group, _ in self._groups)]
        targets += [self._parse(target) for _, target in self._groups]
        default_id = resource_id or self._database.default_resource_id
        targets = add_subscriptions(targets, resource_id, default_id)
        self._refuse_repeated(targets)
        fields = [self._find_field(each) for each in targets]
        columns = self._plan_cells(names, targets, fields, groups)
        parts = _Parts(self._database, self._statuses, resource_id)
        context = self._make_context(targets, resource_id)
        puts = [self._make_puts(column, parts, context) for column in columns]
        self._faults += parts.find_faults(targets)
        if self._faults:
            raise InvalidRequest(self._faults)
        nothing = frozenset({"", *(one.strip() for one in self._rules.nulls)})
        common = (
            tuple(map("+".join, targets)),
            tuple(names),
            self._width,
            tuple(_find_path(each) for each in targets),
            tuple(puts),
            tuple(_join_clears(each) for each in targets),
            tuple(
                _find_look(each[0] if each else "", one)
                for each, one in zip(targets, fields, strict=True)
            ),
            nothing,
            nothing | {one.strip() for one in self._rules.clears},
            self._is_exact,
            context.region,
        )
        if not groups and not parts.has_statuses:
            return Columns(*common)
        return StatusColumns(
            *common,
            groups=groups,
            told=frozenset(parts.told),
            default_id=parts.default_id,
            rules=self._statuses,
        )

    def _find_targets(self, column: str) -> tuple[str, ...]:
        """Return what a column holds; nothing if it is passed over."""
        if column in self._told:
            found = self._parse(self._told[column], column)
            # What is in a group already is in it once.
            grouped = [to for group, to in self._groups if column in group]
            return () if "+".join(found) in grouped else found
        if self._is_exact and column in self._database.fields:
            return (column,)
        in_group = any(column in group for group, _ in self._groups)
        if in_group or not column or column.lower().startswith(OWN_PREFIX):
            return ()
        return self._find_own(column)

    def _find_own(self, column: str) -> tuple[str, ...]:
        """Return what a column holds by its name."""
        try:
            found = know_target(column, self._database)
        except InvalidValue as error:
            refuse_data(column)
            self._refuse(str(error), "map")
            return ()
        return (found,) if found else ()

    def _parse(self, text: str, column: str = "") -> tuple[str, ...]:
        try:
            return parse_target(text, self._database)
        except InvalidValue as error:
            refuse_data(column)
            self._refuse(str(error), "map")
        return ()

    def _place_groups(self) -> tuple[tuple[int, ...], ...]:
        """Return the places of the columns of each group that are not left out."""
        return tuple(
            tuple(
                place
                for one in group
                if self._told.get(one) != ""
                for place, name in enumerate(self._names)
                if name == one
            )
            for group, _ in self._groups
        )

    def _refuse_repeated(self, targets: Sequence[tuple[str, ...]]) -> None:
        listed = [one for each in targets for one in each]
        for target in sorted({one for one in listed if listed.count(one) > 1}):
            if not is_shared(target):
                self._refuse(
                    f"Several columns contain {target} (keep one of them)", "map"
                )

    def _find_field(self, targets: tuple[str, ...]) -> Field | None:
        """Return the field whose notation the cells of a column have."""
        for target in targets:
            if (found := self._database.fields.get(target)) is not None:
                return found
            if _TIME.search(target) or target in MOMENTS:
                return Field(name="time", type=FieldType.DATE)
        return None

    def _plan_cells(
        self,
        names: Sequence[str],
        targets: Sequence[tuple[str, ...]],
        fields: Sequence[Field | None],
        groups: Sequence[tuple[int, ...]],
    ) -> list[CellColumn]:
        """Return the columns, each with what is told of its cells."""
        if faults := list(find_rule_faults(self._rules)):
            raise InvalidRequest([*self._faults, *faults])
        told = sort_rules(names, fields, self._rules, self._faults)
        alone = [(place,) for place in range(self._width)]
        sources = [*alone, *groups]
        return [
            CellColumn(
                name=name,
                targets=each,
                declared=declared,
                told=own,
                look=partial(self._survey.rows.list_cells, source),
            )
            for name, each, declared, own, source in zip(
                names, targets, fields, told, sources, strict=True
            )
        ]

    def _make_context(
        self, targets: Sequence[tuple[str, ...]], resource_id: int | None
    ) -> CellContext:
        listed = {one for each in targets for one in each}
        has_phones = any(_find_look(one, None) == "phone" for one in listed)
        told = (self._rules.phone_region or "").upper() or None
        return CellContext(
            resource_id=resource_id,
            is_exact=self._is_exact,
            region=PhoneRegion(
                told=told,
                default=self._database.phone_region,
                of_row=has_phones and "_country" in listed and not self._is_exact,
            ),
            notes=self._survey.notes,
        )

    def _make_puts(
        self, column: CellColumn, parts: "_Parts", context: CellContext
    ) -> Put | None:
        """Return what puts the cells of a column to all its targets."""
        if self._is_exact:
            notation = make_exact_notation(column)
        else:
            notation = make_notation(column, self._rules, self._survey, self._faults)
        puts = []
        for target in column.targets:
            put = parts.find_put(target, column.name, notation)
            if put is None:
                declared = self._database.fields.get(target)
                # Of two targets of a column, only one may be written in a notation.
                has_notation = (
                    declared is not None
                    or target in MOMENTS
                    or _find_look(target, None)
                )
                put = make_put(
                    target,
                    declared,
                    notation if has_notation else None,
                    context,
                    column.name,
                )
            puts.append(put)
        joined = parts.join(puts, column.targets)
        if joined is not None and not self._is_exact and has_apostrophes(column):
            return partial(put_bare, joined)
        return joined


#: A target that has a status, in an expression.
_STATUS = re.compile(r"_sub(?::[0-9]+)?\.status")
_TIME = re.compile(r"_sub(?::[0-9]+)?\.time$")


class _Parts:
    """The targets that have statuses of subscriptions, or parts of their bases."""

    def __init__(
        self, database: Database, statuses: StatusRules, resource_id: int | None
    ) -> None:
        self._statuses = statuses
        self.resource_id = resource_id
        self.default_id = resource_id or database.default_resource_id
        #: The subscriptions of which a column has the status.
        self.told: set[SubscriptionName] = set()
        self._has_parts = False

    @property
    def has_statuses(self) -> bool:
        """Whether anything is said of a subscription."""
        return self._has_parts or bool(self._statuses.status)

    def find_put(
        self, target: str, column: str, notation: Notation | None
    ) -> Put | None:
        """Return what notes a part of a subscription; None for another target."""
        part = read_part(target, self.resource_id, self.default_id)
        if part is None:
            return None
        self._has_parts = True
        if part.part != "status":
            return partial(_note_basis, part, notation)
        self.told.add(part.name)
        reader = WordReader(self._statuses.words.get(column, {}))
        return partial(_note_status, part.name, reader, column)

    def join(self, puts: Sequence[Put | None], targets: Sequence[str]) -> Put | None:
        """Return what does all of `puts`; None for nothing."""
        found = [put for put in puts if put is not None]
        if len(found) < 2:
            return found[0] if found else None
        return partial(_put_all, found)

    def find_faults(self, targets: Sequence[tuple[str, ...]]) -> Iterator[Fault]:
        """Yield a fault for what is said of subscriptions that no column makes."""
        listed = [one for each in targets for one in each]
        made = {
            found
            for one in listed
            if (found := read_subscription(one, self.resource_id, self.default_id))
        }
        for one in listed:
            part = read_part(one, self.resource_id, self.default_id)
            if part is not None and part.name not in made:
                kind = one.partition(".")[0]
                yield _missing_contact(one, kind, "map")
        if self._statuses.status and not made:
            yield _missing_contact("status", "email_sub", "status")


def _missing_contact(target: str, kind: str, path: str) -> Fault:
    field = "email" if kind.startswith("email") else "phones"
    message = f"{target} needs a column of {kind} (such as map Contact={field}+{kind})"
    return Fault(code=400, message=message, path=path)


def _put_all(
    puts: Sequence[Put], element: dict[str, object], data: dict[str, object], cell: str
) -> None:
    """Do all; raise InvalidValue behind the last for the first that is refused."""
    faults = []
    for put in puts:
        try:
            put(element, data, cell)
        except InvalidValue as error:
            faults.append(error)
    if faults:
        raise faults[0]


def _find_said(element: dict[str, object], name: SubscriptionName) -> Said:
    notes: Any = element.setdefault(_NOTES, {})
    said: Said = notes.setdefault(name, Said([], {}))
    return said


def _note_status(
    name: SubscriptionName,
    reader: WordReader,
    column: str,
    element: dict[str, object],
    _: object,
    cell: str,
) -> None:
    meaning = reader.find(cell)
    if meaning is None:
        raise UnknownWord(column, cell)
    _find_said(element, name).meanings.append(meaning)


def _note_basis(
    part: PartTarget,
    read: Notation | None,
    element: dict[str, object],
    _: object,
    cell: str,
) -> None:
    if is_empty_word(cell):
        return
    noted: str | None = None
    # One that cannot be read stops no opt-out; whoever reads consent refuses others.
    with suppress(InvalidValue):
        noted = None if read is None else read(cell)
    if noted != "":
        _find_said(element, part.name).basis[part.part] = noted or cell


def _find_path(targets: Sequence[str]) -> str:
    first = targets[0] if targets else ""
    return first if first in KEYS else f"data.{first}"


def _find_clear(target: str) -> Put | None:
    is_part = read_part(target, None, None) is not None
    return (
        _refuse_clear if is_part or FULL_NAME.fullmatch(target) else make_clear(target)
    )


def _refuse_clear(*_: object) -> None:
    raise InvalidValue("This field cannot be cleared")


def _join_clears(targets: Sequence[str]) -> Put | None:
    found = [clear for one in targets if (clear := _find_clear(one)) is not None]
    if len(found) < 2:
        return found[0] if found else None
    return partial(_put_all, found)


def refuse_data(column: str) -> None:
    """Raise InvalidRequest if the name of a column looks like somebody's contact."""
    if is_contact(column):
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
