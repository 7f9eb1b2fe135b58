"""Dead letters as an operator reads them: grouped by fingerprint, or one by one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

import orjson
from psycopg.rows import class_row

from ingest.store.database import Connection
from ingest.store.dead_letters.write import Resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A selection of dead letters; None does not narrow it."""

    ids: list[int] | None = None
    fingerprint: str | None = None
    database_id: int | None = None
    #: Buried at this moment or later.
    since: datetime | None = None
    #: Buried before this moment.
    until: datetime | None = None
    #: Those that were replayed or discarded too.
    resolved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """The letters of one fingerprint: one error at one place of our code."""

    fingerprint: str
    error_class: str
    #: File and function; empty where no code of ours was reached.
    place: str
    open: int
    replayed: int
    discarded: int
    database_ids: list[int]
    first_at: datetime
    last_at: datetime
    #: The newest letter of the group, its error and its payload.
    sample_id: int
    sample_error: str
    sample_payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter with all that is known of it."""

    id: int
    fingerprint: str
    import_id: UUID | None
    database_id: int | None
    partition: int
    entry_id: str
    payload: bytes
    error_class: str
    place: str
    error: str
    traceback: str
    created_at: datetime
    replays: int
    resolved_at: datetime | None
    resolution: Resolution | None
    resolved_by: str | None
    reason: str | None


#: By fingerprint, each with its newest letter as a sample.
_GROUPS = """
    WITH groups AS (
         SELECT fingerprint, error_class, place,
                count(*) FILTER (WHERE resolved_at IS NULL) AS open,
                count(*) FILTER (WHERE resolution = 'replayed') AS replayed,
                count(*) FILTER (WHERE resolution = 'dropped') AS discarded,
                coalesce(
                    array_agg(DISTINCT database_id)
                        FILTER (WHERE database_id IS NOT NULL),
                    '{}'
                ) AS database_ids,
                min(created_at) AS first_at,
                max(created_at) AS last_at,
                max(id) AS sample_id
           FROM dead_letters
          WHERE (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
            AND (%(fingerprint)s::text IS NULL
                 OR fingerprint = %(fingerprint)s::text)
            AND (%(database_id)s::integer IS NULL
                 OR database_id = %(database_id)s::integer)
            AND (%(since)s::timestamptz IS NULL
                 OR created_at >= %(since)s::timestamptz)
            AND (%(until)s::timestamptz IS NULL
                 OR created_at < %(until)s::timestamptz)
            AND (%(resolved)s OR resolved_at IS NULL)
          GROUP BY fingerprint, error_class, place
    )
    SELECT groups.*,
           sample.error AS sample_error, sample.payload AS sample_payload
      FROM groups
      JOIN dead_letters AS sample ON sample.id = groups.sample_id
     ORDER BY last_at DESC, groups.fingerprint
    """


def list_letter_groups(
    connection: Connection, selection: Selection
) -> list[LetterGroup]:
    """Return the groups of the selected letters, the one seen last first."""
    with connection.cursor(row_factory=class_row(LetterGroup)) as cursor:
        return cursor.execute(_GROUPS, asdict(selection)).fetchall()


def find_letter_ids(connection: Connection, selection: Selection) -> list[int]:
    """Return the ids of the selected letters, in the order of their entries."""
    rows = connection.execute(
        """
        SELECT id
          FROM dead_letters
         WHERE (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[]))
           AND (%(fingerprint)s::text IS NULL OR fingerprint = %(fingerprint)s::text)
           AND (%(database_id)s::integer IS NULL
                OR database_id = %(database_id)s::integer)
           AND (%(since)s::timestamptz IS NULL
                OR created_at >= %(since)s::timestamptz)
           AND (%(until)s::timestamptz IS NULL
                OR created_at < %(until)s::timestamptz)
           AND (%(resolved)s OR resolved_at IS NULL)
         -- Redis counts both halves of an entry's id as unsigned 64-bit numbers.
         ORDER BY partition,
                  split_part(entry_id, '-', 1)::numeric,
                  split_part(entry_id, '-', 2)::numeric
        """,
        asdict(selection),
    )
    return [int(letter_id) for (letter_id,) in rows]


def find_letter(connection: Connection, letter_id: int) -> Letter | None:
    """Return one letter; None if there is none."""
    with connection.cursor(row_factory=class_row(Letter)) as cursor:
        cursor.execute(
            """
            SELECT id, fingerprint, import_id, database_id, partition, entry_id,
                   payload, error_class, place, error, traceback, created_at, replays,
                   resolved_at,
                   CASE resolution WHEN 'dropped' THEN 'discarded' ELSE resolution END
                       AS resolution,
                   resolved_by, reason
              FROM dead_letters
             WHERE id = %(id)s
            """,
            {"id": letter_id},
        )
        return cursor.fetchone()


def find_letter_of_import(connection: Connection, import_id: UUID) -> int | None:
    """Return the id of the letter that an import became; None if it is none."""
    row = connection.execute(
        """
        -- OFFSET 0: else the newest letters are gone through for one of this import.
        SELECT max(id)
          FROM (SELECT id
                  FROM dead_letters
                 WHERE import_id = %(id)s
                OFFSET 0) AS letters
        """,
        {"id": import_id},
    ).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedImport:
    """An import that a replay has just applied, and the profile it reached."""

    import_id: UUID
    database_id: int
    profile_id: str
    accepted_at: datetime


def count_overtaking(
    connection: Connection,
    applied: Sequence[ReplayedImport],
    before: datetime,
) -> dict[UUID, int]:
    """Return how many imports of the same profile overtook each of `applied`.

    They were accepted later, and applied before `before`.
    """
    rows = connection.execute(
        """
        SELECT late.import_id,
               (SELECT count(*)
                  FROM imports
                 WHERE imports.database_id = late.database_id
                   AND imports.profile_id = late.profile_id
                   AND imports.accepted_at > late.accepted_at
                   AND imports.applied_at < %(before)s)
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS late (import_id uuid, database_id integer, profile_id text,
                        accepted_at timestamptz)
        """,
        {
            "rows": orjson.dumps([asdict(each) for each in applied]).decode(),
            "before": before,
        },
    )
    return {import_id: int(count) for import_id, count in rows}
