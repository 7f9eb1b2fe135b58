"""Columns of a table's first rows, as suggestions look at them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.wire.suggestions.vocabulary import is_empty_word, normalize

#: A time zone behind the name of a time: `Created (GMT+2)`.
_ZONE = re.compile(r" (?:utc|gmt)(?: [0-9]{1,2})?(?: [0-9]{2})?$")
#: Rows that are looked at.
SAMPLED_ROWS = 1000
#: Values that are shown of a column.
SHOWN_CELLS = 3
#: Characters that are shown of a value.
_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class SampledColumn:
    """A column: its name, and what is in its first rows."""

    place: int
    name: str
    #: Its name in normal form, without a time zone behind it.
    form: str
    #: One for each row, trimmed; empty where it says nothing.
    rows: tuple[str, ...]
    #: Those that say something.
    cells: tuple[str, ...]

    @property
    def samples(self) -> tuple[str, ...]:
        """The first values, cut if they are long."""
        return tuple(_cut(cell) for cell in self.cells[:SHOWN_CELLS])


def _cut(cell: str) -> str:
    line = " ".join(cell.split())
    return line if len(line) <= _SHOWN_LENGTH else f"{line[: _SHOWN_LENGTH - 1]}…"


def list_columns(
    header: Sequence[str], rows: Iterable[Sequence[str]]
) -> list[SampledColumn]:
    """Return the columns of a table; rows may be shorter than the header, or longer."""
    listed = [list(map(_read, row)) for row in rows]
    return [
        SampledColumn(place, name, _name(name), cells, tuple(filter(None, cells)))
        for place, name in enumerate(header)
        for cells in [tuple(row[place] if place < len(row) else "" for row in listed)]
    ]


def _name(name: str) -> str:
    return _ZONE.sub("", normalize(name))


def _read(cell: str) -> str:
    """Return a cell without the apostrophe that keeps a number a text (V6)."""
    text = cell.strip()
    if text[:1] == "'" and text[1:2] in frozenset("0123456789+-=@"):
        text = text[1:].strip()
    return "" if is_empty_word(text) else text
