"""Whole names in one column: the order of their parts, and what is offered (R5)."""

from dataclasses import replace

from ingest.domain.catalog import FieldType
from ingest.wire.suggestions.guesses import FULL_NAME, ColumnGuess, Table, TargetChoice
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.vocabulary import load_vocabulary, normalize

_ORDERS = (
    TargetChoice("full_name:given_first", "split it; the given name is first"),
    TargetChoice("full_name:family_first", "split it; the family name is first"),
    TargetChoice("full_name:comma", "split it at the comma; the family name is first"),
)
#: The share of names that tell the order.
_TELLING = 0.6
#: Text fields that are offered, at most.
_OFFERED = 3


def ask_full_name(start: ColumnGuess, table: Table) -> ColumnGuess:
    """Return the question of a column of whole names; left out beside its parts."""
    column = start.column
    if all(table.has(one, beside=column) for one in ("_fname", "_lname")):
        return start.left_out("both parts of the name have columns")
    first = find_order(column)
    orders = sorted(_ORDERS, key=lambda one: one.target != first)
    kept = [
        TargetChoice(name, f"keep it as a text in {name}")
        for name in table.list_fields(FieldType.UNICODE)[:_OFFERED]
    ]
    given = [TargetChoice("_fname", "it is the given name alone")]
    why = start.why or "whole names in one column"
    if count := sum(map(is_company, column.cells)):
        why += f"; {count:,} of {len(column.cells):,} are companies"
    return replace(start, meant=FULL_NAME).ask(why, *orders, *given, *kept)


def find_order(column: SampledColumn) -> str:
    """Return the order that the names tell by patronymics or commas; empty for none."""
    names = [cell for cell in column.cells if " " in cell and not is_company(cell)]
    if not names:
        return ""
    if sum("," in name for name in names) / len(names) >= _TELLING:
        return "full_name:comma"
    endings = load_vocabulary().patronymics
    lasting = [name for name in names if name.casefold().split()[-1].endswith(endings)]
    if len(lasting) / len(names) >= _TELLING:
        return "full_name:family_first"
    return ""


def is_company(name: str) -> bool:
    """Return whether a name has the form of a company in it, such as Ltd."""
    words = normalize(name).split()
    known = load_vocabulary().companies
    return len(words) > 1 and bool({words[0], words[-1], " ".join(words[-2:])} & known)
