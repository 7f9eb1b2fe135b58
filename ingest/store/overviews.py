"""Counts of outcomes and dead letters, each bounded."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Cursor
from psycopg.rows import class_row, scalar_row

from ingest.store.database import Connection

#: What is counted is counted up to here: a page need not know more exactly.
COUNTED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """Count of an outcome in the last minute."""

    state: str
    error: int
    count: int


def select_outcomes(connection: Connection) -> Cursor[OutcomeCount]:
    """Count the outcomes of the imports applied in the last minute, COUNTED at most."""
    return connection.cursor(row_factory=class_row(OutcomeCount)).execute(
        """
            SELECT state, error, count(*)
              FROM (SELECT state, error
                      FROM imports
                     WHERE applied_at > now() - INTERVAL '1 minute'
                     ORDER BY applied_at DESC
                     LIMIT %(counted)s) AS latest
             GROUP BY state, error
             ORDER BY count(*) DESC, state, error
            """,
        {"counted": COUNTED},
    )


def select_dead_letters(connection: Connection) -> Cursor[int]:
    """Count the open dead letters, COUNTED at most."""
    return connection.cursor(row_factory=scalar_row).execute(
        """
        SELECT count(*)
          FROM (SELECT
                  FROM dead_letters
                 WHERE resolved_at IS NULL
                 LIMIT %(counted)s) AS letters
        """,
        {"counted": COUNTED},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCount:
    """Count of held imports, and when the oldest was accepted; None for none."""

    count: int
    oldest_accepted_at: datetime | None


def select_held(connection: Connection) -> Cursor[HeldCount]:
    """Count the held imports, COUNTED at most, the oldest first."""
    return connection.cursor(row_factory=class_row(HeldCount)).execute(
        """
        SELECT count(*), min(accepted_at) AS oldest_accepted_at
          FROM (SELECT accepted_at
                  FROM held_imports
                 ORDER BY accepted_at
                 LIMIT %(counted)s) AS held
        """,
        {"counted": COUNTED},
    )
