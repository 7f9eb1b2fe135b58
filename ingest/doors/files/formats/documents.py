"""Rows of JSON: one document a line, or the elements of one array."""

import io
import re
from collections.abc import Iterator

from ingest.domain.errors import InvalidRequest
from ingest.domain.exports import OWN_MEMBER
from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.rows import FileForm, FileRow, Reading
from ingest.doors.files.streams import BUFFER_BYTES
from ingest.wire.json_bodies import decode

#: A whole text, what changes the depth or ends an element, the start of a cut text.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]|"', re.DOTALL)
_BLANK = " \t\r\n"


class Documents:
    """The documents of a file, each a row."""

    def __init__(self, text: Text, reading: Reading, *, as_array: bool) -> None:
        self._text = text
        self._reading = reading
        self._as_array = as_array
        self.form = FileForm(
            format="json" if as_array else "ndjson",
            encoding=text.encoding,
            encoding_source=text.source.value,
        )

    def list_notes(self) -> list[dict[str, object]]:
        """Return nothing: documents are stored as they are."""
        return []

    @property
    def statuses(self) -> None:
        """None: documents have statuses of their own."""

    def __iter__(self) -> Iterator[FileRow]:
        """Yield the rows; raise UnreadableFile where there is no telling them apart."""
        limit = self._reading.max_row_bytes
        split = split_array if self._as_array else _split_lines
        number = 0
        for document in split(self._text.stream, limit):
            content = document.encode("utf-8", "surrogateescape")
            try:
                element = decode(content, limits=self._reading.limits)
            except InvalidRequest as error:
                number += 1
                yield FileRow(number=number, content=content, faults=error.faults)
                continue
            own = element.pop(OWN_MEMBER, None)
            if not element and isinstance(own, dict) and "end" in own:
                # Of an export: it holds no profile.
                continue
            number += 1
            yield FileRow(number=number, content=content, element=element)


def _too_long(limit: int) -> UnreadableFile:
    return UnreadableFile(
        f"A row is too long (at most {limit} characters, set by "
        "PENSTOCK_MAX_BODY_BYTES)"
    )


def _split_lines(stream: io.TextIOWrapper, limit: int) -> Iterator[str]:
    """Yield the lines that are not empty."""
    while line := stream.readline(limit):
        if len(line) == limit:
            raise _too_long(limit)
        if document := line.strip(_BLANK):
            yield document


def split_array(stream: io.TextIOWrapper, limit: int) -> Iterator[str]:
    """Yield the elements of the JSON array that `stream` is, as they are written.

    Raises UnreadableFile if it is none, or has no end. An element need not be JSON:
    what is wrong inside of one is its own.
    """
    splitter = _Splitter()
    head = ""
    while not head and (piece := stream.read(BUFFER_BYTES)):
        head = piece.lstrip(_BLANK)
    if not head.startswith("["):
        raise UnreadableFile("The file is not a JSON array")
    piece = head[1:]
    while piece or (piece := stream.read(BUFFER_BYTES)):
        yield from splitter.feed(piece)
        if splitter.pending > limit:
            raise _too_long(limit)
        piece = ""
    if not splitter.ended:
        raise UnreadableFile(
            "The JSON array is not closed; the end of the file is missing"
        )


class _Splitter:
    """Finds the ends of an array's elements, piece after piece of its text."""

    def __init__(self) -> None:
        # The element that is being read, and how much of it was looked at.
        self._text = ""
        self._at = 0
        self._depth = 1
        self._is_first = True

    @property
    def pending(self) -> int:
        """Length of the element that has not ended."""
        return len(self._text)

    @property
    def ended(self) -> bool:
        """Whether the array has ended."""
        return self._depth == 0

    def feed(self, piece: str) -> Iterator[str]:
        """Yield the elements that end in `piece`."""
        text = self._text + piece
        start, at = 0, self._at
        while not self.ended and (found := _TOKEN.search(text, at)):
            if found[0] == '"':
                at = found.start()
                break
            at = found.end()
            if self._ends(found[0]):
                element = text[start : found.start()].strip(_BLANK)
                # Nothing between the brackets of an array is no element.
                if element or not (self._is_first and self.ended):
                    yield element
                self._is_first = False
                start = at
        else:
            at = len(text)
        self._text, self._at = text[start:], at - start
        if self.ended and self._text.strip(_BLANK):
            raise UnreadableFile("The file continues after the end of the JSON array")

    def _ends(self, mark: str) -> bool:
        """Follow the depth; say whether `mark` ends an element of the array."""
        self._depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
        return self.ended or (mark == "," and self._depth == 1)
