"""Pages of deliveries, the latest first, however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg.rows import class_row
from psycopg.sql import SQL, Literal

from ingest.domain.errors import InvalidValue
from ingest.store.database import Connection

#: The states of deliveries.
DELIVERY_STATES = ("pending", "delivered", "failed", "skipped")
#: Events that one page with a filter looks at, at most.
LOOKED_AT = 5000
_MOMENT = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """An event on its way to an endpoint."""

    event_id: UUID
    #: None if no import caused it.
    import_id: UUID | None
    #: None of what is of no profile.
    database_id: int | None
    profile_id: str | None
    kind: str
    #: Its place among the events of its profile; None if an earlier release wrote it.
    profile_sequence: int | None
    created_at: datetime
    endpoint_id: int
    endpoint: str
    #: `pending`, `delivered`, `failed` or `skipped`.
    state: str
    attempts: int
    #: When it is due; once it is given up, when it last was.
    next_attempt_at: datetime
    delivered_at: datetime | None
    #: It waits for an earlier event of its profile to be delivered or given up.
    blocked: bool
    #: What the last attempt failed with; empty when it did not, None without one.
    last_error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryCursor:
    """The end of a page."""

    #: When the event was written; in a list of one state, when the delivery is due.
    at: datetime
    event_id: UUID
    endpoint_id: int

    def __str__(self) -> str:
        """Write it as `parse_delivery_cursor` reads it."""
        return f"{self.at.astimezone(UTC):{_MOMENT}}_{self.event_id}_{self.endpoint_id}"


def parse_delivery_cursor(text: str) -> DeliveryCursor:
    """Read a cursor; raise InvalidValue for anything that is none."""
    try:
        moment, event_id, endpoint_id = text.split("_")
        at = datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC)
        return DeliveryCursor(at, UUID(event_id), int(endpoint_id))
    except ValueError as error:
        raise InvalidValue("Page not found; start with the first page") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """Deliveries, the latest first."""

    deliveries: Sequence[DeliveryLine]
    #: Where the next page begins; None when there is none.
    next: DeliveryCursor | None = None


_END = DeliveryCursor(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1), 0)


def list_deliveries(
    connection: Connection,
    *,
    state: str | None = None,
    endpoint_id: int | None = None,
    before: DeliveryCursor | None = None,
    limit: int = 50,
) -> DeliveryPage:
    """Return a page of deliveries by the time of their event, the latest first.

    Those of one state, but `delivered`, come by when they are due, the furthest first:
    what has failed most often is tried again last. Others are looked for among
    the LOOKED_AT events before the cursor.
    """
    begin = before or _END
    rows = connection.execute(
        _BY_STATE.get(state or "", _LATEST),
        {
            "state": state,
            "endpoint_id": endpoint_id,
            "at": begin.at,
            "event_id": begin.event_id,
            "before_endpoint": begin.endpoint_id,
            "look": LOOKED_AT,
            "limit": limit + 1,
        },
    )
    keys = [DeliveryCursor(*row) for row in rows]
    return DeliveryPage(
        deliveries=_load(connection, keys[:limit]),
        next=keys[limit - 1] if len(keys) > limit else None,
    )


def _load(connection: Connection, keys: Sequence[DeliveryCursor]) -> list[DeliveryLine]:
    with connection.cursor(row_factory=class_row(DeliveryLine)) as cursor:
        return cursor.execute(
            """
            SELECT event_id, import_id, database_id, profile_id, kind,
                   events.profile_sequence, created_at, deliveries.endpoint_id,
                   endpoints.name AS endpoint, state, attempts, next_attempt_at,
                   delivered_at, state = 'pending' AND blocked AS blocked,
                   last.error AS last_error
              FROM unnest(%(events)s::uuid[], %(endpoints)s::integer[])
                   WITH ORDINALITY AS wanted (event_id, endpoint_id, place)
              JOIN deliveries USING (event_id, endpoint_id)
              JOIN events ON events.id = event_id
              JOIN endpoints ON endpoints.id = deliveries.endpoint_id
              LEFT JOIN LATERAL (
                   SELECT error
                     FROM delivery_attempts
                    WHERE delivery_attempts.event_id = deliveries.event_id
                      AND delivery_attempts.endpoint_id = deliveries.endpoint_id
                    ORDER BY number DESC
                    LIMIT 1) AS last ON true
             ORDER BY place
            """,
            {
                "events": [key.event_id for key in keys],
                "endpoints": [key.endpoint_id for key in keys],
            },
        ).fetchall()


#: By events_created; events of one batch share a moment.
_LATEST = """
    SELECT looked_at.created_at, looked_at.id, deliveries.endpoint_id
      FROM (SELECT id, created_at
              FROM events
             WHERE created_at <= %(at)s
               AND (created_at, id) <= (%(at)s, %(event_id)s)
             ORDER BY created_at DESC, id DESC
             LIMIT %(look)s) AS looked_at
      JOIN deliveries ON deliveries.event_id = looked_at.id
     WHERE (looked_at.created_at, looked_at.id, deliveries.endpoint_id)
           < (%(at)s, %(event_id)s, %(before_endpoint)s)
       AND (%(endpoint_id)s::integer IS NULL
            OR deliveries.endpoint_id = %(endpoint_id)s)
       AND (%(state)s::text IS NULL OR state = %(state)s)
     ORDER BY looked_at.created_at DESC, looked_at.id DESC, endpoint_id DESC
     LIMIT %(limit)s
    """
#: A range an endpoint, of deliveries_due, _failed or _skipped. These are partial: the
#: state is a literal, since a parameter could not be held against their conditions.
_OF_STATE = """
    SELECT next_attempt_at, event_id, endpoints.id
      FROM endpoints
     CROSS JOIN LATERAL (
           SELECT next_attempt_at, event_id
             FROM deliveries
            WHERE endpoint_id = endpoints.id
              AND state = {state}
              AND next_attempt_at <= %(at)s
              AND (next_attempt_at, event_id, endpoint_id)
                  < (%(at)s, %(event_id)s, %(before_endpoint)s)
            ORDER BY next_attempt_at DESC, event_id DESC
            LIMIT %(limit)s) AS found
     WHERE (%(endpoint_id)s::integer IS NULL OR endpoints.id = %(endpoint_id)s)
     ORDER BY next_attempt_at DESC, event_id DESC, endpoints.id DESC
     LIMIT %(limit)s
    """
_BY_STATE = {
    state: SQL(_OF_STATE).format(state=Literal(state))
    for state in ("pending", "failed", "skipped")
}
