"""Files to rows: unpacked, decoded, and read as what they are."""

from ingest.domain.catalog import Database
from ingest.doors.files.encodings.decoding import SAMPLE_BYTES, Text, open_text
from ingest.doors.files.encodings.utf8_lines import Tally
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.documents import Documents
from ingest.doors.files.formats.kinds import is_workbook, name_kind
from ingest.doors.files.formats.tables import FileTable, TextLines
from ingest.doors.files.formats.texts import find_format_fault, guess_format
from ingest.doors.files.formats.workbooks import SheetLines
from ingest.doors.files.rows import Reading
from ingest.doors.files.streams import Readable, peek

#: What gives rows: iterate over it once.
Rows = FileTable | Documents
#: A file that was opened, of which no row has been read.
Opened = Text | SheetLines


def open_file(stream: Readable, reading: Reading, tally: Tally | None = None) -> Opened:
    """Open a file as text or as a workbook; `tally` is of its lines, where known.

    Raises UnreadableFile, also for a file that is neither: it is named.
    """
    head, whole = peek(stream, SAMPLE_BYTES, live=reading.live)
    if is_workbook(head):
        return SheetLines(whole, reading)
    if kind := name_kind(head):
        raise UnreadableFile(kind)
    return open_text(whole, reading.encoding, live=reading.live, tally=tally)


def read_rows(opened: Opened, reading: Reading, database: Database) -> Rows:
    """Return the rows of a file in the format that is told, or that it looks like.

    `tally` is of its lines, where they were read before. Raises UnreadableFile, or
    InvalidRequest for columns that mean nothing.
    """
    if isinstance(opened, SheetLines):
        return FileTable(opened, reading, database)
    looks = guess_format(opened.sample)
    format_ = reading.format or looks
    if fault := find_format_fault(format_, looks, opened.sample):
        raise UnreadableFile(fault)
    if format_ == "csv":
        return FileTable(TextLines(opened, reading), reading, database)
    return Documents(opened, reading, as_array=format_ == "json")


def open_rows(
    stream: Readable,
    reading: Reading,
    database: Database,
    tally: Tally | None = None,
) -> Rows:
    """Open a file and return its rows; raises what `open_file` and `read_rows` do."""
    return read_rows(open_file(stream, reading, tally), reading, database)
