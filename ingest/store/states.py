"""What the exporter asks Postgres at each scrape: few rows, and a bounded cost."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

#: Deliveries counted per endpoint, at most: more would make each scrape slow, when it
#: is most needed.
MAX_COUNTED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """What there is one of."""

    connection_limit: int
    lock_waits: int
    deadlocks: int
    size_bytes: int
    catalog_version: int
    open_letters: int
    #: None when no transaction is open but the asker's own.
    oldest_transaction_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """When a stream got somewhere; None for never."""

    partition: int
    drained_at: datetime | None
    heartbeat_applied_at: datetime | None
    #: From the append of the last heartbeat to its commit.
    heartbeat_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """How the deliveries to an endpoint stand."""

    id: int
    is_disabled: bool
    #: Failures in a row.
    failures: int
    #: Events that wait for it, up to MAX_COUNTED.
    pending: int
    #: When the oldest of them happened.
    oldest_at: datetime | None


def load_server_state(connection: Connection[TupleRow]) -> ServerState:
    """Load what the server and the whole database tell."""
    row = connection.execute(
        """
        SELECT current_setting('max_connections')::integer,
               count(*) FILTER (WHERE wait_event_type = 'Lock'),
               min(xact_start) FILTER (WHERE pid <> pg_backend_pid()),
               (SELECT deadlocks
                  FROM pg_stat_database
                 WHERE datname = current_database()),
               pg_database_size(current_database()),
               (SELECT version FROM catalog_version),
               (SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL)
          FROM pg_stat_activity
         WHERE datname = current_database()
        """
    ).fetchone() or (0, 0, None, 0, 0, 0, 0)
    return ServerState(
        connection_limit=row[0],
        lock_waits=row[1],
        oldest_transaction_at=row[2],
        deadlocks=row[3],
        size_bytes=row[4],
        catalog_version=row[5],
        open_letters=row[6],
    )


def count_connections(connection: Connection[TupleRow]) -> list[tuple[str, int]]:
    """Count the connections to this database, by what opened them.

    Our processes are called `penstock-` and a word, which a host and a process may
    follow.
    """
    rows = connection.execute(
        """
        SELECT coalesce(substring(application_name FROM '^penstock-([a-z]+)'), 'other'),
               count(*)
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND backend_type = 'client backend'
         GROUP BY 1
        """
    )
    return [(str(application), int(count)) for application, count in rows]


def load_partition_states(connection: Connection[TupleRow]) -> list[PartitionState]:
    """Load how far each stream got."""
    rows = connection.execute(
        """
        SELECT partition, drained_at, heartbeat_applied_at,
               greatest(0, extract(epoch FROM heartbeat_applied_at
                                              - heartbeat_sent_at))
          FROM partitions
         ORDER BY partition
        """
    )
    return [
        PartitionState(
            partition=partition,
            drained_at=drained_at,
            heartbeat_applied_at=applied_at,
            heartbeat_seconds=float(seconds or 0),
        )
        for partition, drained_at, applied_at, seconds in rows
    ]


def load_endpoint_states(connection: Connection[TupleRow]) -> list[EndpointState]:
    """Load what waits at each endpoint, of the first MAX_COUNTED to be due."""
    rows = connection.execute(
        """
        SELECT endpoints.id, disabled_at IS NOT NULL, failures,
               waiting.pending, waiting.oldest_at
          FROM endpoints
         CROSS JOIN LATERAL (
               SELECT count(*) AS pending, min(events.created_at) AS oldest_at
                 FROM (SELECT event_id
                         FROM deliveries
                        WHERE endpoint_id = endpoints.id
                          AND state = 'pending'
                        ORDER BY next_attempt_at
                        LIMIT %(most)s) AS first
                 JOIN events ON events.id = first.event_id
               ) AS waiting
         ORDER BY endpoints.id
        """,
        {"most": MAX_COUNTED},
    )
    return [
        EndpointState(
            id=id_,
            is_disabled=is_disabled,
            failures=failures,
            pending=pending,
            oldest_at=oldest_at,
        )
        for id_, is_disabled, failures, pending, oldest_at in rows
    ]
