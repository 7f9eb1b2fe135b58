"""Files that come over the network: the thread's part of an upload."""

import dataclasses
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import IO, Any
from uuid import UUID

import psycopg
from msgspec.structs import replace

from ingest.domain.errors import NameTaken, NotFound, Unavailable
from ingest.domain.imports import Operation
from ingest.domain.jobs import new_job_id
from ingest.doors.files.formats.archives import (
    PackLimits,
    SkippedFiles,
    UnreadableFile,
    unpack,
)
from ingest.doors.files.jobs.creation import are_same
from ingest.doors.files.jobs.preparation import FileAsk, prepare_file
from ingest.doors.files.jobs.recalled_maps import keep_map
from ingest.doors.files.jobs.runner import Run, run_job
from ingest.doors.files.jobs.trials import try_job
from ingest.doors.files.streams import Metered
from ingest.settings import Settings
from ingest.store.database import connect
from ingest.store.faults import unavailable_while_away
from ingest.store.jobs.progress import (
    Job,
    find_job,
    find_job_of_key,
    insert_job,
    set_parameters,
)
from ingest.wire.envelopes import Envelope
from ingest.wire.job_parameters import UploadParameters
from ingest.wire.profile_schemas import ProfileSchemas


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Upload:
    """A file that is being sent."""

    told: UploadParameters
    #: What holds for every row; the token may do it.
    shared: Envelope
    token_id: int
    #: The name of the request; None if it may be imported again when sent again.
    key: str | None
    schemas: ProfileSchemas
    body: io.RawIOBase
    #: None where the sender does not say.
    total_bytes: int | None
    #: How long to wait for what comes of the last rows.
    patience_seconds: float
    #: Set to stop reading, and to wait for no outcome.
    stop: Event
    #: Whether its bytes come as they are made; a file in the spool is whole.
    live: bool = True
    #: Of an archive that is whole, the file in it.
    member: str = ""
    #: Hears of the job before its first row.
    began: Callable[[Job], None] = lambda _: None
    #: The job that it was accepted as; None for a new one, or that of its key.
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A job after its body has ended."""

    job: Job
    #: Whether an earlier request had the key.
    replayed: bool


def import_upload(settings: Settings, upload: Upload) -> Uploaded:
    """Import an upload as it comes; return its job.

    Raises InvalidRequest for a body that cannot be read at all, before there is a job,
    or that broke off; NameTaken for another body or query under the same key.
    """
    packed = Metered(upload.body)
    with open_member(settings, packed, upload.member) as stream:
        ask = FileAsk(
            name=upload.told.name,
            stream=stream,
            parameters=upload.told.parameters,
            defaults=_DEFAULTS,
            format=upload.told.format,
            live=upload.live,
            new_map=upload.told.new_map,
        )
        prepared = prepare_file(
            ask, settings, upload.schemas, lambda: connected(settings)
        )
        shared = replace(prepared.shared, may_raise=upload.shared.may_raise)
        rows = prepared.rows
        job, replayed = _begin(settings, upload, prepared.parameters)
        upload.began(job)
        run = Run(
            job=job,
            shared=shared,
            rows=rows,
            schemas=upload.schemas,
            count_bytes=lambda: packed.count,
            stop=upload.stop,
            give_up=upload.stop,
            patience_seconds=upload.patience_seconds,
        )
        if upload.told.dry_run:
            return Uploaded(job=try_job(settings, run), replayed=replayed)
        job = run_job(settings, run)
        with connected(settings) as connection:
            keep_map(connection, job, prepared.head)
        return Uploaded(job=job, replayed=replayed)


@contextmanager
def open_member(
    settings: Settings, packed: Metered, member: str = ""
) -> Iterator[IO[bytes]]:
    """Open a file, unpacked; of an archive, that one of its files.

    Raises UnreadableFile. Without a name, no archive is taken.
    """
    limits = PackLimits(
        max_bytes=settings.max_file_bytes,
        max_ratio=settings.max_unpack_ratio,
        max_members=settings.max_archive_files if member else 1,
    )
    left = SkippedFiles()
    with unpack(packed, limits, single=not member, left=left) as files:
        found = next((stream for name, stream in files if name == member), None)
        if found is None:
            raise UnreadableFile(left.refused.get(member, "The file is not in it"))
        yield found


#: What is done where nothing says it.
_DEFAULTS = {"operation": Operation.IMPORT.value}


def _begin(
    settings: Settings, upload: Upload, parameters: Mapping[str, Any]
) -> tuple[Job, bool]:
    """Return the job of an upload, and whether there was one."""
    if upload.job_id is not None:
        return _take_up(settings, upload.job_id, parameters), False
    now = datetime.now(UTC)
    # A dry run uses up no name.
    key = None if upload.told.dry_run else upload.key
    job = Job(
        id=new_job_id(now),
        name=upload.told.name,
        database_id=upload.shared.database_id,
        token_id=upload.token_id,
        idempotency_key=key,
        parameters=parameters,
        total_bytes=upload.total_bytes,
        created_at=now,
        updated_at=now,
    )
    with connected(settings) as connection:
        if insert_job(connection, job):
            return job, False
        if key is None:
            # The same id twice in one millisecond: as good as never.
            raise Unavailable("The job cannot be started now")
        found = find_job_of_key(connection, upload.token_id, key)
    if found is None or not are_same(found.parameters, parameters):
        raise NameTaken("Another upload already used this key", "Idempotency-Key")
    return found, True


def _take_up(settings: Settings, job_id: UUID, parameters: Mapping[str, Any]) -> Job:
    """Return a job that was accepted before its file was looked at."""
    with connected(settings) as connection:
        job = find_job(connection, job_id)
        if job is None:
            raise NotFound("Job not found")
        if job.form:
            return job
        set_parameters(connection, job_id, parameters)
    return dataclasses.replace(job, parameters=parameters)


@contextmanager
def connected(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """Yield a connection for one look; raise Unavailable."""
    with (
        unavailable_while_away(),
        connect(settings.database_url, application_name="penstock-files") as opened,
    ):
        yield opened
