"""Held imports: kept until an operator decides (H1 to H7)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from psycopg.rows import class_row

from ingest.domain.releases import WrittenPaths
from ingest.store.database import Connection
from ingest.store.profiles.aliases import list_former_ids, load_aliases
from ingest.store.rows import dump_array, execute_rows

#: Receipts of profiles that are looked at for what was written since.
_RECEIPTS = 5_000


class HeldImport(Struct, frozen=True, kw_only=True):
    """A held import, as its entry was."""

    import_id: UUID
    database_id: int
    case_id: UUID
    partition: int
    entry_id: str
    payload: bytes
    accepted_at: datetime
    held_at: datetime
    #: The ids of the profiles that it matches.
    candidates: list[str]


class HeldCase(Struct, frozen=True, kw_only=True):
    """Held imports with the same candidates, which are decided together (H3)."""

    case_id: UUID
    database_id: int
    imports: int
    #: The one that is applied first.
    first_import_id: UUID
    first_accepted_at: datetime
    last_accepted_at: datetime
    #: The profiles that they match, or those that these were merged into.
    candidates: list[str]


def insert_held(connection: Connection, imports: Sequence[HeldImport]) -> None:
    """Keep imports until an operator decides."""
    execute_rows(
        connection,
        """
        INSERT INTO held_imports
               (import_id, database_id, case_id, partition, entry_id, payload,
                accepted_at, held_at)
        SELECT import_id, database_id, case_id, partition, entry_id,
               decode(payload, 'hex'), accepted_at, held_at
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (import_id uuid, database_id integer, case_id uuid,
                         partition integer, entry_id text, payload text,
                         accepted_at timestamptz, held_at timestamptz)
        """,
        [
            {
                "import_id": one.import_id,
                "database_id": one.database_id,
                "case_id": one.case_id,
                "partition": one.partition,
                "entry_id": one.entry_id,
                "payload": one.payload.hex(),
                "accepted_at": one.accepted_at,
                "held_at": one.held_at,
            }
            for one in imports
        ],
    )
    execute_rows(
        connection,
        """
        INSERT INTO held_candidates (database_id, profile_id, import_id)
        SELECT database_id, profile_id, import_id
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (database_id integer, profile_id text, import_id uuid)
        """,
        [
            {
                "database_id": one.database_id,
                "profile_id": profile_id,
                "import_id": one.import_id,
            }
            for one in imports
            for profile_id in one.candidates
        ],
    )


def claim_held(
    connection: Connection, case_id: UUID, import_ids: Collection[UUID], limit: int
) -> list[HeldImport]:
    """Lock the first imports of a case, in the order in which they are applied (H4).

    Only those of `import_ids`, unless it is empty.
    """
    with connection.cursor(row_factory=class_row(HeldImport)) as cursor:
        return cursor.execute(
            """
            SELECT import_id, database_id, case_id, partition, entry_id, payload,
                   accepted_at, held_at,
                   ARRAY(SELECT profile_id
                           FROM held_candidates
                          WHERE held_candidates.import_id = held_imports.import_id
                          ORDER BY profile_id) AS candidates
              FROM held_imports
             WHERE case_id = %(case_id)s
               AND (%(is_whole)s OR import_id = ANY(%(ids)s::uuid[]))
             ORDER BY accepted_at, import_id
             LIMIT %(limit)s
               FOR UPDATE
            """,
            {
                "case_id": case_id,
                "ids": dump_array(list(import_ids)),
                "is_whole": not import_ids,
                "limit": limit,
            },
        ).fetchall()


def delete_held(connection: Connection, import_ids: Collection[UUID]) -> None:
    """Hold imports no longer."""
    connection.execute(
        "DELETE FROM held_imports WHERE import_id = ANY(%(ids)s::uuid[])",
        {"ids": dump_array(list(import_ids))},
    )


def list_cases(
    connection: Connection, database_id: int | None = None, limit: int = 1000
) -> list[HeldCase]:
    """Return the cases that wait for a decision, the oldest first."""
    with connection.cursor(row_factory=class_row(HeldCase)) as cursor:
        found = cursor.execute(
            """
            -- Held imports are few: they are read whole.
            SELECT held.*,
                   ARRAY(SELECT profile_id
                           FROM held_candidates
                          WHERE held_candidates.import_id = held.first_import_id
                          ORDER BY profile_id) AS candidates
              FROM (SELECT case_id, min(database_id) AS database_id,
                           count(*) AS imports,
                           (array_agg(import_id ORDER BY accepted_at, import_id))[1]
                               AS first_import_id,
                           min(accepted_at) AS first_accepted_at,
                           max(accepted_at) AS last_accepted_at
                      FROM held_imports
                     WHERE %(database_id)s::integer IS NULL
                        OR database_id = %(database_id)s
                     GROUP BY case_id) AS held
             ORDER BY first_accepted_at, case_id
             LIMIT %(limit)s
            """,
            {"database_id": database_id, "limit": limit},
        ).fetchall()
    return _resolve(connection, found)


def find_case(connection: Connection, named: UUID) -> HeldCase | None:
    """Return the case of this id, or of a held import of this id."""
    with connection.cursor(row_factory=class_row(HeldCase)) as cursor:
        found = cursor.execute(
            """
              WITH wanted AS MATERIALIZED (
                   SELECT case_id FROM held_imports WHERE case_id = %(id)s
                    UNION ALL
                   SELECT case_id FROM held_imports WHERE import_id = %(id)s
                    LIMIT 1)
            SELECT held.*,
                   ARRAY(SELECT profile_id
                           FROM held_candidates
                          WHERE held_candidates.import_id = held.first_import_id
                          ORDER BY profile_id) AS candidates
              FROM (SELECT case_id, min(database_id) AS database_id,
                           count(*) AS imports,
                           (array_agg(import_id ORDER BY accepted_at, import_id))[1]
                               AS first_import_id,
                           min(accepted_at) AS first_accepted_at,
                           max(accepted_at) AS last_accepted_at
                      FROM held_imports
                     WHERE case_id = (SELECT case_id FROM wanted)
                     GROUP BY case_id) AS held
            """,
            {"id": named},
        ).fetchall()
    return next(iter(_resolve(connection, found)), None)


def _resolve(connection: Connection, cases: Sequence[HeldCase]) -> list[HeldCase]:
    """Return the cases with the survivors of candidates that were merged (H6)."""
    ids = {(case.database_id, id_) for case in cases for id_ in case.candidates}
    aliases = load_aliases(connection, ids)
    resolved = []
    for case in cases:
        found = ((id_, aliases.get((case.database_id, id_))) for id_ in case.candidates)
        living = {alias.profile_id if alias else id_ for id_, alias in found}
        resolved.append(replace(case, candidates=sorted(living)))
    return resolved


def list_candidate_ids(connection: Connection, case: HeldCase) -> dict[str, str]:
    """Return the candidate of a case by each id that it has, and had before a merge."""
    former = list_former_ids(connection, case.database_id, case.candidates)
    return {
        id_: profile_id
        for profile_id in case.candidates
        for id_ in (profile_id, *former.get(profile_id, ()))
    }


def list_expired(connection: Connection, before: datetime, limit: int) -> list[UUID]:
    """Return imports accepted before `before` (H7)."""
    rows = connection.execute(
        """
        SELECT import_id
          FROM held_imports
         WHERE accepted_at < %(before)s
         ORDER BY accepted_at
         LIMIT %(limit)s
        """,
        {"before": before, "limit": limit},
    )
    return [import_id for (import_id,) in rows]


def group_by_case(
    connection: Connection, import_ids: Collection[UUID]
) -> dict[UUID, list[UUID]]:
    """Return those of `import_ids` that are held, by case."""
    rows = connection.execute(
        """
        SELECT case_id, import_id
          FROM held_imports
         WHERE import_id = ANY(%(ids)s::uuid[])
         ORDER BY import_id
        """,
        {"ids": dump_array(list(import_ids))},
    )
    cases: dict[UUID, list[UUID]] = {}
    for case_id, import_id in rows:
        cases.setdefault(case_id, []).append(import_id)
    return cases


def list_databases(
    connection: Connection, import_ids: Collection[UUID]
) -> dict[UUID, int]:
    """Return the database of each of `import_ids` that is held."""
    rows = connection.execute(
        """
        SELECT import_id, database_id
          FROM held_imports
         WHERE import_id = ANY(%(ids)s::uuid[])
        """,
        {"ids": dump_array(list(import_ids))},
    )
    return dict(rows.fetchall())


def claim_results(connection: Connection, door: str) -> bool:
    """Become the only one who publishes what was decided of imports of `door`.

    Until the transaction ends; False while another does.
    """
    held = connection.execute(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(%(name)s, 0))",
        {"name": f"held results of {door}"},
    ).fetchone()
    return held == (True,)


def list_held_of(
    connection: Connection, database_id: int, profile_ids: Sequence[str]
) -> list[tuple[UUID, int]]:
    """Return the imports that may be about a profile: id and partition; lock them."""
    rows = connection.execute(
        """
        SELECT import_id, partition
          FROM held_imports
         WHERE import_id = ANY(ARRAY(
               SELECT candidate.import_id
                 FROM unnest(%(profile_ids)s::text[]) AS wanted (profile_id)
                CROSS JOIN LATERAL (
                      SELECT import_id
                        FROM held_candidates
                       WHERE held_candidates.database_id = %(database_id)s
                         AND held_candidates.profile_id = wanted.profile_id
                      OFFSET 0) AS candidate))
         ORDER BY import_id
           FOR UPDATE
        """,
        {"database_id": database_id, "profile_ids": list(profile_ids)},
    )
    return [(import_id, partition) for import_id, partition in rows]


def list_written(
    connection: Connection, database_id: int, profile_ids: Sequence[str]
) -> dict[str, list[WrittenPaths]]:
    """Return what imports wrote to profiles, by their ids, in the order applied (H5).

    Also what was written to those that each has absorbed. Undos and merges are left
    out.
    """
    rows = connection.execute(
        """
        SELECT owner.profile_id, past.import_id, past.accepted_at, past.paths
          FROM unnest(%(profiles)s::text[]) AS owner (profile_id)
         CROSS JOIN LATERAL (
               SELECT owner.profile_id
                UNION ALL
               SELECT alias_id
                 FROM profile_aliases
                WHERE profile_aliases.database_id = %(database_id)s
                  AND profile_aliases.profile_id = owner.profile_id
               ) AS name (profile_id)
         CROSS JOIN LATERAL (
               SELECT import_id, accepted_at, coalesce(turn, 0) AS turn,
                      ARRAY(SELECT jsonb_object_keys(changes)
                             UNION
                            SELECT jsonb_object_keys(coalesce(claims, '{}'))) AS paths
                 FROM imports
                WHERE imports.database_id = %(database_id)s
                  AND imports.profile_id = name.profile_id
                  AND imports.operation IN ('import', 'update', 'add')
                ORDER BY coalesce(imports.turn, 0) DESC, applied_at DESC,
                         import_id DESC
                LIMIT %(limit)s) AS past
         ORDER BY past.turn, past.import_id
        """,
        {
            "database_id": database_id,
            "profiles": list(profile_ids),
            "limit": _RECEIPTS,
        },
    )
    written: dict[str, list[WrittenPaths]] = defaultdict(list)
    for owner, import_id, accepted_at, paths in rows:
        written[owner].append(
            WrittenPaths(import_id=import_id, accepted_at=accepted_at, paths=paths)
        )
    return written
