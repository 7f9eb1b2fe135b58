"""Deliveries that one request has together, in Postgres (T6)."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row

from ingest.store.database import Connection
from ingest.store.events.deliveries import Delivery


class DueCount(Struct, frozen=True, kw_only=True):
    """Events that may be sent together."""

    #: As many as were looked for, at most.
    count: int
    #: How long the oldest of them has waited; None if there is none.
    waited: timedelta | None


def count_due(connection: Connection, endpoint_id: int, most: int) -> DueCount:
    """Count what is due at an endpoint, and in no batch yet."""
    (found,) = connection.cursor(row_factory=class_row(DueCount)).execute(
        """
        SELECT count(*) AS count,
               now() - min(coalesce(delayed_until, created_at)) AS waited
          FROM (SELECT event_id, delayed_until
                  FROM deliveries
                 WHERE endpoint_id = %(endpoint)s
                   AND state = 'pending'
                   AND next_attempt_at <= now()
                   AND batch_id IS NULL
                 ORDER BY next_attempt_at
                 LIMIT %(most)s) AS due
         CROSS JOIN LATERAL (
               SELECT created_at
                 FROM events
                WHERE events.id = due.event_id
               OFFSET 0) AS event
        """,
        {"endpoint": endpoint_id, "most": most},
    )
    return found


def claim_batch(
    connection: Connection, endpoint_id: int, lease: timedelta
) -> list[Delivery]:
    """Take a batch that is to be sent again, with the members it had; [] if none is.

    Its members are locked in one order, so that of two who would take it one gets all
    of them.
    """
    return (
        connection.cursor(row_factory=class_row(Delivery))
        .execute(
            """
            WITH first AS (
                 SELECT batch_id
                   FROM deliveries
                  WHERE endpoint_id = %(endpoint)s
                    AND state = 'pending'
                    AND batch_id IS NOT NULL
                    AND next_attempt_at <= now()
                  ORDER BY next_attempt_at
                  LIMIT 1
            ), members AS (
                 SELECT event_id
                   FROM deliveries
                  WHERE batch_id = (SELECT batch_id FROM first)
                    AND endpoint_id = %(endpoint)s
                    AND state = 'pending'
                    AND next_attempt_at <= now()
                  ORDER BY event_id
                    FOR UPDATE
            ), taken AS (
                 UPDATE deliveries
                    SET next_attempt_at = now() + %(lease)s
                  WHERE endpoint_id = %(endpoint)s
                    AND event_id = ANY(ARRAY(SELECT event_id FROM members))
                 RETURNING event_id, endpoint_id, trigger_ids, include, attempts,
                           resent_after, profile_key, batch_id
            )
            SELECT profile_key, taken.event_id, taken.endpoint_id, trigger_ids,
                   attempts, resent_after, import_id, database_id, profile_id, kind,
                   sequence, profile_sequence, detail, created_at, traceparent,
                   profile, include, batch_id
              FROM taken
             CROSS JOIN LATERAL (
                   SELECT *
                     FROM events
                    WHERE events.id = taken.event_id
                   OFFSET 0) AS event
            """,
            {"endpoint": endpoint_id, "lease": lease},
        )
        .fetchall()
    )


def form_batch(
    connection: Connection,
    endpoint_id: int,
    event_ids: Collection[UUID],
    batch_id: UUID,
    lease: timedelta,
) -> None:
    """Make deliveries, which the caller has claimed, the members of a batch.

    Committed before the batch is sent, it is sent again with the same members, and
    under the same id, by whoever finds that we died; nobody does so before `lease` is
    over.
    """
    connection.execute(
        """
        UPDATE deliveries
           SET batch_id = %(batch)s, next_attempt_at = now() + %(lease)s
         WHERE endpoint_id = %(endpoint)s
           AND event_id = ANY(%(events)s::uuid[])
        """,
        {
            "endpoint": endpoint_id,
            "events": list(event_ids),
            "batch": batch_id,
            "lease": lease,
        },
    )


def release_deliveries(
    connection: Connection, endpoint_id: int, event_ids: Collection[UUID]
) -> None:
    """Give back deliveries that the caller has claimed, and does not send."""
    if not event_ids:
        return
    connection.execute(
        """
        UPDATE deliveries
           SET next_attempt_at = now()
         WHERE endpoint_id = %(endpoint)s
           AND event_id = ANY(%(events)s::uuid[])
        """,
        {"endpoint": endpoint_id, "events": list(event_ids)},
    )
