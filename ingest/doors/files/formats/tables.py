"""Rows of tables: CSV and its kin, and the sheets of workbooks."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Protocol, Self

from ingest.domain.catalog import Database
from ingest.domain.errors import Fault, InvalidRequest
from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.dialects import Dialect, sniff
from ingest.doors.files.rows import FileForm, FileRow, Reading, dump_cells
from ingest.wire.columns import Columns, UnreadableRow, plan_columns

#: A row's cells, and what is wrong with how they are written.
ReadRow = tuple[list[str], tuple[Fault, ...]]
#: What ends some files of old programs.
_END_OF_FILE = "\x1a"


class Lines(Protocol):
    """The source of cells."""

    form: FileForm

    def read(self) -> ReadRow | None:
        """Return the next row, None at the end; raise UnreadableFile."""

    def read_so_far(self) -> list[str]:
        """Return the lines that the last row stands in, where it stands in lines."""


class FileTable:
    """A table whose header has been read."""

    def __init__(self, lines: Lines, reading: Reading, database: Database) -> None:
        """Read the header; raise UnreadableFile, or InvalidRequest for its columns."""
        self._lines = lines
        header = list(reading.columns) or self._read_header()
        if len(header) > reading.limits.keys:
            raise UnreadableFile(
                f"The table has too many columns (at most {reading.limits.keys}, set by"
                " PENSTOCK_MAX_KEYS)"
            )
        self._columns: Columns = plan_columns(
            header, database, reading.mapping, reading.resource_id, reading.rules
        )
        self._trusts = reading.trust_quotes or self._columns.is_exact
        self.form = FileForm(
            format="csv",
            encoding=lines.form.encoding,
            encoding_source=lines.form.encoding_source,
            columns=tuple(header),
            dialect=lines.form.dialect,
            sheet=lines.form.sheet,
            sheets=lines.form.sheets,
        )

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Each column by its name, and what it holds: nothing if it is skipped."""
        return list(zip(self.form.columns, self._columns.targets, strict=True))

    def _read_header(self) -> list[str]:
        while (read := self._lines.read()) is not None:
            if not _is_nothing(read[0]):
                return read[0]
        raise UnreadableFile("The file is empty; it has no header")

    def __iter__(self) -> Iterator[FileRow]:
        """Yield the rows; raise UnreadableFile where there is no telling them apart."""
        number, width = 0, len(self.form.columns)
        while (read := self._lines.read()) is not None:
            cells, faults = read
            if _is_nothing(cells):
                continue
            number += 1
            element: dict[str, object] = {}
            if not faults:
                faults = self._suspect()
            if not faults:
                try:
                    if len(cells) != width:
                        cells = list(self._columns.fit(cells))
                    element = self._columns.load(cells)
                except UnreadableRow as error:
                    faults, element = error.faults, dict(error.element)
                except InvalidRequest as error:
                    faults = error.faults
            content = dump_cells(cells)
            yield FileRow(
                number=number, content=content, element=element, faults=faults
            )

    def _suspect(self) -> tuple[Fault, ...]:
        """Return a fault if a quoted cell seems to have swallowed other rows."""
        lines = self._lines.read_so_far()
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


def _is_nothing(cells: list[str]) -> bool:
    text = "".join(cells).strip()
    return not text or text == _END_OF_FILE


class TextLines:
    """The rows of a table that is text."""

    def __init__(self, text: Text, reading: Reading) -> None:
        dialect, skipped = sniff(text, reading.dialect)
        text.stream.read(skipped)
        self._dialect = dialect
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
