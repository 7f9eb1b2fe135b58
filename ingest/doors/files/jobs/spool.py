"""Uploads that are kept on disk until they are imported, by this process or another.

A body is written under another name until it is whole. Beside it stands what was asked
with it. Whoever imports it holds its job, so that several processes may share a
directory; a process that was killed has left both, for the next one.
"""

import io
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import orjson
from msgspec.structs import replace

from ingest.domain.errors import (
    BodyTooLarge,
    NameTaken,
    Overloaded,
    Rejected,
    Unavailable,
)
from ingest.domain.jobs import JobState, new_job_id
from ingest.doors.files.jobs.connection import JobHeld
from ingest.doors.files.jobs.creation import load_shared
from ingest.doors.files.jobs.uploads import Upload, Uploaded, connected, import_upload
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection
from ingest.store.jobs.progress import (
    Job,
    find_job,
    find_job_of_key,
    finish_job,
    insert_job,
    is_held,
    reopen_job,
)
from ingest.wire.job_parameters import UploadParameters
from ingest.wire.profile_schemas import ProfileSchemas

logger = logging.getLogger(__name__)

#: What is written at once; then the room is looked at again.
_PIECE_BYTES = 1024 * 1024
#: A body that is written grows more often: its process is gone.
_ABANDONED_SECONDS = 600.0
_PART, _BODY, _ASKED = ".part", ".body", ".json"
_COMPLETE = (JobState.APPLYING, JobState.DONE)
_ENDED = (JobState.APPLYING, JobState.DONE, JobState.CANCELLED, JobState.FAILED)


class SpoolFull(Overloaded):
    """There is no room for a body now."""


class Spool:
    """The directory of bodies that wait to be imported."""

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(settings.spool_dir)
        self._max_bytes = settings.max_spool_bytes
        self._seconds = settings.spool_hours * 3600

    def create(self) -> None:
        """Make the directory, which nobody else may read; raise OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check_room(self, length: int) -> None:
        """Raise BodyTooLarge for what never fits, SpoolFull for what does not now."""
        if length > self._max_bytes:
            raise BodyTooLarge(
                f"The file is too large (at most {self._max_bytes} bytes with"
                " respond-async, set by PENSTOCK_MAX_SPOOL_BYTES)"
            )
        if self._measure() + length > self._max_bytes:
            raise SpoolFull(
                "The spool is full (retry later, or send the file without"
                " respond-async)"
            )

    def keep(self, job_id: UUID, upload: Upload) -> None:
        """Write a body to its end, and what was asked with it.

        Raises what reading it raises, SpoolFull, or Unavailable; nothing is left then.
        """
        part = self._place(job_id, _PART)
        try:
            with open(part, "wb", opener=_open_privately) as file:
                while piece := upload.body.read(_PIECE_BYTES):
                    self.check_room(len(piece))
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            self._write_asked(job_id, upload)
            part.rename(self._place(job_id, _BODY))
        except OSError as error:
            self.drop(job_id)
            raise Unavailable("The spool cannot be written") from error
        except BaseException:
            self.drop(job_id)
            raise

    def list_whole(self) -> list[UUID]:
        """Return the jobs whose bodies are whole, the oldest first."""
        return sorted(UUID(path.stem) for path in self._folder.glob(f"*{_BODY}"))

    def drop_abandoned(self, now: float) -> None:
        """Remove the beginnings of bodies that nobody writes any more."""
        for path in self._folder.glob(f"*{_PART}"):
            if now - _age(path) > _ABANDONED_SECONDS:
                path.unlink(missing_ok=True)

    def is_expired(self, job_id: UUID, now: float) -> bool:
        """Say whether a body has been kept for longer than it may be."""
        return now - _age(self._place(job_id, _BODY)) > self._seconds

    def load(self, job_id: UUID) -> Mapping[str, Any]:
        """Return what was asked with a body."""
        found: Mapping[str, Any] = orjson.loads(
            self._place(job_id, _ASKED).read_bytes()
        )
        return found

    @contextmanager
    def open(self, job_id: UUID) -> Iterator[io.FileIO]:
        """Open a body; raise FileNotFoundError if another process has dropped it."""
        with io.FileIO(self._place(job_id, _BODY)) as file:
            yield file

    def drop(self, job_id: UUID) -> None:
        """Remove a body, and what was asked with it."""
        for suffix in (_PART, _BODY, _ASKED):
            self._place(job_id, suffix).unlink(missing_ok=True)

    def _write_asked(self, job_id: UUID, upload: Upload) -> None:
        asked = {
            "told": asdict(upload.told),
            "token_id": upload.token_id,
            "may_raise": upload.shared.may_raise,
        }
        place = self._place(job_id, _ASKED)
        with open(place, "wb", opener=_open_privately) as file:
            file.write(orjson.dumps(asked))

    def _place(self, job_id: UUID, suffix: str) -> Path:
        return self._folder / f"{job_id}{suffix}"

    def _measure(self) -> int:
        with os.scandir(self._folder) as entries:
            return sum(entry.stat().st_size for entry in entries)


def _open_privately(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _age(path: Path) -> float:
    """Return when a file was last written; now, if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def name_query(told: UploadParameters) -> str:
    """Return what tells the query of an upload from others, kept as its fingerprint."""
    text = orjson.dumps(asdict(told), option=orjson.OPT_SORT_KEYS)
    return f"query:{blake2b(text, digest_size=16).hexdigest()}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpooledJob:
    """A body that is to be imported."""

    job_id: UUID
    #: Set to stop; what is in flight is finished, and the body is kept.
    stop: Event


