"""Files as they are packed: plain, gzip or zip, never more than they should be.

Nothing is written to disk but a zip file that comes over a pipe, which has no way to
be read from its end. A workbook is a zip file too, and is given out as it is. What is
refused: files that unpack to too much, too many members, archives inside archives, and
members that are no plain files or whose names lead out of the archive, which no honest
archive has.
"""

import gzip
import io
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from ingest.domain.errors import InvalidRequest
from ingest.doors.files.formats.kinds import looks_like_workbook, name_zipped
from ingest.doors.files.streams import BUFFER_BYTES, Metered, Readable, fill, peek

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP = b"\x1f\x8b"
#: A member, an empty archive, a split one.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
#: A file of this size may be packed as well as it likes.
_HARMLESS_BYTES = 16 * 1024 * 1024
_ENCRYPTED = 0x1
#: As much of a zip file as names what it is.
_START_BYTES = 4096


class UnreadableFile(InvalidRequest):
    """A file cannot be read, or is one that had better not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLimits:
    """Limits of a file (docs/settings.md)."""

    #: Bytes of a file, unpacked.
    max_bytes: int
    #: Bytes that one packed byte may become.
    max_ratio: int
    #: Files of one archive.
    max_members: int


#: Of what comes over a pipe and may be no archive: a workbook is no longer.
_SINGLE = PackLimits(max_bytes=256 * 1024 * 1024, max_ratio=1, max_members=1)
#: What systems put into archives and folders for themselves.
_HIDDEN = re.compile(
    r"(?:^|/)(?:__MACOSX/|\.|~\$|(?:thumbs\.db|desktop\.ini|icon\r)$)", re.IGNORECASE
)


@dataclass(slots=True)
class SkippedFiles:
    """The files of an archive that were not given out."""

    #: Names of hidden ones, which nobody meant.
    hidden: list[str] = field(default_factory=list)
    #: What is wrong with others, by name.
    refused: dict[str, str] = field(default_factory=dict)


class _Watched(io.RawIOBase):
    """A stream that fails once more has come out of it than the limits allow."""

    def __init__(
        self, stream: Readable, limits: PackLimits, packed: Callable[[], int]
    ) -> None:
        self._stream = stream
        self._limits = limits
        # How many bytes it was packed in, as far as it has been read.
        self._packed = packed
        self._count = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read, and raise UnreadableFile rather than read too much."""
        try:
            count = fill(buffer, self._stream)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UnreadableFile(f"The file is damaged: {error}") from error
        self._count += count
        self._check()
        return count

    def _check(self) -> None:
        limits = self._limits
        if self._count > limits.max_bytes:
            raise UnreadableFile(
                f"The unpacked file is too large (at most {limits.max_bytes} bytes, "
                "set by PENSTOCK_MAX_FILE_BYTES)"
            )
        if self._count <= _HARMLESS_BYTES:
            return
        if self._count > self._packed() * limits.max_ratio:
            raise UnreadableFile(
                f"The file is compressed too much (at most {limits.max_ratio} times, "
                "set by PENSTOCK_MAX_UNPACK_RATIO)"
            )


