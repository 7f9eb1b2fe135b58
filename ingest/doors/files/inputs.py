"""Files to rows: unpacked, decoded, and read as what they are."""

from ingest.domain.catalog import Database
from ingest.doors.files.documents import Documents
from ingest.doors.files.encodings import Tally, Text, open_text
from ingest.doors.files.rows import Reading
from ingest.doors.files.streams import Readable
from ingest.doors.files.tables import Table

#: What gives rows: iterate over it once.
Rows = Table | Documents


def open_rows(
    stream: Readable,
    reading: Reading,
    database: Database,
    tally: Tally | None = None,
) -> Rows:
    """Return the rows of a file in the format that is told, or that it looks like.

    `tally` is of its lines, where they were read before. Raises UnreadableFile, or
    InvalidRequest for columns that mean nothing.
    """
    text = open_text(stream, reading.encoding, live=reading.live, tally=tally)
    match reading.format or _guess_format(text):
        case "csv":
            return Table(text, reading, database)
        case format_:
            return Documents(text, reading, as_array=format_ == "json")


def _guess_format(text: Text) -> str:
    """Tell JSON by how it begins; all else is a table."""
    start = text.sample.lstrip("\ufeff \t\r\n")[:1]
    return {"[": "json", "{": "ndjson"}.get(start, "csv")