def import_spooled(settings: Settings, spool: Spool, spooled: SpooledJob) -> None:
    """Import a body that was kept, and drop it.

    It stays where another process imports it, where this one is to stop, and while a
    server is away: somebody takes it up again.
    """
    job_id = spooled.job_id
    try:
        job = _find(settings, spooled)
        if job is not None and job.state not in _ENDED:
            _import(settings, spool, job, spooled.stop)
            job = _find(settings, spooled)
        if job is None or job.state in _ENDED:
            spool.drop(job_id)
    except (JobHeld, Unavailable, FileNotFoundError):
        return


def _find(settings: Settings, spooled: SpooledJob) -> Job | None:
    """Return the job of a body, ended if it was to be; raise JobHeld."""
    with connected(settings) as connection:
        job = find_job(connection, spooled.job_id)
        if job is None or job.state in _ENDED:
            return job
        if is_held(connection, job.id):
            raise JobHeld("Another process is reading this job already")
        if job.cancelled_at is not None:
            now = datetime.now(UTC)
            finish_job(connection, job.id, JobState.CANCELLED, now)
        return find_job(connection, job.id)


def _import(settings: Settings, spool: Spool, job: Job, stop: Event) -> None:
    asked = spool.load(job.id)
    told = UploadParameters(**asked["told"])
    with connected(settings) as connection:
        catalog = load_catalog(connection, settings.profile_limits)
    schemas = ProfileSchemas(catalog)
    try:
        with spool.open(job.id) as body:
            shared = load_shared(told.parameters, schemas)
            upload = Upload(
                told=told,
                shared=replace(shared, may_raise=asked["may_raise"]),
                token_id=asked["token_id"],
                key=None,
                schemas=schemas,
                body=body,
                total_bytes=job.total_bytes,
                patience_seconds=float("inf"),
                stop=stop,
                job_id=job.id,
            )
            import_upload(settings, upload)
    except (JobHeld, Unavailable, FileNotFoundError):
        raise
    except Rejected as error:
        _fail(settings, job.id, "; ".join(fault.text for fault in error.faults))
    except Exception as error:
        logger.exception("job failed", extra={"error_class": type(error).__name__})
        _fail(settings, job.id, "Internal error. See the log of the intake")


def expire(settings: Settings, spool: Spool, spooled: SpooledJob) -> None:
    """Drop a body that nobody could import in time, and say so in its job."""
    try:
        job = _find(settings, spooled)
        if job is not None and job.state not in _ENDED:
            hours = settings.spool_hours
            text = f"The file was not imported within {hours} hours. Send it again"
            _fail(settings, job.id, text)
        spool.drop(spooled.job_id)
    except (JobHeld, Unavailable):
        return


def _fail(settings: Settings, job_id: UUID, text: str) -> None:
    with connected(settings) as connection:
        finish_job(connection, job_id, JobState.FAILED, datetime.now(UTC), text)


def begin_kept(connection: Connection, upload: Upload) -> Uploaded | None:
    """Return the job of an upload whose body is to be kept.

    None for one that has all its rows, or whose body was not kept the first time: it
    is read and compared at once. Raises NameTaken for another query under its key, and
    JobHeld for a job that is being read.
    """
    now = datetime.now(UTC)
    job = Job(
        id=new_job_id(now),
        name=upload.told.name,
        database_id=upload.shared.database_id,
        token_id=upload.token_id,
        idempotency_key=upload.key,
        parameters=upload.told.parameters,
        fingerprint=name_query(upload.told),
        total_bytes=upload.total_bytes,
        created_at=now,
        updated_at=now,
    )
    if insert_job(connection, job):
        return Uploaded(job=job, replayed=False)
    if upload.key is None:
        # The same id twice in one millisecond: as good as never.
        raise Unavailable("The job cannot be started now")
    found = find_job_of_key(connection, upload.token_id, upload.key)
    if found is None or found.fingerprint is None or found.state in _COMPLETE:
        return None
    if found.fingerprint != job.fingerprint:
        raise NameTaken("Another upload already used this key", "Idempotency-Key")
    if is_held(connection, found.id):
        raise JobHeld("Another process is reading this job already")
    reopen_job(connection, found.id, now)
    return Uploaded(job=found, replayed=True)
