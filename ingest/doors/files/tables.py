"""Rows of tables: CSV and its kin."""

import csv
import io
from collections.abc import Iterator
from typing import Self

from ingest.domain.catalog import Database
from ingest.domain.errors import Fault, InvalidRequest
from ingest.doors.files.archives import UnreadableFile
from ingest.doors.files.dialects import sniff
from ingest.doors.files.encodings import Text
from ingest.doors.files.rows import Form, Reading, Row, dump_cells
from ingest.wire.columns import Columns, plan_columns


class Table:
    """A table whose header has been read."""

    def __init__(self, text: Text, reading: Reading, database: Database) -> None:
        """Read the header; raise UnreadableFile, or InvalidRequest for its columns."""
        dialect, skipped = sniff(text, reading.dialect)
        text.stream.read(skipped)
        self._lines = _Lines(text.stream, reading.max_row_bytes)
        # Strict: a quotation mark out of place is told of, not read as a letter.
        self._reader = dialect.read(self._lines, strict=True)
        # The module has one limit for all; what a row may be is limited by its lines.
        csv.field_size_limit(max(csv.field_size_limit(), reading.max_row_bytes))
        header = list(reading.columns) or self._read_header()
        self._columns: Columns = plan_columns(
            header, database, reading.mapping, reading.resource_id
        )
        self.form = Form(
            format="csv",
            encoding=text.encoding,
            encoding_source=text.source.value,
            columns=tuple(header),
            dialect=dialect,
        )

    @property
    def targets(self) -> dict[str, str]:
        """What each column holds, by its name; empty for what is passed over."""
        return dict(zip(self.form.columns, self._columns.targets, strict=True))

    def _read_header(self) -> list[str]:
        while (read := self._read()) is not None:
            if read[0]:
                return read[0]
        raise UnreadableFile("The file is empty: not even a header is in it")

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows; raise UnreadableFile where there is no telling them apart."""
        number = 0
        while (read := self._read()) is not None:
            cells, faults = read
            if not cells:
                continue
            number += 1
            element: dict[str, object] = {}
            if not faults:
                try:
                    element = self._columns.load(cells)
                except InvalidRequest as error:
                    faults = error.faults
            content = dump_cells(cells)
            yield Row(number=number, content=content, element=element, faults=faults)

    def _read(self) -> tuple[list[str], tuple[Fault, ...]] | None:
        """Read the next row; one that is quoted wrongly is its text, in one cell."""
        self._lines.read.clear()
        try:
            return next(self._reader), ()
        except StopIteration:
            return None
        except csv.Error as error:
            if self._lines.ended or "limit" in str(error):
                raise UnreadableFile(
                    f"The table cannot be read to its end: in line"
                    f" {self._reader.line_num - len(self._lines.read) + 1} or after it"
                    " a quotation mark is not closed"
                ) from error
            fault = Fault(code=400, message="Quoted wrongly", path="")
            return ["".join(self._lines.read).rstrip("\r\n")], (fault,)


class _Lines:
    """The lines of a text, those of the row that is being read kept."""

    def __init__(self, stream: io.TextIOWrapper, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        #: Read since this was emptied.
        self.read: list[str] = []
        #: Whether more was asked for than there is.
        self.ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Return the next line; UnreadableFile for one longer than anything is."""
        line = self._stream.readline(self._limit)
        if len(line) == self._limit:
            raise UnreadableFile(
                f"A line is longer than {self._limit} characters;"
                " PENSTOCK_MAX_BODY_BYTES sets the limit"
            )
        if not line:
            self.ended = True
            raise StopIteration
        self.read.append(line)
        return line
