"""The rows of a table before its columns are known: read ahead, and skipped."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.invisible import trim
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.rows import FileForm
from ingest.wire.cell_notes import CellNotes, NoteKind

#: A row's cells, and what is wrong with how they are written.
ReadRow = tuple[list[str], tuple[Fault, ...]]
#: What ends some files of old programs.
_END_OF_FILE = "\x1a"
#: Characters that are read ahead, at most.
_MAX_AHEAD = 16 * 1024 * 1024
#: Lines behind a table are few; more than these are rows.
_MAX_FOOTER = 100


class Lines(Protocol):
    """The source of cells."""

    form: FileForm

    def read(self) -> ReadRow | None:
        """Return the next row, None at the end; raise UnreadableFile."""

    def read_so_far(self) -> list[str]:
        """Return the lines that the last row stands in, where it stands in lines."""

    def peek(self) -> list[list[str]] | None:
        """Return the rows that have come, or None where more may be read ahead."""


#: A row as it stands in the file: its cells, what is wrong with how they are written,
#: and the lines that it stands in, until the next row is read.
RawRow = tuple[list[str], tuple[Fault, ...], Sequence[str]]


class RowFilter:
    """The rows that are to be skipped, by the values of their columns."""

    def __init__(
        self, header: Sequence[str], skipped: Mapping[str, Sequence[str]]
    ) -> None:
        """Find the columns; raise InvalidRequest for one that is not there."""
        names = list(map(trim, header))
        if unknown := [one for one in skipped if trim(one) not in names]:
            raise InvalidRequest(
                [
                    Fault(
                        code=400, message=f"Unknown column {one!r}", path="skip_where"
                    )
                    for one in unknown
                ]
            )
        #: Each column with its place and the values of rows to skip.
        self.skipped = [
            (names.index(trim(one)), one, frozenset(map(_fold, values)))
            for one, values in skipped.items()
        ]

    def find(self, cells: Sequence[str]) -> str:
        """Return why a row is skipped, such as `IsDeleted=1`; empty if it is not."""
        for place, name, values in self.skipped:
            cell = cells[place].strip() if place < len(cells) else ""
            if _fold(cell) in values:
                return f"{name}={cell}"
        return ""


def _fold(text: str) -> str:
    return text.strip().casefold()


class RawRows:
    """The rows of a table behind its header, of which the first may be looked at."""

    def __init__(self, lines: Lines, row_filter: RowFilter, notes: CellNotes) -> None:
        self._lines = lines
        self._filter = row_filter
        self._notes = notes
        self._ahead: deque[RawRow] = deque()
        self._failure: UnreadableFile | None = None
        self._ended = False
        # Characters that may still be read ahead.
        self._left_ahead = _MAX_AHEAD

    def look_ahead(self, limit: int) -> list[list[str]]:
        """Return the cells of the first rows, which are read later all the same."""
        if (rows := self._lines.peek()) is None:
            self._read_ahead(limit)
            rows = [cells for cells, *_ in self._ahead]
        return [
            row
            for row in rows[:limit]
            if not is_nothing(row) and not self._filter.find(row)
        ]

    def _read_ahead(self, limit: int) -> None:
        try:
            while len(self._ahead) < limit and self._left_ahead > 0:
                if (row := self._read()) is None:
                    return
                self._ahead.append(row)
                self._left_ahead -= sum(map(len, row[0]))
        except UnreadableFile as error:
            # It can be read as far as here.
            self._failure = error
            self._ended = True

    def _read(self) -> RawRow | None:
        read = None if self._ended else self._lines.read()
        if read is None:
            self._ended = True
            return None
        # The lines are those of the next row soon.
        return *read, self._lines.read_so_far()[:]

    def __iter__(self) -> Iterator[RawRow]:
        """Yield the rows that are neither empty nor skipped; raise UnreadableFile."""
        skips = bool(self._filter.skipped)
        for row in self._list_all():
            if is_nothing(row[0]):
                continue
            if skips and (why := self._filter.find(row[0])):
                self._notes.add(NoteKind.SKIPPED_ROW, why)
                continue
            yield row

    def _list_all(self) -> Iterator[RawRow]:
        """Yield the rows that were read ahead, then the others."""
        while self._ahead:
            yield self._ahead.popleft()
        if self._failure is not None:
            raise self._failure
        lines = self._lines
        while not self._ended and (read := lines.read()) is not None:
            yield *read, lines.read_so_far()


def without_footer(
    rows: Iterator[RawRow], is_narrow: Callable[[RawRow], bool], notes: CellNotes
) -> Iterator[RawRow]:
    """Yield the rows but for the narrow ones behind the last that is wider.

    They are counted: titles, totals, and dates that some systems write below a table.
    """
    held: list[RawRow] = []
    for row in rows:
        if is_narrow(row) and len(held) < _MAX_FOOTER:
            cells, faults, lines = row
            held.append((cells, faults, lines[:]))
            continue
        yield from held
        held.clear()
        yield row
    if held:
        notes.add(NoteKind.FOOTER_LINE, number=len(held))


def is_nothing(cells: Sequence[str]) -> bool:
    """Say whether a row is empty."""
    text = "".join(cells).strip()
    return not text or text == _END_OF_FILE
