"""Membership of segments: loaded and changed by the batch."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array


def load_segments(
    connection: Connection, parameters: Mapping[str, object]
) -> Iterator[tuple[Id, int]]:
    """Return the segments of the wanted profiles, read when they are asked for."""
    rows = connection.execute(
        """
        SELECT members.database_id, members.profile_id, segment_id
          FROM segment_members AS members
          JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, profile_id)
            ON members.database_id = wanted.database_id
           AND members.profile_id = wanted.profile_id
        """,
        parameters,
    )
    return (
        ((database_id, profile_id), segment_id)
        for database_id, profile_id, segment_id in rows
    )


def add_members(
    connection: Connection, members: Sequence[tuple[Id, int]], now: datetime
) -> None:
    """Put profiles into segments."""
    if not members:
        return
    connection.execute(
        """
        INSERT INTO segment_members (database_id, profile_id, segment_id, added_at)
        SELECT database_id, profile_id, segment_id, %(now)s
          FROM unnest(%(databases)s::integer[], %(profiles)s::text[],
                      %(segments)s::integer[])
               AS fresh (database_id, profile_id, segment_id)
            ON CONFLICT DO NOTHING
        """,
        dump_members(members) | {"now": now},
    )


def remove_members(connection: Connection, members: Sequence[tuple[Id, int]]) -> None:
    """Take profiles out of segments."""
    if not members:
        return
    connection.execute(
        """
        DELETE FROM segment_members
         USING unnest(%(databases)s::integer[], %(profiles)s::text[],
                      %(segments)s::integer[])
               AS gone (database_id, profile_id, segment_id)
         WHERE segment_members.database_id = gone.database_id
           AND segment_members.profile_id = gone.profile_id
           AND segment_members.segment_id = gone.segment_id
        """,
        dump_members(members),
    )


def dump_members(members: Sequence[tuple[Id, int]]) -> dict[str, object]:
    """Return parameters for profiles, each with a segment."""
    return {
        "databases": dump_array([owner[0] for owner, _ in members]),
        "profiles": dump_array([owner[1] for owner, _ in members]),
        "segments": dump_array([segment_id for _, segment_id in members]),
    }
