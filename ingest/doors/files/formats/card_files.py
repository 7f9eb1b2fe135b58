"""Files of vCards as tables: a card is a row, a property is a column.

Which columns there are is known when all cards are read: they are put on disk, and
read from there.
"""

import json
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

from ingest.domain.errors import Fault, InvalidValue
from ingest.doors.files.encodings.decoding import Text
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.card_columns import make_cells, sort_columns
from ingest.doors.files.formats.cards import parse_card, split_cards
from ingest.doors.files.formats.table_rows import ReadRow
from ingest.doors.files.rows import FileForm, Reading

#: How much of a card that is none is kept, to be shown.
_SHOWN_CHARACTERS = 2000


class CardLines:
    """The cards of a file, behind a header that names their properties."""

    def __init__(self, text: Text, reading: Reading) -> None:
        """Read all cards; raise UnreadableFile for what has too many properties."""
        self._limit = reading.max_row_bytes
        self._max_columns = reading.limits.keys
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._ended = weakref.finalize(self, self._file.close)
        self._columns = sort_columns(self._keep(text))
        self._file.seek(0)
        self._has_begun = False
        self.form = FileForm(
            format="csv", encoding=text.encoding, encoding_source=text.source.value
        )

    def read_so_far(self) -> list[str]:
        """Return nothing: cells are not found by lines."""
        return []

    def peek(self) -> None:
        """Return nothing: all cards have come."""

    def read(self) -> ReadRow | None:
        """Return the names of the columns, then each card; None at the end."""
        if not self._has_begun:
            self._has_begun = True
            return list(self._columns), ()
        line = self._file.readline()
        if not line:
            self._ended()
            return None
        kept = json.loads(line)
        if "fault" in kept:
            fault = Fault(code=400, message=kept["fault"], path="")
            return [kept["text"]], (fault,)
        cells = kept["cells"]
        return [cells.get(column, "") for column in self._columns], ()

    def _keep(self, text: Text) -> list[str]:
        """Put the cards on disk; return the columns that they have."""
        columns: dict[str, None] = {}
        for lines in split_cards(self._list_lines(text.stream)):
            try:
                cells = make_cells(parse_card(lines))
            except InvalidValue as error:
                shown = "\n".join(lines)[:_SHOWN_CHARACTERS]
                self._write({"fault": str(error), "text": shown})
                continue
            columns.update(dict.fromkeys(cells))
            if len(columns) > self._max_columns:
                raise UnreadableFile(
                    f"The cards have too many properties (at most {self._max_columns},"
                    " set by PENSTOCK_MAX_KEYS)"
                )
            if cells:
                self._write({"cells": cells})
        if not columns:
            raise UnreadableFile("The file has no vCard that can be read")
        return list(columns)

    def _write(self, kept: object) -> None:
        self._file.write(json.dumps(kept) + "\n")

    def _list_lines(self, stream: IO[str]) -> Iterator[str]:
        """Yield lines; raise UnreadableFile for a card longer than anything is."""
        left = self._limit
        while line := stream.readline(self._limit + 1):
            left -= len(line)
            if left < 0:
                raise UnreadableFile(
                    f"A card is too long (at most {self._limit} characters, set by "
                    "PENSTOCK_MAX_BODY_BYTES)"
                )
            if line.strip().upper() == "END:VCARD":
                left = self._limit
            # Old phones end lines by a carriage return only.
            yield from line.rstrip("\r\n").split("\r")
