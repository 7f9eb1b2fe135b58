"""Jobs as people see them: their books, and what receipts know beyond them."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ingest.domain.jobs import JobCounts, JobState
from ingest.store.database import Connection
from ingest.store.jobs.pages import JobFilter, list_jobs
from ingest.store.jobs.progress import Job, find_job
from ingest.store.jobs.rows import count_states

#: A job that is read is saved more often: its process is gone.
STALE_SECONDS = 60.0
#: A rate over less than this says nothing.
_SHORT_SECONDS = 0.5

#: What is written down of a job that is seen in a state.
_WRITTEN = {
    JobState.DONE: (JobState.DONE, JobState.APPLYING),
    JobState.INTERRUPTED: (JobState.INTERRUPTED, JobState.RUNNING),
    JobState.CANCELLED: (JobState.CANCELLED, JobState.RUNNING),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A job, and what came of its rows by now."""

    job: Job
    counts: JobCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPace:
    """Progress and speed of a job."""

    #: Rows of which it is known what came.
    settled: int
    #: About how many rows there are; None where nobody knows.
    estimated_rows: int | None
    #: 100 if it is done, and never before; None where nobody knows.
    percent: int | None
    #: While its rows were read the last time; None before there is anything to tell.
    rows_per_second: float | None
    #: To its end, at this rate; None where nobody knows, or nothing moves.
    seconds_left: int | None


def look(connection: Connection, job_id: UUID) -> Seen | None:
    """Return a job; what its books do not know yet is counted by its receipts."""
    job = find_job(connection, job_id)
    return None if job is None else see(connection, job)


def see(connection: Connection, job: Job) -> Seen:
    """Return a job with what its receipts know beyond its books."""
    counts = job.counts
    if job.settled < job.rows:
        late = count_states(connection, job.id, job.settled + 1, job.rows)
        counts = counts.merge(late)
    return Seen(job=job, counts=counts)


def tell_state(seen: Seen, now: datetime) -> JobState:
    """Return how far a job is, though nobody has written it down."""
    job = seen.job
    if job.state is JobState.APPLYING and seen.counts.total >= job.rows:
        return JobState.DONE
    stale = (now - job.updated_at).total_seconds() > STALE_SECONDS
    if job.state is JobState.RUNNING and stale:
        return JobState.CANCELLED if job.cancelled_at else JobState.INTERRUPTED
    return job.state


def tell_pace(seen: Seen, now: datetime) -> JobPace:
    """Return how far a job is, and how fast it goes or went."""
    job, state, settled = seen.job, tell_state(seen, now), seen.counts.total
    is_complete = state in (JobState.APPLYING, JobState.DONE)
    estimated = job.rows if is_complete else job.estimated_rows
    percent = None
    if state is JobState.DONE:
        percent = 100
    elif estimated:
        percent = min(99, settled * 100 // estimated)
    moves = state in (JobState.RUNNING, JobState.APPLYING)
    ended_at = now if moves else job.finished_at or job.updated_at
    seconds = (ended_at - (job.started_at or job.created_at)).total_seconds()
    done = settled - job.started_rows
    rate = done / seconds if seconds >= _SHORT_SECONDS and done > 0 else None
    left = None
    if moves and rate and estimated is not None:
        left = round(max(0, estimated - settled) / rate)
    return JobPace(
        settled=settled,
        estimated_rows=estimated,
        percent=percent,
        rows_per_second=None if rate is None else round(rate, 1),
        seconds_left=left,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPage:
    """Jobs as they are seen, the newest first."""

    jobs: list[Seen]
    #: The next page holds those before this one; None when there is none.
    next: UUID | None = None


def look_at_all(
    connection: Connection,
    wanted: JobFilter,
    state: JobState | None,
    now: datetime,
    before: UUID | None = None,
    limit: int = 50,
) -> SeenPage:
    """Return a page of the jobs that `wanted` admits and that are seen in `state`.

    It may hold fewer than `limit` while there are others to look at.
    """
    states = None if state is None else _WRITTEN.get(state, (state,))
    page = list_jobs(connection, replace(wanted, states=states), before, limit)
    seen = [see(connection, job) for job in page.jobs]
    if state is not None:
        seen = [one for one in seen if tell_state(one, now) is state]
    return SeenPage(jobs=seen, next=page.next)
