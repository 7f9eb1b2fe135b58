"""Lease, read, apply, commit; then drop the entries and tell the callers."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest import metrics
from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog import hold_catalog, load_catalog
from ingest.store.database import connect, transaction_in_pipeline
from ingest.store.dead_letters import insert_dead_letter
from ingest.store.ledger import add_counts
from ingest.store.partitions import (
    advance_partitions,
    ask_leases,
    ensure_partitions,
)
from ingest.store.receipt_days import create_daily_partitions
from ingest.stream import Stream, Waiting, open_stream
from ingest.tracing import Tracer, open_tracer
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import apply_batch, apply_whole
from workers.attempts import is_transient
from workers.counting import count_batch
from workers.noting import note_batch
from workers.shares import Batch, Share, group, list_accepted, make_share
from workers.tallies import tally
from workers.telling import told
from workers.upkeep import DAYS_AHEAD

logger = logging.getLogger(__name__)

#: How long a drain listens for more before it gives its process back.
LINGER_SECONDS = 0.5
#: After this long a drain hands over, so that no process is held for ever.
LIFETIME_SECONDS = 10.0


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
        self._connection: Connection[TupleRow] | None = None
        self._schemas: ProfileSchemas | None = None
        self._locate = open_locator(settings.geoip_database)
        self._tracer = tracer or open_tracer("penstock-drain", {})

    def run(self, ring: Callable[[int], None]) -> None:
        """Apply everything that waits, then listen a while for more.

        Returns when nothing comes for a linger, when another drain listens
        already, or, ringing for a successor, after its lifetime. Errors of
        Postgres and Redis are raised with nothing acknowledged: the entries stay and
        the sweep rings again.
        """
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
            busy = [one.partition for each in groups for one in each]
            if not listens or not self._stream.wait(self._linger_seconds, busy):
                break
        if listens:
            self._stream.leave()
        # Nobody rang for what came while the place was taken: look once more.
        if self._drain_each(self._look()):
            ring(0)

    def close(self) -> None:
        """Give up the connections; the next run opens new ones."""
        self._stream.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look(self) -> list[list[Waiting]]:
        """Return the partitions that have entries, in groups for one batch each."""
        return list(group(self._stream.look(), self._settings.batch_size))

    def _call_for_help(
        self, groups: Sequence[Sequence[Waiting]], ring: Callable[[int], None]
    ) -> None:
        """Ring for another process when there is work for two."""
        if len(groups) > 1 and self._stream.claim_bell(groups[-1][0].partition):
            ring(groups[-1][0].partition)

    def _drain_each(self, groups: Iterable[Sequence[Waiting]]) -> int:
        """Apply a batch of each of `groups`; return how many had one for us."""
        return sum([self.drain(each) for each in groups])

    def drain(self, waiting: Sequence[Waiting]) -> bool:
        """Apply a batch of `waiting`; False if there is none to take.

        Of a partition alone it is as large as batches may be.
        """
        started, stages = time.perf_counter(), metrics.Stopwatch()
        counts = {one.partition: one.entries for one in waiting}
        if len(counts) == 1:
            counts = dict.fromkeys(counts, self._settings.batch_size)
        batch = self._apply(self._connect(), counts, stages)
        if batch is None:
            return False
        stages.end("commit")
        self._settle(batch)
        stages.end("settle")
        if batch.accepted:
            metrics.DRAIN_SECONDS.observe(time.perf_counter() - started)
        return True

    def _apply(
        self,
        connection: Connection[TupleRow],
        counts: Mapping[int, int],
        stages: metrics.Stopwatch,
    ) -> Batch | None:
        """Apply the first `counts` entries whole; if that fails, part by part.

        Savepoints are for the second attempt: nearly every batch does without.
        """
        try:
            return self._attempt(connection, counts, stages, whole=True)
        # As in `apply_batch`, which finds the culprit.
        except Exception as error:
            if is_transient(error):
                raise
            reason = type(error).__name__
            metrics.BATCHES_REPEATED.labels("failed").inc()
            logger.info(
                "batch failed; applied again by parts", extra={"reason": reason}
            )
        return self._attempt(connection, counts, stages, whole=False)

    def _attempt(
        self,
        connection: Connection[TupleRow],
        counts: Mapping[int, int],
        stages: metrics.Stopwatch,
        *,
        whole: bool,
    ) -> Batch | None:
        """Lease partitions, apply the first `counts` entries of each and commit."""
        with transaction_in_pipeline(connection):
            leases = ask_leases(connection, list(counts))
            schemas = self._catalog(connection)
            shares = self._read(counts, dict(leases))
            if not shares:
                return None
            now = datetime.now(UTC)
            stages.end("read")
            for letter in [each for share in shares for each in share.letters]:
                insert_dead_letter(connection, letter, now)
            apply = apply_whole if whole else apply_batch
            applied = apply(connection, list_accepted(shares), schemas)
            # It has shared its time out among the stages itself.
            stages.skip()
            # Last, so that nobody who waits for a row of the ledger holds another.
            add_counts(connection, tally(shares, applied.outcomes))
            advance_partitions(connection, [share.advance for share in shares], now)
        return Batch(shares=shares, applied=applied, started_at=now)

    def _read(
        self, counts: Mapping[int, int], positions: Mapping[int, str]
    ) -> list[Share]:
        """Read leased partitions; those that have no entries have no share."""
        wanted = {partition: counts[partition] for partition in positions}
        return [
            make_share(partition, positions[partition], entries)
            for partition, entries in self._stream.read_each(wanted).items()
            if entries
        ]

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

    def _settle(self, batch: Batch) -> None:
        """Drop what has been committed and publish the outcomes.

        If Redis fails here nothing is lost: the entries are read again, found
        applied, and told again.
        """
        accepted, applied = batch.accepted, batch.applied
        self._stream.settle(batch.ids, told(accepted, applied))
        for share in batch.shares:
            if share.is_behind:
                self._stream.lift(share.partition, share.position)
        letters = sum(len(share.letters) for share in batch.shares)
        count_batch(accepted, letters, applied.outcomes)
        note_batch(accepted, applied.outcomes, batch.started_at, self._tracer)
        if batch.applied.events and self._stream.claim_hint():
            self._announce()
