"""Deliveries that are sent once more, under the IDs and with the bodies they had (T8).

An event never changes. Attempts go on counting; the schedule of retries begins anew.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.rows import class_row

from ingest.domain.resends import Resend, Resendable
from ingest.store.database import Connection

#: Events that one transaction goes through.
PAGE = 1000
#: An event of a range: when it happened, and its id.
EventCursor = tuple[datetime, UUID]


class ResentPage(Struct, frozen=True, kw_only=True):
    """Some events of a time range, and how many deliveries were resent."""

    #: Deliveries that are due again.
    resent: int
    #: Events that were gone through, and the last of them.
    events: int
    last_at: datetime | None
    last_id: UUID | None

    @property
    def next(self) -> EventCursor | None:
        """The event to go on after; None if there are no more."""
        if self.last_at is None or self.last_id is None or self.events < PAGE:
            return None
        return self.last_at, self.last_id


#: Events by the index on created_at; those of one moment are told apart by their ids.
_RESEND = """
    WITH page AS MATERIALIZED (
         SELECT id, created_at
           FROM events
          WHERE created_at >= %(since)s
            AND created_at < %(until)s
            AND (created_at, id) > (%(after)s, %(after_id)s)
            AND (%(databases)s::integer[] IS NULL
                 OR database_id = ANY(%(databases)s))
          ORDER BY created_at, id
          LIMIT %(limit)s
    ), chosen AS (
         SELECT event_id
           FROM deliveries
          WHERE event_id = ANY(ARRAY(SELECT id FROM page))
            AND endpoint_id = %(endpoint)s
            AND state = ANY(%(states)s)
          ORDER BY event_id
            FOR UPDATE
    ), resent AS (
         UPDATE deliveries
            SET state = 'pending', next_attempt_at = now(), blocked = false,
                delivered_at = NULL, resent_after = attempts,
                -- Whoever resends it wants it sent, by itself or in another batch.
                recheck = false, batch_id = NULL
           FROM chosen
          WHERE deliveries.event_id = chosen.event_id
            AND deliveries.endpoint_id = %(endpoint)s
    ), last AS (
         SELECT created_at, id
           FROM page
          ORDER BY created_at DESC, id DESC
          LIMIT 1
    )
    SELECT (SELECT count(*) FROM chosen) AS resent,
           (SELECT count(*) FROM page) AS events,
           (SELECT created_at FROM last) AS last_at,
           (SELECT id FROM last) AS last_id
    """
_FIRST = UUID(int=0)


def resend_page(
    connection: Connection,
    wanted: Resend,
    after: EventCursor | None = None,
    *,
    dry_run: bool = False,
) -> ResentPage:
    """Make due again what is `wanted` of the next PAGE events.

    A dry run counts only.
    """
    moment, event_id = after or (wanted.since, _FIRST)
    parameters = {
        "since": wanted.since,
        "until": wanted.until,
        "after": moment,
        "after_id": event_id,
        "databases": None if wanted.databases is None else list(wanted.databases),
        "limit": PAGE,
        "endpoint": wanted.endpoint_id,
        "states": wanted.state.states,
    }
    with connection.transaction(force_rollback=dry_run):
        cursor = connection.cursor(row_factory=class_row(ResentPage))
        (page,) = cursor.execute(_RESEND, parameters).fetchall()
    return page


def resend_all(
    connection: Connection, wanted: Resend, *, dry_run: bool = False
) -> Iterator[ResentPage]:
    """Yield what became of each page, each committed."""
    page = resend_page(connection, wanted, dry_run=dry_run)
    yield page
    while page.next is not None:
        page = resend_page(connection, wanted, page.next, dry_run=dry_run)
        yield page


def resend_event(
    connection: Connection,
    event_id: UUID,
    endpoint_id: int | None = None,
    *,
    dry_run: bool = False,
) -> int:
    """Make the deliveries of an event due again, to one endpoint or to all.

    Returns how many: those that are pending are not counted.
    """
    with connection.transaction(force_rollback=dry_run):
        resent = connection.execute(
            """
            UPDATE deliveries
               SET state = 'pending', next_attempt_at = now(), blocked = false,
                   delivered_at = NULL, resent_after = attempts,
                   recheck = false, batch_id = NULL
             WHERE event_id = %(event)s
               AND (%(endpoint)s::integer IS NULL OR endpoint_id = %(endpoint)s)
               AND state = ANY(%(states)s)
            """,
            {
                "event": event_id,
                "endpoint": endpoint_id,
                "states": [*Resendable.ALL.states, *Resendable.SKIPPED.states],
            },
        )
    return resent.rowcount


class EventPlace(Struct, frozen=True, kw_only=True):
    """The database of an event, and when it happened."""

    #: None of what is of no profile.
    database_id: int | None
    created_at: datetime


def find_event_place(connection: Connection, event_id: UUID) -> EventPlace | None:
    """Return where an event stands; None if there is no such event."""
    return (
        connection.cursor(row_factory=class_row(EventPlace))
        .execute(
            "SELECT database_id, created_at FROM events WHERE id = %(id)s",
            {"id": event_id},
        )
        .fetchone()
    )


def count_events(connection: Connection, wanted: Resend) -> int:
    """Return how many events to go through, for a bar that shows progress."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM events
         WHERE created_at >= %(since)s AND created_at < %(until)s
        """,
        {"since": wanted.since, "until": wanted.until},
    ).fetchone()
    return int(row[0]) if row else 0
