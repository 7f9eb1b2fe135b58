"""The outbox: events written with the import that caused them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson
from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.events import Event
from ingest.store.rows import execute_rows


def insert_events(
    connection: Connection[TupleRow], events: Sequence[Event], now: datetime
) -> None:
    """Write `events` and what is to be delivered of them, due at once.

    Must run in the transaction of their import: what is not committed with it did not
    happen.
    """
    execute_rows(
        connection,
        """
        WITH fresh AS (
             SELECT *
               FROM jsonb_to_recordset(%(rows)s::jsonb)
                    AS fresh (id uuid, import_id uuid, database_id integer,
                              profile_id text, kind text, sequence integer,
                              detail jsonb, traceparent text,
                              endpoint_id integer, trigger_ids integer[])
        ), written AS (
             INSERT INTO events (id, import_id, database_id, profile_id, kind,
                                 sequence, detail, traceparent, created_at)
             SELECT DISTINCT ON (id)
                    id, import_id, database_id, profile_id, kind,
                    sequence, detail, traceparent, %(now)s
               FROM fresh
        )
        INSERT INTO deliveries (event_id, endpoint_id, trigger_ids, next_attempt_at)
        SELECT id, endpoint_id, trigger_ids, %(now)s
          FROM fresh
        """,
        events,
        now,
        _dump,
    )


def _dump(events: Sequence[Event]) -> bytes:
    # The rows of one event stay together: it is written once, and delivered to each.
    return orjson.dumps([row for event in events for row in _rows(event)])


def _rows(event: Event) -> Iterable[dict[str, object]]:
    for endpoint_id, trigger_ids in event.listeners.items():
        yield {
            "id": event.id,
            "import_id": event.import_id,
            "database_id": event.database_id,
            "profile_id": event.profile_id,
            "kind": event.kind,
            "sequence": event.sequence,
            "detail": event.detail,
            "traceparent": event.traceparent,
            "endpoint_id": endpoint_id,
            "trigger_ids": trigger_ids,
        }


def drop_events(connection: Connection[TupleRow], before: datetime) -> int:
    """Drop the events from before `before` with their deliveries; return how many."""
    dropped = connection.execute(
        "DELETE FROM events WHERE created_at < %(before)s", {"before": before}
    )
    return dropped.rowcount
