"""Imports that are to be undone: of a job, of a list, or of a time.

Only those that changed something, or confirmed it where that is recorded; the latest
first. Undos are targets only where they are named, or are all of a job: of the imports
of a time, some may have been undone since.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from ingest.domain.jobs import row_range
from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array
from ingest.wire.undo import UndoTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The imports to a database that were applied in a time."""

    #: Only what this token sent; None for all.
    token_id: int | None
    database_id: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRange:
    """The imports of a job, by their ids."""

    first: UUID
    last: UUID


def job_range(job_id: UUID) -> JobRange:
    """Return the imports of a job."""
    return JobRange(**row_range(job_id))


def list_of_job(
    connection: Connection, job_id: UUID, before: UUID | None, limit: int
) -> list[UndoTarget]:
    """Return the last `limit` targets of a job whose ids are less than `before`."""
    all_ = job_range(job_id)
    with connection.cursor(row_factory=class_row(UndoTarget)) as cursor:
        return cursor.execute(
            """
            SELECT import_id, database_id, profile_id
              FROM imports
             WHERE import_id >= %(first)s
               AND import_id < %(before)s
               AND (state IN ('created', 'updated', 'removed')
                    OR claims IS NOT NULL)
             ORDER BY import_id DESC
             LIMIT %(limit)s
            """,
            {
                "first": all_.first,
                "before": before or UUID(int=all_.last.int + 1),
                "limit": limit,
            },
        ).fetchall()


def list_of_period(
    connection: Connection,
    wanted: Period,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[tuple[datetime, UndoTarget]]:
    """Return `limit` targets of a time before another, each with its own."""
    applied_at, import_id = before or (wanted.until, UUID(int=0))
    rows = connection.execute(
        """
        SELECT applied_at, import_id, database_id, profile_id
          FROM imports
         WHERE (applied_at, import_id) < (%(applied_at)s, %(import_id)s)
           AND applied_at >= %(since)s
           AND (%(token_id)s::integer IS NULL OR token_id = %(token_id)s)
           AND database_id = %(database_id)s
           AND (state IN ('created', 'updated') OR claims IS NOT NULL)
           AND operation <> 'undo'
         ORDER BY applied_at DESC, import_id DESC
         LIMIT %(limit)s
        """,
        {
            "applied_at": applied_at,
            "import_id": import_id,
            "since": wanted.since,
            "token_id": wanted.token_id,
            "database_id": wanted.database_id,
            "limit": limit,
        },
    )
    return [
        (at, UndoTarget(import_id=id_, database_id=database_id, profile_id=profile_id))
        for at, id_, database_id, profile_id in rows
    ]


def find_listed(connection: Connection, import_ids: Sequence[UUID]) -> list[UndoTarget]:
    """Return those of `import_ids` that have a profile, in their order."""
    rows = connection.execute(
        """
        SELECT import_id, database_id, profile_id
          FROM imports
         WHERE import_id = ANY(%(ids)s::uuid[])
         ORDER BY array_position(%(ids)s::uuid[], import_id)
        """,
        {"ids": list(import_ids)},
    )
    return [
        UndoTarget(import_id=id_, database_id=database_id, profile_id=profile_id)
        for id_, database_id, profile_id in rows
        # Not in the statement: another index then looks as good as the ids.
        if profile_id is not None
    ]


@dataclass(frozen=True, slots=True)
class Sent:
    """The sender of an import, and the database that it was sent to."""

    #: None where it came without a token.
    token_id: int | None
    database_id: int


def find_sent(connection: Connection, import_ids: Sequence[UUID]) -> dict[UUID, Sent]:
    """Return who sent those of `import_ids` that have a receipt."""
    rows = connection.execute(
        """
        SELECT import_id, token_id, database_id
          FROM imports
         WHERE import_id = ANY(%(ids)s::uuid[])
        """,
        {"ids": list(import_ids)},
    )
    return {row[0]: Sent(*row[1:]) for row in rows}


def list_of_profiles(
    connection: Connection, owners: Sequence[Id], among: JobRange | Period
) -> list[UndoTarget]:
    """Return all targets of some profiles that are `among` others, the latest first."""
    wide: dict[str, object] = dict.fromkeys(
        ("first", "last", "token_id", "since", "until")
    )
    with connection.cursor(row_factory=class_row(UndoTarget)) as cursor:
        return cursor.execute(
            """
            SELECT import_id, imports.database_id, imports.profile_id
              FROM unnest(%(databases)s::integer[], %(profiles)s::text[])
                   AS owners (database_id, profile_id)
             CROSS JOIN LATERAL (
                   SELECT *
                     FROM imports
                    WHERE imports.database_id = owners.database_id
                      AND imports.profile_id = owners.profile_id
                   OFFSET 0) AS imports
             WHERE (state IN ('created', 'updated', 'removed')
                    OR claims IS NOT NULL)
               AND (import_id BETWEEN %(first)s AND %(last)s
                    OR (%(token_id)s::integer IS NULL OR token_id = %(token_id)s)
                   AND operation <> 'undo'
                   AND applied_at >= %(since)s
                   AND applied_at < %(until)s)
             ORDER BY coalesce(turn, 0) DESC, applied_at DESC, import_id DESC
            """,
            {
                **wide,
                **asdict(among),
                "databases": dump_array([database_id for database_id, _ in owners]),
                "profiles": dump_array([profile_id for _, profile_id in owners]),
            },
        ).fetchall()


def list_held(
    connection: Connection, wanted: JobRange | Period, limit: int | None = None
) -> list[UUID]:
    """Return the imports among `wanted` that are held: nothing of them is applied."""
    of = _HELD_OF_JOB if isinstance(wanted, JobRange) else _HELD_OF_TIME
    rows = connection.execute(of, {**asdict(wanted), "limit": limit})
    return [import_id for (import_id,) in rows]


def count_targets(connection: Connection, wanted: JobRange | Period) -> int:
    """Return how many targets there are."""
    of = _OF_JOB if isinstance(wanted, JobRange) else _OF_TIME
    row = connection.execute(of, asdict(wanted)).fetchone()
    return int(row[0]) if row else 0


_HELD_OF_JOB = """
    SELECT import_id
      FROM held_imports
     WHERE import_id BETWEEN %(first)s AND %(last)s
     ORDER BY import_id
     LIMIT %(limit)s
    """
#: By those that are held, which are few: of a time, there may be millions of receipts.
_HELD_OF_TIME = """
    SELECT held.import_id
      FROM held_imports AS held
     CROSS JOIN LATERAL (
           SELECT applied_at, token_id
             FROM imports
            WHERE imports.import_id = held.import_id
           OFFSET 0) AS receipt
     WHERE held.database_id = %(database_id)s
       AND receipt.applied_at >= %(since)s
       AND receipt.applied_at < %(until)s
       AND (%(token_id)s::integer IS NULL OR receipt.token_id = %(token_id)s)
     ORDER BY receipt.applied_at, held.import_id
     LIMIT %(limit)s
    """
_OF_JOB = """
    SELECT count(*)
      FROM imports
     WHERE import_id BETWEEN %(first)s AND %(last)s
       AND (state IN ('created', 'updated', 'removed') OR claims IS NOT NULL)
    """
_OF_TIME = """
    SELECT count(*)
      FROM imports
     WHERE applied_at >= %(since)s
       AND applied_at < %(until)s
       AND (%(token_id)s::integer IS NULL OR token_id = %(token_id)s)
       AND database_id = %(database_id)s
       AND (state IN ('created', 'updated') OR claims IS NOT NULL)
       AND operation <> 'undo'
    """
