"""Profiles put into one segment and taken out of it, many at once (G6).

Each row is the caller's: the profiles are locked. What is so already stays as it is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ingest.domain.intervals import NEVER, to_datetime
from ingest.store.database import Connection
from ingest.store.rows import dump_array


def put_in(
    connection: Connection, owner: tuple[int, int], ids: Sequence[str], now: datetime
) -> list[str]:
    """Put profiles into a segment; return those that were not in it.

    `owner` is the database and the segment.
    """
    if not ids:
        return []
    rows = connection.execute(
        """
        INSERT INTO segment_members (database_id, profile_id, segment_id, added_at)
        SELECT %(database_id)s, profile_id, %(segment_id)s, %(now)s
          FROM unnest(%(ids)s::text[]) AS fresh (profile_id)
            ON CONFLICT DO NOTHING
     RETURNING profile_id
        """,
        {**_name(owner, ids), "now": now},
    )
    return [id_ for (id_,) in rows]


def take_out(
    connection: Connection, owner: tuple[int, int], ids: Sequence[str]
) -> list[str]:
    """Take profiles out of a segment; return those that were in it."""
    if not ids:
        return []
    rows = connection.execute(
        """
        DELETE FROM segment_members
         USING unnest(%(ids)s::text[]) AS gone (profile_id)
         WHERE segment_members.database_id = %(database_id)s
           AND segment_members.profile_id = gone.profile_id
           AND segment_members.segment_id = %(segment_id)s
     RETURNING segment_members.profile_id
        """,
        _name(owner, ids),
    )
    return [id_ for (id_,) in rows]


def note_due(
    connection: Connection, owner: tuple[int, int], moments: Mapping[str, int]
) -> None:
    """Write when time may next move each profile, in microseconds; NEVER for never."""
    due = {
        id_: moment
        for id_, moment in moments.items()
        if moment < NEVER and to_datetime(moment) is not None
    }
    if due:
        connection.execute(
            """
            -- One that is as it was is left alone. Seconds and the rest apart: an
            -- interval is made of floating seconds.
            INSERT INTO segment_due (database_id, profile_id, segment_id, due_at)
            SELECT %(database_id)s, moved.profile_id, %(segment_id)s, new.due_at
              FROM unnest(%(ids)s::text[], %(moments)s::bigint[])
                   AS moved (profile_id, moment)
             CROSS JOIN LATERAL (
                   SELECT timestamptz 'epoch'
                          + make_interval(secs => moment / 1000000)
                          + moment %% 1000000 * interval '1 microsecond'
                       AS due_at) AS new
             WHERE new.due_at IS DISTINCT FROM (
                   SELECT noted.due_at
                     FROM segment_due AS noted
                    WHERE noted.database_id = %(database_id)s
                      AND noted.profile_id = moved.profile_id
                      AND noted.segment_id = %(segment_id)s)
                ON CONFLICT (database_id, profile_id, segment_id) DO UPDATE
               SET due_at = excluded.due_at
            """,
            {**_name(owner, [*due]), "moments": dump_array([*due.values()])},
        )
    if settled := [id_ for id_ in moments if id_ not in due]:
        connection.execute(
            """
            DELETE FROM segment_due
             USING unnest(%(ids)s::text[]) AS settled (profile_id)
             WHERE segment_due.database_id = %(database_id)s
               AND segment_due.profile_id = settled.profile_id
               AND segment_due.segment_id = %(segment_id)s
            """,
            _name(owner, settled),
        )


def _name(owner: tuple[int, int], ids: Sequence[str]) -> dict[str, object]:
    database_id, segment_id = owner
    return {
        "database_id": database_id,
        "segment_id": segment_id,
        "ids": dump_array(ids),
    }
