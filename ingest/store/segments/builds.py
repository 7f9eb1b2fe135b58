"""The builds of dynamic segments: requested, done in chunks, finished (G5, G6)."""

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from ingest.store.catalog.load import bump_version, lock_catalog
from ingest.store.database import Connection


class SegmentBuild(Struct, frozen=True, kw_only=True):
    """A build under way."""

    segment_id: int
    revision: int
    #: The last profile that is done.
    after: str
    #: How many are done, and how many of those were put in and out.
    profiles: int
    entries: int
    exits: int
    #: How many there were about at its start; None before.
    expected: int | None
    requested_at: datetime
    updated_at: datetime


class BuildProgress(Struct, frozen=True, kw_only=True):
    """The part of a build that is done."""

    percent: float
    #: That it still takes, as far as can be told.
    seconds_left: float


def estimate_build(build: SegmentBuild | None) -> BuildProgress | None:
    """Return how far a build is; None for none, or before it has begun."""
    if build is None or not build.expected or not build.profiles:
        return None
    share = min(build.profiles / build.expected, 1.0)
    seconds = (build.updated_at - build.requested_at).total_seconds()
    return BuildProgress(
        percent=round(100 * share, 1),
        seconds_left=round(seconds * (1 - share) / share, 1),
    )


def request_builds(
    connection: Connection, segment_ids: Collection[int], now: datetime
) -> None:
    """Let the members of segments be found, from the first profile on.

    The caller holds the exclusive lock of the catalog. Where there are no profiles,
    there is nothing to be done.
    """
    if not segment_ids:
        return
    connection.execute(
        """
          WITH requested AS (
               UPDATE segments
                  SET revision = revision + 1,
                      building = EXISTS (
                          SELECT FROM profiles
                           WHERE database_id = segments.database_id)
                WHERE id = ANY(%(ids)s::integer[])
            RETURNING id, revision, building)
        INSERT INTO segment_builds (segment_id, revision, requested_at, updated_at)
        SELECT id, revision, %(now)s, %(now)s
          FROM requested
         WHERE building
            ON CONFLICT (segment_id) DO UPDATE
           SET revision = excluded.revision, after = '', profiles = 0, entries = 0,
               exits = 0, expected = NULL, requested_at = %(now)s, updated_at = %(now)s
        """,
        {"ids": sorted(segment_ids), "now": now},
    )


def end_builds(connection: Connection) -> None:
    """Forget the builds of segments that have no filter any more."""
    connection.execute(
        """
          WITH ended AS (
               UPDATE segments
                  SET building = false
                WHERE building
                  AND (kind = 'static' OR filter IS NULL)
            RETURNING id)
        DELETE FROM segment_builds
         USING ended
         WHERE segment_id = id
        """
    )


def take_build(
    connection: Connection, segment_ids: Collection[int]
) -> SegmentBuild | None:
    """Lock the first build of these segments that nobody else is at; None for none.

    The caller holds the catalog. The lock ends with its transaction.
    """
    if not segment_ids:
        return None
    cursor = connection.cursor(row_factory=class_row(SegmentBuild))
    return cursor.execute(
        """
        SELECT segment_id, revision, after, profiles, entries, exits, expected,
               requested_at, updated_at
          FROM segment_builds
         WHERE segment_id = ANY(%(ids)s::integer[])
         ORDER BY requested_at, segment_id
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
        {"ids": list(segment_ids)},
    ).fetchone()


def list_builds(connection: Connection) -> list[SegmentBuild]:
    """Return the builds under way, in the order requested."""
    cursor = connection.cursor(row_factory=class_row(SegmentBuild))
    return cursor.execute(
        """
        SELECT segment_id, revision, after, profiles, entries, exits, expected,
               requested_at, updated_at
          FROM segment_builds
         ORDER BY requested_at, segment_id
        """
    ).fetchall()


def save_build(connection: Connection, build: SegmentBuild) -> None:
    """Write how far a build has come; its row is the caller's."""
    connection.execute(
        """
        UPDATE segment_builds
           SET after = %(after)s, profiles = %(profiles)s, entries = %(entries)s,
               exits = %(exits)s, expected = %(expected)s, updated_at = %(updated_at)s
         WHERE segment_id = %(segment_id)s
        """,
        {
            "segment_id": build.segment_id,
            "after": build.after,
            "profiles": build.profiles,
            "entries": build.entries,
            "exits": build.exits,
            "expected": build.expected,
            "updated_at": build.updated_at,
        },
    )


def finish_build(connection: Connection, segment_id: int, revision: int) -> bool:
    """Let a segment count as built; return False if another build was requested.

    Must run in a transaction of its own, which takes the exclusive lock of the catalog:
    a shared one cannot be made that.
    """
    lock_catalog(connection)
    finished = connection.execute(
        """
          WITH finished AS (
               UPDATE segments
                  SET building = false
                WHERE id = %(segment_id)s
                  AND revision = %(revision)s
                  AND building
            RETURNING id),
               done AS (
               DELETE FROM segment_builds
                USING finished
                WHERE segment_id = id
            RETURNING segment_id, entries, exits)
        INSERT INTO segment_activity (segment_id, built_at, built_entries, built_exits)
        SELECT segment_id, now(), entries, exits
          FROM done
            ON CONFLICT (segment_id) DO UPDATE
           SET built_at = excluded.built_at, built_entries = excluded.built_entries,
               built_exits = excluded.built_exits
        """,
        {"segment_id": segment_id, "revision": revision},
    ).rowcount
    if finished:
        bump_version(connection)
    return bool(finished)


def estimate_profiles(connection: Connection, database_id: int) -> int:
    """Return about how many profiles a database has, by what statistics say."""
    row = connection.execute(
        """
        SELECT greatest(reltuples, 0)::bigint,
               (SELECT count(*) FROM (SELECT FROM databases LIMIT 2) AS first)
          FROM pg_class
         WHERE oid = 'profiles'::regclass
        """
    ).fetchone()
    about, databases = row or (0, 0)
    if databases == 1 and about:
        return int(about)
    counted = connection.execute(
        "SELECT count(*) FROM profiles WHERE database_id = %(database_id)s",
        {"database_id": database_id},
    ).fetchone()
    return int(counted[0]) if counted else 0
