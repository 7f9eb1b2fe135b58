"""Endpoints that are disabled: because they are gone, or fail for too long (T7)."""

from datetime import datetime
from uuid import UUID, uuid5

import orjson
from msgspec import Struct
from psycopg.rows import class_row

from ingest.domain.deliveries import DisabledReason
from ingest.domain.events import Cause
from ingest.store.catalog.load import bump_version
from ingest.store.database import Connection

#: The type of the event that tells of it.
ENDPOINT_DISABLED = "endpoint_disabled"
#: The namespace of the ids of such events.
_DISABLED = UUID("0c8be0b1-7a55-5f7e-9f0e-5b8c1a4d6e93")


class Disabling(Struct, frozen=True, kw_only=True):
    """An endpoint that is to be disabled, and why."""

    endpoint_id: int
    reason: DisabledReason
    at: datetime
    #: What the last attempt came to.
    status: int | None
    error: str


class _Disabled(Struct, frozen=True, kw_only=True):
    name: str
    failing_since: datetime | None
    #: An endpoint that takes deliveries, and is another; None for none.
    notify_id: int | None


def note_success(connection: Connection, endpoint_id: int) -> None:
    """Note that an attempt has succeeded; most often nothing is written."""
    connection.execute(
        """
        UPDATE endpoints
           SET failing_since = NULL
         WHERE id = %(id)s AND failing_since IS NOT NULL
        """,
        {"id": endpoint_id},
    )


def note_failure(
    connection: Connection, endpoint_id: int, at: datetime
) -> datetime | None:
    """Note that every attempt since `at` failed; return since when they all do.

    None for an endpoint that is gone.
    """
    connection.execute(
        """
        UPDATE endpoints
           SET failing_since = %(at)s
         WHERE id = %(id)s AND failing_since IS NULL
        """,
        {"id": endpoint_id, "at": at},
    )
    row = connection.execute(
        "SELECT failing_since FROM endpoints WHERE id = %(id)s", {"id": endpoint_id}
    ).fetchone()
    return row[0] if row else None


def disable_endpoint(connection: Connection, disabling: Disabling) -> bool:
    """Deliver nothing more there, and write no more events for it alone.

    What is pending stays, should it be enabled again. The endpoint that its account
    notifies gets an event. Returns False if it is disabled already.
    """
    with connection.transaction():
        found = (
            connection.cursor(row_factory=class_row(_Disabled))
            .execute(
                """
                UPDATE endpoints
                   SET disabled_at = %(at)s, disabled_reason = %(reason)s
                 WHERE id = %(id)s AND disabled_at IS NULL
                RETURNING name, failing_since,
                          (SELECT other.id
                             FROM accounts
                             JOIN endpoints AS other ON other.id = accounts.notify_id
                            WHERE accounts.id = endpoints.account_id
                              AND other.id <> endpoints.id
                              AND other.disabled_at IS NULL) AS notify_id
                """,
                {
                    "id": disabling.endpoint_id,
                    "at": disabling.at,
                    "reason": disabling.reason,
                },
            )
            .fetchone()
        )
        if found is None:
            return False
        bump_version(connection)
        if found.notify_id is not None:
            _notify(connection, disabling, found)
    return True


def _notify(connection: Connection, disabling: Disabling, found: _Disabled) -> None:
    """Write the event that an endpoint was disabled, which is of no profile."""
    name = f"{disabling.endpoint_id}/{disabling.at.isoformat()}"
    detail = {
        "endpoint_id": disabling.endpoint_id,
        "name": found.name,
        "reason": disabling.reason,
        "failing_since": found.failing_since,
        "status": disabling.status,
        "error": disabling.error,
    }
    connection.execute(
        """
        WITH written AS (
             INSERT INTO events (id, kind, sequence, detail, cause, created_at)
             VALUES (%(id)s, %(kind)s, 0, %(detail)s, %(cause)s, %(at)s)
        )
        INSERT INTO deliveries (event_id, endpoint_id, trigger_ids, next_attempt_at)
        VALUES (%(id)s, %(endpoint)s, '{}', %(at)s)
        """,
        {
            "id": uuid5(_DISABLED, name),
            "kind": ENDPOINT_DISABLED,
            "detail": orjson.dumps(detail).decode(),
            "cause": Cause.ENDPOINT,
            "at": disabling.at,
            "endpoint": found.notify_id,
        },
    )
