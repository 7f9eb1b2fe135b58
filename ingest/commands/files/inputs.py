"""The files that are named, opened: those in an archive one after another."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from msgspec import structs

from ingest.commands.files.request import FileRequest
from ingest.domain.imports import Matching, Operation
from ingest.doors.files.encodings.utf8_lines import Tally, count_lines
from ingest.doors.files.formats.archives import (
    PackLimits,
    SkippedFiles,
    UnreadableFile,
    unpack,
)
from ingest.doors.files.jobs.preparation import FileAsk, PreparedFile, prepare_file
from ingest.doors.files.streams import Metered
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.wire.profile_schemas import ProfileSchemas


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One file to import, perhaps from an archive."""

    #: Tells it from others; what jobs are found by.
    name: str
    stream: IO[bytes]
    #: What it is read from, packed.
    packed: Metered
    fingerprint: str | None
    total_bytes: int | None
    #: Of its lines, where it could be read beforehand.
    tally: Tally | None
    #: Its name in an archive; empty where it is none.
    member: str = ""

    @property
    def is_member(self) -> bool:
        """Whether there are others beside it, in an archive."""
        return bool(self.member)


@contextmanager
def open_inputs(
    path: str,
    settings: Settings,
    left: SkippedFiles | None = None,
    arrange: Callable[[str], float] | None = None,
) -> Iterator[Iterator[Input]]:
    """Yield the files in `path`, in their order or in that of `arrange` of their names.

    `left` hears of the files of an archive that are not among them. Raises
    UnreadableFile.
    """
    with _open_file(path) as file:
        twice = file.seekable()
        fingerprint = _fingerprint(file) if twice else None
        tallies = _survey(file, _limit(settings)) if twice else {}
        size = os.fstat(file.fileno()).st_size if twice else None
        packed = Metered(file)
        with unpack(packed, _limit(settings), left=left, arrange=arrange) as members:
            yield (
                Input(
                    name=_name(path, member),
                    stream=stream,
                    packed=packed,
                    fingerprint=fingerprint,
                    total_bytes=None if member else size,
                    tally=tallies.get(member),
                    member=member,
                )
                for member, stream in members
            )


@contextmanager
def look_through(
    path: str, settings: Settings, *, from_pipe: bool = False
) -> Iterator[Iterator[Input]]:
    """Yield the files in `path` for one look, before they are imported.

    Nothing of a pipe, which can be read once only, unless `from_pipe` says that this
    is the time. Raises UnreadableFile.
    """
    if path == "-" and not from_pipe:
        yield iter(())
        return
    with _open_file(path) as file:
        if not (file.seekable() or from_pipe):
            yield iter(())
            return
        packed = Metered(file)
        with unpack(packed, _limit(settings), left=SkippedFiles()) as members:
            yield (
                Input(
                    name=_name(path, member),
                    stream=stream,
                    packed=packed,
                    fingerprint="",
                    total_bytes=None,
                    tally=None,
                    member=member,
                )
                for member, stream in members
            )


@contextmanager
def _open_file(path: str) -> Iterator[io.FileIO]:
    try:
        # Unbuffered: a thread that waits for a pipe must hold no lock when we end.
        file = io.FileIO(0 if path == "-" else path, "rb", closefd=path != "-")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from error
    with file:
        yield file


def _limit(settings: Settings) -> PackLimits:
    return PackLimits(
        max_bytes=settings.max_file_bytes,
        max_ratio=settings.max_unpack_ratio,
        max_members=settings.max_archive_files,
    )


def _name(path: str, member: str) -> str:
    name = path if path == "-" else str(Path(path).resolve())
    return f"{name}/{member}" if member else name


def _survey(file: io.FileIO, limits: PackLimits) -> dict[str, Tally]:
    """Return what the lines of each file are; none of one that cannot be read.

    So a file is refused before its first row, wherever in it the first line stands
    that is not UTF-8.
    """
    tallies: dict[str, Tally] = {}
    # Whoever imports it hears of that.
    opened = unpack(Metered(file), limits, left=SkippedFiles())
    with suppress(UnreadableFile), opened as members:
        for member, stream in members:
            tallies[member] = count_lines(stream)
    file.seek(0)
    return tallies


def _fingerprint(file: io.FileIO) -> str:
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    file.seek(0)
    return digest.hexdigest()


#: What is asked of every row where nothing says it.
DEFAULTS = {
    "matching": Matching.EMAIL.value,
    "operation": Operation.IMPORT.value,
}


def prepare(
    connection: Connection,
    one: Input,
    asked: FileRequest,
    settings: Settings,
    schemas: ProfileSchemas,
) -> PreparedFile:
    """Open a file; raise InvalidRequest for one whose header means nothing.

    What is not asked now and is kept with the job whose rejects it has, or with the
    last file that had its columns, is asked again.
    """
    ask = FileAsk(
        name=one.name,
        stream=one.stream,
        parameters=asked.find(one.member),
        defaults=DEFAULTS,
        format=asked.format,
        live=one.fingerprint is None,
        tally=one.tally,
        new_map=asked.new_map,
        is_member=one.is_member,
    )
    prepared = prepare_file(ask, settings, schemas, lambda: nullcontext(connection))
    # Whoever runs the command is an operator.
    shared = structs.replace(prepared.shared, may_raise=True)
    return replace(prepared, shared=shared)
