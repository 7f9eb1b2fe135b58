"""The files that are named, opened: those in an archive one after another."""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

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
from ingest.doors.files.inputs import Rows, open_file, read_rows
from ingest.doors.files.jobs.creation import check_field, load_shared
from ingest.doors.files.jobs.options import find_kept, merge_parameters, merge_reading
from ingest.doors.files.streams import Metered
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.wire.envelopes import Envelope
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
    #: Whether there are others beside it, in an archive.
    is_member: bool = False


@contextmanager
def open_inputs(
    path: str, settings: Settings, left: SkippedFiles | None = None
) -> Iterator[Iterator[Input]]:
    """Yield the files in `path`, in their order; raise UnreadableFile.

    `left` hears of the files of an archive that are not among them.
    """
    limits = PackLimits(
        max_bytes=settings.max_file_bytes,
        max_ratio=settings.max_unpack_ratio,
        max_members=settings.max_archive_files,
    )
    try:
        # Unbuffered: a thread that waits for a pipe must hold no lock when we end.
        file = io.FileIO(0 if path == "-" else path, "rb", closefd=path != "-")
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from error
    with file:
        twice = file.seekable()
        fingerprint = _fingerprint(file) if twice else None
        tallies = _survey(file, limits) if twice else {}
        size = os.fstat(file.fileno()).st_size if twice else None
        name = path if path == "-" else str(Path(path).resolve())
        packed = Metered(file)
        with unpack(packed, limits, left=left) as members:
            yield (
                Input(
                    name=f"{name}/{member}" if member else name,
                    stream=stream,
                    packed=packed,
                    fingerprint=fingerprint,
                    total_bytes=None if member else size,
                    tally=tallies.get(member),
                    is_member=bool(member),
                )
                for member, stream in members
            )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFile:
    """A file that was opened, and everything that is asked of it."""

    rows: Rows
    shared: Envelope
    parameters: Mapping[str, Any]


def prepare(
    connection: Connection,
    one: Input,
    asked: FileRequest,
    schemas: ProfileSchemas,
) -> PreparedFile:
    """Open a file; raise InvalidRequest for one whose header means nothing.

    What is not asked now and is kept with the job whose rejects it has, is asked again.
    """
    reading = replace(asked.reading, live=one.fingerprint is None)
    told = load_shared(merge_parameters(asked.parameters, {}, DEFAULTS), schemas)
    opened = open_file(one.stream, reading, one.tally)
    kept = find_kept(connection, opened, told.database_id)
    parameters = merge_parameters(asked.parameters, kept, DEFAULTS)
    # Whoever runs the command is an operator.
    shared = structs.replace(load_shared(parameters, schemas), may_raise=True)
    reading = merge_reading(reading, parameters, kept, shared.resource_id)
    database = schemas.catalog.databases[shared.database_id]
    rows = read_rows(opened, reading, database)
    check_field(shared, rows)
    return PreparedFile(rows=rows, shared=shared, parameters=parameters)
