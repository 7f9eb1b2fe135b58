"""Tables of web pages, which some systems name .xls.

The page is read as it comes: no more than a row of it is in memory.
"""

import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from lxml import etree

from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.table_rows import ReadRow
from ingest.doors.files.rows import FileForm, Reading
from ingest.doors.files.streams import BUFFER_BYTES

#: As much of a page as names its encoding.
_HEAD_BYTES = 4096
_CHARSET = re.compile(
    rb"""<meta\b[^>]{1,300}?charset\s*+=\s*+["']?\s*+([\w.:-]+)""", re.IGNORECASE
)
_BLANKS = re.compile(r"[ \t\r\n\f]+")
#: What is no text of a cell.
_UNSEEN = frozenset({"script", "style", "title", "noscript", "template"})
#: Each ends the line in a cell.
_LINE_ENDS = frozenset({"br", "p", "div", "li", "tr"})
_MAX_SPAN = 1000


def find_charset_of_page(head: bytes) -> str | None:
    """Return the encoding that a page names in its beginning."""
    found = _CHARSET.search(head[:_HEAD_BYTES])
    return found[1].decode("ascii") if found else None


class _Rows:
    """What the parser of a page calls: gathers the rows of its first table."""

    def __init__(self, max_characters: int, max_cells: int) -> None:
        self.rows: deque[list[str]] = deque()
        #: Whether the table has ended.
        self.ended = False
        self._max_characters = max_characters
        self._max_cells = max_cells
        self._left = max_characters
        self._depth = self._unseen = 0
        self._row: list[str] = []
        self._cell: list[str] | None = None
        self._span = 1
        self._is_found = False

    def start(self, tag: str | bytes, attrib: Mapping[Any, Any]) -> None:
        """Begin an element."""
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "table":
            self._depth += 1
        elif self._depth == 1 and tag in ("td", "th"):
            self._end_cell()
            self._cell = []
            span = attrib.get("colspan", "")
            self._span = min(int(span), _MAX_SPAN) if span.isdecimal() else 1
        elif self._depth == 1 and tag == "tr":
            self._end_row()
        if tag in _LINE_ENDS:
            self._break()

    def end(self, tag: str | bytes) -> None:
        """End an element."""
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag == "table":
            if self._depth == 1:
                self._end_row()
                self.ended = self.ended or self._is_found
            self._depth = max(0, self._depth - 1)
        elif self._depth == 1 and tag in ("td", "th"):
            self._end_cell()
        elif self._depth == 1 and tag == "tr":
            self._end_row()
        if tag in ("p", "div", "li"):
            self._break()

    def data(self, data: str | bytes) -> None:
        """Take text."""
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        if self._cell is None or self._unseen or self.ended:
            return
        self._left -= len(text)
        if self._left < 0:
            raise UnreadableFile(
                f"A row is too long (at most {self._max_characters} characters, set by"
                " PENSTOCK_MAX_BODY_BYTES)"
            )
        self._cell.append(_BLANKS.sub(" ", text))

    def comment(self, data: str | bytes) -> None:
        """Pass over a comment."""

    def close(self) -> None:
        """End the page."""
        self._end_row()

    def _break(self) -> None:
        if self._cell:
            self._cell.append("\n")

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        lines = "".join(self._cell).split("\n")
        text = "\n".join(line.strip() for line in lines).strip()
        self._row += [text, *[""] * (self._span - 1)]
        self._cell = None
        if len(self._row) > self._max_cells:
            raise UnreadableFile(
                f"A row is too long (at most {self._max_cells} cells, set by"
                " PENSTOCK_MAX_VALUES)"
            )

    def _end_row(self) -> None:
        self._end_cell()
        # A table of one column lays out a page.
        self._is_found = self._is_found or len(self._row) > 1
        if self._row and self._is_found and not self.ended:
            self.rows.append(self._row)
        self._row = []
        self._left = self._max_characters


class PageLines:
    """The rows of the first table of a page that has more than one column."""

    def __init__(self, text: Text, reading: Reading) -> None:
        self._stream = text.stream
        self._rows = _Rows(reading.max_row_bytes, reading.limits.values)
        # Pieces are fed as UTF-8, whatever the page says of itself.
        self._parser: Any = etree.HTMLParser(
            target=self._rows, encoding="utf-8", no_network=True
        )
        self._is_closed = self._has_rows = False
        self.form = FileForm(
            format="csv", encoding=text.encoding, encoding_source=text.source.value
        )

    def read_so_far(self) -> list[str]:
        """Return nothing: cells are not found by lines."""
        return []

    def peek(self) -> None:
        """Return nothing: rows may be read ahead."""

    def read(self) -> ReadRow | None:
        """Return the next row, None at the end; raise UnreadableFile."""
        while not self._rows.rows:
            if self._is_closed or self._rows.ended:
                break
            self._feed()
        if self._rows.rows:
            self._has_rows = True
            return self._rows.rows.popleft(), ()
        if not self._has_rows:
            raise UnreadableFile("The file is a web page without a table")
        return None

    def _feed(self) -> None:
        piece = self._stream.read(BUFFER_BYTES // 4)
        try:
            if piece:
                self._parser.feed(piece.encode("utf-8", "backslashreplace"))
            else:
                self._is_closed = True
                self._parser.close()
        except etree.LxmlError as error:
            self._is_closed = True
            if not self._rows.rows:
                raise UnreadableFile(f"The web page is damaged: {error}") from error
