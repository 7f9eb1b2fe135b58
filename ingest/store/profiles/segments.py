"""Membership of static segments: loaded and changed by the batch."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from ingest.store.database import Connection
from ingest.store.rows import Id, execute_rows


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
    connection: Connection, members: Iterable[tuple[Id, int]], now: datetime
) -> None:
    """Put profiles into segments."""
    execute_rows(
        connection,
        """
        INSERT INTO segment_members (database_id, profile_id, segment_id, added_at)
        SELECT database_id, profile_id, segment_id, %(now)s
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (database_id integer, profile_id text, segment_id integer)
            ON CONFLICT DO NOTHING
        """,
        list(_member_rows(members)),
        now,
    )


def remove_members(connection: Connection, members: Iterable[tuple[Id, int]]) -> None:
    """Take profiles out of segments."""
    execute_rows(
        connection,
        """
        DELETE FROM segment_members
         USING jsonb_to_recordset(%(rows)s::jsonb)
               AS gone (database_id integer, profile_id text, segment_id integer)
         WHERE segment_members.database_id = gone.database_id
           AND segment_members.profile_id = gone.profile_id
           AND segment_members.segment_id = gone.segment_id
        """,
        list(_member_rows(members)),
    )


def _member_rows(members: Iterable[tuple[Id, int]]) -> Iterator[dict[str, object]]:
    for (database_id, profile_id), segment_id in members:
        yield {
            "database_id": database_id,
            "profile_id": profile_id,
            "segment_id": segment_id,
        }
