"""The lease and the position of each stream."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from ingest.partitioning import PartitionsDiffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """How far one stream has been applied."""

    number: int
    #: Up to which entry.
    position: str
    #: None if nothing of it ever was.
    drained_at: datetime | None


def ensure_partitions(connection: Connection[TupleRow], count: int) -> None:
    """Make a row for each of `count` partitions, if there is none of any.

    Raises PartitionsDiffer if there are others.
    """
    connection.execute(
        """
        INSERT INTO partitions (partition)
        SELECT generate_series(0, %(count)s - 1)
         WHERE NOT EXISTS (SELECT FROM partitions)
            ON CONFLICT DO NOTHING
        """,
        {"count": count},
    )
    known = len(list_partitions(connection))
    if known != count:
        raise PartitionsDiffer(ours=count, known=known)


def list_partitions(connection: Connection[TupleRow]) -> list[Partition]:
    """Return every partition, in order."""
    rows = connection.execute(
        "SELECT partition, position, drained_at FROM partitions ORDER BY partition"
    )
    return [
        Partition(number=number, position=position, drained_at=drained_at)
        for number, position, drained_at in rows
    ]


def replace_partitions(connection: Connection[TupleRow], count: int) -> None:
    """Let there be `count` partitions; those that stay keep their position.

    Waits for whoever holds a lease.
    """
    connection.execute(
        "DELETE FROM partitions WHERE partition >= %(count)s", {"count": count}
    )
    connection.execute(
        """
        INSERT INTO partitions (partition)
        SELECT generate_series(0, %(count)s - 1)
            ON CONFLICT DO NOTHING
        """,
        {"count": count},
    )


def lease_partition(connection: Connection[TupleRow], partition: int) -> str | None:
    """Lock the row of `partition` until the transaction ends; return its position.

    Returns None while another drain works on it.
    """
    row = ask_lease(connection, partition).fetchone()
    return None if row is None else str(row[0])


def ask_lease(connection: Connection[TupleRow], partition: int) -> Cursor[TupleRow]:
    """Do as `lease_partition`, but send the question only: no row, no lease."""
    return connection.execute(
        """
        SELECT position
          FROM partitions
         WHERE partition = %(partition)s
           FOR NO KEY UPDATE SKIP LOCKED
        """,
        {"partition": partition},
    )


def advance_partition(
    connection: Connection[TupleRow],
    partition: int,
    position: str,
    now: datetime,
    heartbeat_sent_at: datetime | None = None,
) -> None:
    """Record that everything up to entry `position` has been applied.

    With `heartbeat_sent_at`, a heartbeat sent then was among it.
    """
    connection.execute(
        """
        UPDATE partitions
           SET position = %(position)s,
               drained_at = %(now)s,
               heartbeat_sent_at = coalesce(%(sent_at)s, heartbeat_sent_at),
               heartbeat_applied_at = CASE WHEN %(sent_at)s::timestamptz IS NULL
                                           THEN heartbeat_applied_at
                                           ELSE clock_timestamp() END
         WHERE partition = %(partition)s
        """,
        {
            "partition": partition,
            "position": position,
            "now": now,
            "sent_at": heartbeat_sent_at,
        },
    )
