"""Members of segments, read: how many, which, and who would be one (G10)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from msgspec import Struct
from psycopg import sql

from ingest.domain.conditions import Condition
from ingest.domain.errors import Unavailable
from ingest.store.condition_sql import build_predicate
from ingest.store.database import LOCK_SPACE, Connection

#: How long a statement of a preview may take where somebody waits for its answer.
PREVIEW_SECONDS = 5.0
#: Profiles that a preview names.
_NAMED = 20
#: One of them at a time may read a whole database for a caller.
_LOCK = {"space": LOCK_SPACE, "lock": 50}


class SegmentPreview(Struct, frozen=True, kw_only=True):
    """The profiles that fulfill a condition."""

    profiles: int
    #: The first of them, by id.
    profile_ids: list[str]


def count_members(connection: Connection) -> dict[int, int]:
    """Return how many members each segment has, by an index alone."""
    rows = connection.execute(
        """
        SELECT segments.id, (
               SELECT count(*)
                 FROM segment_members
                WHERE segment_id = segments.id)
          FROM segments
         ORDER BY segments.id
        """
    )
    return {int(id_): int(members) for id_, members in rows}


def count_members_of(connection: Connection, segment_id: int) -> int:
    """Return how many members a segment has."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM segment_members
         WHERE segment_id = %(segment_id)s
        """,
        {"segment_id": segment_id},
    ).fetchone()
    return int(row[0]) if row else 0


def list_members(
    connection: Connection, segment_id: int, after: str, limit: int
) -> list[str]:
    """Return the ids of at most `limit` members that follow `after`, in order."""
    rows = connection.execute(
        """
        -- As the index has it.
        SELECT profile_id
          FROM segment_members
         WHERE segment_id = %(segment_id)s
           AND profile_id || '' > %(after)s
         ORDER BY profile_id || ''
         LIMIT %(limit)s
        """,
        {"segment_id": segment_id, "after": after, "limit": limit},
    )
    return [str(id_) for (id_,) in rows]


def load_memberships(
    connection: Connection, database_id: int, profile_id: str
) -> dict[int, datetime]:
    """Return the segments that a profile is in, and since when."""
    rows = connection.execute(
        """
        SELECT segment_id, added_at
          FROM segment_members
         WHERE database_id = %(database_id)s
           AND profile_id = %(profile_id)s
         ORDER BY segment_id
        """,
        {"database_id": database_id, "profile_id": profile_id},
    )
    return {int(id_): added_at for id_, added_at in rows}


def preview_members(
    connection: Connection,
    database_id: int,
    condition: Condition,
    zone: str,
    now: datetime,
    *,
    seconds: float | None,
) -> SegmentPreview:
    """Return who fulfills a condition now; nothing is written.

    Must run in one snapshot. With `seconds`, raises Unavailable if one of its two
    statements takes longer, or if another preview is under way.
    """
    predicate = build_predicate(condition, zone, now)
    parameters = {**predicate.parameters, "database_id": database_id}
    with _limited(connection, seconds):
        first = connection.execute(
            _FIRST.format(predicate.text), {**parameters, "limit": _NAMED}
        ).fetchall()
        row = connection.execute(_COUNT.format(predicate.text), parameters).fetchone()
    return SegmentPreview(
        profiles=int(row[0]) if row else 0, profile_ids=[id_ for (id_,) in first]
    )


_FIRST = sql.SQL(
    """
    SELECT id
      FROM profiles
     WHERE database_id = %(database_id)s
       AND {}
     ORDER BY id
     LIMIT %(limit)s
    """
)
_COUNT = sql.SQL(
    """
    SELECT count(*)
      FROM profiles
     WHERE database_id = %(database_id)s
       AND {}
    """
)


@contextmanager
def _limited(connection: Connection, seconds: float | None) -> Iterator[None]:
    if seconds is not None:
        row = connection.execute(
            """
            SELECT pg_try_advisory_xact_lock(%(space)s::integer, %(lock)s::integer),
                   set_config('statement_timeout', %(timeout)s, true)
            """,
            {**_LOCK, "timeout": str(int(seconds * 1000))},
        ).fetchone()
        if row is None or not row[0]:
            raise Unavailable("Another preview is running (try again later)")
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise Unavailable(
            "The preview took too long (use the command: penstock segment preview)"
        ) from error
