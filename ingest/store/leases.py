"""Who has leased which partition, and what that session does."""

from dataclasses import dataclass

from psycopg import Connection
from psycopg.rows import TupleRow, class_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A partition's last commit, and the session that holds its row."""

    partition: int
    #: None when nothing has been committed yet.
    drained_seconds: float | None
    #: What the session calls itself; None, with the rest, when nobody holds the row.
    holder: str | None
    is_working: bool | None
    holder_seconds: float | None


def list_leases(connection: Connection[TupleRow]) -> list[Lease]:
    """Return every partition's lease, as it is at this moment."""
    with connection.cursor(row_factory=class_row(Lease)) as cursor:
        cursor.execute(
            """
            -- A row's xmax is the transaction that has locked it, which has ended or
            -- is some session's. Between the statements of a pipeline a session counts
            -- as active, and waits for its client.
            SELECT partition,
                   extract(epoch FROM clock_timestamp() - drained_at)::float8
                       AS drained_seconds,
                   application_name AS holder,
                   state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
                       AS is_working,
                   extract(epoch FROM clock_timestamp() - state_change)::float8
                       AS holder_seconds
              FROM partitions
              LEFT JOIN pg_stat_activity
                ON backend_xid = partitions.xmax
               AND datname = current_database()
             ORDER BY partition
            """
        )
        return cursor.fetchall()


def is_upkeep_working(connection: Connection[TupleRow]) -> bool:
    """Say whether retention or the making of days is at work, or waits for a lock."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM pg_stat_activity
         WHERE application_name = 'penstock-upkeep'
           AND datname = current_database()
           AND state = 'active'
        """
    ).fetchone()
    return row is not None and row[0] > 0
