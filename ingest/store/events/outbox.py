"""The outbox: events written with the import that caused them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from ingest.domain.events import Event
from ingest.store.database import Connection
from ingest.store.rows import execute_rows


def insert_events(
    connection: Connection, events: Sequence[Event], now: datetime
) -> None:
    """Write `events` and what is to be delivered of them, due at once.

    `events` stand in the order applied, and are numbered in it. Must run in the
    transaction of their import, which holds the locks of their profiles until it
    commits: so of one profile a greater number is a later event. What is not committed
    with its import did not happen.
    """
    execute_rows(
        connection,
        """
        WITH ordered AS (
             SELECT *
               FROM ROWS FROM (
                    jsonb_to_recordset(%(rows)s::jsonb)
                    AS (id uuid, import_id uuid, database_id integer,
                        profile_id text, kind text, sequence integer,
                        detail jsonb, traceparent text, cause text,
                        profile jsonb, listeners jsonb)
                    ) WITH ORDINALITY
                    AS fresh (id, import_id, database_id, profile_id, kind, sequence,
                              detail, traceparent, cause, profile, listeners, place)
              ORDER BY place
        ), numbered AS (
             SELECT nextval('events_profile_sequence') AS profile_sequence, ordered.*
               FROM ordered
        ), written AS (
             INSERT INTO events (id, import_id, database_id, profile_id,
                                 profile_sequence, kind, sequence, detail,
                                 traceparent, cause, profile, created_at)
             SELECT id, import_id, database_id, profile_id, profile_sequence, kind,
                    sequence, detail, traceparent, cause, profile, %(now)s
               FROM numbered
        )
        INSERT INTO deliveries (event_id, endpoint_id, profile_key,
                                profile_sequence, trigger_ids, include,
                                next_attempt_at)
        SELECT id, listener.endpoint_id, database_id || ':' || profile_id,
               profile_sequence, listener.trigger_ids, listener.include, %(now)s
          FROM numbered
         CROSS JOIN LATERAL jsonb_to_recordset(listeners)
               AS listener (endpoint_id integer, trigger_ids integer[],
                            include text[])
        """,
        events,
        now,
        _dump,
    )


def withdraw_deliveries(connection: Connection, import_ids: Sequence[UUID]) -> int:
    """Drop the deliveries of imports that nobody has begun to attempt; return how many.

    One that is under way, or has failed before, goes on: its receiver may know of it.
    """
    if not import_ids:
        return 0
    dropped = connection.execute(
        """
          WITH waiting AS MATERIALIZED (
               SELECT unattempted.event_id, unattempted.endpoint_id
                 FROM events
                CROSS JOIN LATERAL (
                      SELECT *
                        FROM deliveries
                       WHERE event_id = events.id
                      OFFSET 0
                         FOR UPDATE SKIP LOCKED) AS unattempted
                WHERE import_id = ANY(%(ids)s::uuid[])
                  AND state = 'pending'
                  AND attempts = 0
                  AND (next_attempt_at <= now() OR blocked)),
               dropped AS (
               DELETE FROM deliveries
                USING waiting
                WHERE deliveries.event_id = waiting.event_id
                  AND deliveries.endpoint_id = waiting.endpoint_id
            RETURNING deliveries.event_id)
        SELECT count(*) FROM dropped
        """,
        {"ids": list(import_ids)},
    )
    row = dropped.fetchone()
    return int(row[0]) if row else 0


def _dump(events: Sequence[Event]) -> bytes:
    return orjson.dumps([_row(event) for event in events])


def _row(event: Event) -> dict[str, object]:
    row: dict[str, object] = {
        "id": event.id,
        "import_id": event.import_id,
        "database_id": event.database_id,
        "profile_id": event.profile_id,
        "kind": event.kind,
        "sequence": event.sequence,
        "detail": event.detail,
        "traceparent": event.traceparent,
        "cause": event.cause,
        "listeners": [
            _listener(event, endpoint_id, trigger_ids)
            for endpoint_id, trigger_ids in event.listeners.items()
        ],
    }
    if event.profile is not None:
        row["profile"] = event.profile
    return row


def _listener(
    event: Event, endpoint_id: int, trigger_ids: Sequence[int]
) -> dict[str, object]:
    row: dict[str, object] = {"endpoint_id": endpoint_id, "trigger_ids": trigger_ids}
    if event.includes:
        row["include"] = event.includes.get(endpoint_id)
    return row


def drop_events(connection: Connection, before: datetime) -> int:
    """Drop the events from before `before` with their deliveries; return how many."""
    dropped = connection.execute(
        "DELETE FROM events WHERE created_at < %(before)s", {"before": before}
    )
    return dropped.rowcount
