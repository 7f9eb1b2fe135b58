"""Notations of cells, for a file and for its columns.

`--dates DD.MM.YYYY` is told of all columns, `--dates Birthday=DD.MM.YYYY` of one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import Fault, InvalidValue
from ingest.domain.notations import (
    Notation,
    dates_notation,
    decimal_notation,
    words_notation,
)

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
    #: Told for a file with more columns: what names others is no fault.
    kept: bool = False


#: Nothing is told.
NO_RULES = CellRules()


def load_rules(words: Mapping[str, Sequence[str]], *, kept: bool = False) -> CellRules:
    """Return how cells are written, from the texts of `CELL_OPTIONS`."""
    return CellRules(
        notations={name: words[name] for name in NOTATIONS if words.get(name)},
        nulls=words.get("null") or (),
        clears=words.get("clear") or (),
        kept=kept,
    )


def list_rules(rules: CellRules) -> Iterator[tuple[str, str]]:
    """Yield each option that is told of a column, and the column."""
    for option, values in rules.notations.items():
        for value in values:
            if column := value.rpartition("=")[0].strip():
                yield option, column


def plan_notations(
    names: Sequence[str],
    fields: Sequence[Field | None],
    rules: CellRules,
    faults: list[Fault],
) -> list[Notation | None]:
    """Return how the cells of each column are written, where it is told.

    Adds to `faults` what is told and means nothing.
    """
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
                    message = (
                        f"The column {name!r} is not a {_NOTED_NAMES[option]} field"
                    )
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
        raise InvalidValue("Only one decimal mark is allowed")
    return decimal_notation(texts[0])
