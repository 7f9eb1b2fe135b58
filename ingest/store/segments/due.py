"""When time alone may next move profiles in and out of dynamic segments (G4)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from ingest.domain.intervals import NEVER, to_datetime
from ingest.store.database import Connection
from ingest.store.profiles.segments import dump_members
from ingest.store.rows import Id, dump_array

#: A profile, a segment, and the moment in microseconds; NEVER for none.
DueMove = tuple[Id, int, int]


def save_due(connection: Connection, moves: Iterable[DueMove]) -> None:
    """Write when time may next move profiles, whose rows the caller has locked."""
    due: list[tuple[Id, int, datetime]] = []
    settled: list[tuple[Id, int]] = []
    for owner, segment_id, moment in moves:
        due_at = None if moment >= NEVER else to_datetime(moment)
        if due_at is None:
            settled.append((owner, segment_id))
        else:
            due.append((owner, segment_id, due_at))
    if due:
        connection.execute(
            """
            -- One that is as it was is left alone: a conflict locks its row, which is a
            -- write. Not by NOT EXISTS, which would search by the index of times.
            INSERT INTO segment_due (database_id, profile_id, segment_id, due_at)
            SELECT database_id, profile_id, segment_id, due_at
              FROM unnest(%(databases)s::integer[], %(profiles)s::text[],
                          %(segments)s::integer[], %(moments)s::timestamptz[])
                   AS moved (database_id, profile_id, segment_id, due_at)
             WHERE due_at IS DISTINCT FROM (
                   SELECT noted.due_at
                     FROM segment_due AS noted
                    WHERE noted.database_id = moved.database_id
                      AND noted.profile_id = moved.profile_id
                      AND noted.segment_id = moved.segment_id)
                ON CONFLICT (database_id, profile_id, segment_id) DO UPDATE
               SET due_at = excluded.due_at
            """,
            {
                **dump_members([one[:2] for one in due]),
                "moments": dump_array([due_at for _, _, due_at in due]),
            },
        )
    if settled:
        connection.execute(
            """
            DELETE FROM segment_due
             USING unnest(%(databases)s::integer[], %(profiles)s::text[],
                          %(segments)s::integer[])
                   AS settled (database_id, profile_id, segment_id)
             WHERE segment_due.database_id = settled.database_id
               AND segment_due.profile_id = settled.profile_id
               AND segment_due.segment_id = settled.segment_id
            """,
            dump_members(settled),
        )


def delete_due(connection: Connection, ids: Sequence[Id]) -> None:
    """Forget profiles that are gone."""
    if not ids:
        return
    connection.execute(
        """
        DELETE FROM segment_due
         USING unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS gone (database_id, profile_id)
         WHERE segment_due.database_id = gone.database_id
           AND segment_due.profile_id = gone.profile_id
        """,
        {
            "databases": dump_array([database_id for database_id, _ in ids]),
            "profiles": dump_array([profile_id for _, profile_id in ids]),
        },
    )


class DueProfile(Struct, frozen=True, kw_only=True):
    """A profile that time moves now, and in which segments."""

    database_id: int
    profile_id: str
    segment_ids: tuple[int, ...]
    #: The first moment of them.
    due_at: datetime


def list_due(connection: Connection, now: datetime, limit: int) -> list[DueProfile]:
    """Return the profiles of at most `limit` moves whose time has come.

    Those in segments that are being built wait until that is done.
    """
    rows = connection.execute(
        """
        SELECT database_id, profile_id, array_agg(segment_id), min(due_at)
          FROM (SELECT database_id, profile_id, segment_id, due_at
                  FROM segment_due
                 WHERE due_at <= %(now)s
                   AND NOT segment_id = ANY(ARRAY(
                           SELECT id FROM segments WHERE building))
                 ORDER BY due_at
                 LIMIT %(limit)s) AS first
         GROUP BY database_id, profile_id
         ORDER BY database_id, profile_id
        """,
        {"now": now, "limit": limit},
    )
    return [
        DueProfile(
            database_id=database_id,
            profile_id=profile_id,
            segment_ids=tuple(segment_ids),
            due_at=due_at,
        )
        for database_id, profile_id, segment_ids, due_at in rows
    ]


class SegmentWork(Struct, frozen=True, kw_only=True):
    """Work that is to be done to keep segments true."""

    builds: int
    #: When the first move that is due was to be; None if none is.
    oldest_due_at: datetime | None


def load_segment_work(connection: Connection) -> SegmentWork:
    """Return how many builds are under way, and the oldest move that is due."""
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM segment_builds),
               (SELECT due_at
                  FROM segment_due
                 WHERE due_at <= now()
                 ORDER BY due_at
                 LIMIT 1)
        """
    ).fetchone()
    builds, oldest_due_at = row or (0, None)
    return SegmentWork(builds=builds, oldest_due_at=oldest_due_at)
