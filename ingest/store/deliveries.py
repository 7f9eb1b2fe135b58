"""Deliveries in Postgres: what is due, who works on it, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.deliveries import Attempt
from ingest.store.rows import execute_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An endpoint as a delivery needs it."""

    id: int
    url: str
    queue: str
    secret: str
    #: Failures in a row.
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    event_id: UUID
    endpoint_id: int
    trigger_ids: Sequence[int]
    #: Attempts recorded before this one.
    attempts: int
    import_id: UUID
    database_id: int
    profile_id: str
    kind: str
    sequence: int
    detail: Mapping[str, object]
    created_at: datetime
    #: The trace context of its import, if a producer sent one.
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One attempt, for the record."""

    delivery: Delivery
    attempt: Attempt
    attempted_at: datetime
    duration_ms: int
    #: When to try again; None if delivered, or given up.
    next_attempt_at: datetime | None

    @property
    def state(self) -> str:
        """What becomes of the delivery."""
        if self.attempt.is_delivered:
            return "delivered"
        return "pending" if self.next_attempt_at else "failed"


def find_targets(connection: Connection[TupleRow]) -> list[Target]:
    """Return the endpoints that something is due at, unless disabled or paused."""
    rows = connection.execute(
        """
        SELECT id, url, queue, secret, failures
          FROM endpoints
         WHERE disabled_at IS NULL
           AND (paused_until IS NULL OR paused_until <= now())
           -- Not EXISTS: as a join it would begin with whatever is due.
           AND (SELECT next_attempt_at
                  FROM deliveries
                 WHERE endpoint_id = endpoints.id
                   AND state = 'pending'
                 ORDER BY next_attempt_at
                 LIMIT 1) <= now()
         ORDER BY id
        """
    )
    return [
        Target(id=id_, url=url, queue=queue, secret=secret, failures=failures)
        for id_, url, queue, secret, failures in rows
    ]


#: Who claims at the same moment skips what we take.
_CLAIM = """
    WITH due AS (
         SELECT event_id, next_attempt_at AS due_at
           FROM deliveries
          WHERE endpoint_id = %(endpoint)s
            AND state = 'pending'
            AND next_attempt_at <= now()
          ORDER BY next_attempt_at
          LIMIT %(count)s
            FOR UPDATE SKIP LOCKED
    ), claimed AS (
         UPDATE deliveries
            SET next_attempt_at = now() + %(lease)s
           FROM due
          WHERE deliveries.endpoint_id = %(endpoint)s
            AND deliveries.event_id = due.event_id
         RETURNING deliveries.event_id, trigger_ids, attempts, due_at
    )
    SELECT events.id, trigger_ids, attempts, import_id, database_id, profile_id,
           kind, sequence, detail, created_at, traceparent
      FROM claimed
      JOIN events ON events.id = claimed.event_id
     ORDER BY due_at, created_at, import_id, sequence
    """


def claim_deliveries(
    connection: Connection[TupleRow], endpoint_id: int, count: int, lease: timedelta
) -> list[Delivery]:
    """Take up to `count` deliveries that are due at an endpoint, the oldest first.

    Nobody else is given them until `lease` is over. Should we crash before we record
    what came of them, they are due again then.
    """
    rows = connection.execute(
        _CLAIM, {"endpoint": endpoint_id, "count": count, "lease": lease}
    )
    return [
        Delivery(
            event_id=row[0],
            endpoint_id=endpoint_id,
            trigger_ids=row[1],
            attempts=row[2],
            import_id=row[3],
            database_id=row[4],
            profile_id=row[5],
            kind=row[6],
            sequence=row[7],
            detail=row[8],
            created_at=row[9],
            traceparent=row[10],
        )
        for row in rows
    ]


#: An attempt that is recorded already conflicts, and changes nothing.
_RECORD = """
    WITH told AS (
         SELECT *
           FROM jsonb_to_recordset(%(rows)s::jsonb)
                AS told (event_id uuid, endpoint_id integer, number integer,
                         attempted_at timestamptz, duration_ms integer,
                         status integer, error text, state text,
                         next_attempt_at timestamptz)
    ), recorded AS (
         INSERT INTO delivery_attempts (event_id, endpoint_id, number,
                                        attempted_at, duration_ms, status, error)
         SELECT told.event_id, told.endpoint_id, number, attempted_at,
                duration_ms, status, error
           FROM told
           JOIN deliveries USING (event_id, endpoint_id)
             ON CONFLICT DO NOTHING
         RETURNING event_id, endpoint_id
    )
    UPDATE deliveries
       SET state = told.state,
           attempts = told.number,
           next_attempt_at = coalesce(told.next_attempt_at,
                                      deliveries.next_attempt_at),
           delivered_at = CASE WHEN told.state = 'delivered'
                               THEN told.attempted_at END
      FROM told
      JOIN recorded USING (event_id, endpoint_id)
     WHERE deliveries.event_id = told.event_id
       AND deliveries.endpoint_id = told.endpoint_id
    """


def record_attempts(
    connection: Connection[TupleRow], attempted: Sequence[Attempted]
) -> None:
    """Record attempts and what becomes of their deliveries.

    One whose lease ran out and was recorded by somebody else meanwhile stays as that
    one left it.
    """
    execute_rows(connection, _RECORD, [_row(each) for each in attempted])


def _row(each: Attempted) -> dict[str, object]:
    return {
        "event_id": each.delivery.event_id,
        "endpoint_id": each.delivery.endpoint_id,
        "number": each.delivery.attempts + 1,
        "attempted_at": each.attempted_at,
        "duration_ms": each.duration_ms,
        "status": each.attempt.status,
        "error": each.attempt.error,
        "state": each.state,
        "next_attempt_at": each.next_attempt_at,
    }
