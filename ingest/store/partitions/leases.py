"""The lease and the position of each stream."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.domain.errors import PartitionsDiffer
from ingest.store.database import Connection
from ingest.store.rows import dump_array, execute_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """The position of one stream."""

    number: int
    #: Up to which entry.
    position: str
    #: None if nothing of it ever was.
    drained_at: datetime | None


def ensure_partitions(connection: Connection, count: int) -> None:
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
    connection.execute("CALL make_attempts_sequences()")
    known = len(list_partitions(connection))
    if known != count:
        raise PartitionsDiffer(ours=count, known=known)


def list_partitions(connection: Connection) -> list[Partition]:
    """Return every partition, in order."""
    rows = connection.execute(
        "SELECT partition, position, drained_at FROM partitions ORDER BY partition"
    )
    return [
        Partition(number=number, position=position, drained_at=drained_at)
        for number, position, drained_at in rows
    ]


def replace_partitions(connection: Connection, count: int) -> None:
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
    connection.execute("CALL make_attempts_sequences()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A partition that is ours until the transaction ends."""

    partition: int
    #: Up to which entry it has been applied.
    position: str
    #: Which attempt this is since its last commit; 1 when all is well.
    attempt: int


def lease_partition(connection: Connection, partition: int) -> str | None:
    """Lock the row of `partition` until the transaction ends; return its position.

    Returns None while another drain works on it.
    """
    for lease in ask_leases(connection, [partition]):
        return lease.position
    return None


def ask_leases(connection: Connection, partitions: Sequence[int]) -> Iterator[Lease]:
    """Do as `lease_partition` for each of `partitions`, but send the question only.

    The leases that were to be had come when they are read. Each counts as an attempt,
    whatever becomes of the transaction, until one is committed that advances.
    """
    rows = connection.execute(
        """
        -- Nobody waits here, so the order in which rows are locked is free. What is
        -- selected beside a lock is computed before it, for those that are skipped too:
        -- whoever only asks for a lease has attempted nothing.
        SELECT partition, position,
               -- Without a sequence, as one of an older release's partitions, nothing
               -- is counted.
               coalesce(
                   nextval(to_regclass(attempts_sequence(partition))) - attempts, 1
               )
          FROM (SELECT partition, position, attempts
                  FROM partitions
                 WHERE partition = ANY(%(partitions)s::integer[])
                   FOR NO KEY UPDATE SKIP LOCKED) AS leased
        """,
        {"partitions": dump_array(partitions)},
    )
    return (
        Lease(partition=partition, position=position, attempt=attempt)
        for partition, position, attempt in rows
    )


def is_any_free(connection: Connection, partitions: Collection[int]) -> bool:
    """Say whether nobody has the lease of one of `partitions`; none is taken."""
    rows = connection.execute(
        """
        SELECT partition
          FROM partitions
         WHERE partition = ANY(%(partitions)s::integer[])
           FOR NO KEY UPDATE SKIP LOCKED
        """,
        {"partitions": dump_array(sorted(partitions))},
    )
    return rows.fetchone() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """The new position of a partition."""

    partition: int
    #: The last entry applied.
    position: str
    #: When the last heartbeat applied was sent; None without one.
    heartbeat_sent_at: datetime | None = None
    #: Whether what was applied goes before what waits first: how often that has been
    #: attempted is still to be known.
    overtook: bool = False


def advance_partitions(
    connection: Connection, advances: Iterable[Advance], now: datetime
) -> None:
    """Record that everything up to each position has been applied."""
    execute_rows(
        connection,
        """
        UPDATE partitions
           SET position = advanced.position,
               attempts = CASE WHEN advanced.overtook
                               THEN attempts + 1
                               ELSE coalesce(
                                   pg_sequence_last_value(
                                       to_regclass(attempts_sequence(advanced.partition))
                                   ), 0
                               )
                           END,
               drained_at = %(now)s,
               heartbeat_sent_at = coalesce(advanced.heartbeat_sent_at,
                                            partitions.heartbeat_sent_at),
               heartbeat_applied_at = CASE WHEN advanced.heartbeat_sent_at IS NULL
                                           THEN heartbeat_applied_at
                                           ELSE clock_timestamp() END
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS advanced (partition integer, position text,
                            heartbeat_sent_at timestamptz, overtook boolean)
         WHERE partitions.partition = advanced.partition
        """,
        list(advances),
        now,
    )
