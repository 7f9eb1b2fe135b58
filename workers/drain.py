"""Lease, read, apply, commit; then drop the entries and tell the callers."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest import metrics
from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog import hold_catalog, load_catalog
from ingest.store.database import connect, transaction_in_pipeline
from ingest.store.dead_letters import DeadLetter, insert_dead_letter
from ingest.store.partitions import (
    advance_partition,
    ask_lease,
    ensure_partitions,
)
from ingest.store.receipts import create_daily_partitions
from ingest.stream import Entry, Stream, entry_order, open_stream
from ingest.tracing import Tracer, open_tracer
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import Accepted, Applied, apply_batch, apply_whole
from workers.attempts import TRANSIENT
from workers.counting import count_batch
from workers.letters import read_entry
from workers.noting import note_batch
from workers.telling import told
from workers.upkeep import DAYS_AHEAD

logger = logging.getLogger(__name__)

#: How long a drain listens for more before it gives its process back.
LINGER_SECONDS = 0.5
#: After this long a drain hands over, so that no process is held for ever.
LIFETIME_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Batch:
    """What one lease brought: entries in the order accepted."""

    entries: Sequence[Entry]
    #: How many entries were no imports.
    letters: int
    accepted: Sequence[Accepted]
    applied: Applied
    #: Up to which entry everything had been applied before.
    position: str
    started_at: datetime


class Drain:
    """Applies what waits on the streams; one per worker process, opened lazily."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        lifetime_seconds: float = LIFETIME_SECONDS,
        announce: Callable[[], None] = lambda: None,
        tracer: Tracer | None = None,
    ) -> None:
        self._settings = settings
        # Called after a commit that left events to deliver.
        self._announce = announce
        self._name = name
        self._lifetime_seconds = lifetime_seconds
        self._stream: Stream = open_stream(settings.redis_url, settings.partitions)
        self._connection: Connection[TupleRow] | None = None
        self._schemas: ProfileSchemas | None = None
        self._locate = open_locator(settings.geoip_database)
        self._tracer = tracer or open_tracer("penstock-drain", {})

    def run(self, ring: Callable[[int], None]) -> None:
        """Apply everything that waits, then listen a while for more.

        Returns when nothing comes for LINGER_SECONDS, when another drain listens
        already, or, ringing for a successor, after its lifetime. Errors of
        Postgres and Redis are raised with nothing acknowledged: the entries stay and
        the sweep rings again.
        """
        ends_at = time.monotonic() + self._lifetime_seconds
        listens = self._stream.attend(self._name)
        self._stream.answer_bells()
        while time.monotonic() < ends_at:
            waiting = self._stream.waiting()
            self._call_for_help(waiting, ring)
            drained = self._drain_each(waiting)
            listens = self._stream.attend(self._name)
            if drained:
                continue
            # What still waits is another drain's, which will look again after it.
            if not listens or not self._stream.wait(LINGER_SECONDS, waiting):
                break
        if listens:
            self._stream.leave()
        # Nobody rang for what came while the place was taken: look once more.
        if self._drain_each(self._stream.waiting()):
            ring(0)

    def close(self) -> None:
        """Give up the connections; the next run opens new ones."""
        self._stream.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _call_for_help(
        self, waiting: Sequence[int], ring: Callable[[int], None]
    ) -> None:
        """Ring for another process when there is work for two."""
        if len(waiting) > 1 and self._stream.claim_bell(waiting[-1]):
            ring(waiting[-1])

    def _drain_each(self, partitions: Sequence[int]) -> int:
        """Apply a batch of each of `partitions`; return how many had one for us."""
        return sum([self.drain_partition(partition) for partition in partitions])

    def drain_partition(self, partition: int) -> bool:
        """Apply the first batch of `partition`; False if there is none to take."""
        started, stages = time.perf_counter(), metrics.Stopwatch()
        connection = self._connect()
        batch = self._apply(connection, partition, stages)
        if batch is None:
            return False
        stages.end("commit")
        self._settle(partition, batch)
        stages.end("settle")
        if batch.accepted:
            metrics.DRAIN_SECONDS.observe(time.perf_counter() - started)
        return True

    def _apply(
        self,
        connection: Connection[TupleRow],
        partition: int,
        stages: metrics.Stopwatch,
    ) -> Batch | None:
        """Apply the first batch of `partition` whole; if that fails, part by part.

        Savepoints are for the second attempt: nearly every batch does without.
        """
        try:
            return self._attempt(connection, partition, stages, whole=True)
        except TRANSIENT:
            raise
        # As in `apply_batch`, which finds the culprit.
        except Exception as error:  # noqa: BLE001
            reason = type(error).__name__
            metrics.BATCHES_REPEATED.labels("failed").inc()
            logger.info(
                "batch failed; applied again by parts", extra={"reason": reason}
            )
        return self._attempt(connection, partition, stages, whole=False)

    def _attempt(
        self,
        connection: Connection[TupleRow],
        partition: int,
        stages: metrics.Stopwatch,
        *,
        whole: bool,
    ) -> Batch | None:
        """Lease `partition`, apply its first batch and commit."""
        with transaction_in_pipeline(connection):
            lease = ask_lease(connection, partition)
            schemas = self._catalog(connection)
            row = lease.fetchone()
            if row is None:
                return None
            entries = self._stream.read(partition, self._settings.batch_size)
            if not entries:
                return None
            now = datetime.now(UTC)
            stages.end("read")
            imports = [entry for entry in entries if not entry.is_heartbeat]
            accepted, letters = _decode(partition, imports)
            for letter in letters:
                insert_dead_letter(connection, letter, now)
            if whole:
                applied = apply_whole(connection, accepted, schemas)
            else:
                applied = apply_batch(connection, partition, accepted, schemas)
            # It has shared its time out among the stages itself.
            stages.skip()
            heartbeat = _last_heartbeat(entries)
            position = str(row[0])
            furthest = max(position, entries[-1].id, key=entry_order)
            advance_partition(connection, partition, furthest, now, heartbeat)
        return Batch(entries, len(letters), accepted, applied, position, now)

    def _connect(self) -> Connection[TupleRow]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(
                self._settings.database_url, application_name=self._name
            )
            ensure_partitions(self._connection, self._settings.partitions)
            today = datetime.now(UTC).date()
            create_daily_partitions(self._connection, today, DAYS_AHEAD)
        return self._connection

    def _catalog(self, connection: Connection[TupleRow]) -> ProfileSchemas:
        """Return the schemas of the catalogue as this transaction holds it."""
        version = hold_catalog(connection)
        if self._schemas is None or self._schemas.catalog.version != version:
            self._schemas = ProfileSchemas(load_catalog(connection), self._locate)
            metrics.CATALOG_RELOADS.labels("drain").inc()
            logger.info("catalogue loaded", extra={"version": version})
        return self._schemas

    def _settle(self, partition: int, batch: Batch) -> None:
        """Drop what has been committed and publish the outcomes.

        If Redis fails here nothing is lost: the entries are read again, found
        applied, and told again.
        """
        ids = [entry.id for entry in batch.entries]
        outcomes = told(batch.entries, batch.accepted, batch.applied)
        self._stream.settle(partition, ids, outcomes)
        if entry_order(batch.entries[0].id) <= entry_order(batch.position):
            self._stream.lift(partition, batch.position)
        count_batch(batch.accepted, batch.letters, batch.applied.outcomes)
        note_batch(
            batch.accepted, batch.applied.outcomes, batch.started_at, self._tracer
        )
        if batch.applied.events and self._stream.claim_hint():
            self._announce()


def _last_heartbeat(entries: Iterable[Entry]) -> datetime | None:
    sent = [entry.appended_at for entry in entries if entry.is_heartbeat]
    return max(sent, default=None)


def _decode(
    partition: int, entries: Iterable[Entry]
) -> tuple[list[Accepted], list[DeadLetter]]:
    """Decode `entries`; those that are no imports become dead letters."""
    accepted, letters = [], []
    for entry in entries:
        read = read_entry(partition, entry.id, entry.payload)
        if isinstance(read, DeadLetter):
            letters.append(read)
        else:
            accepted.append(
                Accepted(import_=read, entry_id=entry.id, payload=entry.payload)
            )
    return accepted, letters
