"""Lease, read, apply, commit; then drop the entries and tell the callers."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import redis
from msgspec import Struct

from ingest.domain.deferrals import Deferred
from ingest.settings import Settings
from ingest.store.database import Connection, savepoint, transaction_in_pipeline
from ingest.store.dead_letters.write import insert_dead_letter
from ingest.store.ledger import add_counts
from ingest.store.partitions.leases import (
    Lease,
    advance_partitions,
    ask_leases,
    is_any_free,
)
from ingest.streams.stream import Entry, Stream, Waiting, open_stream
from ingest.telemetry import metrics
from ingest.telemetry.tracing import Tracer, open_tracer
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import AppliedBatch, ReadImport, Watch, apply_batch, apply_whole
from workers.batch_sizes import BatchSizes
from workers.database_session import DatabaseSession
from workers.deferrals import Deferrals, find_deferred
from workers.partition_batches import (
    Batch,
    PartitionBatch,
    cut,
    group,
    list_accepted,
    make_partition_batch,
)
from workers.reporting import count_batch, count_entries, group_answers, log_batch
from workers.retries import is_transient
from workers.setbacks import Setbacks

logger = logging.getLogger(__name__)

#: So often may a partition fail beside others; then its entries are tried alone.
_PATIENCE = 2
#: How long a drain listens for more before it gives its process back.
LINGER_SECONDS = 0.5
#: After this long a drain hands over, so that no process is held for ever.
LIFETIME_SECONDS = 10.0


class BatchPlan(Struct, frozen=True):
    """The entries that a batch is to have."""

    #: The first so many of each partition.
    counts: Mapping[int, int]
    #: Of those that may go before the bulk lane.
    overtakes: bool


class Drain:
    """Applies what waits on the streams; one per worker process, opened lazily."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        lifetime_seconds: float = LIFETIME_SECONDS,
        linger_seconds: float = LINGER_SECONDS,
        announce: Callable[[], None] = lambda: None,
        tracer: Tracer | None = None,
    ) -> None:
        self._settings = settings
        # Called after a commit that left events to deliver.
        self._announce = announce
        self._name = name
        self._lifetime_seconds = lifetime_seconds
        self._linger_seconds = linger_seconds
        self._stream: Stream = open_stream(settings.redis_url, settings.partitions)
        self._session = DatabaseSession(settings, name)
        self._deferrals = Deferrals(self._stream, settings.partitions)
        self._tracer = tracer or open_tracer("penstock-drain", {})
        self._setbacks = Setbacks()
        self._sizes = BatchSizes()

    def run(self, ring: Callable[[int], None]) -> None:
        """Apply everything that waits, then listen a while for more.

        Returns when nothing comes for a linger, when another drain listens
        already, or, ringing for a successor, after its lifetime. Errors of
        Postgres and Redis are raised with nothing acknowledged: the entries stay and
        the sweep rings again. What fails for one partition only is raised at the end.
        """
        self._setbacks.forget_errors()
        self._run(ring)
        self._setbacks.raise_first()

    def _run(self, ring: Callable[[int], None]) -> None:
        ends_at = time.monotonic() + self._lifetime_seconds
        listens = self._stream.attend(self._name)
        self._stream.answer_bells()
        while time.monotonic() < ends_at:
            groups = self._look()
            self._call_for_help(groups, ring)
            drained = self._drain_each(groups)
            listens = self._stream.attend(self._name)
            if drained:
                continue
            # What still waits is another drain's, which will look again after it.
            busy = {one.partition for each in groups for one in each}
            busy |= self._setbacks.partitions
            if not listens or not self._stream.wait(self._linger_seconds, busy):
                break
        if listens:
            self._stream.leave()
        # Nobody rang for what came while the place was taken: look once more.
        self._deferrals.awaited.clear()
        if self._drain_each(self._look()) or self._stood_in_the_way():
            ring(0)

    def close(self) -> None:
        """Give up the connections; the next run opens new ones."""
        self._stream.close()
        self._session.close()

    def _stood_in_the_way(self) -> bool:
        """Say whether what imports of the last look waited for is nobody's any more.

        Who has it looks at all partitions after it. Who had it may have looked while
        this drain held the leases of those imports.
        """
        awaited = self._deferrals.awaited - self._setbacks.partitions
        return bool(awaited) and is_any_free(self._session.connect(), awaited)

    def _look(self) -> list[list[Waiting]]:
        """Return the partitions that have entries, in groups for one batch each."""
        waiting = [
            one for one in self._stream.look() if self._setbacks.is_due(one.partition)
        ]
        alone = self._setbacks.partitions
        groups = group(waiting, self._settings.batch_size, alone)
        return self._deferrals.join(list(groups), alone)

    def _call_for_help(
        self, groups: Sequence[Sequence[Waiting]], ring: Callable[[int], None]
    ) -> None:
        """Ring for another process when there is work for two."""
        if len(groups) > 1 and self._stream.claim_bell(groups[-1][0].partition):
            ring(groups[-1][0].partition)

    def _drain_each(self, groups: Iterable[Sequence[Waiting]]) -> int:
        """Apply a batch of each of `groups`; return how many had one for us.

        Before each goes what may overtake, in any partition. So the live lane waits for
        one batch at most, and the bulk lane has its share however much overtakes.
        """
        return sum([self._overtake() + self._drain_safely(each) for each in groups])

    def _overtake(self) -> int:
        """Apply what may go before the bulk lane; return how many batches that was."""
        live = self._sizes.choose(
            one
            for one in self._stream.look_live()
            if self._setbacks.is_due(one.partition)
        )
        groups = group(live, self._settings.batch_size, self._setbacks.partitions)
        return sum([self._drain_safely(each, overtakes=True) for each in groups])

    def _drain_safely(
        self, waiting: Sequence[Waiting], *, overtakes: bool = False
    ) -> bool:
        """Drain `waiting`; what fails there only is noted, and stops no other."""
        try:
            drained = self.drain(waiting, overtakes=overtakes)
        # Without Redis, or a connection, every partition would fail alike.
        except redis.RedisError:
            raise
        # Whatever it is, other partitions are none the worse for it.
        except Exception as error:
            if not self._session.is_open:
                raise
            self._note_setback(waiting, error)
            return False
        # What overtakes tells nothing of what waits first.
        if drained and not overtakes:
            self._setbacks.clear([one.partition for one in waiting])
        return drained

    def _note_setback(self, waiting: Sequence[Waiting], error: Exception) -> None:
        """Leave the partitions of a batch that failed alone for a while."""
        self._session.drop_broken()
        partitions = [one.partition for one in waiting]
        self._setbacks.add(partitions, error)
        logger.warning(
            "batch retried",
            extra={"partitions": partitions, "error_class": type(error).__name__},
        )

    def drain(self, waiting: Sequence[Waiting], *, overtakes: bool = False) -> bool:
        """Apply a batch of `waiting`; False if there is none to take.

        Of a partition alone it is as large as batches may be, or as may be between two
        looks for what `overtakes`.
        """
        started, stages = time.perf_counter(), metrics.Stopwatch()
        counts = {one.partition: one.entries for one in waiting}
        size = self._settings.batch_size
        if not overtakes:
            size = self._sizes.bound(size)
        if len(counts) == 1 or sum(counts.values()) > size:
            counts = dict.fromkeys(counts, max(1, size // len(counts)))
        batch = self._apply(
            self._session.connect(), BatchPlan(counts, overtakes), stages
        )
        if batch is None:
            if overtakes:
                self._sizes.note_stuck(waiting)
            return False
        stages.end("commit")
        self._settle(batch)
        stages.end("settle")
        if batch.accepted:
            seconds = time.perf_counter() - started
            metrics.DRAIN_SECONDS.observe(seconds)
            if overtakes:
                self._sizes.note_overtaken()
            else:
                self._sizes.note(len(batch.accepted), seconds)
        return True

    def _apply(
        self,
        connection: Connection,
        plan: BatchPlan,
        stages: metrics.Stopwatch,
    ) -> Batch | None:
        """Apply `plan` whole; if that fails, part by part.

        Savepoints are for the second attempt: nearly every batch does without.
        """
        try:
            return self._attempt(connection, plan, stages, whole=True)
        # As in `apply_batch`, which finds the culprit.
        except Exception as error:
            if is_transient(error):
                raise
            reason = type(error).__name__
            metrics.BATCHES_REPEATED.labels("failed").inc()
            logger.info("batch bisected", extra={"reason": reason})
        return self._attempt(connection, plan, stages, whole=False)

    def _attempt(
        self,
        connection: Connection,
        plan: BatchPlan,
        stages: metrics.Stopwatch,
        *,
        whole: bool,
    ) -> Batch | None:
        """Lease the partitions of `plan`, apply it, and commit."""
        with transaction_in_pipeline(connection):
            asked = ask_leases(connection, list(plan.counts))
            schemas = self._session.hold_schemas(connection)
            leases = self._choose(list(asked))
            # The second attempt finds the culprit by itself, however many there are.
            entries = self._read(plan, leases, spared=not whole)
            if not entries:
                return None
            now = datetime.now(UTC)
            stages.end("read")
            parts, applied = self._apply_due(
                connection,
                leases,
                entries,
                schemas,
                whole=whole,
                overtakes=plan.overtakes,
            )
            # It has shared its time out among the stages itself.
            stages.skip()
            parts = cut(parts, applied.taken)
            for letter in [each for part in parts for each in part.letters]:
                insert_dead_letter(connection, letter, now)
            # Last, so that nobody who waits for a row of the ledger holds another.
            add_counts(connection, count_entries(parts, applied.outcomes))
            advances = [part.advance for part in parts]
            advances += find_deferred(leases, entries, parts)
            advance_partitions(connection, advances, now)
        return Batch(parts=parts, applied=applied, started_at=now) if parts else None

    def _apply_due(
        self,
        connection: Connection,
        leases: Sequence[Lease],
        entries: Mapping[int, list[Entry]],
        schemas: ProfileSchemas,
        *,
        whole: bool,
        overtakes: bool,
    ) -> tuple[list[PartitionBatch], AppliedBatch]:
        """Apply `entries` but for those that come after others that wait elsewhere.

        Return what was to be applied, and what came of it (contract 16.10).
        """
        apply = apply_whole if whole else self._apply_by_parts
        while True:
            entries = self._deferrals.cut(entries)
            parts = [
                make_partition_batch(
                    one.partition, one.position, queue, overtakes=overtakes
                )
                for one in leases
                if (queue := entries.get(one.partition))
            ]
            if not parts:
                return [], AppliedBatch(taken=0)
            watch = self._deferrals.watch(parts)
            try:
                # What it has locked when it is deferred it needs again, but for some.
                applied = apply(
                    connection,
                    list_accepted(parts),
                    schemas,
                    self._session.room,
                    watch,
                )
            except Deferred as deferred:
                entries = self._deferrals.cut_deferred(entries, deferred)
            else:
                return parts, applied

    @staticmethod
    def _apply_by_parts(
        connection: Connection,
        batch: Sequence[ReadImport],
        schemas: ProfileSchemas,
        room: int,
        watch: Watch,
    ) -> AppliedBatch:
        """Apply `batch` or raise, with nothing of it applied."""
        with savepoint(connection):
            return apply_batch(connection, batch, schemas, room, watch)

    def _choose(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Return those that may be applied together.

        A batch that ended its process, perhaps, left nothing but the number of tries.
        """
        calm = [one for one in leases if one.attempt <= _PATIENCE]
        if len(leases) == 1 or len(calm) == len(leases):
            return leases
        self._setbacks.set_apart(
            one.partition for one in leases if one.attempt > _PATIENCE
        )
        return calm or leases[:1]

    def _read(
        self, plan: BatchPlan, leases: Sequence[Lease], *, spared: bool
    ) -> dict[int, list[Entry]]:
        """Read leased partitions, those that have entries.

        After each attempt that failed a quarter as many are tried, until the one that
        fails is alone; one attempt is not counted if it is to be `spared`, unless
        another drain has committed since.
        """
        counts = {
            one.partition: max(
                1, plan.counts[one.partition] >> 2 * max(0, one.attempt - 1 - spared)
            )
            for one in leases
        }
        read_all = self._stream.read_live if plan.overtakes else self._stream.read_each
        read = read_all(counts, self._settings.batch_bytes)
        return {partition: queue for partition, queue in read.items() if queue}

    def _settle(self, batch: Batch) -> None:
        """Drop what has been committed and publish the outcomes.

        If Redis fails here nothing is lost: the entries are read again, found
        applied, and told again.
        """
        accepted, applied = batch.accepted, batch.applied
        self._stream.settle(batch.entries, group_answers(accepted, applied))
        for part in batch.parts:
            if part.is_behind:
                self._stream.lift(part.partition, part.position)
        letters = sum(len(part.letters) for part in batch.parts)
        count_batch(applied, len(accepted), letters)
        metrics.DELIVERIES_WITHDRAWN.inc(applied.withdrawn)
        log_batch(applied, batch.started_at, self._tracer)
        if batch.applied.events and self._stream.claim_hint():
            self._announce()
