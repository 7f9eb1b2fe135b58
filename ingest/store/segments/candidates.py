"""Profiles that a build may have to move: found, locked, and read (G6)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from psycopg import sql

from ingest.domain.dynamic_segments import DynamicSegment
from ingest.domain.profiles import Profile
from ingest.store.condition_sql import build_predicate
from ingest.store.database import Connection
from ingest.store.profiles.parts import choose_columns, read_part
from ingest.store.rows import dump_array


class ProfileSpan(Struct, frozen=True, kw_only=True):
    """Some profiles of a database, in the order of their ids."""

    #: How many there are; none at the end.
    profiles: int
    #: The last of them.
    last: str


def read_span(
    connection: Connection, database_id: int, after: str, limit: int
) -> ProfileSpan:
    """Return the profiles that follow `after`, at most `limit`."""
    row = connection.execute(
        """
        SELECT count(*), max(id)
          FROM (SELECT id
                  FROM profiles
                 WHERE database_id = %(database_id)s
                   AND id > %(after)s
                 ORDER BY id
                 LIMIT %(limit)s) AS following
        """,
        {"database_id": database_id, "after": after, "limit": limit},
    ).fetchone()
    profiles, last = row or (0, None)
    return ProfileSpan(profiles=profiles, last=last or after)


def lock_candidates(
    connection: Connection,
    one: DynamicSegment,
    zone: str,
    between: tuple[str, str],
    limit: int,
    now: datetime,
) -> list[Profile]:
    """Lock and return profiles whose membership may differ, in order, at most `limit`.

    And those whose next move in time is to be noted. They are behind the first id of
    `between` and not behind the second, and have only what the filter reads.

    SQL only proposes: whether they belong to the segment is judged once they are
    locked. An import that ends while a lock is waited for is seen in the profile.
    """
    reads, database_id = one.compiled.dependencies, one.segment.database_id
    predicate, columns = (
        build_predicate(one.condition, zone, now),
        choose_columns(reads.paths),
    )
    rows = connection.execute(
        _CANDIDATES.format(columns=columns.text, predicate=predicate.text),
        {
            **predicate.parameters,
            **columns.parameters,
            "database_id": database_id,
            "segment_id": one.segment.id,
            "after": between[0],
            "last": between[1],
            "limit": limit,
            "is_timed": reads.is_timed,
            "timed": sorted(reads.timed),
        },
    ).fetchall()
    # Read once they are locked: an import may have moved them meanwhile.
    ids = [row[1] for row in rows]
    named = _load_named(connection, database_id, ids, reads.segments)
    return [read_part(row, named.get(row[1], ())) for row in rows]


# Those whose dates time may move are all looked at: the moment is to be noted.
_CANDIDATES = sql.SQL(
    """
    SELECT {columns}
      FROM profiles
     WHERE database_id = %(database_id)s
       AND id > %(after)s
       AND id <= %(last)s
       AND ((%(is_timed)s AND (
                  profiles.fields ?| %(timed)s::text[]
               OR (profiles.subscriptions IS NOT NULL
                   AND 'subscriptions' = ANY(%(timed)s::text[]))
               OR '_createtime' = ANY(%(timed)s::text[])
               OR EXISTS (
                   SELECT FROM segment_due AS due
                    WHERE due.database_id = profiles.database_id
                      AND due.profile_id = profiles.id
                      AND due.segment_id = %(segment_id)s)))
           OR {predicate} <> EXISTS (
               SELECT FROM segment_members AS own
                WHERE own.database_id = profiles.database_id
                  AND own.profile_id = profiles.id
                  AND own.segment_id = %(segment_id)s))
     ORDER BY id
     LIMIT %(limit)s
       FOR NO KEY UPDATE OF profiles
    """
)


def _load_named(
    connection: Connection,
    database_id: int,
    ids: Sequence[str],
    segment_ids: Iterable[int],
) -> Mapping[str, set[int]]:
    """Return which of some segments profiles are in."""
    named = sorted(segment_ids)
    found: dict[str, set[int]] = defaultdict(set)
    if named and ids:
        rows = connection.execute(
            """
            SELECT member.profile_id, member.segment_id
              FROM unnest(%(ids)s::text[]) AS wanted (profile_id)
             CROSS JOIN unnest(%(segments)s::integer[]) AS named (segment_id)
             CROSS JOIN LATERAL (
                   SELECT profile_id, segment_id
                     FROM segment_members
                    WHERE database_id = %(database_id)s
                      AND profile_id = wanted.profile_id
                      AND segment_id = named.segment_id) AS member
            """,
            {"database_id": database_id, "ids": dump_array(ids), "segments": named},
        )
        for id_, segment_id in rows:
            found[id_].add(segment_id)
    return found


def count_span(
    connection: Connection, database_id: int, between: tuple[str, str]
) -> int:
    """Return how many profiles are behind the first id and not behind the second."""
    row = connection.execute(
        """
        SELECT count(*)
          FROM profiles
         WHERE database_id = %(database_id)s
           AND id > %(after)s
           AND id <= %(last)s
        """,
        {"database_id": database_id, "after": between[0], "last": between[1]},
    ).fetchone()
    return int(row[0]) if row else 0
