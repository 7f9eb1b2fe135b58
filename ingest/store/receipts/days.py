"""The days that receipts are kept by: made ahead, and dropped whole."""

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from psycopg import errors, sql

from ingest.store.database import LOCK_SPACE, Connection

#: Making or dropping a day may hold up the imports behind it no longer than a batch.
LOCK_BRIEFLY = "SET LOCAL lock_timeout = '100ms'"


def create_daily_partitions(connection: Connection, today: date, days: int) -> None:
    """Create the tables of `today` and the `days` after it, where missing.

    Opens its own transaction. A day that already has receipts in the default table
    stays there: Postgres refuses to make a table for it. Where a long read of the
    receipts is in the way, the day is left to the next time.
    """
    for offset in range(days + 1):
        day = today + timedelta(days=offset)
        refusals = suppress(errors.CheckViolation, errors.LockNotAvailable)
        with refusals, connection.transaction():
            _create_partition(connection, day)


def _create_partition(connection: Connection, day: date) -> None:
    # Several workers start at once; and asking first spares the lock on `imports`.
    lock = {"space": LOCK_SPACE, "lock": 3}
    connection.execute("SELECT pg_advisory_xact_lock(%(space)s, %(lock)s)", lock)
    name = _partition_name(day)
    known = connection.execute("SELECT to_regclass(%(name)s)", {"name": name})
    if known.fetchone() == (None,):
        connection.execute(LOCK_BRIEFLY)
        connection.execute(
            sql.SQL(
                "CREATE TABLE {} PARTITION OF imports FOR VALUES FROM ({}) TO ({})"
            ).format(
                sql.Identifier(name),
                sql.Literal(str(_first_id(day))),
                sql.Literal(str(_first_id(day + timedelta(days=1)))),
            )
        )


def list_days(connection: Connection) -> set[date]:
    """Return the days that receipts have a table of their own for."""
    rows = connection.execute(
        """
        SELECT to_date(right(child.relname, 8), 'YYYYMMDD')
          FROM pg_inherits
          JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
         WHERE pg_inherits.inhparent = 'imports'::regclass
           AND child.relname ~ '^imports_[0-9]{8}$'
        """
    )
    return {day for (day,) in rows}


def list_old_days(connection: Connection, before: date) -> list[str]:
    """Name the tables of the days before `before`, those half dropped too."""
    rows = connection.execute(
        """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = to_regnamespace(current_schema())
           AND relkind = 'r'
           AND relname ~ '^imports_[0-9]{8}$'
           AND relname < %(oldest_kept)s
         ORDER BY relname
        """,
        {"oldest_kept": _partition_name(before)},
    )
    return [str(name) for (name,) in rows]


def drop_day(connection: Connection, name: str) -> bool:
    """Drop one day's table; False when readers of the receipts do not make room."""
    return drop_part(connection, "imports", name)


def drop_part(connection: Connection, table: str, name: str) -> bool:
    """Drop a part of `table`; False when readers of that do not make room.

    Opens its own transactions. Detaching locks all of the table, for a moment. While it
    waited for that lock behind a long read, every import would wait behind it: so it
    waits no longer than a batch takes, and is tried again later. (Postgres detaches
    CONCURRENTLY only where there is no default partition.)
    """
    try:
        with connection.transaction():
            connection.execute(LOCK_BRIEFLY)
            if _is_attached(connection, name):
                connection.execute(
                    sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(
                        sql.Identifier(table), sql.Identifier(name)
                    )
                )
        # On its own, it is nobody's but ours, however long the files take.
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    except errors.LockNotAvailable:
        return False
    return True


def _is_attached(connection: Connection, name: str) -> bool:
    row = connection.execute(
        "SELECT relispartition FROM pg_class WHERE oid = to_regclass(%(name)s)",
        {"name": name},
    ).fetchone()
    return row == (True,)


def drop_receipts(connection: Connection, before: date) -> list[str]:
    """Drop the receipts of the days before `before`; return the tables dropped.

    Those that cannot be dropped now stay on the list of old days.
    """
    old = list_old_days(connection, before)
    _drop_untimed(connection, before)
    return [name for name in old if drop_day(connection, name)]


def _drop_untimed(connection: Connection, before: date) -> None:
    """Delete the receipts from before `before` whose ids tell no time to go by."""
    moment = {"first": datetime.combine(before, time(), UTC)}
    connection.execute("DELETE FROM imports_named WHERE applied_at < %(first)s", moment)
    connection.execute(
        "DELETE FROM imports_default WHERE applied_at < %(first)s", moment
    )


def _partition_name(day: date) -> str:
    return f"imports_{day:%Y%m%d}"


def _first_id(day: date) -> UUID:
    """Return the smallest id a UUIDv7 of `day` (UTC) can sort after."""
    midnight = datetime.combine(day, time(), UTC)
    return UUID(int=int(midnight.timestamp() * 1000) << 80)