@contextmanager
def unpack(
    stream: Metered,
    limits: PackLimits,
    *,
    single: bool = False,
    left: SkippedFiles | None = None,
    arrange: Callable[[str], float] | None = None,
) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Yield the files in `stream`, each with its name in an archive, or none.

    Each is to be read before the next is asked for; a `single` one is wanted where a
    zip file, which may hold more, is none. `left` hears of those that are not given
    out; without it one that cannot be read is raised. Files are in the order of
    `arrange` of their names. UnreadableFile may be raised as long as there is something
    to read.
    """
    head, whole = peek(stream, len(_ZIP[0]))
    watched = io.BufferedReader(
        _Watched(whole, limits, lambda: stream.count), BUFFER_BYTES
    )
    if head in _ZIP:
        if single:
            start, whole = peek(whole, _START_BYTES)
            if not looks_like_workbook(start):
                raise _not_taken()
            watched = io.BufferedReader(_Watched(whole, _SINGLE, lambda: stream.count))
        with _open_zip(stream, watched) as (archive, file):
            kind = _name_zipped(archive, file)
            if kind:
                raise UnreadableFile(kind)
            if kind is None and single:
                raise _not_taken()
            members = [] if kind is not None else _list_members(archive, limits)
            if arrange is not None:
                members.sort(key=lambda member: arrange(member.filename))
            yield (
                iter([("", file)])
                if kind is not None
                else _unzip(archive, members, limits, left)
            )
    elif head.startswith(_GZIP):
        unzipped = gzip.GzipFile(fileobj=whole, mode="rb")
        yield iter([("", _open(unzipped, limits, lambda: stream.count))])
    else:
        yield iter([("", watched)])


def _not_taken() -> UnreadableFile:
    return UnreadableFile("A zip file is not accepted over HTTP. Send the files in it")


def _name_zipped(archive: zipfile.ZipFile, file: IO[bytes]) -> str | None:
    """Return what a zip file is, which is then read from its start."""
    file.seek(0)
    kind = name_zipped(archive.namelist(), file.read(_START_BYTES))
    file.seek(0)
    return kind


def _open(stream: Readable, limits: PackLimits, packed: Callable[[], int]) -> IO[bytes]:
    """Open what was packed; an archive in it is refused, unless it is a workbook."""
    watched = _Watched(stream, limits, packed)
    head, whole = peek(watched, _START_BYTES)
    if head.startswith((*_ZIP, _GZIP)) and not looks_like_workbook(head):
        raise UnreadableFile("The archive contains another archive. Unpack it first")
    return whole


@contextmanager
def _open_zip(
    stream: Metered, watched: IO[bytes]
) -> Iterator[tuple[zipfile.ZipFile, IO[bytes]]]:
    """Open a zip file, by way of the disk if it comes over a pipe."""
    with ExitStack() as opened:
        file: IO[bytes] = io.BufferedReader(stream)
        if not stream.seekable():
            file = opened.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(watched, file)
        try:
            archive = opened.enter_context(zipfile.ZipFile(file))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise UnreadableFile(f"The zip file is damaged: {error}") from error
        yield archive, file


def _list_members(
    archive: zipfile.ZipFile, limits: PackLimits
) -> list[zipfile.ZipInfo]:
    """Return the files of an archive; raise UnreadableFile if one is dangerous."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) > limits.max_members:
        raise UnreadableFile(
            f"The zip file contains too many files (at most {limits.max_members}, set "
            "by PENSTOCK_MAX_ARCHIVE_FILES)"
        )
    for member in members:
        _check_member(member)
    # What it says of itself; each member is watched besides.
    if sum(member.file_size for member in members) > limits.max_bytes:
        raise UnreadableFile(
            f"The unpacked zip file is too large (at most {limits.max_bytes} bytes, "
            "set by PENSTOCK_MAX_FILE_BYTES)"
        )
    return members


def _unzip(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    limits: PackLimits,
    left: SkippedFiles | None,
) -> Iterator[tuple[str, IO[bytes]]]:
    for member in members:
        if _HIDDEN.search(member.filename):
            if left is not None:
                left.hidden.append(member.filename)
            continue
        try:
            stream = _open_member(archive, member, limits)
        except UnreadableFile as error:
            if left is None:
                raise
            left.refused[member.filename] = str(error)
            continue
        with stream:
            yield member.filename, stream


def _open_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: PackLimits
) -> IO[bytes]:
    try:
        opened = archive.open(member)
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise UnreadableFile(f"{member.filename!r} is damaged: {error}") from error
    return _open(opened, limits, partial(int, member.compress_size))


def _check_member(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        raise UnreadableFile(
            f"The zip file contains a path outside it: {member.filename!r}"
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind and kind != stat.S_IFREG:
        raise UnreadableFile(
            f"The zip file contains a link or device: {member.filename!r}"
        )
    if member.flag_bits & _ENCRYPTED:
        raise UnreadableFile(
            f"The zip file contains an encrypted file: {member.filename!r}"
        )
