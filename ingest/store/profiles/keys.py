"""Match keys: how profiles are found by their own fields."""

from collections.abc import Iterable, Sequence

from ingest.domain.lookups import Lookup
from ingest.store.database import Connection
from ingest.store.rows import Id, dump_rows, execute_rows, sample_percent


def delete_keys(connection: Connection, keys: Iterable[tuple[Id, Lookup]]) -> None:
    """Remove keys that profiles no longer have."""
    execute_rows(
        connection,
        """
        DELETE FROM match_keys
         USING jsonb_to_recordset(%(rows)s::jsonb)
               AS gone (database_id integer, profile_id text, kind text, value text)
         WHERE match_keys.database_id = gone.database_id
           AND match_keys.kind = gone.kind
           AND match_keys.value = gone.value
           AND match_keys.profile_id = gone.profile_id
        """,
        [_key_row(owner, lookup) for owner, lookup in keys],
    )


def insert_keys(
    connection: Connection, keys: Iterable[tuple[Id, Lookup, bool]]
) -> None:
    """Add keys, each with whether it is exclusive; raises UniqueViolation if taken."""
    execute_rows(
        connection,
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT database_id, kind, value, profile_id, exclusive
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (database_id integer, profile_id text, kind text, value text,
                         exclusive boolean)
        """,
        [
            _key_row(owner, lookup) | {"exclusive": exclusive}
            for owner, lookup, exclusive in keys
        ],
    )


def insert_free_keys(
    connection: Connection, keys: Iterable[tuple[Id, Lookup, bool]]
) -> int:
    """Add those keys that nobody else holds exclusively; return how many."""
    rows = [
        _key_row(owner, lookup) | {"exclusive": exclusive}
        for owner, lookup, exclusive in keys
    ]
    return connection.execute(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT database_id, kind, value, profile_id, exclusive
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (database_id integer, profile_id text, kind text, value text,
                         exclusive boolean)
            ON CONFLICT DO NOTHING
        """,
        {"rows": dump_rows(rows)},
    ).rowcount


def find_missing_keys(
    connection: Connection, keys: Sequence[tuple[Id, Lookup]]
) -> list[tuple[Id, Lookup]]:
    """Return those of `keys` that are not stored."""
    rows = connection.execute(
        """
        SELECT number
          FROM ROWS FROM (
               jsonb_to_recordset(%(rows)s::jsonb)
               AS (database_id integer, profile_id text, kind text, value text))
               WITH ORDINALITY AS wanted (database_id, profile_id, kind, value, number)
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
        {"rows": dump_rows([_key_row(owner, lookup) for owner, lookup in keys])},
    )
    return [keys[number - 1] for (number,) in rows]


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


def _key_row(owner: Id, lookup: Lookup) -> dict[str, object]:
    database_id, profile_id = owner
    return {
        "database_id": database_id,
        "profile_id": profile_id,
        "kind": lookup.kind,
        "value": lookup.value,
    }
