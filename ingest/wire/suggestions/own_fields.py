"""Columns that are called, or titled, like a field of the database (R2, V10)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ingest.domain.catalog import Field, FieldType
from ingest.domain.notations import decimal_notation
from ingest.wire.suggestions.guesses import (
    ASKED,
    CERTAIN,
    ColumnGuess,
    Table,
    TargetChoice,
)
from ingest.wire.suggestions.headings import WHOLE, Heading
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.shapes import UNJUDGED, is_date, is_flag, is_ip, share
from ingest.wire.suggestions.vocabulary import load_vocabulary, normalize

#: Digits of a number that no program loses.
_MOST_DIGITS = 18


def judge_own(start: ColumnGuess, table: Table) -> ColumnGuess | None:
    """Return the field of the database that is called, or titled, like a column."""
    column = start.column
    field = _find_own(column, table)
    if field is None:
        return None
    fits = _fits(column, field)
    if fits < ASKED and field.type in (FieldType.OBJECT, FieldType.ARR_OBJECT):
        return None
    found = replace(start, meant=field.name, heading=Heading(field.name, WHOLE))
    question = TargetChoice(field.name, f"import as {field.name}")
    if column.place in table.consents:
        permits = TargetChoice("email_sub.status", "a status of consent")
        return found.ask("a field, and a name of consent", question, permits)
    if doubt := _doubt_own(column, field, table, fits):
        return found.ask(f"called like a field, {doubt}", question)
    return replace(
        found, target=field.name, certain=True, why="a field of the database"
    )


def _doubt_own(column: SampledColumn, field: Field, table: Table, fits: float) -> str:
    """Return why a column may not be the field that it is called like; or nothing."""
    system = table.system
    if system is not None and field.type is not FieldType.TAGS and not field.system:
        return f"in which {system.short_title} may have something else"
    if _is_shared_name(column, table):
        return "as fields of other systems are too"
    return f"but {fits:.0%} of its values fit" if fits < CERTAIN else ""


def _is_shared_name(column: SampledColumn, table: Table) -> bool:
    """Say whether a name may be another's: no other column is called like a field."""
    others = (one for one in table.columns if one is not column)
    return column.form in load_vocabulary().shared_names and not any(
        (own := _find_own(one, table)) is not None and not own.system for one in others
    )


def _find_own(column: SampledColumn, table: Table) -> Field | None:
    """Return the only field with the name or the title of a column."""
    name = column.name.strip()
    fields = table.database.fields
    if name in fields:
        return fields[name]
    found = [
        one
        for one in fields.values()
        if column.form
        and not one.system
        and column.form in (normalize(one.name), normalize(one.title))
    ]
    return found[0] if len(found) == 1 else None


def _fits(column: SampledColumn, field: Field) -> float:
    """Return the share of cells that a field of the database may take."""
    if field.type in (FieldType.OBJECT, FieldType.ARR_OBJECT):
        return share(column, _is_json)
    if not column.cells:
        return UNJUDGED
    if field.type in (FieldType.INT, FieldType.FLOAT):
        return share(column, _is_safe_number)
    if field.type is FieldType.ENUM:
        options: Any = field.options or ()
        return share(column, lambda cell: cell in options)
    check = _TYPE_CHECKS.get(field.type)
    return UNJUDGED if check is None else share(column, check)


_TYPE_CHECKS: Mapping[FieldType, Any] = {
    FieldType.DATE: is_date,
    FieldType.BOOL: is_flag,
    FieldType.IP: is_ip,
    FieldType.ANY_IP: is_ip,
}


def _is_safe_number(cell: str) -> bool:
    """Say whether a number keeps all of its digits (V10)."""
    digits = "".join(filter(str.isdigit, cell))
    if len(digits) > _MOST_DIGITS or (
        digits[:1] == "0" and cell.isdigit() and cell != "0"
    ):
        return False
    return any(decimal_notation(mark)(cell) is not None for mark in ".,")


def _is_json(cell: str) -> bool:
    try:
        return isinstance(orjson.loads(cell), dict | list)
    except orjson.JSONDecodeError:
        return False
