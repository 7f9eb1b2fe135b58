"""Histories of profiles, in the order applied, as undo needs them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from ingest.domain.histories import PastImport
from ingest.domain.imports import State
from ingest.domain.reversals import CHANGED_SINCE, MAX_IMPORTS
from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array


def load_histories(
    connection: Connection, targets: Iterable[tuple[Id, UUID]]
) -> dict[Id, list[PastImport]]:
    """Return the imports of each profile, from the first that matters to the last.

    `targets` are profiles, each with an import that is to be taken back. From that one
    on all count, and from the first that was ever taken back. At most MAX_IMPORTS + 1
    are returned for a profile: so many are too many.
    """
    wanted = list(targets)
    histories: dict[Id, list[PastImport]] = defaultdict(list)
    cursor = connection.cursor(row_factory=dict_row)
    rows = cursor.execute(
        """
          WITH wanted AS MATERIALIZED (
               SELECT *
                 FROM unnest(%(databases)s::integer[], %(profiles)s::text[],
                             %(targets)s::uuid[])
                      AS wanted (database_id, profile_id, import_id)),
               -- Imports that were taken back: their undos are few.
               taken_back AS MATERIALIZED (
               SELECT undos.database_id, undos.profile_id, undos.undoes
                 FROM (SELECT DISTINCT database_id, profile_id FROM wanted) AS profiles
                CROSS JOIN LATERAL (
                      SELECT *
                        FROM imports
                       WHERE imports.database_id = profiles.database_id
                         AND imports.profile_id = profiles.profile_id
                         AND imports.undoes IS NOT NULL
                      OFFSET 0) AS undos),
               starts AS MATERIALIZED (
               SELECT named.database_id, named.profile_id,
                      min(coalesce(receipt.turn, 0)) AS first
                 FROM (SELECT * FROM wanted UNION ALL SELECT * FROM taken_back) AS named
                CROSS JOIN LATERAL (
                      SELECT turn
                        FROM imports
                       WHERE imports.import_id = named.import_id
                      OFFSET 0) AS receipt
                GROUP BY named.database_id, named.profile_id)
        SELECT starts.database_id, starts.profile_id, past.*
          FROM starts
         CROSS JOIN LATERAL (
               SELECT import_id, state, matched_by, changes, operators, claims, undoes,
                      kept, faults, profiles
                 FROM imports
                WHERE imports.database_id = starts.database_id
                  AND imports.profile_id = starts.profile_id
                  AND coalesce(imports.turn, 0) >= starts.first
                ORDER BY coalesce(imports.turn, 0), applied_at, import_id
                LIMIT %(limit)s) AS past
        """,
        {
            "databases": dump_array([database_id for (database_id, _), _ in wanted]),
            "profiles": dump_array([profile_id for (_, profile_id), _ in wanted]),
            "targets": dump_array([import_id for _, import_id in wanted]),
            "limit": MAX_IMPORTS + 1,
        },
    )
    for row in rows:
        histories[row["database_id"], row["profile_id"]].append(_make(row))
    return dict(histories)


def _make(row: Mapping[str, Any]) -> PastImport:
    return PastImport(
        import_id=row["import_id"],
        state=State(row["state"]),
        matched_by=row["matched_by"],
        changes=row["changes"],
        operators=row["operators"] or {},
        claims=row["claims"] or {},
        undoes=row["undoes"],
        unreversed=_list_unreversed(row) if row["undoes"] else frozenset(),
        profiles=tuple(row["profiles"] or ()),
    )


def _list_unreversed(row: Mapping[str, Any]) -> frozenset[str]:
    """Return the paths that an undo did not take back for a reason of its own."""
    kept = row["kept"] or ()
    named = {one["path"] for one in kept if one["reason"] != CHANGED_SINCE}
    return frozenset(named | {one["path"] for one in row["faults"]})
