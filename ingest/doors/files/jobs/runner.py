"""One run of a job: from the first row that is not settled to as far as it comes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

from ingest.domain.errors import InvalidRequest, Unavailable
from ingest.domain.jobs import JobState
from ingest.domain.lanes import Lane
from ingest.doors.appends import BlockingAppends
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.jobs.connection import JobConnection
from ingest.doors.files.jobs.fault_counts import (
    FaultCounts,
    find_columns,
    open_counts,
)
from ingest.doors.files.jobs.feeder import Books, Feeder, FileChanged
from ingest.doors.files.jobs.row_estimates import RowEstimate
from ingest.doors.files.jobs.row_validation import RowValidator, Validator
from ingest.doors.files.jobs.window import RowTaken
from ingest.doors.files.rows import RowSource, summarize_rows
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, JobProgress, begin_job, find_job, finish_job
from ingest.streams.partitioning import FILES_CLIENT
from ingest.wire.envelopes import Envelope
from ingest.wire.profile_schemas import ProfileSchemas


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The inputs of one run of a job."""

    job: Job
    #: What holds for every row that does not say otherwise.
    shared: Envelope
    rows: RowSource
    schemas: ProfileSchemas
    #: How much of the file has been read.
    count_bytes: Callable[[], int]
    #: Set to stop reading; what is in flight is finished.
    stop: Event
    #: Set to wait no longer for what came of the last rows.
    give_up: Event = field(default_factory=Event)
    #: How long to wait for it, once every row is accepted.
    patience_seconds: float = float("inf")
    #: Hears how far the job has come, now and then.
    watch: Callable[[JobProgress], None] = lambda _: None
    #: None for what validates the rows of a file.
    validator: Validator | None = None


def run_job(settings: Settings, run: Run) -> Job:
    """Accept the rows of a job and wait for what comes of them; return it as it is.

    Raises JobHeld if another does that already, FileChanged or RowTaken if its rows are
    not those of before, Unavailable if Postgres is unavailable now. A file that cannot
    be read to its end is told of in the job.
    """
    connection = JobConnection(settings.database_url, run.job.id)
    connection.open()
    try:
        return _run(settings, run, connection)
    finally:
        connection.close()


#: The states of a job that has all its rows.
_COMPLETE = (JobState.APPLYING, JobState.DONE)


def _run(settings: Settings, run: Run, connection: JobConnection) -> Job:
    form = asdict(run.rows.form)
    _compare_columns(run.job, form)
    faults = connection.write(lambda opened: open_fault_counts(opened, run))
    connection.write(
        lambda opened: begin_job(opened, run.job.id, form, datetime.now(UTC))
    )
    with _open_appends(settings) as appends:
        feeder = Feeder(
            run.job,
            connection=connection,
            appends=appends,
            validator=run.validator or make_validator(settings, run),
            stop=run.stop,
            books=Books(
                estimate=RowEstimate(run.job.total_bytes, run.rows.form),
                faults=faults,
                watch=run.watch,
            ),
        )
        state, failure = _feed(feeder, run)
        ended, settled = state is JobState.APPLYING, False
        patience = run.patience_seconds if ended else settings.wait_seconds
        try:
            settled = feeder.finish(patience, run.give_up)
        except RowTaken as error:
            state, failure, ended = JobState.FAILED, error, False
        feeder.keep()
    if ended and settled:
        state = JobState.DONE
    text = str(failure or "")
    if not ended and run.job.state in _COMPLETE:
        # Whatever was sent now, the file was read to its end before.
        state, text = run.job.state, ""
    found = summarize_rows(run.rows)
    connection.write(
        lambda opened: finish_job(
            opened, run.job.id, state, datetime.now(UTC), text, found
        )
    )
    if failure is not None and not isinstance(failure, UnreadableFile):
        raise failure
    return connection.write(lambda opened: find_job(opened, run.job.id)) or run.job


def _compare_columns(job: Job, form: Mapping[str, Any]) -> None:
    """Raise FileChanged if the cells of a job's rows mean something else now."""
    if job.rows and list(job.form.get("columns", ())) != list(form["columns"]):
        raise FileChanged(
            f"{job.name} has changed: its columns differ from the imported ones. "
            "Import it as a new job"
        )


def _feed(feeder: Feeder, run: Run) -> tuple[JobState, InvalidRequest | None]:
    """Read to the end, or as far as it goes; tell why it ended before."""
    try:
        return feeder.feed(run.rows, run.count_bytes), None
    except (RowTaken, UnreadableFile) as error:
        return JobState.FAILED, error
    except InvalidRequest as error:
        return JobState.INTERRUPTED, error
    except Unavailable:
        return JobState.INTERRUPTED, None


def open_fault_counts(connection: Connection, run: Run) -> FaultCounts | None:
    """Return what counts the faults of the rows of a run."""
    database = run.schemas.catalog.databases.get(run.job.database_id)
    columns = find_columns(run.rows.form.columns, run.job.parameters, database)
    return open_counts(connection, run.job, columns)


def make_validator(settings: Settings, run: Run) -> RowValidator:
    """Return what validates the rows of a run."""
    return RowValidator(
        run.shared,
        job_id=run.job.id,
        token_id=run.job.token_id,
        schemas=run.schemas,
        partitions=settings.partitions,
    )


@contextmanager
def _open_appends(settings: Settings) -> Iterator[BlockingAppends]:
    appends = BlockingAppends(settings, client_name=FILES_CLIENT, lane=Lane.BULK)
    appends.start()
    try:
        yield appends
    finally:
        appends.close()
