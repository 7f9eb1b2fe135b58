"""How the pipeline stands, as Postgres knows it: read whole, and fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow, class_row

#: What is counted is counted up to here: a page need not know more exactly.
COUNTED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount:
    """How often an outcome came in the last minute."""

    state: str
    error: int
    count: int


def count_outcomes(connection: Connection[TupleRow]) -> list[OutcomeCount]:
    """Count what came of the imports applied in the last minute, COUNTED at most."""
    with connection.cursor(row_factory=class_row(OutcomeCount)) as cursor:
        return cursor.execute(
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
        ).fetchall()


def count_dead_letters(connection: Connection[TupleRow]) -> int:
    """Count the dead letters that nobody has resolved, COUNTED at most."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM (SELECT
                  FROM dead_letters
                 WHERE resolved_at IS NULL
                 LIMIT %(counted)s) AS letters
        """,
        {"counted": COUNTED},
    ).fetchone()
    return int(row[0]) if row else 0


def load_drained(connection: Connection[TupleRow]) -> Mapping[int, datetime | None]:
    """Return when each partition was last drained."""
    rows: Sequence[TupleRow] = connection.execute(
        "SELECT partition, drained_at FROM partitions"
    ).fetchall()
    return dict(rows)
