"""The text that people are found by, written behind the receipts."""

from collections.abc import Iterable, Sequence

from ingest.domain.people import NAME_FIELDS, PATHS, make_text
from ingest.store.database import Connection
from ingest.store.rows import Id, dump_array, execute_rows


def list_changed(
    connection: Connection, after: int, until: int, limit: int
) -> list[tuple[int, Id]]:
    """Return turns after `after`, up to `until`, with the profiles that changed.

    In order, and `limit` receipts at most. Profiles that are gone are among them.
    """
    rows = connection.execute(
        """
        SELECT turn, database_id, profile_id, profiles
          FROM imports
         WHERE turn > %(after)s
           AND turn <= %(until)s
           AND profile_id IS NOT NULL
           AND state <> 'unchanged'
           -- A merge, or its undo; or what people are found by.
           AND (profiles IS NOT NULL OR changes ?| %(paths)s::text[])
         ORDER BY turn
         LIMIT %(limit)s
        """,
        {"after": after, "until": until, "paths": [*PATHS], "limit": limit},
    ).fetchall()
    return [
        (turn, (database_id, id_))
        for turn, database_id, profile_id, others in rows
        for id_ in (profile_id, *(others or ()))
    ]


def list_following(
    connection: Connection, database_id: int, after: str, limit: int
) -> list[Id]:
    """Return the profiles after one, of all databases, in order."""
    rows = connection.execute(
        """
        SELECT database_id, id
          FROM profiles
         WHERE (database_id, id) > (%(database_id)s, %(after)s)
         ORDER BY database_id, id
         LIMIT %(limit)s
        """,
        {"database_id": database_id, "after": after, "limit": limit},
    )
    return [(int(found), str(id_)) for found, id_ in rows]


def write_people(connection: Connection, owners: Iterable[Id]) -> int:
    """Write what the profiles are found by; return how many there still are.

    Must run inside a transaction. They are kept from being deleted until it ends, in
    the order in which imports lock them: a row of a deleted profile cannot come back.
    """
    wanted = sorted(set(owners))
    if not wanted:
        return 0
    texts = _read_texts(connection, wanted)
    execute_rows(
        connection,
        """
        INSERT INTO people_search AS held (database_id, profile_id, text)
        SELECT database_id, profile_id, text
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (database_id integer, profile_id text, text text)
            ON CONFLICT (database_id, profile_id) DO UPDATE
           SET text = excluded.text
         WHERE held.text <> excluded.text
        """,
        texts,
    )
    return len(texts)


def _read_texts(
    connection: Connection, wanted: Sequence[Id]
) -> list[dict[str, object]]:
    rows = connection.execute(
        """
        SELECT profiles.database_id, profiles.id, email, phones,
               fields -> %(first)s, fields -> %(last)s
          FROM unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, id)
          JOIN profiles
            ON profiles.database_id = wanted.database_id
           AND profiles.id = wanted.id
         -- As `wanted` is: unnest keeps its order, in which the rows are locked.
           FOR KEY SHARE OF profiles
        """,
        {
            "databases": dump_array([database_id for database_id, _ in wanted]),
            "profiles": dump_array([id_ for _, id_ in wanted]),
            "first": NAME_FIELDS[0],
            "last": NAME_FIELDS[1],
        },
    )
    return [
        {
            "database_id": database_id,
            "profile_id": id_,
            "text": make_text(
                email, phones, dict(zip(NAME_FIELDS, names, strict=True))
            ),
        }
        for database_id, id_, email, phones, *names in rows
    ]
