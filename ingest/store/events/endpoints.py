"""Endpoints: failing, paused, disabled, and back in service."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Cursor
from psycopg.rows import class_row

from ingest.domain.deliveries import CONCURRENCY, DisabledReason
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
    #: `gone` or `failing`; empty unless it is disabled.
    disabled_reason: str
    #: Every attempt since then has failed; known if it declares `disable_after`.
    failing_since: datetime | None
    #: As they are declared.
    rate: float | None
    concurrency: int
    batch: int | None
    linger: str
    disable_after: str
    #: Deliveries, MAX_COUNTED at most, and since when the oldest might be sent.
    pending: int
    oldest_pending_at: datetime | None
    #: Those whose time has not come (T4), and are not pending here.
    delayed: int
    failed: int
    skipped: int


def describe_reason(reason: str) -> str:
    """Return why an endpoint is disabled, to be said after that it is."""
    words = {
        DisabledReason.GONE.value: " (it returned 410 Gone)",
        DisabledReason.FAILING.value: " (every attempt failed)",
    }
    return words.get(reason, "")


def describe_pending(state: EndpointState) -> str:
    """Return how many deliveries are pending, and how many wait for their time."""
    delayed = f" + {state.delayed:,} delayed" if state.delayed else ""
    return f"{state.pending:,}{delayed}"


def describe_limits(state: EndpointState) -> str:
    """Return what an endpoint declares of how it gets events; empty for nothing."""
    limits = []
    if state.rate is not None:
        limits.append(f"{state.rate:g} requests/s")
    if state.concurrency != CONCURRENCY:
        limits.append(f"{state.concurrency} simultaneously")
    if state.batch is not None:
        limits.append(f"batches of {state.batch}")
    if state.disable_after:
        limits.append(f"disabled after {state.disable_after}")
    return ", ".join(limits)


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
               SET disabled_at = NULL, disabled_reason = '', failing_since = NULL,
                   failures = 0, paused_until = NULL
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
            SELECT id, url, queue, secret, failures, rate, concurrency, batch, linger,
                   disable_after
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
               CASE WHEN disabled_at IS NULL THEN '' ELSE disabled_reason END
               AS disabled_reason,
               failing_since, rate, concurrency, batch, linger, disable_after,
               CASE WHEN paused_until > now() THEN paused_until END AS paused_until,
               waiting.pending, waiting.oldest_pending_at, waiting.delayed,
               (SELECT count(*)
                  FROM (SELECT
                          FROM deliveries
                         WHERE endpoint_id = endpoints.id
                           AND state = 'failed'
                         LIMIT %(most)s) AS first) AS failed,
               (SELECT count(*)
                  FROM (SELECT
                          FROM deliveries
                         WHERE endpoint_id = endpoints.id
                           AND state = 'skipped'
                         LIMIT %(most)s) AS first) AS skipped
          FROM endpoints
         CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE NOT is_delayed) AS pending,
                      count(*) FILTER (WHERE is_delayed) AS delayed,
                      min(coalesce(delayed_until, events.created_at))
                          FILTER (WHERE NOT is_delayed) AS oldest_pending_at
                 FROM (SELECT event_id, delayed_until,
                              coalesce(delayed_until > now(), false) AS is_delayed
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
