"""The months that the history of statuses is kept by: made ahead, and dropped whole."""

from contextlib import suppress
from datetime import UTC, date, datetime, time

from psycopg import errors, sql

from ingest.store.database import LOCK_SPACE, Connection
from ingest.store.receipts.days import LOCK_BRIEFLY, drop_part

_TABLE = "consent_history"


def create_months(connection: Connection, today: date, months: int) -> None:
    """Create the tables of the month of `today` and the `months` after it.

    Opens its own transactions. Where a reader is in the way, the month is left to the
    next time; until then its statuses go to the default table.
    """
    first = today.replace(day=1)
    for _ in range(months + 1):
        following = _find_next(first)
        refusals = suppress(errors.CheckViolation, errors.LockNotAvailable)
        with refusals, connection.transaction():
            _create_month(connection, first, following)
        first = following


def find_missing_months(connection: Connection, today: date) -> list[str]:
    """Name the tables of the month of `today` and of the next that are not there."""
    first = today.replace(day=1)
    wanted = [_name(first), _name(_find_next(first))]
    rows = connection.execute(
        """
        SELECT name
          FROM unnest(%(wanted)s::text[]) AS wanted (name)
         WHERE to_regclass(name) IS NULL
         ORDER BY name
        """,
        {"wanted": wanted},
    )
    return [name for (name,) in rows]


def drop_months(connection: Connection, before: date) -> list[str]:
    """Drop the months that ended before `before`; return the tables dropped.

    Those that readers hold are left to the next time.
    """
    first = before.replace(day=1)
    rows = connection.execute(
        """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = to_regnamespace(current_schema())
           AND relkind = 'r'
           AND relname ~ '^consent_history_[0-9]{6}$'
           AND relname < %(oldest)s
         ORDER BY relname
        """,
        {"oldest": _name(first)},
    ).fetchall()
    connection.execute(
        "DELETE FROM consent_history_default WHERE ended_at < %(before)s",
        {"before": datetime.combine(first, time(), UTC)},
    )
    return [name for (name,) in rows if drop_part(connection, _TABLE, name)]


def _create_month(connection: Connection, first: date, following: date) -> None:
    # Several workers start at once; and asking first spares the lock on the table.
    lock = {"space": LOCK_SPACE, "lock": 3}
    connection.execute("SELECT pg_advisory_xact_lock(%(space)s, %(lock)s)", lock)
    name = _name(first)
    known = connection.execute("SELECT to_regclass(%(name)s)", {"name": name})
    if known.fetchone() != (None,):
        return
    connection.execute(LOCK_BRIEFLY)
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} PARTITION OF consent_history FOR VALUES FROM ({}) TO ({})"
        ).format(
            sql.Identifier(name),
            sql.Literal(f"{first} 00:00:00+00"),
            sql.Literal(f"{following} 00:00:00+00"),
        )
    )


def _find_next(first: date) -> date:
    """Return the first day of the month after that of `first`."""
    if first.month == 12:
        return date(first.year + 1, 1, 1)
    return date(first.year, first.month + 1, 1)


def _name(first: date) -> str:
    return f"{_TABLE}_{first:%Y%m}"
