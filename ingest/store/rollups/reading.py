"""Counts by the minute and by the hour, as pages show them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from psycopg.rows import class_row

from ingest.domain.attention import (
    EndpointFlow,
    SourceHealth,
    StuckBuild,
    measure_gaps,
)
from ingest.domain.rollups import HOUR, MINUTE, Range, StreamSample, begin_of
from ingest.store.database import Connection
from ingest.store.events.endpoints import EndpointState

#: Of the last day.
_MOST_FILES = 5
#: Minutes over which the rate of an endpoint is taken.
_RATE_MINUTES = 10


class OutcomePoint(Struct, frozen=True, kw_only=True):
    """Imports of one outcome in a step of a chart."""

    at: datetime
    state: str
    imports: int


class LatencyPoint(Struct, frozen=True, kw_only=True):
    """Imports in a step of a chart, by the bucket of their time to be applied."""

    at: datetime
    bucket: int
    imports: int


class FileLine(Struct, frozen=True, kw_only=True):
    """A file that is imported, and how far it is."""

    name: str
    state: str
    rows: int
    settled: int
    rejected: int
    created_at: datetime


def load_outcomes(
    connection: Connection, range_: Range, since: datetime
) -> list[OutcomePoint]:
    """Return the imports applied since `since` in each step, by outcome."""
    span = {"since": since, "step": range_.step}
    with connection.cursor(row_factory=class_row(OutcomePoint)) as cursor:
        if range_.is_by_hour:
            return cursor.execute(
                """
                SELECT at, state, sum(imports)::bigint AS imports
                  FROM import_hours
                 WHERE at >= %(since)s
                 GROUP BY at, state
                """,
                span,
            ).fetchall()
        return cursor.execute(
            """
            SELECT date_bin(%(step)s, at, TIMESTAMPTZ 'epoch') AS at, state,
                   sum(imports)::bigint AS imports
              FROM import_minutes
             WHERE at >= %(since)s
             GROUP BY 1, state
            """,
            span,
        ).fetchall()


def load_latencies(
    connection: Connection, range_: Range, since: datetime
) -> list[LatencyPoint]:
    """Return the same by the time that they took from their acceptance."""
    span = {"since": since, "step": range_.step}
    with connection.cursor(row_factory=class_row(LatencyPoint)) as cursor:
        if range_.is_by_hour:
            return cursor.execute(
                """
                SELECT at, bucket, imports
                  FROM latency_hours
                 WHERE at >= %(since)s
                """,
                span,
            ).fetchall()
        return cursor.execute(
            """
            SELECT date_bin(%(step)s, at, TIMESTAMPTZ 'epoch') AS at, bucket,
                   sum(imports)::bigint AS imports
              FROM latency_minutes
             WHERE at >= %(since)s
             GROUP BY 1, bucket
            """,
            span,
        ).fetchall()


def load_samples(
    connection: Connection, since: datetime, *, by_hour: bool = False
) -> list[StreamSample]:
    """Return the streams as they were in each minute since `since`, in order.

    By the hour, what was accepted is that of its first minute, and of what waited the
    most.
    """
    span = {"since": since}
    with connection.cursor(row_factory=class_row(StreamSample)) as cursor:
        if by_hour:
            return cursor.execute(
                """
                SELECT date_trunc('hour', at) AS at, min(accepted) AS accepted,
                       max(waiting) AS waiting, max(oldest_seconds) AS oldest_seconds
                  FROM stream_minutes
                 WHERE at >= %(since)s
                 GROUP BY 1
                 ORDER BY 1
                """,
                span,
            ).fetchall()
        return cursor.execute(
            """
            SELECT at, accepted, waiting, oldest_seconds
              FROM stream_minutes
             WHERE at >= %(since)s
             ORDER BY at
            """,
            span,
        ).fetchall()


def load_minutes(connection: Connection, since: datetime) -> list[OutcomePoint]:
    """Return the imports applied in each minute since `since`, by outcome, in order."""
    with connection.cursor(row_factory=class_row(OutcomePoint)) as cursor:
        return cursor.execute(
            """
            SELECT at, state, sum(imports)::bigint AS imports
              FROM import_minutes
             WHERE at >= %(since)s
             GROUP BY at, state
             ORDER BY at
            """,
            {"since": since},
        ).fetchall()


class Sources(Struct, frozen=True, kw_only=True):
    """The sources of the imports of the last week."""

    sources: Sequence[SourceHealth]
    #: Of all of them, in that week.
    imports: int
    rejected: int


def load_sources(connection: Connection, now: datetime) -> Sources:
    """Return who sent imports in the last week, with what came in the last day."""
    rows = connection.execute(
        """
        SELECT token_id, coalesce(tokens.name, ''), door, at, imports, rejected, last_at
          FROM (SELECT token_id, door, at, sum(imports)::bigint AS imports,
                       coalesce(sum(imports) FILTER (
                           WHERE state IN ('rejected', 'dead')), 0)::bigint AS rejected,
                       max(last_at) AS last_at
                  FROM import_hours
                 WHERE at >= %(since)s
                 GROUP BY token_id, door, at) AS hours
          LEFT JOIN tokens ON tokens.id = hours.token_id
         ORDER BY at
        """,
        {"since": begin_of(now, HOUR) - timedelta(days=7)},
    )
    hours = defaultdict(list)
    for token_id, name, door, *hour in rows:
        hours[token_id, name, door].append(hour)
    day = begin_of(now, HOUR) - timedelta(hours=23)
    sources = []
    for (token_id, name, door), told in hours.items():
        # Files and operators have no habits.
        is_steady = door in ("http", "broker")
        gaps = measure_gaps([at for at, *_ in told]) if is_steady else (None, None)
        sources.append(
            SourceHealth(
                token_id=token_id,
                name=name,
                door=door,
                imports=sum(imports for at, imports, *_ in told if at >= day),
                rejected=sum(rejected for at, _, rejected, _ in told if at >= day),
                last_at=told[-1][3],
                usual_gap_seconds=gaps[0],
                longest_gap_seconds=gaps[1],
            )
        )
    every = [hour for told in hours.values() for hour in told]
    return Sources(
        sources=sources,
        imports=sum(imports for _, imports, *_ in every),
        rejected=sum(rejected for _, _, rejected, _ in every),
    )


def load_endpoints(
    connection: Connection, states: Sequence[EndpointState], now: datetime
) -> list[EndpointFlow]:
    """Return the endpoints of `states` with how deliveries to them went."""
    minute = begin_of(now, MINUTE)
    rows = connection.execute(
        """
        SELECT id, day.delivered, day.failed, recent.delivered, failure.error,
               failure.attempted_at, success.attempted_at, first.attempted_at
          FROM endpoints
         CROSS JOIN LATERAL (
               SELECT coalesce(sum(attempts) FILTER (WHERE is_delivered), 0)::bigint
                      AS delivered,
                      coalesce(sum(attempts) FILTER (WHERE NOT is_delivered), 0)::bigint
                      AS failed
                 FROM delivery_hours
                WHERE at >= %(day)s AND endpoint_id = endpoints.id) AS day
         CROSS JOIN LATERAL (
               SELECT coalesce(sum(attempts), 0)::bigint AS delivered
                 FROM delivery_minutes
                WHERE at >= %(recent)s AND at < %(minute)s
                  AND endpoint_id = endpoints.id AND is_delivered) AS recent
          LEFT JOIN LATERAL (
               SELECT attempted_at
                 FROM delivery_attempts
                WHERE endpoint_id = endpoints.id AND error = ''
                ORDER BY attempted_at DESC
                LIMIT 1) AS success ON true
          LEFT JOIN LATERAL (
               SELECT attempted_at, error
                 FROM delivery_attempts
                WHERE endpoint_id = endpoints.id AND error <> ''
                ORDER BY attempted_at DESC
                LIMIT 1) AS failure ON true
          LEFT JOIN LATERAL (
               SELECT attempted_at
                 FROM delivery_attempts
                WHERE endpoint_id = endpoints.id AND error <> ''
                  AND attempted_at > coalesce(success.attempted_at, '-infinity')
                ORDER BY attempted_at
                LIMIT 1) AS first ON true
        """,
        {
            "day": begin_of(now, HOUR) - timedelta(hours=23),
            "recent": minute - _RATE_MINUTES * MINUTE,
            "minute": minute,
        },
    )
    told = {row[0]: row[1:] for row in rows}
    return [
        EndpointFlow(
            id=one.id,
            name=one.name,
            pending=one.pending,
            oldest_pending_at=one.oldest_pending_at,
            delayed=one.delayed,
            failed=one.failed,
            skipped=one.skipped,
            paused_until=one.paused_until,
            disabled_at=one.disabled_at,
            disabled_reason=one.disabled_reason,
            delivered_attempts=delivered,
            failed_attempts=failed,
            per_minute=recent / _RATE_MINUTES,
            last_error=error or "",
            last_failed_at=failed_at,
            last_delivered_at=delivered_at,
            failing_since=since,
        )
        for one in states
        if one.id in told
        for delivered, failed, recent, error, failed_at, delivered_at, since in [
            told[one.id]
        ]
    ]


class Marks(Struct, frozen=True, kw_only=True):
    """Since when what needs attention does."""

    #: How far receipts are counted; None for not at all.
    counted_until: datetime | None
    #: The first of the dead letters that are open.
    oldest_dead_at: datetime | None
    missing: int
    oldest_missing_at: datetime | None


def load_marks(connection: Connection) -> Marks | None:
    """Return since when what needs attention does."""
    with connection.cursor(row_factory=class_row(Marks)) as cursor:
        return cursor.execute(
            """
            SELECT counted_until, dead.oldest_dead_at, gone.missing,
                   gone.oldest_missing_at
              FROM rollups
             CROSS JOIN LATERAL (
                   SELECT min(created_at) AS oldest_dead_at
                     FROM (SELECT created_at
                             FROM dead_letters
                            WHERE resolved_at IS NULL
                            LIMIT 10000) AS open) AS dead
             CROSS JOIN LATERAL (
                   SELECT count(*) AS missing, min(accepted_at) AS oldest_missing_at
                     FROM missing_imports) AS gone
             WHERE name = 'imports'
            """
        ).fetchone()


def find_stuck_build(connection: Connection, before: datetime) -> StuckBuild | None:
    """Return the build that made progress last, if that was before `before`.

    One segment is built at a time: others wait.
    """
    with connection.cursor(row_factory=class_row(StuckBuild)) as cursor:
        last = cursor.execute(
            """
            SELECT segment_id, name, updated_at
              FROM segment_builds
              JOIN segments ON segments.id = segment_id
             ORDER BY updated_at DESC
             LIMIT 1
            """
        ).fetchone()
    return last if last is not None and last.updated_at < before else None


def load_files(connection: Connection, since: datetime) -> Sequence[FileLine]:
    """Return the newest files that were begun since `since`, a few of them."""
    with connection.cursor(row_factory=class_row(FileLine)) as cursor:
        newest = cursor.execute(
            """
            SELECT name, state, rows, settled, rejected + dead AS rejected, created_at
              FROM jobs
             ORDER BY id DESC
             LIMIT %(most)s
            """,
            {"most": _MOST_FILES},
        ).fetchall()
    return [each for each in newest if each.created_at >= since]
