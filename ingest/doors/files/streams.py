"""Streams of bytes that are looked at while they are read."""

import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: What is read at once.
BUFFER_BYTES = 256 * 1024


class Readable(Protocol):
    """Whatever bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return as many bytes, or fewer; none at the end."""


def fill(buffer: "WriteableBuffer", stream: Readable) -> int:
    """Read from `stream` into `buffer`; return how many bytes, none at the end."""
    view = memoryview(buffer)
    # What is there already is not kept waiting for what is to come.
    read: Callable[[int], bytes | None] = getattr(stream, "read1", stream.read)
    data = read(len(view)) or b""
    view[: len(data)] = data
    return len(data)


class Metered(io.RawIOBase):
    """A stream that tells how much of it has been read."""

    def __init__(self, stream: IO[bytes] | io.RawIOBase) -> None:
        self._stream = stream
        #: Bytes read so far; where it is read twice, twice as many.
        self.count = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say whether it can be read from any place."""
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read and count."""
        count = fill(buffer, self._stream)
        self.count += count
        return count


class _Chained(io.RawIOBase):
    """What was read from a stream already, then the rest of it."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read the head first."""
        return fill(buffer, self._head) or fill(buffer, self._stream)


def peek(stream: Readable, size: int, *, live: bool = False) -> tuple[bytes, IO[bytes]]:
    """Return the first `size` bytes, fewer at the end, and the whole stream again.

    Of a `live` stream, whose next bytes may be long in coming, a line is enough.
    """
    read: Callable[[int], bytes | None] = getattr(stream, "read1", stream.read)
    head = b""
    while len(head) < size and (data := read(size - len(head))):
        head += data
        if live and b"\n" in head:
            break
    return head, io.BufferedReader(_Chained(head, stream), BUFFER_BYTES)
