"""Jobs in words, as the command line and the console say them."""

from collections.abc import Mapping
from datetime import datetime

from ingest.domain.durations import describe_seconds
from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.seen_jobs import Seen, tell_pace, tell_state
from ingest.store.jobs.progress import Job
from ingest.wire.promises import DRY_RUN

#: A job in one of these has not come to its end.
MOVING = (JobState.RUNNING, JobState.APPLYING)


def is_dry_run(job: Job) -> bool:
    """Say whether nothing of a job was written."""
    return bool(job.parameters.get(DRY_RUN))


def describe_sender(seen: Seen, names: Mapping[int, str]) -> str:
    """Return who began a job: a token, or the command line."""
    token_id = seen.job.token_id
    if token_id is None:
        return "command line"
    return f"{token_id} {names.get(token_id, '')}".strip()


def describe_result(seen: Seen, now: datetime) -> str:
    """Return how far a job is, or what came of it, in a line."""
    pace, state = tell_pace(seen, now), tell_state(seen, now)
    settled = seen.counts.total
    if state in MOVING:
        of = "" if pace.estimated_rows is None else f" of about {pace.estimated_rows:,}"
        told = f"{settled:,}{of} rows"
        told += "" if pace.percent is None else f" ({pace.percent}%)"
        if pace.rows_per_second:
            told += f", {pace.rows_per_second:,.0f}/s"
        if pace.seconds_left is not None:
            told += f", about {describe_seconds(pace.seconds_left)} left"
        return told
    went_in = settled - seen.counts.rejected - seen.counts.dead - seen.counts.held
    would = "would go in" if is_dry_run(seen.job) else "went in"
    return f"{went_in:,} of {seen.job.rows:,} rows {would}"
