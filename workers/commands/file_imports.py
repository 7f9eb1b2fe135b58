"""Files one after another, each a job."""

import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from threading import Event
from typing import IO, Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.commands.import_display import Display
from ingest.domain.errors import Rejected
from ingest.domain.imports import Matching, Operation
from ingest.domain.jobs import JobState
from ingest.domain.limits import ProfileLimits
from ingest.doors.files.archives import Left, PackLimits, UnreadableFile, unpack
from ingest.doors.files.encodings import Tally, count_lines
from ingest.doors.files.inputs import Rows, open_file, read_rows
from ingest.doors.files.kept import find_kept, merge_parameters, merge_reading
from ingest.doors.files.rejects import load_form, open_rejects
from ingest.doors.files.rows import Reading
from ingest.doors.files.runs import Run, run_job
from ingest.doors.files.starts import (
    Wanted,
    hold,
    load_shared,
    restart_job,
    resume_job,
    start_job,
)
from ingest.doors.files.streams import Metered
from ingest.settings import Settings
from ingest.store.catalog import load_catalog
from ingest.store.database import connect
from ingest.store.job_rows import list_rejects
from ingest.store.jobs import Job
from ingest.wire.envelopes import Envelope
from ingest.wire.profile_schemas import ProfileSchemas

#: Rejects read from Postgres at once.
_PAGE_ROWS = 1000
_SUFFIXES = {"csv": ".csv", "ndjson": ".ndjson", "json": ".json"}


class Start(Enum):
    """What to do about an import of the same file that stopped."""

    NEW = auto()
    RESUME = auto()
    ANEW = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of every row of every file."""

    parameters: Mapping[str, Any]
    reading: Reading


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an import ended, and where its rejects are, if it has any."""

    job: Job
    rejects: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file of an archive that was not imported."""

    name: str
    reason: str
    #: Whether nobody meant it to be: the system put it there.
    hidden: bool = False


#: What is asked of every row where nothing says it.
DEFAULTS = {
    "matching": Matching.EMAIL.value,
    "operation": Operation.IMPORT.value,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A file that was opened, and everything that is asked of it."""

    rows: Rows
    shared: Envelope
    parameters: Mapping[str, Any]


def prepare(
    connection: Connection[TupleRow],
    one: Input,
    asked: Asked,
    schemas: ProfileSchemas,
) -> Prepared:
    """Open a file; raise InvalidRequest for one whose header means nothing.

    What is not asked now and is kept with the job whose rejects it has, is asked again.
    """
    reading = replace(asked.reading, live=one.fingerprint is None)
    told = load_shared(merge_parameters(asked.parameters, {}, DEFAULTS), schemas)
    opened = open_file(one.stream, reading, one.tally)
    kept = find_kept(connection, opened, told.database_id)
    parameters = merge_parameters(asked.parameters, kept, DEFAULTS)
    shared = load_shared(parameters, schemas)
    reading = merge_reading(reading, parameters, kept, shared.resource_id)
    database = schemas.catalog.databases[shared.database_id]
    return Prepared(
        rows=read_rows(opened, reading, database), shared=shared, parameters=parameters
    )


