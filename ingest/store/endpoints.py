"""How endpoints behave: failing, paused, disabled, and back in service."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.store.catalog import bump_version


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """An endpoint and how its deliveries stand."""

    id: int
    name: str
    target: str
    pending: int
    failed: int
    paused_until: datetime | None
    disabled_at: datetime | None


def record_failures(
    connection: Connection[TupleRow],
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


def disable_endpoint(
    connection: Connection[TupleRow], endpoint_id: int, now: datetime
) -> None:
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
    connection: Connection[TupleRow], endpoint_id: int, *, retry_failed: bool
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
                   SET state = 'pending', next_attempt_at = now()
                 WHERE endpoint_id = %(id)s AND state = 'failed'
                """,
                {"id": endpoint_id},
            )
        bump_version(connection)
    return enabled.rowcount > 0


def find_secret(connection: Connection[TupleRow], endpoint_id: int) -> str | None:
    """Return the signing secret of an endpoint; None if there is none."""
    row = connection.execute(
        "SELECT secret FROM endpoints WHERE id = %(id)s", {"id": endpoint_id}
    ).fetchone()
    return None if row is None else str(row[0])


def list_endpoints(connection: Connection[TupleRow]) -> list[EndpointState]:
    """Return every endpoint with its deliveries counted."""
    rows = connection.execute(
        """
        SELECT id, name, url || queue,
               (SELECT count(*) FROM deliveries
                 WHERE endpoint_id = endpoints.id AND state = 'pending'),
               (SELECT count(*) FROM deliveries
                 WHERE endpoint_id = endpoints.id AND state = 'failed'),
               CASE WHEN paused_until > now() THEN paused_until END,
               disabled_at
          FROM endpoints
         ORDER BY id
        """
    )
    return [
        EndpointState(
            id=row[0],
            name=row[1],
            target=row[2],
            pending=row[3],
            failed=row[4],
            paused_until=row[5],
            disabled_at=row[6],
        )
        for row in rows
    ]
