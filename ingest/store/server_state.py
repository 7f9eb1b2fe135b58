"""State of the Postgres server, for the exporter: few rows, and a bounded cost."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from ingest.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Figures of the whole server."""

    connection_limit: int
    lock_waits: int
    deadlocks: int
    size_bytes: int
    catalog_version: int
    #: None when no transaction is open but the asker's own.
    oldest_transaction_at: datetime | None


def load_server_state(connection: Connection) -> ServerState:
    """Load the state of the server and of the whole database."""
    cursor = connection.cursor(row_factory=class_row(ServerState)).execute(
        """
        SELECT current_setting('max_connections')::integer AS connection_limit,
               count(*) FILTER (WHERE wait_event_type = 'Lock') AS lock_waits,
               min(xact_start) FILTER (WHERE pid <> pg_backend_pid())
                   AS oldest_transaction_at,
               (SELECT deadlocks
                  FROM pg_stat_database
                 WHERE datname = current_database()) AS deadlocks,
               pg_database_size(current_database()) AS size_bytes,
               (SELECT version FROM catalog_version) AS catalog_version
          FROM pg_stat_activity
         WHERE datname = current_database()
        """
    )
    return next(cursor)


def count_connections(connection: Connection) -> list[tuple[str, int]]:
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
