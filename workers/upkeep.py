"""Scheduled work: sweep, heartbeats, the ledger, and retention."""

import logging
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta

from ingest.domain.clocks import Clocks
from ingest.ledger.reconcile import settle_all
from ingest.settings import Settings
from ingest.status.clocks import read_clocks
from ingest.store.consents.months import create_months, drop_months
from ingest.store.database import Connection, connect
from ingest.store.dead_letters.write import drop_resolved_dead_letters
from ingest.store.events.outbox import drop_events
from ingest.store.jobs.progress import drop_jobs, find_running_undo
from ingest.store.profiles.merges import drop_merges
from ingest.store.receipts.days import (
    create_daily_partitions,
    drop_receipts,
    list_old_days,
)
from ingest.store.suppressions.erased import drop_erased
from ingest.streams.acceptance_log import Journal
from ingest.streams.connections import connect_blocking
from ingest.streams.stream import Stream
from ingest.telemetry import metrics
from workers.confirmation_sweeps import sweep_unconfirmed
from workers.held import reject_expired

logger = logging.getLogger(__name__)

#: Days for which tables of receipts are made ahead.
DAYS_AHEAD = 3
#: The same for the history of statuses.
MONTHS_AHEAD = 2
#: A job that undoes and has not been saved for so long is not running any more.
_UNDO_IS_GONE = timedelta(minutes=10)
#: Of each journal, settled at once: deliveries wait for the same worker.
_PAGES = 10
#: Between tries to drop a day that is being read.
_PAUSES_SECONDS = (0.2, 0.5, 1.0)


def sweep(stream: Stream, ring: Callable[[int], None]) -> None:
    """Ring for each partition with waiting entries whose bell nobody heard."""
    for partition in stream.waiting():
        if stream.claim_bell(partition):
            ring(partition)
    stream.drop_notes()
    stream.note_sweep()


def send_heartbeats(
    stream: Stream, partitions: int, ring: Callable[[int], None]
) -> None:
    """Send a heartbeat through each stream: what measures that entries get through.

    It passes the stream, the bell, a drain and its transaction as an import does, and
    leaves its times in `partitions`: no receipt, no profile. Where one still waits, no
    other is sent. A drain of a version before them takes them for dead letters.
    """
    sent = [partition for partition in range(partitions) if stream.beat(partition)]
    # Whoever hears it looks at every stream.
    if sent and stream.claim_bell(sent[0]):
        ring(sent[0])


def settle(settings: Settings) -> None:
    """Settle the journals of acceptance, as far as imports have been applied."""
    journal = Journal(settings.redis_url, settings.partitions)
    try:
        with connect(settings.database_url, application_name="penstock-ledger") as it:
            missing = settle_all(it, journal, pages=_PAGES)
    finally:
        journal.close()
    if missing:
        logger.error("imports missing", extra={"imports": missing})


def partition_receipts(settings: Settings) -> None:
    """Make the tables of the coming days and drop what is past retention.

    By the clock of Postgres, and not this host's; where others are far from it nothing
    is dropped: a receipt that is gone too early lets its import be applied again.
    """
    with connect(settings.database_url, application_name="penstock-upkeep") as opened:
        clocks = _read_clocks(settings, opened)
        create_daily_partitions(opened, clocks.postgres.date(), DAYS_AHEAD)
        create_months(opened, clocks.postgres.date(), MONTHS_AHEAD)
        if apart := clocks.find_disagreement():
            metrics.RETENTION_REFUSED.inc()
            logger.error("retention paused, clocks differ", extra={"reason": apart})
            return
        # Before their receipts go.
        undecided = clocks.postgres - timedelta(days=max(1, settings.receipt_days - 2))
        rejected = reject_expired(opened, undecided, settings.profile_limits)
        if rejected:
            logger.warning("held imports rejected", extra={"imports": rejected})
        before = _find_limit(opened, clocks.postgres, settings)
        drop_events(opened, before)
        drop_resolved_dead_letters(opened, before)
        drop_jobs(opened, before)
        drop_merges(opened, before)
        swept = sweep_unconfirmed(opened, settings, clocks.postgres)
        if swept:
            logger.info("unconfirmed subscriptions deleted", extra={"imports": swept})
        _drop_old_statuses(opened, clocks.postgres, settings)
        _drop_old_days(opened, before.date())


def _find_limit(connection: Connection, now: datetime, settings: Settings) -> datetime:
    """Return the time before which receipts are dropped.

    All that an undo had when it began is kept while it runs (U9).
    """
    begun = find_running_undo(connection, now - _UNDO_IS_GONE)
    return min(now, begun or now) - timedelta(days=settings.receipt_days)


def _drop_old_statuses(
    connection: Connection, now: datetime, settings: Settings
) -> None:
    """Drop the months of statuses that are past their own retention."""
    before = now - timedelta(days=settings.consent_days)
    drop_erased(connection, before)
    if dropped := drop_months(connection, before.date()):
        logger.info("consent history deleted", extra={"tables": dropped})


def _read_clocks(settings: Settings, connection: Connection) -> Clocks:
    client = connect_blocking(settings.redis_url, client_name="penstock-upkeep")
    try:
        return read_clocks(connection, client)
    finally:
        client.close()


def _drop_old_days(connection: Connection, before: date) -> None:
    """Drop what is past retention, patiently; what is read meanwhile waits an hour."""
    left: list[str] = []
    for pause in _PAUSES_SECONDS:
        if dropped := drop_receipts(connection, before):
            logger.info("receipts deleted", extra={"tables": dropped})
        left = list_old_days(connection, before)
        if not left:
            return
        time.sleep(pause)
    logger.warning("receipt deletion blocked by a long read", extra={"tables": left})
