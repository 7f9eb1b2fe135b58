"""The first rows of a file, for a suggestion of what its columns are (R1)."""

import io
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from ingest.domain.errors import InvalidRequest
from ingest.doors.files.encodings.decoding import (
    GUESS,
    SAMPLE_BYTES,
    EncodingSource,
    Text,
    open_text,
)
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.kinds import (
    has_cards,
    is_web_page,
    is_workbook,
    name_kind,
)
from ingest.doors.files.formats.table_rows import Lines, is_nothing
from ingest.doors.files.formats.tables import TextLines
from ingest.doors.files.formats.texts import find_format_fault, guess_format
from ingest.doors.files.inputs import Opened, open_file
from ingest.doors.files.rows import FileForm, Reading
from ingest.doors.files.streams import Readable, peek
from ingest.wire.suggestions.samples import SAMPLED_ROWS
from ingest.wire.suggestions.suggested_files import Sample

#: Of a table with many columns, fewer rows are read: as many cells, and as many rows.
_MOST_CELLS = 100_000
_FEWEST_ROWS = 50


class NoColumns(InvalidRequest):
    """A file of documents, which name their fields themselves."""


def read_sample(stream: Readable, reading: Reading, file_name: str) -> Sample:
    """Return what `open_sample` does, without the notation of the file."""
    return open_sample(stream, reading, file_name)[0]


def open_sample(
    stream: Readable, reading: Reading, file_name: str
) -> tuple[Sample, FileForm]:
    """Return the header and the first rows of a table, and how it is written.

    Of text, the beginning is read; of a workbook, the file. An encoding that is not
    named and is not UTF-8 is guessed, and named in the options. Raises UnreadableFile,
    or NoColumns for a file that has none.
    """
    head, whole = peek(stream, SAMPLE_BYTES)
    lines = _open_lines(head, whole, reading)
    header = list(reading.columns) or _read_header(lines)
    rows = list(_read_rows(lines, len(header)))
    if len(head) == SAMPLE_BYTES and isinstance(lines, TextLines):
        # The last one may have been cut.
        rows = rows[:-1]
    sample = Sample(
        file_name=file_name,
        header=header,
        rows=rows,
        options=_list_options(lines, reading),
    )
    return sample, lines.form


def _open_lines(head: bytes, whole: IO[bytes], reading: Reading) -> Lines:
    if is_workbook(head) or is_web_page(head) or has_cards(head):
        opened = open_file(whole, reading)
    else:
        opened = _open_head(head, reading)
    if not isinstance(opened, Text):
        return opened
    looks = guess_format(opened.sample)
    if fault := find_format_fault(reading.format or looks, looks, opened.sample):
        raise UnreadableFile(fault)
    if (reading.format or looks) != "csv":
        raise NoColumns(
            "Only tables have columns to suggest targets for (JSON names its fields)",
            "format",
        )
    return TextLines(opened, reading)


def _open_head(head: bytes, reading: Reading) -> Opened:
    """Open the beginning of a text; guess an encoding that is not known."""
    if kind := name_kind(head):
        raise UnreadableFile(kind)
    try:
        return open_file(io.BytesIO(head), reading)
    except UnreadableFile:
        if reading.encoding:
            raise
        with suppress(UnreadableFile):
            return open_text(io.BytesIO(head), GUESS)
        raise


def _read_header(lines: Lines) -> list[str]:
    while (read := lines.read()) is not None:
        if not is_nothing(read[0]):
            return read[0]
    raise UnreadableFile("The file is empty; it has no header")


def _read_rows(lines: Lines, width: int) -> Iterator[list[str]]:
    """Yield the first rows that can be read, without narrow lines below the table."""
    left = min(SAMPLED_ROWS, max(_FEWEST_ROWS, _MOST_CELLS // max(width, 1)))
    with suppress(UnreadableFile):
        while left and (read := lines.read()) is not None:
            cells, faults = read
            left -= 1
            if not faults and not is_nothing(cells) and 2 * len(cells) >= width:
                yield cells


def _list_options(lines: Lines, reading: Reading) -> dict[str, str]:
    """Return the options that reading the file again needs."""
    options = {}
    if reading.encoding or lines.form.encoding_source == EncodingSource.GUESS:
        options["encoding"] = lines.form.encoding
    if isinstance(lines, TextLines):
        options["delimiter"] = lines.form.dialect.delimiter
    if reading.sheet:
        options["sheet"] = reading.sheet
    return options
