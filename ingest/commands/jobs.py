"""`penstock jobs`: list, follow, and cancel imports of files, and get their rejects."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

import click

from ingest.commands.databases import database_options
from ingest.commands.files.rejects import write_pages
from ingest.commands.job_display import (
    FollowDisplay,
    describe_job,
    print_faults,
    print_job,
    print_jobs,
)
from ingest.commands.outputs import make_console, print_json
from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.fault_counts import JobFaults, read_faults
from ingest.doors.files.jobs.job_texts import MOVING
from ingest.doors.files.jobs.seen_jobs import Seen, look, look_at_all, tell_state
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect, snapshot
from ingest.store.jobs.pages import JobFilter, load_names
from ingest.store.jobs.progress import Job, cancel_job

#: Between two looks at a job that is followed.
_POLL_SECONDS = 1.0
#: The exit status when a job that is followed ends without having read its file.
_STOPPED = 3


@click.group(epilog="\b\nExample:\n  penstock jobs list --state running")
def jobs() -> None:
    """List, follow, and cancel imports of files.

    Each file, upload, and undo is a job with an ID.
    """


@jobs.command(
    "list",
    epilog="""\b
Examples:
  penstock jobs list --state running
  penstock jobs list --name people --rejected
  penstock jobs list --database 1 --json""",
)
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(1, 200),
    default=20,
    show_default=True,
    help="Number of jobs to show.",
)
@click.option(
    "--state",
    type=click.Choice(JobState, case_sensitive=False),
    help="Only jobs in this state.",
)
@click.option(
    "--database",
    "database_id",
    type=int,
    metavar="ID",
    help="Only jobs of this profile database.",
)
@click.option("--name", metavar="TEXT", help="Only jobs with this text in their name.")
@click.option("--rejected", is_flag=True, help="Only jobs with rejected rows.")
@click.option(
    "--before", type=click.UUID, metavar="ID", help="Continue from a previous page."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@database_options
def list_(
    count: int,
    state: JobState | None,
    before: UUID | None,
    as_json: bool,
    database_url: str,
    **wanted: str | int | bool | None,
) -> None:
    """List jobs, the newest first. Times are in UTC.

    A filter is applied to the latest 20,000 jobs. The option that continues with older
    ones is printed on standard error.
    """
    now, chosen = datetime.now(UTC), JobFilter(**wanted)  # type: ignore[arg-type]
    with connect(database_url) as connection, snapshot(connection):
        page = look_at_all(connection, chosen, state, now, before, count)
        names = _load_names(connection, page.jobs)
    if as_json:
        for seen in page.jobs:
            print_json(describe_job(seen, now), indent=False)
    elif page.jobs:
        print_jobs(make_console(), page.jobs, names, now)
    else:
        click.echo("No jobs found.", err=True)
    if page.next is not None:
        click.echo(f"For older jobs: --before {page.next}", err=True)


@jobs.command(
    epilog="""\b
Examples:
  penstock jobs show 01a20b4f-1cd3-744b-9db7-530000000000
  penstock jobs show 01a20b4f-1cd3-744b-9db7-530000000000 --follow

\b
Exit status:
  0  shown; with --follow, the job is done
  1  no such job, or Postgres is unavailable
  2  usage error
  3  with --follow, the job was canceled, interrupted, or failed"""
)
@click.argument("job_id", metavar="ID", type=click.UUID)
@click.option("-f", "--follow", is_flag=True, help="Show the progress until the end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def show(job_id: UUID, follow: bool, as_json: bool, database_url: str) -> None:
    """Show the progress and errors of a job.

    With --follow, the progress is printed on standard error until the job ends.
    """
    with connect(database_url) as connection:
        if follow:
            # Ctrl-C ends the watching, and not the job.
            with suppress(KeyboardInterrupt):
                _follow(connection, job_id)
        with snapshot(connection):
            seen = _find(connection, job_id)
            faults = _read_faults(connection, seen.job)
            names = _load_names(connection, [seen])
    now = datetime.now(UTC)
    if as_json:
        print_json({**describe_job(seen, now), "faults": faults.kinds})
    else:
        console = make_console()
        print_job(console, seen, names, now)
        print_faults(console, faults)
    state = tell_state(seen, now)
    if follow and state not in (*MOVING, JobState.DONE):
        sys.exit(_STOPPED)


def _follow(connection: Connection, job_id: UUID) -> None:
    with FollowDisplay() as display:
        while True:
            seen, now = _find(connection, job_id), datetime.now(UTC)
            display.show(seen, now)
            if tell_state(seen, now) not in MOVING:
                return
            time.sleep(_POLL_SECONDS)


def _load_names(connection: Connection, seen: Sequence[Seen]) -> dict[int, str]:
    ids = (one.job.token_id for one in seen)
    return load_names(connection, {one for one in ids if one is not None})


def _read_faults(connection: Connection, job: Job) -> JobFaults:
    database = load_catalog(connection).databases.get(job.database_id)
    return read_faults(connection, job, database)


@jobs.command(
    epilog="\b\nExample:\n  penstock jobs cancel 01a20b4f-1cd3-744b-9db7-530000000000"
)
@click.argument("job_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def cancel(job_id: UUID, as_json: bool, database_url: str) -> None:
    """Cancel a job. Accepted rows are applied; no more are read.

    To undo the rows that are applied: `penstock undo --job ID`.
    """
    now = datetime.now(UTC)
    with connect(database_url) as connection:
        _find(connection, job_id)
        if not cancel_job(connection, job_id, now):
            raise click.ClickException(
                f"Job {job_id} has already ended. To undo it: "
                f"penstock undo --job {job_id}"
            )
        seen = _find(connection, job_id)
    if as_json:
        print_json(describe_job(seen, now))
    else:
        click.echo(
            f"Job {job_id} is canceled. Rows that are accepted are applied. "
            f"To undo them: penstock undo --job {job_id}"
        )


@jobs.command(
    epilog="""\b
Examples:
  penstock jobs rejects 01a20b4f-1cd3-744b-9db7-530000000000 > rejects.csv
  penstock jobs rejects 01a20b4f-1cd3-744b-9db7-530000000000 -o rejects.csv"""
)
@click.argument("job_id", metavar="ID", type=click.UUID)
@click.option(
    "-o",
    "--output",
    type=click.File("wb", lazy=True),
    default="-",
    help="File to write.  [default: standard output]",
)
@database_options
def rejects(job_id: UUID, output: BinaryIO, database_url: str) -> None:
    """Write the rejected rows of a job, to be corrected.

    In the format of the original file. Each row has its number and its errors.
    """
    with connect(database_url) as connection:
        job = _find(connection, job_id).job
        if not job.form:
            raise click.ClickException(f"Job {job_id} has not read any row yet")
        write_pages(connection, job, output)


def _find(connection: Connection, job_id: UUID) -> Seen:
    seen = look(connection, job_id)
    if seen is None:
        raise click.ClickException(
            f"No job {job_id}. The ID is wrong, or the job has expired. To list jobs: "
            "penstock jobs list"
        )
    return seen
