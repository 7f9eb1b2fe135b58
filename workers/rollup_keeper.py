"""The keeper of roll-ups: counts receipts and attempts by the minute, behind them."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from ingest.domain.rollups import (
    HOUR,
    HOURS_KEPT,
    MINUTE,
    MINUTES_KEPT,
    StreamSample,
    begin_of,
)
from ingest.settings import Settings
from ingest.store.database import Connection, LateConnection
from ingest.store.rollups.counting import (
    RollupProgress,
    count_attempts,
    count_receipts,
    drop_counted,
    find_attempts_from,
    find_receipts_from,
    find_settled,
    read_clock,
    save_rollup,
    save_sample,
    take_rollup,
    take_stale,
)
from ingest.streams.states import StreamsState

#: How long a run lasts: other tasks wait for the same process.
_RUN_SECONDS = 0.5
#: Receipts counted in a transaction, and the rest of the last one's minute; a tenth of
#: a second. Of attempts, their time.
_RECEIPTS = 50_000
_ATTEMPTS_SPAN = timedelta(minutes=15)

#: (connection, first minute that is not settled) → the begin of the first minute that
#: has something, and where the transaction for it should end; None for now.
_Find = Callable[[Connection, datetime | None], tuple[datetime, datetime | None] | None]
_Count = Callable[[Connection, datetime, datetime], None]


class RollupKeeper:
    """Counts what is not counted yet; what was broken off is gone on with."""

    def __init__(self, settings: Settings) -> None:
        self._receipts_kept = timedelta(days=settings.receipt_days)
        self._database = LateConnection(
            settings.database_url, application_name="penstock-rollups"
        )
        self._sampled_at: datetime | None = None

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self._database.close()

    def run(
        self,
        read_streams: Callable[[], StreamsState],
        seconds: float = _RUN_SECONDS,
        now: datetime | None = None,
    ) -> bool:
        """Count for some seconds at most; return whether there is more.

        `now` is the clock of Postgres unless it is given.
        """
        ends_at = time.monotonic() + seconds
        connection = self._database.get()
        moment = now or read_clock(connection)
        self._sample(connection, read_streams, moment)
        is_left = self._count_rest(connection, moment, ends_at)
        with connection.transaction():
            self._drop(connection, moment)
        return is_left

    def _count_rest(
        self, connection: Connection, now: datetime, ends_at: float
    ) -> bool:
        self._count_stale(connection, now)
        works: Iterable[tuple[str, _Find, _Count]] = (
            ("imports", _find_receipts, count_receipts),
            ("deliveries", _find_attempts, count_attempts),
        )
        is_left = False
        for name, find, count in works:
            goes_on = True
            while goes_on:
                with connection.transaction():
                    goes_on = _count_next(connection, name, now, find, count)
                if goes_on and time.monotonic() >= ends_at:
                    is_left, goes_on = True, False
        return is_left

    def _sample(
        self,
        connection: Connection,
        read_streams: Callable[[], StreamsState],
        now: datetime,
    ) -> None:
        """Keep the state of the streams, once a minute."""
        minute = begin_of(now, MINUTE)
        if self._sampled_at == minute:
            return
        streams = read_streams()
        oldest = streams.oldest_accepted_at
        age = None if oldest is None else (streams.at - oldest).total_seconds()
        sample = StreamSample(
            at=minute,
            accepted=streams.accepted,
            waiting=streams.waiting,
            oldest_seconds=None if age is None else max(0.0, age),
        )
        with connection.transaction():
            save_sample(connection, sample)
        self._sampled_at = minute

    def _count_stale(self, connection: Connection, now: datetime) -> None:
        """Count the hours again whose receipts were changed.

        Not those of days whose receipts may be gone in part.
        """
        day = timedelta(days=1)
        oldest = now - max(day, self._receipts_kept - day)
        with connection.transaction():
            progress = take_rollup(connection, "imports")
            if progress is None or progress.counted_until is None:
                return
            for hour in take_stale(connection):
                end = min(hour + HOUR, progress.counted_until)
                if oldest <= hour < end:
                    count_receipts(connection, hour, end)

    def _drop(self, connection: Connection, now: datetime) -> None:
        """Delete what is past its time, but no minutes of an hour that is not whole."""
        before = begin_of(now, HOUR) - MINUTES_KEPT
        for name in ("imports", "deliveries"):
            progress = take_rollup(connection, name)
            if progress is None or progress.settled_until is None:
                return
            before = min(before, begin_of(progress.settled_until, HOUR))
        drop_counted(connection, before, now - HOURS_KEPT)


def _count_next(
    connection: Connection, name: str, now: datetime, find: _Find, count: _Count
) -> bool:
    """Count the next span; return whether there is another after it."""
    progress = take_rollup(connection, name)
    until = begin_of(now, MINUTE)
    if progress is None or _is_counted(progress, until):
        return False
    settled = find_settled(connection, now)
    first, end = find(connection, progress.settled_until) or (settled, None)
    begin = progress.settled_until or min(first, settled)
    end = until if end is None else min(until, max(end, begin + MINUTE))
    if begin >= end:
        return False
    count(connection, begin, end)
    save_rollup(connection, name, end, max(begin, min(end, settled)))
    return end < until


def _is_counted(progress: RollupProgress, until: datetime) -> bool:
    return progress.counted_until is not None and progress.counted_until >= until


def _find_receipts(
    connection: Connection, begin: datetime | None
) -> tuple[datetime, datetime | None] | None:
    found = find_receipts_from(connection, begin, _RECEIPTS)
    if found is None:
        return None
    first, later = begin_of(found[0], MINUTE), found[1]
    end = None if later is None else max(begin_of(later, MINUTE), first + MINUTE)
    return first, end


def _find_attempts(
    connection: Connection, begin: datetime | None
) -> tuple[datetime, datetime | None] | None:
    found = find_attempts_from(connection, begin)
    if found is None:
        return None
    first = begin_of(found, MINUTE)
    return first, first + _ATTEMPTS_SPAN
