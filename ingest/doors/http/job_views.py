"""Jobs as callers read them: the books, and what receipts know beyond them."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import orjson
from msgspec import UNSET, Meta, Struct, UnsetType

from ingest.domain.imports import Timestamp
from ingest.domain.jobs import JobState
from ingest.doors.files.encodings.decoding import EncodingSource
from ingest.doors.files.jobs.creation import MAP_OF
from ingest.doors.files.jobs.seen_jobs import Seen, tell_pace, tell_state
from ingest.store.jobs.rows import RowOutcome
from ingest.wire.cell_notes import NoteKind
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import Code, SuccessReply

_Count = Annotated[int, Meta(ge=0)]
_Percent = Annotated[int, Meta(ge=0, le=100)]


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
    estimated_rows: Annotated[
        int | None,
        Meta(description="Number of rows of the file; an estimate while it is read"),
    ]
    percent: Annotated[
        _Percent | None, Meta(description="Processed share; 100 only if done")
    ]
    rows_per_second: float | None
    eta_seconds: Annotated[
        int | None, Meta(description="Estimated time until all rows are processed")
    ]
    created_at: Timestamp
    updated_at: Timestamp
    finished_at: Timestamp | None
    results: str
    rejects: str
    faults: str


class JobsReply(SuccessReply, frozen=True, kw_only=True):
    """A page of jobs."""

    data: list[JobReply]
    from_id: Annotated[
        UUID | UnsetType, Meta(description="Present if there may be another page")
    ] = UNSET


def view_job(seen: Seen, now: datetime) -> JobReply:
    """Return the reply that shows a job."""
    job, counts, state = seen.job, seen.counts, tell_state(seen, now)
    pace = tell_pace(seen, now)
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
        estimated_rows=pace.estimated_rows,
        percent=pace.percent,
        rows_per_second=pace.rows_per_second,
        eta_seconds=pace.seconds_left,
        created_at=job.created_at,
        updated_at=job.updated_at,
        finished_at=job.finished_at,
        results=f"{place}/results",
        rejects=f"{place}/rejects",
        faults=f"{place}/faults",
    )


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
