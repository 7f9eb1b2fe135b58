"""Marks of triggers that fire once for a profile, or once in a while (T3)."""

from collections.abc import Sequence
from datetime import datetime

import orjson
from msgspec import to_builtins

from ingest.domain.trigger_limits import MarkKey, TriggerMark
from ingest.store.database import Connection


def make_marks(
    connection: Connection, wanted: Sequence[TriggerMark], now: datetime
) -> set[MarkKey]:
    """TriggerMark that triggers fire now; return the marks that were made.

    Must run in the transaction that writes the events, which holds the locks of their
    profiles: of two who would mark the same, the second sees what the first wrote.
    """
    rows = orjson.dumps([to_builtins(one) for one in wanted]).decode()
    made = connection.execute(
        """
          WITH wanted AS (
               SELECT *
                 FROM jsonb_to_recordset(%(rows)s::jsonb)
                      AS wanted (trigger_id integer, database_id integer,
                                 profile_id text, again timestamptz))
        INSERT INTO trigger_marks (trigger_id, database_id, profile_id, fired_at)
        SELECT wanted.trigger_id, wanted.database_id, wanted.profile_id, %(now)s
          FROM wanted
          -- Each by itself: joined, the table might be read whole.
          LEFT JOIN LATERAL (
               SELECT fired_at
                 FROM trigger_marks
                WHERE trigger_marks.database_id = wanted.database_id
                  AND trigger_marks.profile_id = wanted.profile_id
                  AND trigger_marks.trigger_id = wanted.trigger_id
                LIMIT 1) AS last ON true
         WHERE last.fired_at IS NULL
            OR last.fired_at <= wanted.again
            ON CONFLICT (database_id, profile_id, trigger_id) DO UPDATE
           SET fired_at = excluded.fired_at
        RETURNING trigger_id, database_id, profile_id
        """,
        {"rows": rows, "now": now},
    )
    return {(trigger, database, profile) for trigger, database, profile in made}


def forget_marks(connection: Connection, trigger_ids: Sequence[int]) -> None:
    """Forget the marks of all other triggers: they are declared no more."""
    connection.execute(
        "DELETE FROM trigger_marks WHERE trigger_id <> ALL(%(ids)s::integer[])",
        {"ids": list(trigger_ids)},
    )
