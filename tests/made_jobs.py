"""Jobs as they are stored, without a file that is read."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ingest.domain.errors import Fault
from ingest.domain.jobs import JobCounts, JobState, new_job_id
from ingest.doors.files.jobs.fault_counts import FaultCounts
from ingest.doors.files.rows import dump_cells
from ingest.store.jobs.progress import (
    Job,
    JobProgress,
    begin_job,
    finish_job,
    insert_job,
    save_progress,
)
from ingest.store.jobs.rows import KeptRow, keep_rows
from tests.conftest import Connection

_FORM = {
    "format": "csv",
    "encoding": "utf-8",
    "encoding_source": "default",
    "columns": ["email", "_fname"],
    "dialect": {},
}


def begin(connection: Connection, minutes: int = 0, **changes: Any) -> Job:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    told = {"name": "people.csv", "database_id": 1, **changes}
    job = Job(id=new_job_id(at), created_at=at, updated_at=at, **told)
    assert insert_job(connection, job)
    return job


def end(
    connection: Connection,
    job: Job,
    state: JobState = JobState.DONE,
    **counts: int,
) -> None:
    told = JobCounts(**counts)
    progress = JobProgress(
        rows=told.total, settled=told.total, digest="", bytes=1, counts=told
    )
    now = datetime.now(UTC)
    save_progress(connection, job.id, progress, now)
    finish_job(connection, job.id, state, now)


def read_on(
    connection: Connection, job: Job, estimated: int | None, **counts: int
) -> None:
    """Let a job be read, as far as its rows have settled."""
    now, told = datetime.now(UTC), JobCounts(**counts)
    begin_job(connection, job.id, _FORM, now - timedelta(seconds=10))
    progress = JobProgress(
        rows=told.total,
        settled=told.total,
        digest="",
        bytes=1,
        counts=told,
        estimated_rows=estimated,
        faults=_reject(connection, job, told.rejected),
    )
    save_progress(connection, job.id, progress, now)


def _reject(connection: Connection, job: Job, count: int) -> dict[str, object] | None:
    """Keep the first rows as rejected; return what is wrong with them."""
    fault = Fault(code=400, message="Incorrect email", path="data.email")
    kept = [
        KeptRow(row=row, content=dump_cells([f"bad{row}", "Ada"]), faults=(fault,))
        for row in range(1, count + 1)
    ]
    keep_rows(connection, job.id, kept)
    counts = FaultCounts([("email", "email"), ("_fname", "_fname")])
    for one in kept:
        counts.add(one)
    return counts.dump()
