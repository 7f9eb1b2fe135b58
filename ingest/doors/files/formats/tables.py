"""Rows of tables: CSV and its kin, and the sheets of workbooks."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Self

from ingest.domain.catalog import Database
from ingest.domain.errors import Fault, InvalidRequest
from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.dialects import Dialect, sniff
from ingest.doors.files.formats.table_rows import (
    Lines,
    RawRow,
    RawRows,
    ReadRow,
    RowFilter,
    is_nothing,
    without_footer,
)
from ingest.doors.files.rows import FileForm, FileRow, Reading, dump_cells
from ingest.wire.cell_notes import CellNotes
from ingest.wire.columns import (
    ColumnPlan,
    Columns,
    StatusColumns,
    UnreadableRow,
    is_contact,
)
from ingest.wire.first_rows import DECIDING_ROWS, FirstRows, TableSurvey
from ingest.wire.row_statuses import StatusTally

#: Returns how a table with this header is read; None for as it is passed.
Recall = Callable[[Sequence[str]], Reading | None]


class FileTable:
    """A table whose header has been read."""

    def __init__(
        self,
        lines: Lines,
        reading: Reading,
        database: Database,
        recall: Recall | None = None,
    ) -> None:
        """Read the header; raise UnreadableFile, or InvalidRequest for its columns.

        `recall` may know better how a table with this header is read.
        """
        self._lines = lines
        header = list(reading.columns) or self._read_header()
        if recall is not None:
            reading = recall(header) or reading
        if len(header) > reading.limits.keys:
            raise UnreadableFile(
                f"The table has too many columns (at most {reading.limits.keys}, set by"
                " PENSTOCK_MAX_KEYS)"
            )
        self._notes = CellNotes()
        self._rows = RawRows(lines, RowFilter(header, reading.skip_where), self._notes)
        survey = TableSurvey(
            rows=FirstRows(self._rows.look_ahead),
            notes=self._notes,
            last_year=datetime.now(UTC).year,
        )
        self._columns: Columns = ColumnPlan(
            header, database, reading.mapping, reading.rules, reading.statuses, survey
        ).make(reading.resource_id)
        #: How it is read.
        self.reading = reading
        self._trusts = reading.trust_quotes or self._columns.is_exact
        self._skips_footer = reading.skip_footer
        self.form = replace(
            lines.form, columns=tuple(header), decided=dict(survey.decided)
        )

    def list_notes(self) -> list[dict[str, object]]:
        """Return what of the rows so far was not stored as a whole, or skipped."""
        return self._notes.list()

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Each column by its name, and what it holds: nothing if it is skipped."""
        return list(zip(self._columns.names, self._columns.targets, strict=True))

    def look_ahead(self, limit: int) -> list[list[str]]:
        """Return the cells of the first rows, before they are read."""
        return self._rows.look_ahead(limit)

    @property
    def plan(self) -> Columns:
        """The targets of the columns."""
        return self._columns

    @property
    def statuses(self) -> StatusTally | None:
        """Counts of the statuses of the rows so far; None where no column has any."""
        columns = self._columns
        return columns.tally if isinstance(columns, StatusColumns) else None

    def _read_header(self) -> list[str]:
        while (read := self._lines.read()) is not None:
            if not is_nothing(read[0]):
                return read[0]
        raise UnreadableFile("The file is empty; it has no header")

    def __iter__(self) -> Iterator[FileRow]:
        """Yield the rows; raise UnreadableFile where there is no telling them apart."""
        width = len(self.form.columns)
        rows = iter(self._rows)
        if self._skips_footer:
            rows = without_footer(rows, self._is_narrow, self._notes)
        for number, (cells, found, lines) in enumerate(rows, start=1):
            element: dict[str, object] = {}
            faults = found or self._suspect(lines)
            if not faults:
                try:
                    if len(cells) != width:
                        cells = list(self._columns.fit(cells))  # noqa: PLW2901
                    element = self._columns.load(cells)
                except UnreadableRow as error:
                    faults, element = error.faults, dict(error.element)
                except InvalidRequest as error:
                    faults = error.faults
            content = dump_cells(cells)
            yield FileRow(
                number=number, content=content, element=element, faults=faults
            )

    def _is_narrow(self, row: RawRow) -> bool:
        """Say whether a row has so few cells that it may stand below the table."""
        cells, *_ = row
        filled = [cell.strip() for cell in cells if cell.strip()]
        used = max(
            (place for place, cell in enumerate(cells, 1) if cell.strip()),
            default=0,
        )
        return 2 * used <= len(self.form.columns) and not any(map(is_contact, filled))

    def _suspect(self, lines: Sequence[str]) -> tuple[Fault, ...]:
        """Return a fault if a quoted cell seems to have swallowed other rows."""
        if len(lines) < 2 or self._trusts:
            return ()
        dialect = self.form.dialect
        swallowed = sum(
            self._columns.resemble(
                line.strip("\r\n").replace(dialect.quote, "").split(dialect.delimiter)
            )
            for line in lines[1:]
        )
        if not swallowed:
            return ()
        told = "line looks like a row" if swallowed == 1 else "lines look like rows"
        message = (
            f"A quotation mark may be missing: {swallowed:,} {told} inside one value"
        )
        return (Fault(code=400, message=message, path=""),)


