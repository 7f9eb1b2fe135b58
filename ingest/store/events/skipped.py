"""Deliveries whose condition no longer held as they were to be sent (T4)."""

from collections.abc import Collection
from uuid import UUID

from ingest.store.database import Connection


def skip_deliveries(
    connection: Connection, endpoint_id: int, event_ids: Collection[UUID]
) -> None:
    """End deliveries that the caller has claimed; nobody attempts them."""
    connection.execute(
        """
        UPDATE deliveries
           -- A condition on it would be an invitation to another index.
           SET state = CASE state WHEN 'pending' THEN 'skipped' ELSE state END
         WHERE endpoint_id = %(endpoint)s
           AND event_id = ANY(%(events)s::uuid[])
        """,
        {"endpoint": endpoint_id, "events": list(event_ids)},
    )
