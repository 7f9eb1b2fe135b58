"""Notes on cells that were not stored as a whole, for the summary of a file."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial

from ingest.domain.counts import count


class NoteKind(StrEnum):
    """Kinds of notes on cells and rows."""

    NO_YEAR = "no_year"
    NO_ZONE = "no_zone"
    EXTENSION = "extension"
    FURTHER_EMAIL = "further_email"
    COMPANY = "company"
    PATRONYMIC = "patronymic"
    SKIPPED_ROW = "skipped_row"
    FOOTER_LINE = "footer_line"


#: Each with its singular and what became of it.
_TOLD: Mapping[NoteKind, tuple[str, str]] = {
    NoteKind.NO_YEAR: ("date without a year", "not stored"),
    NoteKind.EXTENSION: ("extension", "not stored"),
    NoteKind.FURTHER_EMAIL: ("further email", "not stored"),
    NoteKind.COMPANY: ("company", "not split into names"),
    NoteKind.PATRONYMIC: ("patronymic", "not stored"),
}


class CellNotes:
    """Counts of notes, each by the column that it is about."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[NoteKind, str]] = Counter()

    def add(self, kind: NoteKind, column: str = "", number: int = 1) -> None:
        """Count a note."""
        self._counts[kind, column] += number

    def adder(self, kind: NoteKind, column: str) -> Callable[[], None]:
        """Return what counts a note of a column."""
        return partial(self.add, kind, column)

    def list(self) -> list[dict[str, object]]:
        """Return the notes as JSON: kind, column, count."""
        return [
            {"kind": kind.value, "column": column, "count": number}
            for (kind, column), number in sorted(self._counts.items())
        ]


def tell_notes(notes: object) -> Iterator[str]:
    """Yield a line for each note of `CellNotes.list`, as a job keeps it."""
    for note in notes if isinstance(notes, list) else []:
        kind, column, number = note["kind"], note["column"], note["count"]
        match kind:
            case NoteKind.NO_ZONE:
                yield (
                    f"{column}: times without a time zone, read as UTC."
                    " To name another: --timezone"
                )
            case NoteKind.SKIPPED_ROW:
                yield f"{count(number, 'row')} skipped: {column}"
            case NoteKind.FOOTER_LINE:
                yield f"{count(number, 'line')} below the table, skipped"
            case _:
                what, outcome = _TOLD[NoteKind(kind)]
                yield f"{column}: {_count(number, what)}, {outcome}"


def _count(number: int, what: str) -> str:
    first, _, rest = what.partition(" ")
    if first == "date":
        return f"{count(number, first)} {rest}"
    return count(number, what, "companies" if what == "company" else f"{what}s")