@contextmanager
def open_inputs(
    path: str, settings: Settings, left: Left | None = None
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
    opened = unpack(Metered(file), limits, left=Left())
    with suppress(UnreadableFile), opened as members:
        for member, stream in members:
            tallies[member] = count_lines(stream)
    file.seek(0)
    return tallies


def _fingerprint(file: io.FileIO) -> str:
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    file.seek(0)
    return digest.hexdigest()


def load_schemas(
    connection: Connection[TupleRow], limits: ProfileLimits
) -> ProfileSchemas:
    """Return the schemas of the catalogue as it is now."""
    return ProfileSchemas(load_catalog(connection, limits))


class Importer:
    """Imports files as they were asked to be."""

    def __init__(
        self,
        settings: Settings,
        asked: Asked,
        start: Start,
        display: Display,
        stop: Event,
        give_up: Event,
    ) -> None:
        self._settings = settings
        self._asked = asked
        self._start = start
        self._display = display
        self._stop = stop
        self._give_up = give_up

    def run(self, path: str, rejects: Path | None) -> list[Ended | Refused]:
        """Import the files in `path`, one after another.

        One of an archive that cannot be imported harms no other; of others it is
        raised.
        """
        left, ended = Left(), list[Ended | Refused]()
        with (
            connect(self._settings.database_url) as connection,
            open_inputs(path, self._settings, left) as inputs,
        ):
            for one in inputs:
                if self._stop.is_set():
                    break
                try:
                    ended.append(self._import(connection, one, rejects))
                except Rejected as error:
                    if not one.is_member:
                        raise
                    reason = "; ".join(fault.text for fault in error.faults)
                    ended.append(Refused(name=one.name, reason=reason))
        refused = [Refused(name=name, reason=why) for name, why in left.refused.items()]
        hidden = [
            Refused(name=name, reason="a hidden file", hidden=True)
            for name in left.hidden
        ]
        return [*ended, *refused, *hidden]

    def _import(
        self, connection: Connection[TupleRow], one: Input, rejects: Path | None
    ) -> Ended:
        schemas = load_schemas(connection, self._settings.profile_limits)
        # First: a header that means nothing begins no job.
        prepared = prepare(connection, one, self._asked, schemas)
        wanted = Wanted(
            name=one.name,
            database_id=prepared.shared.database_id,
            parameters=prepared.parameters,
            fingerprint=one.fingerprint,
            total_bytes=one.total_bytes,
        )
        hold(connection, wanted)
        job = _STARTS[self._start](connection, wanted)
        if job.state is not JobState.DONE:
            self._display.begin(Path(one.name).name, job)
            job = run_job(
                self._settings,
                Run(
                    job=job,
                    shared=prepared.shared,
                    rows=prepared.rows,
                    schemas=schemas,
                    count_bytes=lambda: one.packed.count,
                    stop=self._stop,
                    give_up=self._give_up,
                    watch=self._display.show,
                ),
            )
        # Not over the session that holds the file: it may have been lost meanwhile.
        with connect(self._settings.database_url) as fresh:
            return Ended(job=job, rejects=_write_rejects(fresh, job, rejects))


_STARTS = {Start.NEW: start_job, Start.RESUME: resume_job, Start.ANEW: restart_job}


def _write_rejects(
    connection: Connection[TupleRow], job: Job, told: Path | None
) -> Path | None:
    """Write the rejects of a job that has come to its end; return where they are."""
    ended = job.state in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)
    page = list_rejects(connection, job.id, 0, _PAGE_ROWS) if ended else []
    if not page:
        return None
    form = load_form(job.form)
    path = told or _choose_path(job.name, _SUFFIXES[form.format])
    writer = open_rejects(job)
    with path.open("wb") as file:
        file.write(writer.begin())
        while page:
            file.write(writer.add(page))
            page = list_rejects(connection, job.id, page[-1].row, _PAGE_ROWS)
        file.write(writer.end())
    return path


def _choose_path(name: str, suffix: str) -> Path:
    """Return a place beside the file where nothing is yet: it may be in correction."""
    path = Path("stdin" if name == "-" else name)
    if not path.parent.is_dir():
        # A file of an archive: beside that, under both names.
        archive = next(one for one in path.parents if one.is_file())
        inside = re.sub(r"[^\w.-]+", "-", str(path.relative_to(archive)))
        path = archive.with_name(f"{archive.stem}-{inside}")
    stem = re.sub(
        r"\.(csv|tsv|txt|ndjson|jsonl|json|xlsx|xlsm|xlsb|xls|ods)$",
        "",
        path.name.removesuffix(".gz"),
    )
    choices = (f"{stem}.rejects{more}{suffix}" for more in _counted())
    return next(one for one in map(path.with_name, choices) if not one.exists())


def _counted() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1
