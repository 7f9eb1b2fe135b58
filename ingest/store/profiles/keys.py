"""Match keys: how profiles are found by their own fields."""

from collections.abc import Iterator, Sequence

from ingest.domain.catalog import Catalog
from ingest.domain.lookups import Lookup, list_exclusive
from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array, sample_percent

#: Keys of one statement. The longest has some 2 kB.
_KEYS = 5_000


def delete_keys(connection: Connection, keys: Sequence[tuple[Id, Lookup]]) -> None:
    """Remove keys that profiles no longer have."""
    for arrays in _arrays(keys):
        connection.execute(
            """
            DELETE FROM match_keys
             USING unnest(%(databases)s::integer[], %(profiles)s::text[],
                          %(kinds)s::text[], %(values)s::text[])
                   AS gone (database_id, profile_id, kind, value)
             WHERE match_keys.database_id = gone.database_id
               AND match_keys.kind = gone.kind
               AND match_keys.value = gone.value
               AND match_keys.profile_id = gone.profile_id
            """,
            arrays,
        )


def insert_keys(
    connection: Connection, catalog: Catalog, keys: Sequence[tuple[Id, Lookup]]
) -> None:
    """Add keys; raises UniqueViolation if one is taken that is exclusive."""
    for arrays in _arrays(keys, catalog):
        connection.execute(
            """
            INSERT INTO match_keys (database_id, profile_id, kind, value, exclusive)
            SELECT database_id, profile_id, kind, value, exclusive
              FROM unnest(%(databases)s::integer[], %(profiles)s::text[],
                          %(kinds)s::text[], %(values)s::text[],
                          %(exclusive)s::boolean[])
                   AS fresh (database_id, profile_id, kind, value, exclusive)
            """,
            arrays,
        )


def insert_free_keys(
    connection: Connection, catalog: Catalog, keys: Sequence[tuple[Id, Lookup]]
) -> int:
    """Add those keys that nobody else holds exclusively; return how many."""
    return sum(
        connection.execute(
            """
            INSERT INTO match_keys (database_id, profile_id, kind, value, exclusive)
            SELECT database_id, profile_id, kind, value, exclusive
              FROM unnest(%(databases)s::integer[], %(profiles)s::text[],
                          %(kinds)s::text[], %(values)s::text[],
                          %(exclusive)s::boolean[])
                   AS fresh (database_id, profile_id, kind, value, exclusive)
                ON CONFLICT DO NOTHING
            """,
            arrays,
        ).rowcount
        for arrays in _arrays(keys, catalog)
    )


def _arrays(
    keys: Sequence[tuple[Id, Lookup]], catalog: Catalog | None = None
) -> Iterator[dict[str, object]]:
    """Return the columns of `keys` as parameters, which are short enough to send."""
    for start in range(0, len(keys), _KEYS):
        part = keys[start : start + _KEYS]
        arrays: dict[str, object] = {
            "databases": dump_array([owner[0] for owner, _ in part]),
            "profiles": dump_array([owner[1] for owner, _ in part]),
            "kinds": dump_array([lookup.kind for _, lookup in part]),
            "values": dump_array([lookup.value for _, lookup in part]),
        }
        if catalog:
            exclusive = {
                id_: list_exclusive(catalog.databases[id_])
                for id_ in {owner[0] for owner, _ in part}
            }
            arrays["exclusive"] = dump_array(
                [lookup.kind in exclusive[owner[0]] for owner, lookup in part]
            )
        yield arrays


def find_missing_keys(
    connection: Connection, keys: Sequence[tuple[Id, Lookup]]
) -> list[tuple[Id, Lookup]]:
    """Return those of `keys` that are not stored."""
    missing = []
    for place, arrays in enumerate(_arrays(keys)):
        rows = connection.execute(
            """
            SELECT number
              FROM unnest(%(databases)s::integer[], %(profiles)s::text[],
                          %(kinds)s::text[], %(values)s::text[])
                   WITH ORDINALITY
                   AS wanted (database_id, profile_id, kind, value, number)
              LEFT JOIN LATERAL (
                   SELECT true AS is_stored
                     FROM match_keys
                    WHERE match_keys.database_id = wanted.database_id
                      AND match_keys.kind = wanted.kind
                      AND match_keys.value = wanted.value
                      AND match_keys.profile_id = wanted.profile_id
                    LIMIT 1) AS found ON true
             WHERE is_stored IS NULL
            """,
            arrays,
        )
        missing += [keys[place * _KEYS + number - 1] for (number,) in rows]
    return missing


def list_keys(
    connection: Connection, position: Sequence[str | int], limit: int
) -> list[tuple[Id, Lookup]]:
    """Return at most `limit` keys, in their order, that follow `position`.

    That is the database, kind, value and profile of one; empty for the beginning.
    """
    database_id, kind, value, profile_id = position or (0, "", "", "")
    rows = connection.execute(
        """
        SELECT database_id, kind, value, profile_id
          FROM match_keys
         WHERE (database_id, kind, value, profile_id)
             > (%(database_id)s, %(kind)s, %(value)s, %(profile_id)s)
         ORDER BY database_id, kind, value, profile_id
         LIMIT %(limit)s
        """,
        {
            "database_id": database_id,
            "kind": kind,
            "value": value,
            "profile_id": profile_id,
            "limit": limit,
        },
    )
    return [((row[0], row[3]), Lookup(row[1], row[2])) for row in rows]


def sample_keys(connection: Connection) -> list[tuple[Id, Lookup]]:
    """Return the keys on some pages, chosen by chance; all of a small table."""
    rows = connection.execute(
        """
        SELECT database_id, kind, value, profile_id
          FROM match_keys TABLESAMPLE SYSTEM (%(percent)s)
        """,
        {"percent": sample_percent(connection, "match_keys")},
    )
    return [((row[0], row[3]), Lookup(row[1], row[2])) for row in rows]
