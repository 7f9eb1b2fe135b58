"""Files one after another, each a job."""

import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from threading import Event
from typing import IO, Any

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.commands.import_display import Display
from ingest.domain.jobs import JobState
from ingest.doors.files.archives import PackLimits, UnreadableFile, unpack
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.rejects import load_form, open_rejects
from ingest.doors.files.rows import Reading
from ingest.doors.files.runs import Run, run_job
from ingest.doors.files.starts import (
    Wanted,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an import ended, and where its rejects are, if it has any."""

    job: Job
    rejects: Path | None


@contextmanager
def open_inputs(path: str, settings: Settings) -> Iterator[Iterator[Input]]:
    """Yield the files in `path`, in their order; raise UnreadableFile."""
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
        fingerprint = _fingerprint(file) if file.seekable() else None
        size = os.fstat(file.fileno()).st_size if file.seekable() else None
        name = path if path == "-" else str(Path(path).resolve())
        packed = Metered(file)
        with unpack(packed, limits) as members:
            yield (
                Input(
                    name=f"{name}/{member}" if member else name,
                    stream=stream,
                    packed=packed,
                    fingerprint=fingerprint,
                    total_bytes=None if member else size,
                )
                for member, stream in members
            )


def _fingerprint(file: io.FileIO) -> str:
    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    file.seek(0)
    return digest.hexdigest()


def load_schemas(connection: Connection[TupleRow]) -> ProfileSchemas:
    """Return the schemas of the catalogue as it is now."""
    return ProfileSchemas(load_catalog(connection))


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

    def run(self, path: str, rejects: Path | None) -> list[Ended]:
        """Import the files in `path`, one after another."""
        with (
            connect(self._settings.database_url) as connection,
            open_inputs(path, self._settings) as inputs,
        ):
            return [
                self._import(connection, one, rejects)
                for one in inputs
                if not self._stop.is_set()
            ]

    def _import(
        self, connection: Connection[TupleRow], one: Input, rejects: Path | None
    ) -> Ended:
        schemas = load_schemas(connection)
        shared = load_shared(self._asked.parameters, schemas)
        database = schemas.catalog.databases[shared.database_id]
        # First: a header that means nothing begins no job.
        reading = replace(self._asked.reading, live=one.fingerprint is None)
        rows = open_rows(one.stream, reading, database)
        wanted = Wanted(
            name=one.name,
            database_id=shared.database_id,
            parameters=self._describe(),
            fingerprint=one.fingerprint,
            total_bytes=one.total_bytes,
        )
        job = _STARTS[self._start](connection, wanted)
        if job.state is not JobState.DONE:
            self._display.begin(Path(one.name).name, job)
            job = run_job(
                self._settings,
                Run(
                    job=job,
                    shared=shared,
                    rows=rows,
                    schemas=schemas,
                    count_bytes=lambda: one.packed.count,
                    stop=self._stop,
                    give_up=self._give_up,
                    watch=self._display.show,
                ),
            )
        return Ended(job=job, rejects=_write_rejects(connection, job, rejects))

    def _describe(self) -> dict[str, Any]:
        """Return what a resume must ask again."""
        reading = self._asked.reading
        told = {
            "map": dict(reading.mapping),
            "columns": list(reading.columns),
            "encoding": reading.encoding,
        }
        return {**self._asked.parameters, **{k: v for k, v in told.items() if v}}


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
        r"\.(csv|tsv|txt|ndjson|jsonl|json)$", "", path.name.removesuffix(".gz")
    )
    choices = (f"{stem}.rejects{more}{suffix}" for more in _counted())
    return next(one for one in map(path.with_name, choices) if not one.exists())


def _counted() -> Iterator[str]:
    yield ""
    number = 2
    while True:
        yield f"-{number}"
        number += 1
