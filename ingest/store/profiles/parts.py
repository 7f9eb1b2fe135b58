"""Profiles locked and read in part: only what some conditions read of them.

Most of a profile's row is its fields and subscriptions, and to read those takes most of
the time of a build or a sweep.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct
from psycopg import sql
from psycopg.rows import TupleRow

from ingest.domain.conditions import (
    CREATE_TIME,
    DERIVED_FIELDS,
    EMAIL,
    PHONES,
    SUBSCRIPTIONS,
)
from ingest.domain.profiles import Profile
from ingest.store.database import Connection
from ingest.store.profiles.segments import load_segments
from ingest.store.profiles.subscriptions import load_subscriptions
from ingest.store.rows import Id, dump_array

#: Of more fields, all are read: a function takes a hundred arguments.
_MOST_FIELDS = 40


class PartColumns(Struct, frozen=True, kw_only=True):
    """Columns of `profiles` that are selected, and the parameters that they name."""

    text: sql.Composed
    parameters: Mapping[str, object]


def choose_columns(paths: Collection[str]) -> PartColumns:
    """Return the columns of `read_part` for conditions that read `paths`."""
    names = sorted(set(paths) - DERIVED_FIELDS.keys() - {SUBSCRIPTIONS})
    fields, parameters = _choose_fields(names)
    return PartColumns(
        text=_COLUMNS.format(fields),
        parameters={
            **parameters,
            "reads_email": EMAIL in paths,
            "reads_phones": PHONES in paths,
            "reads_subscriptions": SUBSCRIPTIONS in paths,
            "reads_time": CREATE_TIME in paths,
        },
    )


_COLUMNS = sql.SQL(
    """profiles.database_id, profiles.id, {},
           CASE WHEN %(reads_email)s THEN profiles.email END,
           CASE WHEN %(reads_phones)s THEN profiles.phones END,
           CASE WHEN %(reads_subscriptions)s THEN profiles.subscriptions::text END,
           CASE WHEN %(reads_time)s THEN profiles.created_at END"""
)
_ALL_FIELDS = sql.SQL("profiles.fields")
# What is absent is null here, and no condition tells the two apart.
_FIELD = sql.SQL("{0}::text, profiles.fields -> {0}::text")


def _choose_fields(
    names: Collection[str],
) -> tuple[sql.Composable, Mapping[str, object]]:
    if len(names) > _MOST_FIELDS:
        return _ALL_FIELDS, {}
    parameters = {f"f{place}": name for place, name in enumerate(names)}
    listed = sql.SQL(", ").join(
        _FIELD.format(sql.Placeholder(name)) for name in parameters
    )
    return sql.SQL("jsonb_build_object({})").format(listed), parameters


def read_part(row: TupleRow, segments: Iterable[int] = ()) -> Profile:
    """Return a profile of what is selected by `choose_columns`, and its segments."""
    database_id, id_, fields, email, phones, document, created_at = row
    return Profile(
        id=id_,
        database_id=database_id,
        email=email,
        phones=tuple(phones or ()),
        fields=fields,
        subscriptions=load_subscriptions(document) if document else {},
        segments=frozenset(segments),
        created_at=created_at,
    )


def lock_parts(
    connection: Connection, ids: Iterable[Id], paths: Collection[str]
) -> list[Profile]:
    """Lock the rows of `ids` in one order and return those that exist.

    They have all of their segments, and else only what conditions on `paths` read.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return []
    columns = choose_columns(paths)
    parameters = {
        "databases": dump_array([database_id for database_id, _ in wanted]),
        "profiles": dump_array([profile_id for _, profile_id in wanted]),
    }
    rows = connection.execute(
        _LOCK.format(columns.text), {**columns.parameters, **parameters}
    ).fetchall()
    segments: dict[Id, list[int]] = defaultdict(list)
    for owner, segment_id in load_segments(connection, parameters):
        segments[owner].append(segment_id)
    return [read_part(row, segments.get((row[0], row[1]), ())) for row in rows]


_LOCK = sql.SQL(
    """
    SELECT {}
      FROM profiles
      JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
           AS wanted (database_id, id)
        ON profiles.database_id = wanted.database_id
       AND profiles.id = wanted.id
     ORDER BY profiles.database_id, profiles.id
       FOR NO KEY UPDATE OF profiles
    """
)
