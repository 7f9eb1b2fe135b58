"""Jobs that are dry runs: their rows are tried, and nothing of them is written.

A dry run is not resumed: it begins again, as another job.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice

from ingest.domain.errors import InvalidRequest, Unavailable
from ingest.domain.imports import Outcome, State
from ingest.domain.jobs import JobCounts, JobState
from ingest.doors.dry_runs import BlockingDryRuns
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.jobs.connection import JobConnection
from ingest.doors.files.jobs.row_estimates import RowEstimate
from ingest.doors.files.jobs.row_validation import RowResult
from ingest.doors.files.jobs.runner import Run, make_validator, open_fault_counts
from ingest.doors.files.rows import summarize_rows
from ingest.settings import Settings
from ingest.store.database import Connection
from ingest.store.jobs.progress import (
    Job,
    JobProgress,
    begin_job,
    find_job,
    finish_job,
    save_progress,
)
from ingest.store.jobs.rows import TriedRow, insert_tried


def try_job(settings: Settings, run: Run) -> Job:
    """Try the rows of a job, keep what would come of them, and return the job.

    Raises Unavailable if Postgres is unavailable now. A file that cannot be read to
    its end, and workers that do not answer, are told of in the job.
    """
    with (
        closing(JobConnection(settings.database_url, run.job.id)) as connection,
        closing(BlockingDryRuns(settings.redis_url, run.stop)) as dry_runs,
    ):
        connection.open()
        return _Trial(settings, run, connection, dry_runs).run()


class _Trial:
    """One job that is tried, a batch of rows at a time."""

    def __init__(
        self,
        settings: Settings,
        run: Run,
        connection: JobConnection,
        dry_runs: BlockingDryRuns,
    ) -> None:
        self._run = run
        self._connection = connection
        self._dry_runs = dry_runs
        self._batch_size = settings.batch_size
        self._validator = make_validator(settings, run)
        self._rows = 0
        self._counts = JobCounts()
        self._estimate = RowEstimate(run.job.total_bytes, run.rows.form)
        self._faults = connection.write(lambda opened: open_fault_counts(opened, run))

    def run(self) -> Job:
        """Try all rows; say in the job how that ended."""
        job_id = self._run.job.id
        form = asdict(self._run.rows.form)
        self._connection.write(
            lambda opened: begin_job(opened, job_id, form, datetime.now(UTC))
        )
        state, failure = self._try_all()
        text, found = str(failure or ""), summarize_rows(self._run.rows)
        self._connection.write(
            lambda opened: finish_job(
                opened, job_id, state, datetime.now(UTC), text, found
            )
        )
        if isinstance(failure, InvalidRequest) and not isinstance(
            failure, UnreadableFile
        ):
            raise failure
        return self._connection.write(lambda opened: find_job(opened, job_id)) or (
            self._run.job
        )

    def _try_all(self) -> tuple[JobState, Exception | None]:
        """Return how it ended, and why before the end of the file."""
        try:
            for results in self._read():
                if self._run.stop.is_set():
                    return JobState.INTERRUPTED, None
                self._estimate.add([one.row for one in results])
                if not self._try(results):
                    return JobState.CANCELLED, None
        except UnreadableFile as error:
            return JobState.FAILED, error
        except (InvalidRequest, Unavailable) as error:
            return JobState.INTERRUPTED, error
        return JobState.DONE, None

    def _read(self) -> Iterator[list[RowResult]]:
        rows = iter(self._run.rows)
        while batch := list(islice(rows, self._batch_size)):
            # What was tried waits no more.
            yield self._validator.validate_all(batch, batch[0].number - 1)

    def _try(self, results: Sequence[RowResult]) -> bool:
        """Try a batch of rows and keep what came of it; say whether to go on."""
        accepted = [one.accepted for one in results if one.accepted is not None]
        outcomes = iter(self._dry_runs.run(accepted).outcomes)
        tried = [
            _keep(result, None if result.accepted is None else next(outcomes))
            for result in results
        ]
        for one in tried:
            counts = self._counts.plus(one.state)
            self._counts = counts.protecting(one.protected)
            if self._faults is not None and one.faults:
                self._faults.add(one)
        self._rows += len(results)
        may_go_on = self._connection.write(lambda opened: self._save(opened, tried))
        if self._faults is not None:
            self._faults.note_saved()
        return may_go_on

    def _save(self, opened: Connection, tried: Sequence[TriedRow]) -> bool:
        insert_tried(opened, self._run.job.id, tried)
        progress = JobProgress(
            rows=self._rows,
            settled=self._rows,
            digest="",
            bytes=self._run.count_bytes(),
            counts=self._counts,
            estimated_rows=self._estimate.tell(self._run.count_bytes()),
            faults=None if self._faults is None else self._faults.dump(),
        )
        return save_progress(opened, self._run.job.id, progress, datetime.now(UTC))


def _keep(result: RowResult, outcome: Outcome | None) -> TriedRow:
    """Return what is kept of a row: as it was written only if it is to be corrected."""
    if outcome is None:
        faults, state, profile_id = result.faults, State.REJECTED, None
        protected = 0
    else:
        faults = outcome.faults or outcome.skipped
        state, profile_id = outcome.state, outcome.profile_id
        protected = outcome.protected
    return TriedRow(
        row=result.row.number,
        content=result.row.content if faults else b"",
        faults=faults or None,
        state=state,
        profile_id=profile_id,
        protected=protected,
    )
