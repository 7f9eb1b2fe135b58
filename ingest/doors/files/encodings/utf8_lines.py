"""Counts of UTF-8 lines, which decide whether a file is UTF-8."""

import codecs
from dataclasses import dataclass, field

from ingest.doors.files.streams import BUFFER_BYTES, Readable

#: A file of UTF-8 may have so many lines that are none, or one in so many.
_FEW_LINES = 3
_FEW_SHARE = 10
#: Lines that are kept to tell another encoding by, and how much of each.
_KEPT_LINES = 500
_KEPT_BYTES = 1000


@dataclass(slots=True)
class Tally:
    """Counts of UTF-8 lines among those that hold more than ASCII."""

    good: int = 0
    bad: int = 0
    #: The first that are not UTF-8.
    lines: list[bytes] = field(default_factory=list)
    #: The number of the first that is not.
    first: int = 0
    _read: int = 0
    _rest: bytes = b""

    def feed(self, piece: bytes) -> None:
        """Count the lines that end in `piece`."""
        if piece.isascii() and self._rest.isascii():
            self._read += piece.count(b"\n")
            # Of a line that goes on it is enough to know that it began.
            self._rest = piece[piece.rfind(b"\n") + 1 :][-_KEPT_BYTES:]
            return
        lines = (self._rest + piece).splitlines(keepends=True)
        self._rest = lines.pop() if not lines[-1].endswith(b"\n") else b""
        for line in lines:
            self._count(line)
        if len(self._rest) > BUFFER_BYTES:
            # No line that is read is so long.
            self._count(self._rest, is_cut=True)
            self._rest = b""

    def end(self, *, is_cut: bool = False) -> None:
        """Count the last line, which may have been cut in the middle."""
        self._count(self._rest, is_cut=is_cut)
        self._rest = b""

    @property
    def is_utf8(self) -> bool:
        """Whether all but a few lines are; those will be rejected rows."""
        few = max(_FEW_LINES, (self.good + self.bad) // _FEW_SHARE)
        return not self.bad or self.bad <= min(few, self.good)

    def _count(self, line: bytes, *, is_cut: bool = False) -> None:
        self._read += 1
        if line.isascii():
            return
        try:
            codecs.getincrementaldecoder("utf-8")().decode(line, final=not is_cut)
        except UnicodeDecodeError:
            self.bad += 1
            self.first = self.first or self._read
            if len(self.lines) < _KEPT_LINES:
                self.lines.append(line[:_KEPT_BYTES])
        else:
            self.good += 1


def count_lines(stream: Readable) -> Tally:
    """Read a whole file, and return how many of its lines are UTF-8."""
    tally = Tally()
    while piece := stream.read(BUFFER_BYTES):
        tally.feed(piece)
    tally.end()
    return tally
