"""The rows of a job, accepted flight after flight, and what came of them.

A row is settled when its receipt says so, or when it was rejected here. How far the
settled rows reach is saved in one transaction with their counts and with those that
were rejected; a resume goes on behind them. Rows that were accepted behind them are
accepted again, under the same ids, which apply once: nothing is lost or doubled,
whatever is killed.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import TypeVar

from ingest.domain.errors import InvalidRequest, Unavailable
from ingest.domain.jobs import JobCounts, JobState
from ingest.doors.appends import BlockingAppends
from ingest.doors.files.jobs.connection import JobConnection
from ingest.doors.files.jobs.fault_counts import FaultCounts, with_faults
from ingest.doors.files.jobs.read_ahead import Gathering
from ingest.doors.files.jobs.row_estimates import RowEstimate
from ingest.doors.files.jobs.row_validation import DOOR, Validator
from ingest.doors.files.jobs.window import RowTaken, Settled, Window
from ingest.doors.files.rows import FileRow
from ingest.store.database import Connection
from ingest.store.jobs.progress import Job, JobProgress, save_progress
from ingest.store.jobs.rows import (
    KeptRow,
    find_applied,
    find_dropped,
    find_faults,
    find_kept,
    keep_rows,
)
from ingest.telemetry import metrics

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Rows of one flight, at most.
FLIGHT_ROWS = 500
#: Rows whose receipts are looked for at once.
_LOOK_ROWS = 4000
#: Between two such looks while rows are read. Those of the last flights are not applied
#: yet, and a row that waits for one before it is looked for again each time.
_LOOK_SECONDS = 0.25
#: Between two looks at what came of rows, while there is nothing else to do.
_PAUSE_SECONDS = 0.05
#: Between two looks at a server that is away.
_AWAY_SECONDS = 0.5
#: How far a job has come is saved so often, whether or not it has come any further.
_SAVE_SECONDS = 2.0
#: Rows that are not settled for so long while no stream holds any are accepted again:
#: Redis has lost them.
LOST_SECONDS = 20.0


class FileChanged(InvalidRequest):
    """The rows that were imported before are not those of the file."""

    code = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Records of a job beside its counts."""

    estimate: RowEstimate
    #: None where the first rows were not counted.
    faults: FaultCounts | None = None
    #: Hears how far the job has come, now and then.
    watch: Callable[[JobProgress], None] = lambda _: None


