"""Backfill of stored values and match keys after a field has changed."""

from collections.abc import Iterator, Sequence
from itertools import chain

import orjson
from psycopg.rows import TupleRow

from ingest.domain import fields
from ingest.domain.catalog import Field
from ingest.domain.errors import InvalidValue, PenstockError
from ingest.domain.lookups import FIELD_PREFIX, field_keys
from ingest.domain.plans import FieldChange
from ingest.store.database import Connection
from ingest.store.rows import execute_rows

#: Profiles read at a time, so that a database of any size fits into memory.
_CHUNK = 5_000


class ValuesNotUnique(PenstockError):
    """A field cannot become unique: profiles already share values."""


def _stored_values(
    connection: Connection, change: FieldChange
) -> Iterator[Sequence[TupleRow]]:
    """Read (profile id, value) of every profile that has the field, in chunks."""
    with connection.cursor(name="stored_values") as cursor:
        cursor.execute(
            """
            SELECT id, fields -> %(name)s::text
              FROM profiles
             WHERE database_id = %(database_id)s
               AND fields ? %(name)s::text
            """,
            {"database_id": change.database_id, "name": change.name},
        )
        while rows := cursor.fetchmany(_CHUNK):
            yield rows


def _former_values(
    connection: Connection, change: FieldChange
) -> Iterator[Sequence[TupleRow]]:
    """Read (profile id, value) of every former value of the field, in chunks."""
    with connection.cursor(name="former_values") as cursor:
        cursor.execute(
            """
            SELECT id, value
              FROM profiles
             CROSS JOIN LATERAL jsonb_array_elements(former_keys -> %(name)s::text)
                   AS former (value)
             WHERE database_id = %(database_id)s
               AND former_keys ? %(name)s::text
            """,
            {"database_id": change.database_id, "name": change.name},
        )
        while rows := cursor.fetchmany(_CHUNK):
            yield rows


def _convert(field: Field, value: object) -> object:
    try:
        return fields.parse(field, value)
    except InvalidValue:
        return None


def _convert_values(connection: Connection, change: FieldChange, field: Field) -> None:
    """Rewrite stored values as `field` has them; drop those that it cannot hold."""
    for rows in _stored_values(connection, change):
        converted = [(id_, value, _convert(field, value)) for id_, value in rows]
        execute_rows(
            connection,
            """
            UPDATE profiles
               SET fields = CASE WHEN fresh.value IS NULL
                                 THEN fields - fresh.name
                                 ELSE jsonb_set(fields, ARRAY[fresh.name], fresh.value)
                            END,
                   version = version + 1,
                   updated_at = now()
              FROM jsonb_to_recordset(%(rows)s::jsonb)
                   AS fresh (database_id integer, id text, name text, value jsonb)
             WHERE profiles.database_id = fresh.database_id
               AND profiles.id = fresh.id
            """,
            [
                {
                    "database_id": change.database_id,
                    "id": id_,
                    "name": change.name,
                    "value": new,
                }
                for id_, old, new in converted
                # Equal is not enough: True == 1 == 1.0.
                if type(old) is not type(new) or old != new
            ],
        )


def _delete_keys(connection: Connection, change: FieldChange) -> None:
    connection.execute(
        """
        DELETE FROM match_keys
         WHERE database_id = %(database_id)s
           AND kind = %(kind)s
        """,
        {"database_id": change.database_id, "kind": FIELD_PREFIX + change.name},
    )


def _insert_keys(connection: Connection, parameters: dict[str, object]) -> int:
    """Insert keys that nothing excludes; return how many."""
    return connection.execute(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT %(database_id)s, %(kind)s, value, profile_id, %(exclusive)s
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (value text, profile_id text)
            ON CONFLICT DO NOTHING
        """,
        parameters,
    ).rowcount


def _find_clash(connection: Connection, parameters: dict[str, object]) -> str:
    """Name two profiles of which one bears a value that the other holds."""
    row = connection.execute(
        """
        SELECT held.profile_id, fresh.profile_id
          FROM match_keys AS held
          JOIN jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (value text, profile_id text)
            ON held.value = fresh.value
         WHERE held.database_id = %(database_id)s
           AND held.kind = %(kind)s
           AND held.profile_id <> fresh.profile_id
         ORDER BY 1, 2
         LIMIT 1
        """,
        parameters,
    ).fetchone()
    return " and ".join(row) if row else ""


def _build_keys(connection: Connection, change: FieldChange, field: Field) -> None:
    duplicates, example = 0, ""
    own, former = _stored_values(connection, change), _former_values(connection, change)
    for rows in chain(own, former):
        keys = {
            (lookup.value, id_)
            for id_, value in rows
            for lookup in field_keys(field, value)
        }
        parameters: dict[str, object] = {
            "database_id": change.database_id,
            "kind": FIELD_PREFIX + change.name,
            "exclusive": field.unique,
            "rows": orjson.dumps(
                [{"value": text, "profile_id": id_} for text, id_ in sorted(keys)]
            ).decode(),
        }
        refused = len(keys) - _insert_keys(connection, parameters)
        # A former value may have the key of the profile's own.
        if refused and (clash := _find_clash(connection, parameters)):
            example = example or clash
            duplicates += refused
    if duplicates:
        raise ValuesNotUnique(
            f"{change.path} cannot be unique. Profiles with the same value as another"
            f" profile: {duplicates}, such as {example}"
        )


def follow_field(connection: Connection, change: FieldChange) -> None:
    """Make stored values and match keys fit a field that changed.

    Reads every profile that has the field, so nobody else may write profiles
    meanwhile: the caller's transaction holds the catalog's exclusive lock.
    """
    if change.new is not None and change.strands_values:
        _convert_values(connection, change, change.new)
    if change.moves_keys:
        _delete_keys(connection, change)
    if change.new is not None and change.new.match and change.moves_keys:
        _build_keys(connection, change, change.new)
