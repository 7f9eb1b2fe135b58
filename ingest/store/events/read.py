"""Events with their deliveries and attempts, as operators read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt to deliver an event."""

    endpoint_id: int
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
    #: Nobody attempts it before; None for what is sent at once.
    delayed_until: datetime | None = None
    #: It is skipped if the condition of its trigger no longer holds then.
    recheck: bool = False
    #: The ID under which it is sent with others; None for one that is sent alone.
    batch_id: UUID | None = None
    attempts: Sequence[AttemptRecord] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """Events of an import, and their deliveries."""

    id: UUID
    #: None if no import caused it.
    import_id: UUID | None
    #: None of what is of no profile.
    database_id: int | None
    profile_id: str | None
    kind: str
    #: Its place among the events of its import.
    sequence: int
    #: Its place among the events of its profile; None if an earlier release wrote it.
    profile_sequence: int | None
    detail: Mapping[str, object]
    created_at: datetime
    #: `import`, `sweep`, `build`, or `endpoint`.
    cause: str
    deliveries: Sequence[EventDelivery] = ()


def find_event(connection: Connection, event_id: UUID) -> EventRecord | None:
    """Return an event with its deliveries; None when there is none."""
    cursor = connection.cursor(row_factory=class_row(EventRecord))
    event = cursor.execute(
        """
        SELECT id, import_id, database_id, profile_id, kind, sequence,
               profile_sequence, detail, created_at, cause
          FROM events
         WHERE id = %(event_id)s
        """,
        {"event_id": event_id},
    ).fetchone()
    return _deliver(connection, event) if event else None


def list_events(connection: Connection, import_id: UUID) -> list[EventRecord]:
    """Return the events of an import with their deliveries, in their order."""
    cursor = connection.cursor(row_factory=class_row(EventRecord))
    events = cursor.execute(
        """
        SELECT id, import_id, database_id, profile_id, kind, sequence,
               profile_sequence, detail, created_at, cause
          FROM events
         WHERE import_id = %(import_id)s
         ORDER BY sequence
        """,
        {"import_id": import_id},
    ).fetchall()
    return [_deliver(connection, event) for event in events]


def _deliver(connection: Connection, event: EventRecord) -> EventRecord:
    """Return `event` with its deliveries and their attempts."""
    cursor = connection.cursor(row_factory=class_row(EventDelivery))
    deliveries = cursor.execute(
        """
        SELECT endpoint_id, endpoints.name AS endpoint,
               ARRAY(SELECT triggers.name
                       FROM triggers
                      WHERE triggers.id = ANY(deliveries.trigger_ids)
                      ORDER BY triggers.id)
               || ARRAY(SELECT workflows.name
                          FROM workflows
                         WHERE workflows.id = %(workflow_id)s) AS triggers,
               state, next_attempt_at, delivered_at,
               blocked AND state = 'pending' AS blocked,
               delayed_until, recheck, batch_id
          FROM deliveries
          JOIN endpoints ON endpoints.id = deliveries.endpoint_id
         WHERE event_id = %(event_id)s
         ORDER BY endpoint_id
        """,
        {"event_id": event.id, "workflow_id": event.detail.get("workflow_id")},
    ).fetchall()
    attempts = _load_attempts(connection, event.id)
    return replace(
        event,
        deliveries=[
            replace(each, attempts=attempts.get(each.endpoint_id, []))
            for each in deliveries
        ],
    )


def _load_attempts(
    connection: Connection, event_id: UUID
) -> Mapping[int, Sequence[AttemptRecord]]:
    cursor = connection.cursor(row_factory=class_row(AttemptRecord))
    attempts: dict[int, list[AttemptRecord]] = {}
    for attempt in cursor.execute(
        """
        SELECT endpoint_id, number, attempted_at, duration_ms, status, error
          FROM delivery_attempts
         WHERE event_id = %(event_id)s
         ORDER BY endpoint_id, number
        """,
        {"event_id": event_id},
    ):
        attempts.setdefault(attempt.endpoint_id, []).append(attempt)
    return attempts
