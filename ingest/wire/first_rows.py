"""The first rows of a table: what its columns mean is decided before any is read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ingest.wire.cell_notes import CellNotes

#: Rows that decide how the cells of a column are written (V1).
DECIDING_ROWS = 10_000


class FirstRows:
    """The first rows of a table, which are read when a column needs them."""

    def __init__(self, read: Callable[[int], Sequence[Sequence[str]]]) -> None:
        """Begin; `read` returns the cells of so many rows, without the header."""
        self._read = read
        self._rows: Sequence[Sequence[str]] = ()
        self._limit = 0

    def list_cells(
        self, places: Sequence[int], limit: int = DECIDING_ROWS
    ) -> Iterator[tuple[int, str]]:
        """Yield the filled cells of columns, trimmed, each with its row's number."""
        if limit > self._limit:
            self._rows, self._limit = self._read(limit), limit
        for number, row in enumerate(self._rows[:limit], start=1):
            for place in places:
                if place < len(row) and (cell := row[place].strip()):
                    yield number, cell


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSurvey:
    """The first rows of a table, and what they show."""

    rows: FirstRows = field(default_factory=lambda: FirstRows(lambda _: ()))
    notes: CellNotes = field(default_factory=CellNotes)
    #: Notations that the rows decided, as options: `dates` → [`Birthday=day-first`].
    decided: dict[str, list[str]] = field(default_factory=dict)
    #: The year until which people were born; two digits of a year depend on it.
    last_year: int = 9999

    def decide(self, option: str, column: str, value: str) -> None:
        """Note a notation that the rows decided, for the file of their rejects."""
        self.decided.setdefault(option, []).append(f"{column}={value}")
