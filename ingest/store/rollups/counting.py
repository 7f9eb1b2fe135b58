"""Counting receipts and attempts by the minute and by the hour, behind them.

A span is counted by deleting what is counted of it and counting it again: it may be
counted as often as one likes.
"""

from datetime import datetime
from typing import cast

from msgspec import Struct
from psycopg.rows import scalar_row

from ingest.domain.rollups import BOUNDS, HOUR, MINUTE, StreamSample, begin_of
from ingest.store.database import Connection


class RollupProgress(Struct, frozen=True, kw_only=True):
    """The time up to which something is counted; None for not at all."""

    counted_until: datetime | None
    settled_until: datetime | None


def read_clock(connection: Connection) -> datetime:
    """Return the time of Postgres."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        (now,) = cursor.execute("SELECT now()").fetchall()
        return cast(datetime, now)


def take_rollup(connection: Connection, name: str) -> RollupProgress | None:
    """Return how far `name` is counted, and lock it; None while somebody counts it."""
    row = connection.execute(
        """
        SELECT counted_until, settled_until
          FROM rollups
         WHERE name = %(name)s
           FOR UPDATE SKIP LOCKED
        """,
        {"name": name},
    ).fetchone()
    if row is None:
        return None
    return RollupProgress(counted_until=row[0], settled_until=row[1])


def save_rollup(
    connection: Connection, name: str, counted: datetime, settled: datetime
) -> None:
    """Write how far `name` is counted."""
    connection.execute(
        """
        UPDATE rollups
           SET counted_until = %(counted)s, settled_until = %(settled)s
         WHERE name = %(name)s
        """,
        {"name": name, "counted": counted, "settled": settled},
    )


def find_settled(connection: Connection, now: datetime) -> datetime:
    """Return until when nothing can be added any more at `now`: whole minutes.

    Rows become visible when their transaction ends, and have the time of a moment in
    it, by the clock of another host perhaps: for that there is a minute. Transactions
    that have written for more than a quarter of an hour are not waited for.
    """
    row = connection.execute(
        """
        SELECT date_trunc('minute', greatest(
                   %(now)s::timestamptz - INTERVAL '15 minutes',
                   least(%(now)s::timestamptz, min(xact_start))
                       - INTERVAL '1 minute'))
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND backend_xid IS NOT NULL
           AND pid <> pg_backend_pid()
        """,
        {"now": now},
    ).fetchone()
    return row[0] if row else now


def find_receipts_from(
    connection: Connection, begin: datetime | None, most: int
) -> tuple[datetime, datetime | None] | None:
    """Return when the first receipt since `begin` was applied, and `most` later.

    The second is None if there are fewer; None if there is no receipt at all.
    """
    row = connection.execute(
        """
        SELECT (SELECT applied_at
                  FROM imports
                 WHERE applied_at >= %(begin)s
                 ORDER BY applied_at
                 LIMIT 1),
               (SELECT applied_at
                  FROM imports
                 WHERE applied_at >= %(begin)s
                 ORDER BY applied_at
                OFFSET %(most)s
                 LIMIT 1)
        """,
        {"begin": begin or "-infinity", "most": most},
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def count_receipts(connection: Connection, begin: datetime, end: datetime) -> None:
    """Count the receipts from `begin` to before `end`, whole minutes, again.

    In the transaction of the caller, who has locked the roll-up.
    """
    span = _span(begin, end)
    connection.execute(
        """
        DELETE FROM import_minutes WHERE at >= %(begin)s AND at < %(end)s
        """,
        span,
    )
    connection.execute(
        """
        DELETE FROM latency_minutes WHERE at >= %(begin)s AND at < %(end)s
        """,
        span,
    )
    connection.execute(
        """
        -- Receipts are read once: what both tables have is made of the finest counts.
        WITH counted AS MATERIALIZED (
             SELECT date_trunc('minute', applied_at) AS at, database_id,
                    coalesce(token_id, 0) AS token_id, door, state,
                    width_bucket(
                        extract(epoch FROM applied_at - accepted_at)::float8,
                        %(bounds)s::float8[]) AS bucket,
                    count(*) AS imports, max(applied_at) AS last_at
               FROM imports
              WHERE applied_at >= %(begin)s
                AND applied_at < %(end)s
              GROUP BY 1, 2, 3, 4, 5, 6
        ), latencies AS (
             INSERT INTO latency_minutes (at, bucket, imports)
             SELECT at, bucket, sum(imports) FROM counted GROUP BY at, bucket)
        INSERT INTO import_minutes
               (at, database_id, token_id, door, state, imports, last_at)
        SELECT at, database_id, token_id, door, state, sum(imports), max(last_at)
          FROM counted
         GROUP BY at, database_id, token_id, door, state
        """,
        span,
    )
    _count_hours(connection, span)


def _span(begin: datetime, end: datetime) -> dict[str, object]:
    """Return the parameters of a span: its minutes, and the hours that have them."""
    return {
        "begin": begin,
        "end": end,
        "first_hour": begin_of(begin, HOUR),
        "end_hour": begin_of(end - MINUTE, HOUR) + HOUR,
        "bounds": list(BOUNDS),
    }


def _count_hours(connection: Connection, span: dict[str, object]) -> None:
    """Sum up the hours of the minutes that were counted."""
    connection.execute(
        """
        DELETE FROM import_hours
         WHERE at >= %(first_hour)s AND at < %(end_hour)s
        """,
        span,
    )
    connection.execute(
        """
        DELETE FROM latency_hours
         WHERE at >= %(first_hour)s AND at < %(end_hour)s
        """,
        span,
    )
    connection.execute(
        """
        INSERT INTO import_hours
               (at, database_id, token_id, door, state, imports, last_at)
        SELECT date_trunc('hour', at) AS hour, database_id, token_id, door, state,
               sum(imports), max(last_at)
          FROM import_minutes
         WHERE at >= %(first_hour)s AND at < %(end_hour)s
         GROUP BY hour, database_id, token_id, door, state
        """,
        span,
    )
    connection.execute(
        """
        INSERT INTO latency_hours (at, bucket, imports)
        SELECT date_trunc('hour', at) AS hour, bucket, sum(imports)
          FROM latency_minutes
         WHERE at >= %(first_hour)s AND at < %(end_hour)s
         GROUP BY hour, bucket
        """,
        span,
    )


def find_attempts_from(
    connection: Connection, begin: datetime | None
) -> datetime | None:
    """Return when the first attempt since `begin` began; None for none."""
    row = connection.execute(
        """
        SELECT min(first.at)
          FROM endpoints
         CROSS JOIN LATERAL (
               SELECT least(
                   (SELECT attempted_at
                      FROM delivery_attempts
                     WHERE endpoint_id = endpoints.id AND error = ''
                       AND attempted_at >= %(begin)s
                     ORDER BY attempted_at
                     LIMIT 1),
                   (SELECT attempted_at
                      FROM delivery_attempts
                     WHERE endpoint_id = endpoints.id AND error <> ''
                       AND attempted_at >= %(begin)s
                     ORDER BY attempted_at
                     LIMIT 1)) AS at) AS first
        """,
        {"begin": begin or "-infinity"},
    ).fetchone()
    return row[0] if row else None


def count_attempts(connection: Connection, begin: datetime, end: datetime) -> None:
    """Count the attempts that began from `begin` to before `end` again.

    In the transaction of the caller, who has locked the roll-up.
    """
    span = _span(begin, end)
    connection.execute(
        "DELETE FROM delivery_minutes WHERE at >= %(begin)s AND at < %(end)s", span
    )
    connection.execute(
        """
        INSERT INTO delivery_minutes
               (at, endpoint_id, is_delivered, bucket, attempts)
        SELECT date_trunc('minute', attempted_at), endpoints.id, error = '',
               width_bucket(duration_ms / 1000.0::float8, %(bounds)s::float8[]),
               count(*)
          FROM endpoints
         CROSS JOIN LATERAL (
               SELECT attempted_at, duration_ms, error
                 FROM delivery_attempts
                WHERE endpoint_id = endpoints.id AND error = ''
                  AND attempted_at >= %(begin)s AND attempted_at < %(end)s
                UNION ALL
               SELECT attempted_at, duration_ms, error
                 FROM delivery_attempts
                WHERE endpoint_id = endpoints.id AND error <> ''
                  AND attempted_at >= %(begin)s AND attempted_at < %(end)s) AS made
         GROUP BY 1, 2, 3, 4
        """,
        span,
    )
    connection.execute(
        """
        DELETE FROM delivery_hours
         WHERE at >= %(first_hour)s AND at < %(end_hour)s
        """,
        span,
    )
    connection.execute(
        """
        INSERT INTO delivery_hours (at, endpoint_id, is_delivered, bucket, attempts)
        SELECT date_trunc('hour', at) AS hour, endpoint_id, is_delivered, bucket,
               sum(attempts)
          FROM delivery_minutes
         WHERE at >= %(first_hour)s AND at < %(end_hour)s
         GROUP BY hour, endpoint_id, is_delivered, bucket
        """,
        span,
    )


def take_stale(connection: Connection) -> list[datetime]:
    """Return the hours with receipts that were changed after they were counted.

    In order. They are forgotten with the transaction that counts them again.
    """
    rows = connection.execute(
        """
        WITH taken AS (DELETE FROM stale_minutes RETURNING at)
        SELECT DISTINCT date_trunc('hour', at) AS hour
          FROM taken
         ORDER BY hour
        """
    )
    return [hour for (hour,) in rows]


def save_sample(connection: Connection, sample: StreamSample) -> None:
    """Keep what the streams are like in a minute, as it was first seen."""
    connection.execute(
        """
        INSERT INTO stream_minutes (at, accepted, waiting, oldest_seconds)
        VALUES (%(at)s, %(accepted)s, %(waiting)s, %(oldest)s)
            ON CONFLICT DO NOTHING
        """,
        {
            "at": sample.at,
            "accepted": sample.accepted,
            "waiting": sample.waiting,
            "oldest": sample.oldest_seconds,
        },
    )


def drop_counted(
    connection: Connection, minutes_before: datetime, hours_before: datetime
) -> None:
    """Delete the minutes before `minutes_before`, and the hours before the other."""
    bounds = {"minutes": minutes_before, "hours": hours_before}
    connection.execute("DELETE FROM import_minutes WHERE at < %(minutes)s", bounds)
    connection.execute("DELETE FROM latency_minutes WHERE at < %(minutes)s", bounds)
    connection.execute("DELETE FROM delivery_minutes WHERE at < %(minutes)s", bounds)
    connection.execute("DELETE FROM stream_minutes WHERE at < %(minutes)s", bounds)
    connection.execute("DELETE FROM import_hours WHERE at < %(hours)s", bounds)
    connection.execute("DELETE FROM latency_hours WHERE at < %(hours)s", bounds)
    connection.execute("DELETE FROM delivery_hours WHERE at < %(hours)s", bounds)
