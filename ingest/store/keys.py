"""Match keys: how profiles are found by their own fields."""

from collections.abc import Iterable

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.lookups import Lookup
from ingest.store.rows import Id, execute_rows


def delete_keys(
    connection: Connection[TupleRow], keys: Iterable[tuple[Id, Lookup]]
) -> None:
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
    connection: Connection[TupleRow], keys: Iterable[tuple[Id, Lookup, bool]]
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


def _key_row(owner: Id, lookup: Lookup) -> dict[str, object]:
    database_id, profile_id = owner
    return {
        "database_id": database_id,
        "profile_id": profile_id,
        "kind": lookup.kind,
        "value": lookup.value,
    }
