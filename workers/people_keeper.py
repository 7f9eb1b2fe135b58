"""The keeper of the search of people: it follows receipts, and fills in before them.

Nothing of it is in an import. A run that is broken off goes on where it was: what is
written, and how far, is one transaction.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from ingest.settings import Settings
from ingest.store.database import LateConnection
from ingest.store.people.progress import (
    load_progress,
    lock_progress,
    make_index,
    note_next,
    restart,
    save_fill,
    save_turn,
)
from ingest.store.people.write import list_changed, list_following, write_people

logger = logging.getLogger(__name__)

#: Receipts, and profiles, of one transaction.
_RECEIPTS, _PROFILES = 500, 500
#: How long a run lasts, of every second: other tasks wait for the same process.
_RUN_SECONDS = 0.4
#: Transactions of a run while imports wait: a profile takes 40 µs of processors, so
#: these take 2 % of two.
_BUSY, _UNBOUNDED = 2, 1_000_000
#: Between tries to make the index.
_INDEX_SECONDS = 60.0


class PeopleKeeper:
    """Writes what people are found by."""

    def __init__(self, settings: Settings) -> None:
        self._kept = timedelta(days=settings.receipt_days)
        self._database = LateConnection(
            settings.database_url, application_name="penstock-people"
        )
        self._indexes_at = 0.0

    def run(
        self,
        seconds: float = _RUN_SECONDS,
        is_busy: Callable[[], object] = lambda: False,
    ) -> bool:
        """Follow the receipts, then fill in; return True if there is more to be filled.

        While imports wait (`is_busy`), little is done: they need the processors.
        """
        ends_at = time.monotonic() + seconds
        if not self._has_index():
            return False
        most = _BUSY if is_busy() else _UNBOUNDED
        for _ in range(most):
            if not self.follow() or time.monotonic() >= ends_at:
                break
        for _ in range(most):
            if time.monotonic() >= ends_at:
                break
            if not self.fill_chunk():
                return False
        return not load_progress(self._database.get()).is_filled

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self._database.close()

    def follow(self) -> bool:
        """Follow some receipts; return True if there may be more at once."""
        connection = self._database.get()
        note_next(connection)
        with connection.transaction():
            progress = lock_progress(connection)
            if progress is None or progress.next_turn is None:
                return False
            if not progress.next_is_final:
                return False
            until = progress.next_turn
            changed = list_changed(connection, progress.turn, until, _RECEIPTS)
            is_last = len(changed) < _RECEIPTS
            write_people(connection, [owner for _, owner in changed])
            turn = until if is_last else changed[-1][0]
            save_turn(connection, turn, is_last=is_last)
        return not is_last

    def fill_chunk(self) -> bool:
        """Write some profiles from before; return False if there are none."""
        connection = self._database.get()
        with connection.transaction():
            progress = lock_progress(connection)
            if progress is None or progress.fill_database is None:
                return False
            owners = list_following(
                connection, progress.fill_database, progress.fill_after, _PROFILES
            )
            write_people(connection, owners)
            save_fill(connection, owners[-1] if owners else None, len(owners))
        if not owners:
            logger.info("people searchable", extra={"profiles": progress.filled})
        return bool(owners)

    def _has_index(self) -> bool:
        connection = self._database.get()
        progress = load_progress(connection)
        if not progress.indexed:
            if time.monotonic() < self._indexes_at:
                return False
            self._indexes_at = time.monotonic() + _INDEX_SECONDS
            return make_index(connection)
        caught_up_at = progress.caught_up_at
        if caught_up_at is not None and progress.now - caught_up_at > self._kept:
            # Receipts that were to be followed are past retention.
            restart(connection)
            logger.warning("people search filled again")
        return True
