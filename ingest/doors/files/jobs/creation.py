"""The job of a file: a new one, or the one that stopped before its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ingest.domain.declarations import list_names
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.imports import Level, Matching, Operation
from ingest.domain.jobs import JobState, new_job_id
from ingest.doors.files.formats.tables import FileTable
from ingest.doors.files.inputs import Rows
from ingest.doors.files.jobs.feeder import FileChanged
from ingest.store.database import Connection
from ingest.store.jobs.progress import (
    Job,
    find_job_of_file,
    find_newest_job,
    hold_file,
    insert_job,
    is_held,
)
from ingest.wire.envelopes import Envelope, load_envelope
from ingest.wire.job_parameters import CONSENT_OPTIONS, ELSE_PHONE
from ingest.wire.profile_schemas import ProfileSchemas

#: The parameter of a job that names the job whose mapping it used (R11).
MAP_OF = "map_of"


class JobUnfinished(InvalidRequest):
    """The file was imported before, not to its end."""


class FileHeld(InvalidRequest):
    """Another process imports the file."""

    code = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A file that is to be imported."""

    #: Tells it from other files; the same at each attempt.
    name: str
    database_id: int
    #: What is asked of every row, as `load_shared` reads it.
    parameters: Mapping[str, Any]
    #: Of the whole file, where it can be read twice.
    fingerprint: str | None = None
    total_bytes: int | None = None


def load_shared(parameters: Mapping[str, Any], schemas: ProfileSchemas) -> Envelope:
    """Read what holds for every row; raise InvalidRequest, or NotFound."""
    operation = Operation(parameters.get("operation", Operation.IMPORT))
    asked = {name: parameters[name] for name in _OF_ROWS if name in parameters}
    matching = asked.get("matching")
    else_phone = matching == ELSE_PHONE
    if else_phone:
        asked["matching"] = Matching.EMAIL.value
    document = {**asked, **_load_consent(parameters), "data": {}}
    shared = load_envelope(document, operation=operation)
    if shared.database_id not in schemas.catalog.databases:
        raise NotFound("Database not found", "db_id")
    return replace(shared, by_lone_key=not matching, else_phone=else_phone)


#: What a row has of the parameters of its job.
_OF_ROWS = list_names(Level.ROW)


def _load_consent(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the basis of the statuses of every row, if the file has one (C5)."""
    source, time = (parameters.get(name) for name in CONSENT_OPTIONS)
    if source is None:
        if time is not None:
            raise InvalidRequest("Missing parameter", CONSENT_OPTIONS[0])
        return {}
    return {"consent": {"raise": True, "source": source, "time": time}}


def hold(connection: Connection, wanted: JobRequest) -> None:
    """Become the only one who imports a file; raise FileHeld, which tells who does.

    For as long as `connection` lives. What a pipe brings is nobody else's.
    """
    if wanted.fingerprint is None:
        return
    file = (wanted.database_id, wanted.name, wanted.fingerprint)
    held = hold_file(connection, *file)
    running = find_job_of_file(connection, *file)
    # Its process may have lost the session that held the file, and not the job.
    if held and (running is None or not is_held(connection, running.id)):
        return
    job = f"job {running.id}, {running.rows} rows read" if running else "no job yet"
    raise FileHeld(
        f"{wanted.name} is being imported by another process ({job}), so nothing was "
        "imported. Wait for it, or stop it first"
    )


def check_field(shared: Envelope, rows: Rows) -> None:
    """Raise InvalidRequest if nothing says which field the rows of a table match by.

    A document may say it of itself.
    """
    by_field = shared.matching in {Matching.CUSTOM, Matching.CUSTOM_SUB}
    if isinstance(rows, FileTable) and by_field and not shared.key.field_name:
        raise InvalidRequest(
            f"Missing field to match by with {shared.matching}: --field NAME (over "
            "HTTP, field_name=NAME)",
            "field_name",
        )


def start_job(connection: Connection, wanted: JobRequest) -> Job:
    """Begin a new job; raise JobUnfinished if one stopped in the middle of the file."""
    last = find_newest_job(connection, wanted.database_id, wanted.name)
    stopped = last is not None and last.state in _UNFINISHED
    if last and stopped and wanted.fingerprint == last.fingerprint:
        raise JobUnfinished(
            f"The import of {wanted.name} stopped after {last.settled} rows. To "
            "continue: --resume; to start again: --restart"
        )
    return restart_job(connection, wanted)


#: What --resume goes on with.
_UNFINISHED = (JobState.RUNNING, JobState.INTERRUPTED, JobState.APPLYING)


def restart_job(connection: Connection, wanted: JobRequest) -> Job:
    """Begin a new job, whatever was before."""
    now = datetime.now(UTC)
    job = Job(
        id=new_job_id(now),
        name=wanted.name,
        database_id=wanted.database_id,
        parameters=wanted.parameters,
        fingerprint=wanted.fingerprint,
        total_bytes=wanted.total_bytes,
        created_at=now,
        updated_at=now,
    )
    insert_job(connection, job)
    return job


def resume_job(connection: Connection, wanted: JobRequest) -> Job:
    """Return the last job of the file, to go on with, or a new one if it has none.

    One that is DONE needs no more. Raises FileChanged, or InvalidRequest if other
    things are asked now than were. A file that could not be read to its end may have
    been mended: of it, the rows that were imported are compared when they are read.
    """
    last = find_newest_job(connection, wanted.database_id, wanted.name)
    if last is None:
        return restart_job(connection, wanted)
    if last.state is JobState.CANCELLED:
        raise InvalidRequest(
            f"The import of {wanted.name} was canceled. To start again: --restart"
        )
    if last.state is not JobState.FAILED and last.fingerprint != wanted.fingerprint:
        raise FileChanged(
            f"{wanted.name} has changed since its import started. To start again: "
            "--restart"
        )
    if not are_same(last.parameters, wanted.parameters):
        raise InvalidRequest(
            f"The import of {wanted.name} started with other options. Resume it with "
            f"the same options: {_show(last.parameters)}"
        )
    return last


def are_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two jobs are asked the same, wherever it was taken from."""
    return _without_source(one) == _without_source(other)


def _without_source(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != MAP_OF}


def _show(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(parameters.items()))
