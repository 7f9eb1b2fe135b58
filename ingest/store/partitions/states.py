"""State of the partitions in Postgres: commits, attempts, heartbeats, and leases."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Cursor
from psycopg.rows import class_row

from ingest.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """A partition's last commit, and the session that has leased it."""

    partition: int
    #: None if nothing was committed yet, as with the others.
    drained_at: datetime | None
    #: Seconds since then, by the clock of Postgres.
    drained_seconds: float | None
    #: Batches begun since the last commit.
    attempts: int
    heartbeat_applied_at: datetime | None
    #: From the append of the last heartbeat to its commit.
    heartbeat_seconds: float
    #: The name of the session that has locked the row; None without a lease, as with
    #: the others.
    holder: str | None
    is_working: bool | None
    holder_seconds: float | None


def select_partition_states(
    connection: Connection,
) -> Cursor[PartitionState]:
    """Select the state of every partition, in order."""
    return connection.cursor(row_factory=class_row(PartitionState)).execute(
        """
        -- A row's xmax is the transaction that has locked it, which has ended or is
        -- some session's. Between the statements of a pipeline a session counts as
        -- active, and waits for its client. A sequence that was never used has no
        -- last value.
        SELECT partition, drained_at,
               extract(epoch FROM clock_timestamp() - drained_at)::float8
                   AS drained_seconds,
               coalesce(
                   pg_sequence_last_value(to_regclass(attempts_sequence(partition))), 0
               ) - attempts AS attempts,
               heartbeat_applied_at,
               coalesce(
                   greatest(0, extract(epoch FROM heartbeat_applied_at
                                                  - heartbeat_sent_at)), 0
               )::float8 AS heartbeat_seconds,
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


def is_upkeep_working(connection: Connection) -> bool:
    """Return whether retention or the creation of days works, or waits for a lock."""
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
