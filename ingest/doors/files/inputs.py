"""Files to rows: unpacked, decoded, and read as what they are."""

from ingest.domain.catalog import Database
from ingest.domain.errors import InvalidRequest
from ingest.doors.files.encodings.decoding import SAMPLE_BYTES, Text, open_text
from ingest.doors.files.encodings.utf8_lines import Tally
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.card_files import CardLines
from ingest.doors.files.formats.documents import Documents
from ingest.doors.files.formats.kinds import (
    has_cards,
    is_web_page,
    is_workbook,
    name_kind,
)
from ingest.doors.files.formats.tables import FileTable, Recall, TextLines
from ingest.doors.files.formats.texts import find_format_fault, guess_format
from ingest.doors.files.formats.web_tables import PageLines, find_charset_of_page
from ingest.doors.files.formats.workbooks import SheetLines
from ingest.doors.files.rows import Reading
from ingest.doors.files.streams import Readable, peek

#: What gives rows: iterate over it once.
Rows = FileTable | Documents
#: A file that was opened, of which no row has been read.
Opened = Text | SheetLines | CardLines | PageLines


def open_file(stream: Readable, reading: Reading, tally: Tally | None = None) -> Opened:
    """Open a file as what it is; `tally` is of its lines, where known.

    Raises UnreadableFile, also for a file of another kind: it is named.
    """
    head, whole = peek(stream, SAMPLE_BYTES, live=reading.live)
    if is_workbook(head):
        return SheetLines(whole, reading)
    if is_web_page(head):
        named = reading.encoding or find_charset_of_page(head)
        return PageLines(open_text(whole, named, live=reading.live), reading)
    if kind := name_kind(head):
        raise UnreadableFile(kind)
    text = open_text(whole, reading.encoding, live=reading.live, tally=tally)
    return CardLines(text, reading) if has_cards(head) else text


def read_rows(
    opened: Opened,
    reading: Reading,
    database: Database,
    recall: Recall | None = None,
) -> Rows:
    """Return the rows of a file in the format that is told, or that it looks like.

    `recall` may know better how a table is read, by its header. Raises UnreadableFile,
    or InvalidRequest for columns that mean nothing.
    """
    if not isinstance(opened, Text):
        return FileTable(opened, reading, database, recall)
    looks = guess_format(opened.sample)
    format_ = reading.format or looks
    if fault := find_format_fault(format_, looks, opened.sample):
        raise UnreadableFile(fault)
    if format_ == "csv":
        return FileTable(TextLines(opened, reading), reading, database, recall)
    if reading.statuses.words or reading.statuses.status:
        raise InvalidRequest(
            "Options for statuses are for tables (in JSON, each subscription has its "
            "own status)",
            "status" if reading.statuses.status else "words",
        )
    return Documents(opened, reading, as_array=format_ == "json")


def open_rows(
    stream: Readable,
    reading: Reading,
    database: Database,
    tally: Tally | None = None,
) -> Rows:
    """Open a file and return its rows; raises what `open_file` and `read_rows` do."""
    return read_rows(open_file(stream, reading, tally), reading, database)
