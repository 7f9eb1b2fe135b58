"""Settings and use of the Postgres server."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from ingest.store.database import Connection

#: Tables up to this size are planned well without, and autovacuum may never come.
_UNANALYZED_BYTES = 8 * 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """Settings of the server that matter here, and what it knows of the moment."""

    #: Such as 180001.
    version: int
    version_text: str
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    #: In mebibytes.
    max_wal_size: int
    max_connections: int
    connections: int
    max_locks_per_transaction: int
    max_prepared_transactions: int
    clock_at: datetime


def load_server_facts(connection: Connection) -> ServerFacts:
    """Load what `SHOW` tells, as this connection sees it."""
    with connection.cursor(row_factory=class_row(ServerFacts)) as cursor:
        cursor.execute(
            """
            SELECT current_setting('server_version_num')::integer AS version,
                   current_setting('server_version') AS version_text,
                   current_setting('fsync') AS fsync,
                   current_setting('full_page_writes') AS full_page_writes,
                   current_setting('synchronous_commit') AS synchronous_commit,
                   pg_size_bytes(current_setting('max_wal_size')) / 1048576
                       AS max_wal_size,
                   current_setting('max_connections')::integer AS max_connections,
                   (SELECT count(*) FROM pg_stat_activity
                     WHERE backend_type = 'client backend') AS connections,
                   current_setting('max_locks_per_transaction')::integer
                       AS max_locks_per_transaction,
                   current_setting('max_prepared_transactions')::integer
                       AS max_prepared_transactions,
                   clock_timestamp() AS clock_at
            """
        )
        found = cursor.fetchone()
    if found is None:
        raise LookupError("a SELECT without FROM returns one row")
    return found


def count_lock_room(connection: Connection) -> int:
    """Return how many locks the sessions of the server may hold in all."""
    facts = load_server_facts(connection)
    sessions = facts.max_connections + facts.max_prepared_transactions
    return facts.max_locks_per_transaction * sessions


def load_clock(connection: Connection) -> datetime:
    """Return what the server says that it is now."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise LookupError("a SELECT without FROM returns one row")
    found: datetime = row[0]
    return found


def load_newest_applied(connection: Connection) -> datetime | None:
    """Return when the newest import or heartbeat was applied; None for never."""
    row = connection.execute(
        """
        SELECT greatest(
               -- Ids of all but named imports sort by time.
               (SELECT max(applied_at)
                  FROM (SELECT applied_at
                          FROM imports
                         -- Named imports have ids behind all others.
                         WHERE import_id < '80000000-0000-0000-0000-000000000000'
                         ORDER BY import_id DESC
                         LIMIT 100) AS newest),
               (SELECT max(heartbeat_applied_at) FROM partitions))
        """
    ).fetchone()
    found: datetime | None = row[0] if row else None
    return found


def find_invalid_indexes(connection: Connection) -> list[str]:
    """Name the indexes that Postgres does not use, as a failed REINDEX leaves them."""
    rows = connection.execute(
        """
        SELECT pg_class.relname
          FROM pg_index
          JOIN pg_class ON pg_class.oid = pg_index.indexrelid
         WHERE pg_class.relnamespace = to_regnamespace(current_schema())
           AND NOT (pg_index.indisvalid AND pg_index.indisready)
         ORDER BY 1
        """
    )
    return [str(name) for (name,) in rows]


def find_unique_indexes(connection: Connection) -> set[str]:
    """Name the unique indexes that there are."""
    rows = connection.execute(
        """
        SELECT pg_class.relname
          FROM pg_index
          JOIN pg_class ON pg_class.oid = pg_index.indexrelid
         WHERE pg_class.relnamespace = to_regnamespace(current_schema())
           AND pg_index.indisunique
        """
    )
    return {str(name) for (name,) in rows}


def find_unanalyzed_tables(connection: Connection) -> list[str]:
    """Name the tables that hold rows of which Postgres has no statistics, the largest.

    A table of days, or any other of parts, is named once.
    """
    rows = connection.execute(
        """
        SELECT coalesce(whole.relname, part.relname)
          FROM pg_class AS part
          LEFT JOIN pg_inherits ON pg_inherits.inhrelid = part.oid
          LEFT JOIN pg_class AS whole ON whole.oid = pg_inherits.inhparent
         WHERE part.relnamespace = to_regnamespace(current_schema())
           AND part.relkind = 'r'
           AND pg_relation_size(part.oid) > %(bytes)s
           AND NOT EXISTS (SELECT
                             FROM pg_stats
                            WHERE schemaname = current_schema()
                              AND tablename = part.relname)
         GROUP BY 1
         ORDER BY sum(pg_relation_size(part.oid)) DESC, 1
        """,
        {"bytes": _UNANALYZED_BYTES},
    )
    return [str(name) for (name,) in rows]
