"""Progress of the text that people are found by, behind the profiles."""

import logging
from datetime import datetime

import psycopg
from msgspec import Struct
from psycopg.rows import class_row

from ingest.domain.durations import age_seconds
from ingest.store.database import Connection

logger = logging.getLogger(__name__)


class SearchProgress(Struct, frozen=True, kw_only=True):
    """The progress of the search of people; see migration 0061 for each column."""

    indexed: bool
    turn: int
    next_turn: int | None
    next_at: datetime | None
    #: The transactions that may have drawn a turn up to `next_turn` have ended.
    next_is_final: bool
    caught_up_at: datetime | None
    fill_database: int | None
    fill_after: str
    filled: int
    expected: int
    #: The clock of Postgres.
    now: datetime

    @property
    def is_filled(self) -> bool:
        """Whether the profiles from before it began are in."""
        return self.fill_database is None

    @property
    def share(self) -> float:
        """The part of these that is in, from 0 to 1."""
        if self.is_filled:
            return 1.0
        return min(self.filled / self.expected, 0.99) if self.expected else 0.0

    @property
    def lag_seconds(self) -> float | None:
        """The age of the profiles that are found; None before any are."""
        if self.caught_up_at is None:
            return None
        return age_seconds(self.caught_up_at, self.now)


_SELECT = """
    SELECT indexed, turn, next_turn, next_at,
           coalesce(next_after <= pg_snapshot_xmin(pg_current_snapshot()), false)
               AS next_is_final,
           caught_up_at, fill_database, fill_after, filled, expected,
           clock_timestamp() AS now
      FROM people_search_progress
"""


def load_progress(connection: Connection) -> SearchProgress:
    """Return the progress."""
    with connection.cursor(row_factory=class_row(SearchProgress)) as cursor:
        found = cursor.execute(_SELECT).fetchone()
    assert found is not None  # noqa: S101 - migration 0061 made the row
    return found


def lock_progress(connection: Connection) -> SearchProgress | None:
    """Return the progress for who writes it; None if another does."""
    with connection.cursor(row_factory=class_row(SearchProgress)) as cursor:
        return cursor.execute(
            """
            SELECT indexed, turn, next_turn, next_at,
                   coalesce(next_after <= pg_snapshot_xmin(pg_current_snapshot()),
                            false) AS next_is_final,
                   caught_up_at, fill_database, fill_after, filled, expected,
                   clock_timestamp() AS now
              FROM people_search_progress
               FOR NO KEY UPDATE SKIP LOCKED
            """
        ).fetchone()


def make_index(connection: Connection) -> bool:
    """Make the index that needs pg_trgm, while the table is empty; False without it.

    From here on receipts are followed, and all profiles of now are to be filled in.
    """
    try:
        with connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            connection.execute(
                """
                CREATE INDEX IF NOT EXISTS people_search_text
                    ON people_search USING gin (text gin_trgm_ops)
                """
            )
            _restart(connection, _read_last_turn(connection))
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as error:
        # Not installed, or not ours to create: `doctor` names what to do.
        reason = {"reason": type(error).__name__}
        logger.warning("people search not available", extra=reason)
        return False
    return True


def restart(connection: Connection) -> None:
    """Begin with all profiles again: receipts that were to be followed are gone."""
    with connection.transaction():
        _restart(connection, _read_last_turn(connection))


def _restart(connection: Connection, turn: int) -> None:
    connection.execute(
        """
        UPDATE people_search_progress
           SET indexed = true, turn = %(turn)s, next_turn = NULL, next_after = NULL,
               next_at = NULL, caught_up_at = clock_timestamp(), fill_database = 0,
               fill_after = '', filled = 0,
               -- An estimate is good enough to show how much is done.
               expected = (SELECT greatest(reltuples, 0)
                             FROM pg_class
                            WHERE oid = 'profiles'::regclass)
        """,
        {"turn": turn},
    )


def note_next(connection: Connection) -> None:
    """Note up to which turn receipts are next.

    Its own transaction: those before it have drawn every turn up to there, and once
    they have ended, no receipt up to there is still to come. The turn is read first: a
    transaction has its number before it draws a turn, as it writes profiles first.
    """
    with connection.transaction():
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        turn = _read_last_turn(connection)
        connection.execute(
            """
            UPDATE people_search_progress
               SET next_turn = %(turn)s, next_after = pg_current_xact_id(),
                   next_at = %(at)s
             WHERE next_turn IS NULL
                   -- Of another server, which a dump is of.
                OR next_after >= pg_snapshot_xmax(pg_current_snapshot())
            """,
            {"turn": turn, "at": row[0] if row else None},
        )


def _read_last_turn(connection: Connection) -> int:
    # Before the first is drawn, `last_value` is 1.
    row = connection.execute(
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM turns"
    ).fetchone()
    return int(row[0]) if row else 0


def save_turn(connection: Connection, turn: int, *, is_last: bool) -> None:
    """Note that receipts up to `turn` are in; the last of those that were next."""
    connection.execute(
        """
        UPDATE people_search_progress
           SET turn = greatest(turn, %(turn)s),
               caught_up_at = CASE WHEN %(is_last)s THEN next_at ELSE caught_up_at END,
               next_turn = CASE WHEN %(is_last)s THEN NULL ELSE next_turn END
        """,
        {"turn": turn, "is_last": is_last},
    )


def save_fill(
    connection: Connection, last: tuple[int, str] | None, profiles: int
) -> None:
    """Note that `profiles` more are in, up to `last`; None for all."""
    connection.execute(
        """
        UPDATE people_search_progress
           SET fill_database = %(database)s, fill_after = %(after)s,
               filled = filled + %(profiles)s
        """,
        {
            "database": last[0] if last else None,
            "after": last[1] if last else "",
            "profiles": profiles,
        },
    )