class Feeder:
    """Feeds one job."""

    def __init__(
        self,
        job: Job,
        *,
        connection: JobConnection,
        appends: BlockingAppends,
        validator: Validator,
        stop: Event,
        books: Books,
    ) -> None:
        self._job = job
        self._connection = connection
        self._appends = appends
        self._validator = validator
        # Set by whoever wants it to stop, and here when the job is cancelled.
        self._stop = stop
        self._watch = books.watch
        self._estimate = books.estimate
        self._faults = books.faults
        self._window = Window(settled=job.settled)
        self._counts: JobCounts = job.counts
        self._bytes: Callable[[], int] = lambda: 0
        self._rejected: list[KeptRow] = []
        # Those whose faults are not counted yet.
        self._uncounted: list[KeptRow] = []
        self._cancelled = False
        # The row that turned out to be another than the one that was sent before.
        self._taken: int | None = None
        # Whether rows may be applied without some of their fields.
        self._drops = False
        # Whether the rows that were settled before have been read again. Until then
        # the window cannot tell them from others, and nothing is saved.
        self._caught_up = not job.settled
        # How many rows there are, where the file was read to its end before.
        complete = job.state in (JobState.APPLYING, JobState.DONE)
        self._expected = job.rows if complete else None
        self._saved_at = self._settled_at = time.monotonic()
        self._looked_at = 0.0

    def feed(self, rows: Iterable[FileRow], count_bytes: Callable[[], int]) -> JobState:
        """Accept `rows`; return how their reading ended, APPLYING if at their end.

        Raises UnreadableFile, FileChanged or RowTaken where reading has to end, or
        Unavailable when it was requested to stop during an outage. `finish` and `keep`
        come next in any case, for what was accepted is applied.
        """
        self._bytes = count_bytes
        gathering = Gathering(rows)
        gathering.start()
        try:
            while not self._stop.is_set():
                taken = gathering.take(FLIGHT_ROWS, _PAUSE_SECONDS)
                if taken is not None:
                    self._estimate.add(taken)
                    self._accept(self._pass_over(taken))
                # Whoever stops us may have stopped the other end of the pipe too.
                elif not self._stop.is_set():
                    self._end()
                    self._estimate.end(self._window.rows)
                    return JobState.APPLYING
        finally:
            gathering.abandon()
        return JobState.CANCELLED if self._cancelled else JobState.INTERRUPTED

    def finish(self, seconds: float, give_up: Event) -> bool:
        """Wait for what came of the last rows; say whether all are settled.

        What is not settled then is kept as it was written: its receipts will tell.
        Raises RowTaken.
        """
        ends_at = time.monotonic() + seconds
        while not (self._window.is_empty or self._taken or give_up.is_set()):
            if time.monotonic() >= ends_at:
                break
            with suppress(Unavailable):
                self._settle()
            give_up.wait(_PAUSE_SECONDS)
        return self._window.is_empty

    def keep(self) -> None:
        """Save how far the job has come, and the rows that are not settled."""
        self._save(self._window.remaining() if self._taken is None else ())

    def _pass_over(self, rows: list[FileRow]) -> list[FileRow]:
        """Return the rows that are not settled yet; raise FileChanged."""
        if rows and self._expected is not None and rows[-1].number > self._expected:
            raise self._changed()
        if self._caught_up:
            return rows
        settled = self._job.settled
        for row in rows:
            if row.number <= settled:
                self._window.skip(row.content)
            if row.number == settled:
                self._catch_up()
        return [row for row in rows if row.number > settled]

    def _catch_up(self) -> None:
        if self._window.digest != self._job.digest:
            raise self._changed()
        self._caught_up = True

    def _end(self) -> None:
        """Raise FileChanged if the file ends before the rows that were imported do."""
        if not self._caught_up:
            self._catch_up()
        if self._expected is not None and self._window.rows < self._expected:
            raise self._changed()

    def _changed(self) -> FileChanged:
        return FileChanged(
            f"{self._job.name} has changed: its first {self._job.rows} rows differ "
            "from the imported ones. Import it as a new job"
        )

    def _accept(self, rows: list[FileRow]) -> None:
        """Append rows when there is room, and look what came of those before.

        Those that were accepted before are seen to be the same before any others are.
        """
        known = [row for row in rows if row.number <= self._job.rows]
        self._refuse_others(known)
        for part in (known, rows[len(known) :]):
            self._append(part)
        if time.monotonic() - self._looked_at >= _LOOK_SECONDS:
            self._insist(self._settle)

    def _refuse_others(self, known: list[FileRow]) -> None:
        """Raise RowTaken at the first row that is not the one that is kept.

        Before it is appended: it may be of another key than the row that was accepted
        under its number, so that its partition might apply it first.
        """
        if not known:
            return
        first, last = known[0].number, known[-1].number
        kept = self._insist(
            lambda: self._connection.write(
                lambda connection: find_kept(connection, self._job.id, first, last)
            )
        )
        for row in known:
            if kept.get(row.number, row.content) != row.content:
                self._taken = row.number
                raise RowTaken(row.number)

    def _append(self, rows: list[FileRow]) -> None:
        if rows and self._await_room(len(rows)):
            results = self._validator.validate_all(rows, self._window.settled)
            accepted = [one.accepted for one in results if one.accepted is not None]
            drops = any(one.import_.skip_invalid_fields for one in accepted)
            self._drops = self._drops or drops
            self._insist(lambda: self._appends.append(accepted))
            self._window.add(results)
            databases = [one.import_.database_id for one in accepted]
            metrics.note_accepted(DOOR, databases)
            for result in results:
                if result.faults:
                    code = str(result.faults[0].code)
                    metrics.REFUSED.labels(DOOR, code).inc()

    def _await_room(self, count: int) -> bool:
        """Wait while too many rows are not settled, or too many imports wait."""
        room = partial(self._appends.has_room, count)
        while self._is_full or not self._insist(room):
            if self._stop.wait(_PAUSE_SECONDS):
                return False
            self._insist(self._settle)
        return not self._stop.is_set()

    @property
    def _is_full(self) -> bool:
        """Whether no more rows are accepted now: one flight, of those known before."""
        proves = self._window.rows <= self._job.rows
        return self._window.is_full or (proves and not self._window.is_empty)

    def _insist(self, work: Callable[[], _T]) -> _T:
        """Do `work`, over every outage; raise Unavailable only when told to stop."""
        interrupted = False
        while True:
            try:
                return work()
            except Unavailable as error:
                if self._stop.wait(_AWAY_SECONDS):
                    raise
                if not interrupted:
                    reason = type(error.__cause__ or error).__name__
                    logger.warning("job interrupted", extra={"reason": reason})
                interrupted = True

    def _settle(self) -> None:
        """Look what came of the first rows, and save it with how far that reaches."""
        self._looked_at = now = time.monotonic()
        settled = self._look()
        if settled.counts.total:
            self._settled_at = now
            self._counts = self._counts.merge(settled.counts)
            # Kept here until they are saved, which may fail.
            self._rejected += settled.rejected
            if self._faults is not None:
                self._uncounted += settled.rejected
        elif now - self._settled_at > LOST_SECONDS and self._has_lost():
            self._appends.append(self._window.pending())
            self._settled_at = now
        if settled.taken is not None:
            self._taken = settled.taken
            raise RowTaken(settled.taken)
        if settled.counts.total or now - self._saved_at >= _SAVE_SECONDS:
            self._save()
            self._saved_at = now

    def _look(self) -> Settled:
        if self._window.is_empty:
            return Settled(JobCounts(), [])
        first = self._window.settled + 1
        last = min(self._window.rows, self._window.settled + _LOOK_ROWS)
        find = partial(find_applied, job_id=self._job.id, first=first, last=last)
        applied = self._connection.write(find)
        if not self._drops:
            return self._window.settle(applied)
        find_all = partial(find_dropped, job_id=self._job.id, first=first, last=last)
        return self._window.settle(applied, self._connection.write(find_all))

    def _count_faults(self) -> dict[str, object] | None:
        """Count the faults of the rows that have settled; raise Unavailable."""
        if self._faults is None:
            return None
        numbers = [row.row for row in self._uncounted if row.faults is None]
        found = {}
        if numbers:
            find = partial(find_faults, job_id=self._job.id, numbers=numbers)
            found = self._connection.write(find)
        for row in with_faults(self._uncounted, found):
            self._faults.add(row)
        self._uncounted = []
        return self._faults.dump()

    def _has_lost(self) -> bool:
        return bool(self._window.pending()) and not self._appends.count_waiting()

    def _save(self, remaining: Sequence[KeptRow] = ()) -> None:
        """Save how far the job has come, and stop if it is cancelled."""
        if not self._caught_up:
            return
        progress = JobProgress(
            rows=self._window.rows,
            settled=self._window.settled,
            digest=self._window.digest,
            bytes=self._bytes(),
            counts=self._counts,
            estimated_rows=self._estimate.tell(self._bytes()),
            faults=self._count_faults(),
        )
        kept = [*self._rejected, *remaining]

        def work(connection: Connection) -> bool:
            keep_rows(connection, self._job.id, kept)
            return save_progress(connection, self._job.id, progress, datetime.now(UTC))

        if not self._connection.write(work):
            self._cancelled = True
            self._stop.set()
        self._rejected = []
        if self._faults is not None:
            self._faults.note_saved()
        self._watch(progress)
