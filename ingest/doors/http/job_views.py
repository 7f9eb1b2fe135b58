"""Jobs as callers read them: the books, and what receipts know beyond them."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import orjson
from msgspec import UNSET, Meta, Struct, UnsetType

from ingest.domain.imports import Timestamp
from ingest.domain.jobs import JobCounts, JobState
from ingest.doors.files.encodings.decoding import EncodingSource
from ingest.doors.files.jobs.creation import MAP_OF
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, find_job
from ingest.store.jobs.rows import RowOutcome, count_states
from ingest.wire.cell_notes import NoteKind
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import Code, SuccessReply

#: A job that is read is saved more often: its process is gone.
_STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A job, and what came of its rows by now."""

    job: Job
    counts: JobCounts


def look(connection: Connection, job_id: UUID) -> Seen | None:
    """Return a job; what its books do not know yet is counted by its receipts."""
    job = find_job(connection, job_id)
    if job is None:
        return None
    counts = job.counts
    if job.settled < job.rows:
        late = count_states(connection, job_id, job.settled + 1, job.rows)
        counts = counts.merge(late)
    return Seen(job=job, counts=counts)


def tell_state(seen: Seen, now: datetime) -> JobState:
    """Return how far a job is, though nobody has written it down."""
    job = seen.job
    if job.state is JobState.APPLYING and seen.counts.total >= job.rows:
        return JobState.DONE
    stale = (now - job.updated_at).total_seconds() > _STALE_SECONDS
    if job.state is JobState.RUNNING and stale:
        return JobState.CANCELLED if job.cancelled_at else JobState.INTERRUPTED
    return job.state


_Count = Annotated[int, Meta(ge=0)]


class CellNote(Struct, frozen=True, kw_only=True):
    """Cells or rows of a table that were not stored as they are."""

    kind: Annotated[
        NoteKind,
        Meta(description="What was found, such as a date without a year"),
    ]
    column: Annotated[
        str, Meta(description="Column; of skipped rows, the column and its value")
    ]
    count: int


class JobReply(SuccessReply, frozen=True, kw_only=True):
    """A job and its progress."""

    #: Other than 0 in the reply to an upload that failed.
    error: Code = 0
    job_id: UUID
    dry_run: Annotated[
        Literal[True] | UnsetType, Meta(description="Nothing was written")
    ] = UNSET
    name: str
    db_id: int
    state: JobState
    reason: Annotated[
        str, Meta(description="Reason for stopping before the end of the file")
    ]
    rows: _Count
    created: _Count
    updated: _Count
    unchanged: _Count
    rejected: _Count
    dead: _Count
    removed: Annotated[
        int | UnsetType, Meta(description="Profiles removed by an undo")
    ] = UNSET
    held: Annotated[
        int | UnsetType, Meta(description="Imports that wait for an operator")
    ] = UNSET
    protected: Annotated[
        int | UnsetType, Meta(description="Statuses that were not raised")
    ] = UNSET
    waiting: _Count
    bytes: _Count
    total_bytes: int | None
    encoding: Annotated[
        str | None,
        Meta(description="Encoding of the file; null before its first row"),
    ]
    encoding_source: Annotated[
        EncodingSource | None,
        Meta(
            description="Where the encoding comes from: the byte order mark, the"
            " request, the default (UTF-8), or a guess that was requested"
        ),
    ]
    sheet: Annotated[str | None, Meta(description="Sheet of the workbook")]
    map_of: Annotated[
        UUID | UnsetType, Meta(description="Earlier job whose mapping was used")
    ] = UNSET
    notes: Annotated[
        list[CellNote] | UnsetType,
        Meta(description="Cells and rows that were not stored, at the end of the job"),
    ] = UNSET
    statuses: Annotated[
        dict[str, dict[str, int]] | UnsetType,
        Meta(
            description="Rows by the channel and status of their subscriptions, at the"
            " end of the job: `none` without consent, `unknown` without a status"
        ),
    ] = UNSET
    eta_seconds: int | None
    created_at: Timestamp
    updated_at: Timestamp
    finished_at: Timestamp | None
    results: str
    rejects: str
    faults: str


def view_job(seen: Seen, now: datetime) -> JobReply:
    """Return the reply that shows a job."""
    job, counts, state = seen.job, seen.counts, tell_state(seen, now)
    place = f"/api/v1.1/jobs/{job.id}"
    return JobReply(
        job_id=job.id,
        dry_run=True if job.parameters.get(DRY_RUN) else UNSET,
        name=job.name,
        db_id=job.database_id,
        state=state,
        reason=job.error_text,
        rows=job.rows,
        created=counts.created,
        updated=counts.updated,
        unchanged=counts.unchanged,
        rejected=counts.rejected,
        dead=counts.dead,
        removed=counts.removed or UNSET,
        held=counts.held or UNSET,
        protected=counts.protected or UNSET,
        waiting=max(0, job.rows - counts.total),
        bytes=job.bytes,
        total_bytes=job.total_bytes,
        encoding=job.form.get("encoding"),
        encoding_source=job.form.get("encoding_source"),
        sheet=job.form.get("sheet") or None,
        map_of=UUID(map_of) if (map_of := job.parameters.get(MAP_OF)) else UNSET,
        notes=[CellNote(**note) for note in job.form.get("notes", ())] or UNSET,
        statuses=job.form.get("statuses") or UNSET,
        eta_seconds=_estimate(seen, state, now),
        created_at=job.created_at,
        updated_at=job.updated_at,
        finished_at=job.finished_at,
        results=f"{place}/results",
        rejects=f"{place}/rejects",
        faults=f"{place}/faults",
    )


def _estimate(seen: Seen, state: JobState, now: datetime) -> int | None:
    """Return the seconds to its end, at the rate so far; None where nobody knows."""
    job = seen.job
    seconds = (now - job.created_at).total_seconds()
    if state is JobState.RUNNING and job.total_bytes and job.bytes:
        return round(seconds * max(0, job.total_bytes - job.bytes) / job.bytes)
    if state is JobState.APPLYING and seen.counts.total:
        waiting = job.rows - seen.counts.total
        return round(seconds * waiting / seen.counts.total)
    return None


#: What is told of each row.
RESULT_COLUMNS = ("row", "import_id", "state", "error", "error_text", "profile_id")


def dump_results(results: Sequence[RowOutcome], *, as_table: bool) -> bytes:
    """Write results: rows of a table, or a document a line."""
    if as_table:
        return write_table(
            [getattr(result, name) for name in RESULT_COLUMNS] for result in results
        )
    return b"".join(
        orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE) for result in results
    )


def write_table(rows: Iterable[Sequence[object]]) -> bytes:
    """Write rows of CSV (RFC 4180)."""
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()
