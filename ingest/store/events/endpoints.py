"""Endpoints: failing, paused, disabled, and back in service."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Cursor
from psycopg.rows import class_row

from ingest.store.catalog.load import bump_version
from ingest.store.database import Connection
from ingest.store.events.deliveries import Target

#: Deliveries counted of an endpoint in one state, at most: more would make the status
#: slow when it is most needed.
MAX_COUNTED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """An endpoint and its deliveries."""

    id: int
    name: str
    target: str
    #: In a row.
    failures: int
    paused_until: datetime | None
    disabled_at: datetime | None
    #: Deliveries, MAX_COUNTED at most, and when the event of the oldest happened.
    pending: int
    oldest_pending_at: datetime | None
    failed: int


def record_failures(
    connection: Connection,
    endpoint_id: int,
    failures: int,
    paused_until: datetime | None,
) -> None:
    """Set the failures in a row, and leave the endpoint alone until `paused_until`.

    Most often nothing is different, and nothing is written.
    """
    connection.execute(
        """
        UPDATE endpoints
           SET failures = %(failures)s, paused_until = %(paused_until)s
         WHERE id = %(id)s
           AND (failures, paused_until)
               IS DISTINCT FROM (%(failures)s, %(paused_until)s::timestamptz)
        """,
        {"id": endpoint_id, "failures": failures, "paused_until": paused_until},
    )


def disable_endpoint(connection: Connection, endpoint_id: int, now: datetime) -> None:
    """Deliver nothing more there, and write no more events for it alone.

    What is pending stays, should it be enabled again.
    """
    with connection.transaction():
        connection.execute(
            """
            UPDATE endpoints
               SET disabled_at = %(now)s
             WHERE id = %(id)s AND disabled_at IS NULL
            """,
            {"id": endpoint_id, "now": now},
        )
        bump_version(connection)


def enable_endpoint(
    connection: Connection, endpoint_id: int, *, retry_failed: bool
) -> bool:
    """Take an endpoint back into service; False if there is none.

    With `retry_failed`, what was given up is due again.
    """
    with connection.transaction():
        enabled = connection.execute(
            """
            UPDATE endpoints
               SET disabled_at = NULL, failures = 0, paused_until = NULL
             WHERE id = %(id)s
            """,
            {"id": endpoint_id},
        )
        if retry_failed:
            connection.execute(
                """
                UPDATE deliveries
                   SET state = 'pending', next_attempt_at = now(),
                       resent_after = attempts
                 WHERE endpoint_id = %(id)s AND state = 'failed'
                """,
                {"id": endpoint_id},
            )
        bump_version(connection)
    return enabled.rowcount > 0


def find_secret(connection: Connection, endpoint_id: int) -> str | None:
    """Return the signing secret of an endpoint; None if there is none."""
    row = connection.execute(
        "SELECT secret FROM endpoints WHERE id = %(id)s", {"id": endpoint_id}
    ).fetchone()
    return None if row is None else str(row[0])


def find_target(connection: Connection, endpoint_id: int) -> Target | None:
    """Return an endpoint as a delivery needs it; None if there is none."""
    return (
        connection.cursor(row_factory=class_row(Target))
        .execute(
            """
            SELECT id, url, queue, secret, failures
              FROM endpoints
             WHERE id = %(id)s
            """,
            {"id": endpoint_id},
        )
        .fetchone()
    )


def select_endpoints(connection: Connection) -> Cursor[EndpointState]:
    """Select every endpoint with its deliveries, MAX_COUNTED of a state at most."""
    return connection.cursor(row_factory=class_row(EndpointState)).execute(
        """
        SELECT id, name, url || queue AS target, failures, disabled_at,
               CASE WHEN paused_until > now() THEN paused_until END AS paused_until,
               waiting.pending, waiting.oldest_pending_at,
               (SELECT count(*)
                  FROM (SELECT
                          FROM deliveries
                         WHERE endpoint_id = endpoints.id
                           AND state = 'failed'
                         LIMIT %(most)s) AS first) AS failed
          FROM endpoints
         CROSS JOIN LATERAL (
               SELECT count(*) AS pending, min(events.created_at) AS oldest_pending_at
                 FROM (SELECT event_id
                         FROM deliveries
                        WHERE endpoint_id = endpoints.id
                          AND state = 'pending'
                        ORDER BY next_attempt_at
                        LIMIT %(most)s) AS first
                 JOIN events ON events.id = first.event_id
               ) AS waiting
         ORDER BY id
        """,
        {"most": MAX_COUNTED},
    )
