"""Dialects of tables: delimiters of cells and rows, and quotation marks."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Literal

from ingest.doors.files.encodings.decoding import Text
from ingest.wire.dialect_parameters import DELIMITERS

if TYPE_CHECKING:
    from _csv import Reader as _Reader
    from _csv import Writer as _Writer

#: As much as tells a delimiter, whatever the size of the file.
_SAMPLE_CHARACTERS = 64 * 1024
_NEWLINE = re.compile("\r\n|\n|\r")
#: How a spreadsheet says what separates cells, in a line of its own; a library puts it
#: in quotes, and a spreadsheet that saves it again writes empty cells behind it.
_TOLD = re.compile('("?)sep=(.)\\1[,;\t|]*(\r\n|\n|\r)', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One way to write a table."""

    delimiter: str = ","
    #: Doubled inside a cell, unless there is an escape.
    quote: str = '"'
    #: Stands before a character that means nothing special; empty for none.
    escape: str = ""
    newline: str = "\n"

    @property
    def marks(self) -> str:
        """The characters that separate no cells: all that mean something else."""
        return f"\0\r\n{self.quote}{self.escape}"

    def read(self, lines: Iterable[str], *, strict: bool = False) -> "_Reader":
        """Return the rows of `lines`, each a list of cells."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            doublequote=not self.escape,
            escapechar=self.escape or None,
            # Cells are trimmed anyway, and a quotation mark counts behind blanks too.
            skipinitialspace=" " not in {self.delimiter, self.quote, self.escape},
            strict=strict,
        )

    def write(self, file: IO[str], *, quote_all: bool = False) -> "_Writer":
        """Return what writes rows to `file`.

        It quotes what the delimiter and the newline make necessary: another newline in
        a cell needs `quote_all`.
        """
        needed: Literal[0, 1] = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
        return csv.writer(
            file,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=needed if self.quote else csv.QUOTE_NONE,
            doublequote=not self.escape,
            escapechar=self.escape or ("" if self.quote else "\\") or None,
            lineterminator=self.newline,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectOptions:
    """Options of a dialect; None is detected in the sample."""

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None


def sniff(text: Text, told: DialectOptions) -> tuple[Dialect, int]:
    """Return how `text` is written, and how many characters say so before the table.

    The delimiter is the one by which the most rows have as many cells as the first.
    """
    sample = text.sample[:_SAMPLE_CHARACTERS]
    first = _TOLD.match(sample)
    skipped = first.end() if first else 0
    newline = _NEWLINE.search(sample)
    known = Dialect(
        quote='"' if told.quote is None else told.quote,
        escape=told.escape or "",
        newline=newline[0] if newline else "\n",
    )
    told_first = [first[2]] if first and first[2] not in known.marks else []
    choices = [told.delimiter] if told.delimiter else told_first
    is_whole = text.is_whole and len(sample) == len(text.sample)
    best = max(
        (replace(known, delimiter=delimiter) for delimiter in choices or DELIMITERS),
        key=lambda one: _score(one, sample[skipped:], is_whole=is_whole),
    )
    return best, skipped


def _score(dialect: Dialect, sample: str, *, is_whole: bool) -> tuple[float, int]:
    """Return how well `dialect` fits: the share of rows like the first, its cells."""
    try:
        rows = list(dialect.read(io.StringIO(sample, newline="")))
    except csv.Error:
        return (0.0, 0)
    # The last one may have been cut.
    widths = [len(row) for row in (rows if is_whole else rows[:-1]) if row]
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0])
