"""Deliveries in Postgres: what is due, who works on it, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import class_row, dict_row

from ingest.domain.deliveries import CONCURRENCY, Attempt
from ingest.store.database import Connection
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
    #: As they are declared.
    rate: float | None = None
    concurrency: int = CONCURRENCY
    batch: int | None = None
    linger: str = ""
    disable_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    event_id: UUID
    endpoint_id: int
    trigger_ids: Sequence[int]
    #: Attempts recorded before this one, and before it was resent.
    attempts: int
    resent_after: int
    #: None if no import caused it.
    import_id: UUID | None
    #: None of what is of no profile.
    database_id: int | None
    profile_id: str | None
    kind: str
    sequence: int
    #: What it is in order with at its endpoint, and its place there; None of what the
    #: release before wrote.
    profile_key: str | None
    profile_sequence: int | None
    detail: Mapping[str, object]
    created_at: datetime
    #: The profile after the import, and the members of it that this endpoint gets; None
    #: for none.
    profile: Mapping[str, object] | None = None
    include: Sequence[str] | None = None
    #: The trace context of its import, if a producer sent one.
    traceparent: str | None = None
    #: The condition of its trigger is judged again before it is sent (T4).
    recheck: bool = False
    #: The request that it is sent with, at each attempt (T6).
    batch_id: UUID | None = None


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
        """The next state of the delivery."""
        if self.attempt.is_delivered:
            return "delivered"
        return "pending" if self.next_attempt_at else "failed"


def find_targets(connection: Connection) -> list[Target]:
    """Return the endpoints that something is due at, unless disabled or paused."""
    return (
        connection.cursor(row_factory=class_row(Target))
        .execute(
            """
        SELECT id, url, queue, secret, failures, rate, concurrency, batch, linger,
               disable_after
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
        .fetchall()
    )


#: Due deliveries that one look for what can be claimed goes through, at most.
_MOST_LOOKED_AT = 1000

#: Who claims at the same moment skips what we take. Those behind a pending one of their
#: profile are blocked: put off until a lease after the next attempt of that one. By
#: then it has ended, and made them due at once, or it is under way again. None is
#: claimed while an earlier one is pending: who sees the later sees the earlier.
_CLAIM = """
    WITH due AS (
         SELECT event_id, endpoint_id, next_attempt_at AS due_at,
                profile_key, profile_sequence
           FROM deliveries
          WHERE endpoint_id = %(endpoint)s
            AND state = 'pending'
            AND next_attempt_at <= now()
            AND (batch_id IS NULL OR NOT %(batched)s)
          ORDER BY next_attempt_at
          LIMIT %(look)s
            FOR UPDATE SKIP LOCKED
    ), placed AS (
         SELECT due.event_id, due.endpoint_id, due_at,
                first.next_attempt_at AS blocked_until,
                count(*) FILTER (WHERE first.next_attempt_at IS NULL)
                         OVER (ORDER BY due_at, due.profile_sequence, due.event_id)
                AS place
           FROM due
           LEFT JOIN LATERAL (
                SELECT next_attempt_at
                  FROM deliveries AS earlier
                 WHERE earlier.endpoint_id = %(endpoint)s
                   AND earlier.profile_key = due.profile_key
                   AND earlier.profile_sequence < due.profile_sequence
                   AND earlier.state = 'pending'
                 ORDER BY earlier.profile_sequence
                 LIMIT 1) AS first ON true
    ), taken AS (
         UPDATE deliveries
            SET next_attempt_at = greatest(blocked_until, now()) + %(lease)s,
                blocked = blocked_until IS NOT NULL,
                -- By itself it is no longer the member of a batch.
                batch_id = NULL
           FROM placed
          WHERE deliveries.event_id = placed.event_id
            AND deliveries.endpoint_id = placed.endpoint_id
            AND (blocked_until IS NOT NULL OR place <= %(count)s)
         RETURNING deliveries.event_id, trigger_ids, include, attempts, resent_after,
                   blocked, due_at, deliveries.profile_key, recheck
    )
    SELECT blocked, profile_key, taken.event_id, %(endpoint)s AS endpoint_id,
           trigger_ids, attempts, resent_after, import_id, database_id, profile_id,
           kind, sequence, profile_sequence, detail, created_at, traceparent, profile,
           include, recheck
      FROM taken
      LEFT JOIN events ON events.id = taken.event_id AND NOT blocked
     ORDER BY due_at, profile_sequence, created_at, import_id, sequence
    """


def claim_deliveries(
    connection: Connection,
    endpoint_id: int,
    count: int,
    lease: timedelta,
    *,
    batched: bool = False,
) -> list[Delivery]:
    """Take up to `count` deliveries that are due at an endpoint, the oldest first.

    Of one profile only the first that is pending, by `profile_sequence`: the others
    wait until that is delivered or given up.

    Nobody else is given them until `lease` is over. Should we crash before we record
    what came of them, they are due again then. An endpoint that gets batches
    (`batched`) gets those that are in one with it: `claim_batch`.
    """
    claimed: list[Delivery] = []
    look = count
    while len(claimed) < count:
        asked = {
            "endpoint": endpoint_id,
            "count": count - len(claimed),
            "look": look,
            "lease": lease,
            "batched": batched,
        }
        rows = connection.cursor(row_factory=dict_row).execute(_CLAIM, asked).fetchall()
        blocked = set()
        for row in rows:
            if row.pop("blocked"):
                blocked.add(row["profile_key"])
            else:
                claimed.append(Delivery(**row))
        if not blocked:
            break
        wake_blocked(connection, endpoint_id, blocked)
        look = min(4 * look, _MOST_LOOKED_AT)
    return claimed


def wake_blocked(
    connection: Connection, endpoint_id: int, profile_keys: Iterable[str]
) -> None:
    """Make the first pending delivery of each profile due, if it is blocked.

    For whoever has just *committed* that a delivery ended, or that one is blocked, and
    in no transaction. Of two who do so at the same moment, the one whose commit comes
    last sees what the other wrote: so no delivery stays blocked by one that has ended.
    Nor is one that is under way given out a second time.
    """
    keys = sorted(set(profile_keys))
    if not keys:
        return
    connection.execute(
        """
        UPDATE deliveries
           SET next_attempt_at = now(), blocked = false
         WHERE endpoint_id = %(endpoint)s
           -- An array: as a join it could also begin with whatever is pending.
           AND event_id = ANY(ARRAY(
               SELECT first.event_id
                 FROM unnest(%(keys)s::text[]) AS wanted (profile_key)
                CROSS JOIN LATERAL (
                      SELECT event_id
                        FROM deliveries AS pending
                       WHERE pending.endpoint_id = %(endpoint)s
                         AND pending.profile_key = wanted.profile_key
                         AND pending.state = 'pending'
                       ORDER BY pending.profile_sequence
                       LIMIT 1) AS first))
           AND blocked
        """,
        {"endpoint": endpoint_id, "keys": keys},
    )


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


def record_attempts(connection: Connection, attempted: Sequence[Attempted]) -> None:
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
