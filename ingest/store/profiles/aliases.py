"""Aliases: the ids of merged profiles, each of which leads to the survivor (M7)."""

from collections.abc import Collection, Mapping

from ingest.domain.workspace import Alias
from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array


def load_aliases(connection: Connection, ids: Collection[Id]) -> dict[Id, Alias]:
    """Return where those of `ids` lead that are aliases."""
    return locate_ids(connection, ids)[1]


def locate_ids(
    connection: Connection, ids: Collection[Id]
) -> tuple[set[Id], dict[Id, Alias]]:
    """Return which of `ids` are profiles, and where those lead that are aliases.

    In one snapshot, so that a merge, or its undo, hides none of them. An alias that
    leads to no profile leads nowhere.
    """
    if not ids:
        return set(), {}
    wanted = sorted(ids)
    rows = connection.execute(
        """
        -- Probes of primary keys: as joins they could begin with all rows. The survivor
        -- is asked for by a subquery, which unlike EXISTS becomes none.
        SELECT wanted.database_id, wanted.id, found.profile_id, found.merge_id
          FROM unnest(%(databases)s::integer[], %(ids)s::text[])
               AS wanted (database_id, id)
         CROSS JOIN LATERAL (
               SELECT NULL AS profile_id, NULL::uuid AS merge_id
                 FROM profiles
                WHERE profiles.database_id = wanted.database_id
                  AND profiles.id = wanted.id
                UNION ALL
               SELECT profile_id, merge_id
                 FROM profile_aliases
                WHERE profile_aliases.database_id = wanted.database_id
                  AND profile_aliases.alias_id = wanted.id
                  AND (SELECT true
                         FROM profiles
                        WHERE profiles.database_id = wanted.database_id
                          AND profiles.id = profile_aliases.profile_id)
               OFFSET 0) AS found
        """,
        {
            "databases": dump_array([database_id for database_id, _ in wanted]),
            "ids": dump_array([id_ for _, id_ in wanted]),
        },
    )
    profiles, aliases = set[Id](), dict[Id, Alias]()
    for database_id, id_, profile_id, merge_id in rows:
        if profile_id is None:
            profiles.add((database_id, id_))
        else:
            aliases[database_id, id_] = Alias(profile_id, merge_id)
    return profiles, aliases


def list_former_ids(
    connection: Connection, database_id: int, profile_ids: Collection[str]
) -> dict[str, list[str]]:
    """Return the former ids of each of `profile_ids` that has any, in order."""
    found: dict[str, list[str]] = {}
    if not profile_ids:
        return found
    rows = connection.execute(
        """
        SELECT wanted.profile_id, former.alias_id
          FROM unnest(%(profiles)s::text[]) AS wanted (profile_id)
         CROSS JOIN LATERAL (
               SELECT alias_id
                 FROM profile_aliases
                WHERE profile_aliases.database_id = %(database_id)s
                  AND profile_aliases.profile_id = wanted.profile_id
               OFFSET 0) AS former
         ORDER BY wanted.profile_id, former.alias_id
        """,
        {"database_id": database_id, "profiles": dump_array(sorted(profile_ids))},
    )
    for profile_id, alias_id in rows:
        found.setdefault(profile_id, []).append(alias_id)
    return found


def insert_aliases(connection: Connection, leading: Mapping[Id, str]) -> None:
    """Let each id of `leading`, which is no profile's, lead to a profile.

    Raises UniqueViolation if one leads somewhere already.
    """
    if not leading:
        return
    connection.execute(
        """
        INSERT INTO profile_aliases (database_id, alias_id, profile_id)
        SELECT database_id, alias_id, profile_id
          FROM unnest(%(databases)s::integer[], %(aliases)s::text[],
                      %(profiles)s::text[])
               AS fresh (database_id, alias_id, profile_id)
        """,
        {
            "databases": dump_array([database_id for database_id, _ in leading]),
            "aliases": dump_array([alias_id for _, alias_id in leading]),
            "profiles": dump_array(list(leading.values())),
        },
    )
