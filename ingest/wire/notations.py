"""Notations of the cells of each column of a table: those told, or those seen.

What is needed for a cell is decided here, once for a column: a column that needs
nothing has no notation at all.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ingest.domain.catalog import Field, FieldType
from ingest.domain.countries import find_country, list_codes
from ingest.domain.errors import Fault
from ingest.domain.memos import remembered
from ingest.domain.notations import Notation, decimal_notation
from ingest.domain.phones import is_coded, split_phones
from ingest.domain.table_dates import (
    PLAIN,
    PLAIN_DAY,
    DayOrder,
    NoDate,
    as_birthday,
    find_header_zone,
    read_table_date,
    read_zone,
    survey_orders,
)
from ingest.domain.table_numbers import survey_marks
from ingest.wire.cell_notes import NoteKind
from ingest.wire.cell_rules import CellRules, Told, find_named_order, make_named
from ingest.wire.first_rows import TableSurvey
from ingest.wire.suggestions.vocabulary import load_vocabulary, normalize_word

#: The field of births: a day, wherever it was written.
BIRTH_DATE = "_bdate"
_PHONES = re.compile("phones$|phone_sub(?::[0-9]+)?$")
_NUMBERS = (FieldType.INT, FieldType.FLOAT)
#: Names may begin with an apostrophe: `'s-Hertogenbosch`.
_NAMES = frozenset({"_fname", "_lname", "_city", "_regcity", "_region"})
#: Rows that decide whether cells begin with an apostrophe, and what phones are.
_FEW_ROWS = 1000
_FEW_PHONES = 200


_NO_FIELD = Field(name="", type=FieldType.UNICODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellColumn:
    """A column while it is found out how its cells are written."""

    name: str
    targets: Sequence[str]
    #: The field whose notation they have.
    declared: Field | None
    told: Told
    #: Yields its filled cells in the first rows, each with the row's number; takes how
    #: many rows.
    look: Callable[..., Iterator[tuple[int, str]]]


def make_notation(
    column: CellColumn, rules: CellRules, survey: TableSurvey, faults: list[Fault]
) -> Notation | None:
    """Return what reads the cells of a column; None where every input reads them.

    Of phones, any notation says that they begin with country codes. Adds to `faults`
    what the rows leave open (V1, V10).
    """
    declared = column.declared or _NO_FIELD
    if declared is _NO_FIELD:
        has_phones = any(_PHONES.match(target) for target in column.targets)
        return str if has_phones and _has_coded_phones(column) else None
    if declared.type is FieldType.DATE:
        return _Dates(column, rules, survey, faults).make()
    if declared.type in _NUMBERS:
        return _make_number(column, survey, faults)
    return _make_worded(declared.type, column.told)


def _make_worded(kind: FieldType, told: Told) -> Notation | None:
    """Return what reads the words of a column; None for one of any text."""
    if kind in _WORDS:
        return _make_words(kind, told)
    if kind is FieldType.COUNTRY:
        return EasyNotation(list_codes().__contains__, _read_country)
    return None


def make_exact_notation(column: CellColumn) -> Notation | None:
    """Return what reads the cells of an export; only what is told is a notation."""
    return next(
        (
            told
            for option, texts in column.told.items()
            if (told := make_named(option, texts)) is not None
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class EasyNotation:
    """A notation of cells of which most need no reading."""

    #: Says whether a cell is read by every input as it is.
    is_easy: Callable[[str], object]
    read: Notation

    def __call__(self, cell: str) -> str | None:
        """Return what a cell says."""
        return cell if self.is_easy(cell) else self.read(cell)


class _Dates:
    """Finds how the dates of a column are written (V1, V2, V3)."""

    def __init__(
        self,
        column: CellColumn,
        rules: CellRules,
        survey: TableSurvey,
        faults: list[Fault],
    ) -> None:
        self._column = column
        self._rules = rules
        self._survey = survey
        self._faults = faults
        self._texts = column.told.get("dates", ())
        self._is_birth = column.targets[:1] == (BIRTH_DATE,)

    def make(self) -> Notation:
        """Return what reads the dates."""
        named = find_header_zone(self._column.name)
        if named is None and self._rules.timezone:
            named = read_zone(self._rules.timezone)
        zone = None if self._is_birth or named is None else named
        order = self._find_order(is_zoned=named is not None)
        told = make_named("dates", self._texts) if self._texts else None
        note = self._survey.notes.adder(NoteKind.NO_YEAR, self._column.name)
        last_year, is_birth = self._survey.last_year, self._is_birth

        def read(cell: str) -> str | None:
            text = told(cell) if told is not None else None
            if text is not None and zone is None:
                found: str | NoDate | None = text
            else:
                found = read_table_date(text or cell, order, zone)
            if isinstance(found, NoDate):
                if found is NoDate.NO_YEAR:
                    note()
                return ""
            if found is not None and is_birth:
                return as_birthday(found, cell, last_year)
            return found

        if zone is not None:
            return read
        return EasyNotation(PLAIN_DAY.fullmatch if is_birth else PLAIN.fullmatch, read)

    def _find_order(self, *, is_zoned: bool) -> DayOrder | None:
        """Return the order that is told, or that the rows prove."""
        told = find_named_order(self._texts)
        if (told is not None or self._texts) and (is_zoned or self._is_birth):
            return told
        found = survey_orders(self._column.look())
        if found.has_open_time and not is_zoned and not self._is_birth:
            self._survey.notes.add(NoteKind.NO_ZONE, self._column.name)
        if told is not None or self._texts:
            return told
        if found.order is not None:
            self._survey.decide("dates", self._column.name, found.order.value)
        elif found.conflict:
            self._refuse(_need_both(self._column.name, found.conflict))
        elif found.open_row is not None:
            self._refuse(_ask_order(self._column.name, found.open_row))
        return found.order

    def _refuse(self, message: str) -> None:
        self._faults.append(Fault(code=400, message=message, path="dates"))


def _ask_order(name: str, row: int) -> str:
    day, month = (f"{name}={one.value}" for one in DayOrder)
    return (
        f"The dates of {name!r} may be day first or month first, first in row {row}."
        f' Name the order: --dates "{day}" or --dates "{month}" (over HTTP,'
        f" dates={day} or dates={month})"
    )


def _need_both(name: str, rows: Sequence[int]) -> str:
    return (
        f"The dates of {name!r} are in two orders: one of the rows {rows[0]} and"
        f" {rows[1]} has the day first, the other the month. Correct the file, or"
        f' skip the column: --map "{name}="'
    )


def _make_number(
    column: CellColumn, survey: TableSurvey, faults: list[Fault]
) -> Notation | None:
    if texts := column.told.get("decimal"):
        return make_named("decimal", texts)
    found = survey_marks(column.look())
    if found.conflict:
        message = (
            f"The numbers of {column.name!r} have two decimal marks, in rows"
            f" {found.conflict[0]} and {found.conflict[1]}. Correct the file, or skip"
            f' the column: --map "{column.name}="'
        )
        faults.append(Fault(code=400, message=message, path="decimal"))
    elif found.open_row is not None and not found.mark:
        message = (
            f"The comma of the numbers of {column.name!r} may be the decimal mark or"
            f" separate thousands, first in row {found.open_row}. Name the decimal"
            f' mark: --decimal "{column.name}=," or --decimal "{column.name}=."'
        )
        faults.append(Fault(code=400, message=message, path="decimal"))
    if not found.is_decorated:
        return None
    mark = found.mark or "."
    survey.decide("decimal", column.name, mark)
    return decimal_notation(mark)


#: What every input reads as true or false.
_ANYWHERE = frozenset({"true", "false", "1", "0"})
_EASY_WORDS = _ANYWHERE | {"male", "female", "2"}


@cache
def _list_words(kind: FieldType) -> Mapping[str, str]:
    """Return what each word means; nothing for one that says neither (V8)."""
    if kind is FieldType.BOOL:
        words = load_vocabulary().booleans.items()
        return {
            word: "true" if one else "false"
            for word, one in words
            if word not in _ANYWHERE
        }
    # Of a sex, 0 clears it (contract 4.4).
    sexes = load_vocabulary().sexes.items()
    return {word: sex or "" for word, sex in sexes if word != "0"}


_WORDS: Mapping[FieldType, str] = {
    FieldType.BOOL: "booleans",
    FieldType.SEX: "sexes",
}


def _make_words(kind: FieldType, told: Told) -> Notation:
    """Return what reads the words of a column: those told, and those of six languages.

    In other words than these it reads nothing.
    """
    option = _WORDS[kind]
    own = make_named(option, told[option]) if option in told else None
    known = _list_words(kind)

    def read(cell: str) -> str | None:
        if own is not None and (text := own(cell)) is not None:
            return text
        word = known.get(cell.casefold())
        return known.get(normalize_word(cell)) if word is None else word

    return read if own is not None else EasyNotation(_EASY_WORDS.__contains__, read)


@cache
def list_empty_words() -> frozenset[str]:
    """Return words that say nothing in columns of a known kind, as written (V11)."""
    words = load_vocabulary().empty
    return frozenset(
        form for word in words for form in (word, word.upper(), word.capitalize())
    )


_find_country = remembered(find_country)


def _read_country(cell: str) -> str:
    """Return the code of a country, empty for nothing; raise InvalidValue (V9)."""
    return "" if cell in list_empty_words() else _find_country(cell[:200])


def has_apostrophes(column: CellColumn) -> bool:
    """Say whether most cells of a column begin with an apostrophe (V6).

    Some programs write it to keep a spreadsheet from taking text for a number.
    """
    if not _NAMES.isdisjoint(column.targets):
        return False
    if any(target.startswith("full_name:") for target in column.targets):
        return False
    cells = [cell for _, cell in column.look(_FEW_ROWS)]
    return 2 * sum(cell[0] == "'" for cell in cells) > len(cells)


def _has_coded_phones(column: CellColumn) -> bool:
    """Say whether phones without `+` begin with country codes, by the column (V4)."""
    bare: list[str] = []
    for _, cell in column.look(_FEW_ROWS):
        bare += [one for one in split_phones(cell) if not one.startswith(("+", "00"))]
        if len(bare) >= _FEW_PHONES:
            break
    return is_coded(bare)
