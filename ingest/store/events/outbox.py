"""The outbox: events written with the import that caused them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import orjson

from ingest.domain.events import Event
from ingest.domain.intervals import parse_duration, to_timedelta
from ingest.store.database import Connection
from ingest.store.rows import execute_rows


def insert_events(
    connection: Connection, events: Sequence[Event], now: datetime
) -> None:
    """Write `events` and what is to be delivered of them, due at once or later.

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
                        profile jsonb, listeners jsonb, delayed_until timestamptz,
                        recheck boolean, waits_for integer)
                    ) WITH ORDINALITY
                    AS fresh (id, import_id, database_id, profile_id, kind, sequence,
                              detail, traceparent, cause, profile, listeners,
                              delayed_until, recheck, waits_for, place)
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
                                next_attempt_at, delayed_until, recheck)
        SELECT id, listener.endpoint_id,
               -- Who waits for one trigger holds nobody else up.
               database_id || ':' || profile_id || coalesce('/' || waits_for, ''),
               profile_sequence, listener.trigger_ids, listener.include,
               coalesce(delayed_until, %(now)s), delayed_until,
               coalesce(recheck, false)
          FROM numbered
         CROSS JOIN LATERAL jsonb_to_recordset(listeners)
               AS listener (endpoint_id integer, trigger_ids integer[],
                            include text[])
        """,
        events,
        now,
        partial(_dump, now=now),
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
                  AND (next_attempt_at <= now() OR blocked
                       OR next_attempt_at = delayed_until)
                  -- A receiver may know of one that is in a batch.
                  AND batch_id IS NULL),
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


def _dump(events: Sequence[Event], now: datetime) -> bytes:
    return orjson.dumps([_row(event, now) for event in events])


def _row(event: Event, now: datetime) -> dict[str, object]:
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
    if event.delayed_by is not None:
        delay = to_timedelta(parse_duration(event.delayed_by.delay))
        row["delayed_until"] = now + delay
        row["recheck"] = event.delayed_by.recheck
        row["waits_for"] = event.delayed_by.id
    return row


def _listener(
    event: Event, endpoint_id: int, trigger_ids: Sequence[int]
) -> dict[str, object]:
    row: dict[str, object] = {"endpoint_id": endpoint_id, "trigger_ids": trigger_ids}
    if event.includes:
        row["include"] = event.includes.get(endpoint_id)
    return row


def drop_events(connection: Connection, before: datetime) -> int:
    """Drop the events from before `before` with their deliveries; return how many.

    One that waits for its time is as old as that time.
    """
    dropped = connection.execute(
        """
        DELETE FROM events
         WHERE created_at < %(before)s
           -- Not EXISTS: as a join it might begin with whatever is pending.
           AND NOT coalesce((SELECT bool_or(state = 'pending'
                                            AND delayed_until >= %(before)s)
                               FROM deliveries
                              WHERE event_id = events.id), false)
        """,
        {"before": before},
    )
    return dropped.rowcount
