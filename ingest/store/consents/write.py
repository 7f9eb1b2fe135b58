"""The history of statuses: written by the batch that ends them."""

from collections.abc import Sequence
from datetime import datetime

from ingest.domain.consent_history import PastStatus
from ingest.store.database import Connection
from ingest.store.rows import execute_rows


def insert_past_statuses(
    connection: Connection, statuses: Sequence[PastStatus], now: datetime
) -> None:
    """Insert the statuses that a batch has ended; does nothing for none."""
    execute_rows(
        connection,
        """
        INSERT INTO consent_history
               (id, database_id, profile_id, resource_id, channel, contact, status,
                status_at, status_by, consent, until_at, ended_at, ended_by, applied)
        SELECT id, database_id, profile_id, resource_id, channel, contact, status,
               status_at, status_by, consent, until_at, %(now)s, ended_by, applied
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS ended (id uuid, database_id integer, profile_id text,
                         resource_id integer, channel text, contact text, status text,
                         status_at timestamptz, status_by uuid, consent jsonb,
                         until_at timestamptz, ended_by uuid, applied boolean)
        """,
        [_row(one) for one in statuses],
        now,
    )


def _row(one: PastStatus) -> dict[str, object]:
    row: dict[str, object] = {
        "id": one.id,
        "database_id": one.database_id,
        "profile_id": one.profile_id,
        "resource_id": one.key.resource_id,
        "channel": one.key.channel,
        "contact": one.key.contact,
        "status": one.fact.status,
        "status_at": one.fact.at,
        "status_by": one.fact.by,
        "until_at": one.until,
        "ended_by": one.ended_by,
        "applied": one.is_applied,
    }
    # JSON's null would be a value.
    if one.fact.consent is not None:
        row["consent"] = one.fact.consent
    return row
