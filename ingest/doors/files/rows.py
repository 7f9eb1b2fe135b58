"""Rows of files, as every format gives them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ingest.domain.errors import Fault
from ingest.doors.files.formats.dialects import Dialect, DialectOptions
from ingest.wire.cell_rules import NO_RULES, CellRules
from ingest.wire.limits import DEFAULT_LIMITS, Limits
from ingest.wire.row_statuses import NO_STATUSES, StatusRules, StatusTally


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One row of a file, read or found to be unreadable."""

    #: The first is 1; headers and empty lines do not count.
    number: int
    #: What it was, to be kept if it is rejected: JSON of its cells, or its own JSON.
    content: bytes
    #: The element of a batch that it is; what could be read of it if there are faults.
    element: Mapping[str, object] = field(default_factory=dict)
    #: Why it cannot be read.
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Options for reading a file; None is detected."""

    #: `csv`, `ndjson` or `json`; None for what it looks like.
    format: str | None = None
    encoding: str | None = None
    dialect: DialectOptions = field(default_factory=DialectOptions)
    #: Names of the columns of a table that has no header.
    columns: tuple[str, ...] = ()
    #: Targets by column, or by columns of which the first that is filled counts; an
    #: empty one is passed over.
    mapping: Mapping[str, str] = field(default_factory=dict)
    #: How the cells of a table are written.
    rules: CellRules = NO_RULES
    #: What words mean, and what the whole file says of its people.
    statuses: StatusRules = NO_STATUSES
    #: Values by column: rows with one of them are skipped.
    skip_where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Whether narrow lines behind the end of the table are skipped.
    skip_footer: bool = False
    #: Whether a quoted cell may hold lines that look like rows.
    trust_quotes: bool = False
    #: Of a workbook, the name or the number of the sheet; None for the first.
    sheet: str | None = None
    #: Where `email_sub` and `phone_sub` subscribe.
    resource_id: int | None = None
    #: Its bytes come as they are made: the next may be long in coming.
    live: bool = False
    max_row_bytes: int = 10 * 1024 * 1024
    #: Memory that reading a workbook may take.
    max_workbook_bytes: int = 1024**3
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class FileForm:
    """The notation of a file, in which its rejects are written too."""

    #: `csv`, `ndjson` or `json`.
    format: str
    encoding: str = "utf-8"
    #: Why it is read in that: `mark`, `told`, `default` or `guess`.
    encoding_source: str = "default"
    #: Of a table: its columns' names and its dialect.
    columns: tuple[str, ...] = ()
    dialect: Dialect = field(default_factory=Dialect)
    #: Of a workbook: the sheet that was read, and how many there are.
    sheet: str = ""
    sheets: int = 0
    #: How cells are written, as the first rows of a table have shown: options of cells.
    decided: Mapping[str, Sequence[str]] = field(default_factory=dict)


class RowSource(Protocol):
    """Something that gives rows: iterate over it once."""

    @property
    def form(self) -> FileForm:
        """The notation of the rows."""

    def __iter__(self) -> Iterator[FileRow]:
        """Yield the rows in their order."""

    def list_notes(self) -> list[dict[str, object]]:
        """Return what of the rows so far was not stored, as JSON (`CellNotes`)."""

    @property
    def statuses(self) -> StatusTally | None:
        """Counts of the statuses of the rows so far; None where no column has any."""


def summarize_rows(rows: RowSource) -> dict[str, object]:
    """Return what was found in the rows so far, as a job keeps it."""
    found: dict[str, object] = {}
    if notes := rows.list_notes():
        found["notes"] = notes
    if rows.statuses is not None:
        found["statuses"] = rows.statuses.show()
    return found


def dump_cells(cells: Sequence[str]) -> bytes:
    """Write cells as they are kept; bytes that are no text come through."""
    return json.dumps(cells).encode()


def load_cells(content: bytes) -> list[str]:
    """Read cells that were kept."""
    return list(json.loads(content))