class TextLines:
    """The rows of a table that is text."""

    def __init__(self, text: Text, reading: Reading) -> None:
        dialect, skipped = sniff(text, reading.dialect)
        text.stream.read(skipped)
        self._dialect = dialect
        # Of what is still coming, no more is looked at than has come.
        self._come = text.sample[skipped:] if reading.live else None
        self._is_whole = text.is_whole
        self._has_header = not reading.columns
        self._lines = _Lines(text.stream, reading, dialect.delimiter)
        # Strict: a quotation mark out of place is told of, not read as a letter.
        self._reader = dialect.read(self._lines, strict=True)
        # The module has one limit for all; what a row may be is limited by its lines.
        csv.field_size_limit(max(csv.field_size_limit(), reading.max_row_bytes))
        self.form = FileForm(
            format="csv",
            encoding=text.encoding,
            encoding_source=text.source.value,
            dialect=dialect,
        )
        self._cell = _compile_cell(dialect)

    def read_so_far(self) -> list[str]:
        """Return the lines of the last row."""
        return self._lines.read

    def peek(self) -> list[list[str]] | None:
        """Return the rows that have come, if others are still coming."""
        if self._come is None:
            return None
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows.extend(self._dialect.read(io.StringIO(self._come, newline="")))
        rows = [cells for cells in rows if not is_nothing(cells)]
        first = 1 if self._has_header else 0
        # The last one may have been cut.
        return rows[first:DECIDING_ROWS] if self._is_whole else rows[first:-1]

    def read(self) -> ReadRow | None:
        """Read the next row; one that is quoted wrongly is its text, in one cell."""
        self._lines.begin(self._reader.line_num)
        try:
            return next(self._reader), ()
        except StopIteration:
            return None
        except csv.Error as error:
            if self._lines.ended:
                raise UnreadableFile(
                    "The table cannot be read to its end: a quotation mark is "
                    f"missing in line {self._lines.first} or later"
                ) from error
            row = "".join(self._lines.read).rstrip("\r\n")
            if (cells := self._read_loosely(row)) is not None:
                return cells, ()
            return [row], (Fault(code=400, message="Incorrect quoting", path=""),)

    def _read_loosely(self, row: str) -> list[str] | None:
        """Read a row with blanks behind its quotation marks; None if that is not all.

        The module takes them for a part of the cell.
        """
        cells, at = [], 0
        while self._cell and (found := self._cell.match(row, at)):
            quoted, quote = found[1], self._dialect.quote
            cells.append(
                found[2] if quoted is None else quoted.replace(quote * 2, quote)
            )
            if found.end() == len(row):
                return cells
            at = found.end() + 1
        return None


def _compile_cell(dialect: Dialect) -> re.Pattern[str] | None:
    """Return what a cell looks like, with or without quotation marks."""
    if not dialect.quote or dialect.escape:
        return None
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    return re.compile(
        rf"[ \t]*+(?:{quote}((?:[^{quote}]|{quote}{quote})*+){quote}[ \t]*+"
        rf"|([^{quote}{delimiter}]*+))(?={delimiter}|\Z)"
    )


class _Lines:
    """The lines of a text, those of the row that is being read kept."""

    def __init__(
        self, stream: io.TextIOWrapper, reading: Reading, delimiter: str
    ) -> None:
        self._stream = stream
        self._limit = reading.max_row_bytes
        self._max_cells = reading.limits.values
        self._delimiter = delimiter
        # Characters that the row may still have, and delimiters.
        self._left = self._cells_left = 0
        #: Read since the row began.
        self.read: list[str] = []
        #: The line in which it began; the first is 1.
        self.first = 1
        #: Whether more was asked for than there is.
        self.ended = False

    def begin(self, line: int) -> None:
        """Begin a row after `line`."""
        self.read.clear()
        self.first = line + 1
        self._left, self._cells_left = self._limit, self._max_cells

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Return the next line; UnreadableFile for a row longer than anything is."""
        line = self._stream.readline(self._left)
        self._left -= len(line)
        self._cells_left -= line.count(self._delimiter)
        if self._left <= 0:
            raise self._too_much(
                f"at most {self._limit} characters", "PENSTOCK_MAX_BODY_BYTES"
            )
        if self._cells_left < 0:
            raise self._too_much(
                f"at most {self._max_cells} cells", "PENSTOCK_MAX_VALUES"
            )
        if not line:
            self.ended = True
            raise StopIteration
        self.read.append(line)
        return line

    def _too_much(self, what: str, setting: str) -> UnreadableFile:
        # A quotation mark that is not closed makes one row of all that follows.
        hint = "; a quotation mark may be missing" if self.read else ""
        return UnreadableFile(
            f"A row is too long ({what}, set by {setting}). It starts in line"
            f" {self.first}{hint}"
        )
