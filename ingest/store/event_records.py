"""Events with their deliveries and attempts, as operators read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.rows import TupleRow

from ingest.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt to deliver an event."""

    number: int
    attempted_at: datetime
    duration_ms: int
    #: None where there was no HTTP answer.
    status: int | None
    #: Empty on success.
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDelivery:
    """Delivery of one event to one endpoint, attempt by attempt."""

    endpoint_id: int
    endpoint: str
    #: Names of the triggers that listened, or of the workflow that was started.
    triggers: Sequence[str]
    state: str
    next_attempt_at: datetime
    delivered_at: datetime | None
    #: It waits for an earlier event of its profile to be delivered or given up.
    blocked: bool
    attempts: Sequence[AttemptRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Events of an import, and their deliveries."""

    id: UUID
    import_id: UUID
    database_id: int
    profile_id: str
    kind: str
    #: Its place among the events of its import.
    sequence: int
    #: Its place among the events of its profile; None if an earlier release wrote it.
    profile_sequence: int | None
    detail: Mapping[str, object]
    created_at: datetime
    deliveries: Sequence[EventDelivery] = ()


def find_event(connection: Connection, event_id: UUID) -> EventRecord | None:
    """Return an event with its deliveries; None when there is none."""
    row = connection.execute(
        """
        SELECT id, import_id, database_id, profile_id, kind, sequence,
               profile_sequence, detail, created_at
          FROM events
         WHERE id = %(event_id)s
        """,
        {"event_id": event_id},
    ).fetchone()
    return next(iter(_complete(connection, [row] if row else [])), None)


def list_events(connection: Connection, import_id: UUID) -> list[EventRecord]:
    """Return the events of an import with their deliveries, in their order."""
    rows = connection.execute(
        """
        SELECT id, import_id, database_id, profile_id, kind, sequence,
               profile_sequence, detail, created_at
          FROM events
         WHERE import_id = %(import_id)s
         ORDER BY sequence
        """,
        {"import_id": import_id},
    ).fetchall()
    return _complete(connection, rows)


def _complete(connection: Connection, rows: Iterable[TupleRow]) -> list[EventRecord]:
    events = [
        EventRecord(
            id=row[0],
            import_id=row[1],
            database_id=row[2],
            profile_id=row[3],
            kind=row[4],
            sequence=row[5],
            profile_sequence=row[6],
            detail=row[7],
            created_at=row[8],
        )
        for row in rows
    ]
    return [_deliver(connection, event) for event in events]


def _deliver(connection: Connection, event: EventRecord) -> EventRecord:
    """Return `event` with its deliveries and their attempts."""
    rows = connection.execute(
        """
        SELECT endpoint_id, endpoints.name,
               ARRAY(SELECT triggers.name
                       FROM triggers
                      WHERE triggers.id = ANY(deliveries.trigger_ids)
                      ORDER BY triggers.id)
               || ARRAY(SELECT workflows.name
                          FROM workflows
                         WHERE workflows.id = %(workflow_id)s),
               state, next_attempt_at, delivered_at, blocked
          FROM deliveries
          JOIN endpoints ON endpoints.id = deliveries.endpoint_id
         WHERE event_id = %(event_id)s
         ORDER BY endpoint_id
        """,
        {"event_id": event.id, "workflow_id": event.detail.get("workflow_id")},
    ).fetchall()
    attempts = _load_attempts(connection, event.id)
    deliveries = [
        EventDelivery(
            endpoint_id=row[0],
            endpoint=row[1],
            triggers=row[2],
            state=row[3],
            next_attempt_at=row[4],
            delivered_at=row[5],
            blocked=row[3] == "pending" and row[6],
            attempts=attempts.get(row[0], []),
        )
        for row in rows
    ]
    return replace(event, deliveries=deliveries)


def _load_attempts(
    connection: Connection, event_id: UUID
) -> dict[int, list[AttemptRecord]]:
    rows = connection.execute(
        """
        SELECT endpoint_id, number, attempted_at, duration_ms, status, error
          FROM delivery_attempts
         WHERE event_id = %(event_id)s
         ORDER BY endpoint_id, number
        """,
        {"event_id": event_id},
    )
    attempts: dict[int, list[AttemptRecord]] = {}
    for endpoint_id, number, attempted_at, duration_ms, status, error in rows:
        attempts.setdefault(endpoint_id, []).append(
            AttemptRecord(
                number=number,
                attempted_at=attempted_at,
                duration_ms=duration_ms,
                status=status,
                error=error,
            )
        )
    return attempts
