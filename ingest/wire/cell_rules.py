"""Notations of cells, for a file and for its columns.

`--dates DD.MM.YYYY` is told of all columns, `--dates Birthday=DD.MM.YYYY` of one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import Fault, InvalidValue
from ingest.domain.notations import (
    Notation,
    dates_notation,
    decimal_notation,
    words_notation,
)
from ingest.domain.phones import REGIONS
from ingest.domain.table_dates import DayOrder, read_zone

#: How the cells of a table are written; each may be there several times.
CELL_OPTIONS = ("dates", "decimal", "booleans", "sexes", "null", "clear")
#: Those that may be told of one column: COLUMN=VALUE.
NOTATIONS = CELL_OPTIONS[:4]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRules:
    """Options for the notation of the cells of a table."""

    #: `dates`, `decimal`, `booleans` and `sexes`: each a VALUE or a COLUMN=VALUE.
    notations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Cells that say nothing, as empty ones do.
    nulls: Sequence[str] = ()
    #: Cells that empty their field.
    clears: Sequence[str] = ()
    #: The zone of times that have none; None for UTC (V2).
    timezone: str | None = None
    #: The country of phones without a country code; None for that of the row, or of the
    #: database (V4).
    phone_region: str | None = None
    #: Told for a file with more columns: what names others is no fault.
    kept: bool = False


#: Nothing is told.
NO_RULES = CellRules()


def load_rules(words: Mapping[str, Any], *, kept: bool = False) -> CellRules:
    """Return how cells are written, from the parameters of a job."""
    return CellRules(
        notations={name: words[name] for name in NOTATIONS if words.get(name)},
        nulls=words.get("null") or (),
        clears=words.get("clear") or (),
        timezone=words.get("timezone") or None,
        phone_region=words.get("phone_region") or None,
        kept=kept,
    )


def list_rules(rules: CellRules) -> Iterator[tuple[str, str]]:
    """Yield each option that is told of a column, and the column."""
    for option, values in rules.notations.items():
        for value in values:
            if column := value.rpartition("=")[0].strip():
                yield option, column


def find_rule_faults(rules: CellRules) -> Iterator[Fault]:
    """Yield what is wrong with the options that are of no column."""
    if rules.timezone:
        try:
            read_zone(rules.timezone)
        except InvalidValue as error:
            yield Fault(code=400, message=str(error), path="timezone")
    if rules.phone_region and rules.phone_region.upper() not in REGIONS:
        message = "Unknown country (a two-letter code, such as DE)"
        yield Fault(code=400, message=message, path="phone_region")


#: The texts of an option that hold for a column, by the option.
Told = Mapping[str, Sequence[str]]


def sort_rules(
    names: Sequence[str],
    fields: Sequence[Field | None],
    rules: CellRules,
    faults: list[Fault],
) -> list[dict[str, Sequence[str]]]:
    """Return for each column the options that hold for its notation.

    Adds to `faults` what is told and means nothing.
    """
    sorted_: list[dict[str, Sequence[str]]] = [{} for _ in names]
    for option, values in rules.notations.items():
        by_column: dict[str, list[str]] = {}
        for value in values:
            column, _, text = value.rpartition("=")
            by_column.setdefault(column.strip(), []).append(text.strip())
        for column, texts in by_column.items():
            try:
                check_texts(option, texts)
            except InvalidValue as error:
                faults.append(Fault(code=400, message=str(error), path=option))
                continue
            for place, name in enumerate(names):
                one = fields[place]
                fits = one is not None and one.type in _NOTED_TYPES[option]
                if column and column == name and not fits:
                    message = (
                        f"The column {name!r} is not a {_NOTED_NAMES[option]} field"
                    )
                    faults.append(Fault(code=400, message=message, path=option))
                # What is told of a column goes before what is told of all.
                if fits and (column == name or (not column and name not in by_column)):
                    sorted_[place][option] = texts
    return sorted_


def check_texts(option: str, texts: Sequence[str]) -> None:
    """Raise InvalidValue for texts of an option that mean nothing."""
    make_named(option, texts)
    if option == "dates":
        find_named_order(texts)


def find_named_order(texts: Sequence[str]) -> DayOrder | None:
    """Return the order of dates that is told; raise InvalidValue for two."""
    told = {DayOrder(text) for text in texts if text in set(DayOrder)}
    if len(told) > 1:
        raise InvalidValue("Only one order of dates is allowed")
    return next(iter(told), None)


def make_named(option: str, texts: Sequence[str]) -> Notation | None:
    """Return what reads the notation that is told; None for an order of dates."""
    if option == "dates":
        formats = [text for text in texts if text not in set(DayOrder)]
        return dates_notation(formats) if formats else None
    if option == "booleans":
        return words_notation(texts, ("true", "false"))
    if option == "sexes":
        return words_notation(texts, ("male", "female"))
    if len(texts) > 1:
        raise InvalidValue("Only one decimal mark is allowed")
    return decimal_notation(texts[0])
