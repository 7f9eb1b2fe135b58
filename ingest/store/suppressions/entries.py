"""The entries of suppression lists: added, removed, and looked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from ingest.store.catalog.load import bump_version, lock_catalog
from ingest.store.database import Connection
from ingest.store.rows import dump_array

#: (list id, hash)
ListEntry = tuple[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedContact:
    """An entry of a list: a hash, and what is known of how it came there."""

    list_id: int
    hash: bytes
    reason: str = ""
    source: str = ""
    added_at: datetime
    #: None for never.
    expires_at: datetime | None = None


def find_entries(
    connection: Connection, entries: Iterable[ListEntry]
) -> set[ListEntry]:
    """Return those of `entries` that there are, expired ones left out."""
    wanted = list(entries)
    rows = connection.execute(
        """
        -- One by one: each is a look at the primary key.
        SELECT wanted.list_id, wanted.hash
          FROM (SELECT list_id, decode(digits, 'hex') AS hash
                  FROM unnest(%(list_ids)s::integer[], %(hashes)s::text[])
                       AS sent (list_id, digits)) AS wanted
         CROSS JOIN LATERAL (
               SELECT expires_at
                 FROM suppressed
                WHERE suppressed.list_id = wanted.list_id
                  AND suppressed.hash = wanted.hash
               OFFSET 0) AS found
         WHERE found.expires_at IS NULL
            OR found.expires_at > now()
        """,
        {
            # Texts of digits are written in a tenth of the time.
            "list_ids": dump_array([list_id for list_id, _ in wanted]),
            "hashes": dump_array([one.hex() for _, one in wanted]),
        },
    )
    return {(list_id, bytes(one)) for list_id, one in rows}


def read_entries(
    connection: Connection, entries: Iterable[ListEntry]
) -> list[SuppressedContact]:
    """Return what is known of those of `entries` that there are, expired ones too."""
    wanted = list(entries)
    with connection.cursor(row_factory=class_row(SuppressedContact)) as cursor:
        return cursor.execute(
            """
            SELECT found.*
              FROM unnest(%(list_ids)s::integer[], %(hashes)s::bytea[])
                   AS wanted (list_id, hash)
             CROSS JOIN LATERAL (
                   SELECT list_id, hash, reason, source, added_at, expires_at
                     FROM suppressed
                    WHERE suppressed.list_id = wanted.list_id
                      AND suppressed.hash = wanted.hash
                   OFFSET 0) AS found
             ORDER BY list_id
            """,
            {
                "list_ids": [list_id for list_id, _ in wanted],
                "hashes": [one for _, one in wanted],
            },
        ).fetchall()


def insert_entries(
    connection: Connection, entries: Sequence[SuppressedContact]
) -> set[ListEntry]:
    """Insert entries; return those that are new, or of which something is.

    One that is there stays as long as it would have, or longer.
    """
    # In one order: two that add the same ones do not wait for each other.
    ordered = sorted(
        {(one.list_id, one.hash): one for one in entries}.values(),
        key=lambda one: (one.list_id, one.hash),
    )
    rows = connection.execute(
        """
        INSERT INTO suppressed (list_id, hash, reason, source, added_at, expires_at)
        SELECT list_id, hash, reason, source, added_at, expires_at
          FROM unnest(%(list_ids)s::integer[], %(hashes)s::bytea[], %(reasons)s::text[],
                      %(sources)s::text[], %(added_at)s::timestamptz[],
                      %(expires_at)s::timestamptz[])
               AS fresh (list_id, hash, reason, source, added_at, expires_at)
            ON CONFLICT (list_id, hash) DO UPDATE
           SET expires_at = excluded.expires_at
         WHERE suppressed.expires_at IS NOT NULL
           AND (excluded.expires_at IS NULL
                OR excluded.expires_at > suppressed.expires_at)
        RETURNING list_id, hash
        """,
        {
            "list_ids": [one.list_id for one in ordered],
            "hashes": [one.hash for one in ordered],
            "reasons": [one.reason for one in ordered],
            "sources": [one.source for one in ordered],
            "added_at": [one.added_at for one in ordered],
            "expires_at": [one.expires_at for one in ordered],
        },
    )
    return {(list_id, bytes(one)) for list_id, one in rows}


def delete_entries(connection: Connection, entries: Iterable[ListEntry]) -> int:
    """Delete entries; return how many there were. Nothing is raised by it (L4)."""
    wanted = sorted(entries)
    return connection.execute(
        """
        DELETE FROM suppressed
         USING unnest(%(list_ids)s::integer[], %(hashes)s::bytea[])
               AS gone (list_id, hash)
         WHERE suppressed.list_id = gone.list_id
           AND suppressed.hash = gone.hash
        """,
        {
            "list_ids": [list_id for list_id, _ in wanted],
            "hashes": [one for _, one in wanted],
        },
    ).rowcount


def delete_expired(connection: Connection, limit: int) -> int:
    """Delete some of the entries that are past their time; return how many."""
    return connection.execute(
        """
        DELETE FROM suppressed
         USING (SELECT list_id, hash
                  FROM suppressed
                 WHERE expires_at <= now()
                 ORDER BY expires_at
                 LIMIT %(limit)s
                   FOR UPDATE SKIP LOCKED) AS expired
         WHERE suppressed.list_id = expired.list_id
           AND suppressed.hash = expired.hash
        """,
        {"limit": limit},
    ).rowcount


def list_entries(
    connection: Connection, list_id: int, after: bytes, limit: int
) -> list[SuppressedContact]:
    """Return the entries of a list that follow a hash, at most `limit`."""
    with connection.cursor(row_factory=class_row(SuppressedContact)) as cursor:
        return cursor.execute(
            """
            SELECT list_id, hash, reason, source, added_at, expires_at
              FROM suppressed
             WHERE list_id = %(list_id)s
               AND hash > %(after)s
             ORDER BY hash
             LIMIT %(limit)s
            """,
            {"list_id": list_id, "after": after, "limit": limit},
        ).fetchall()


def count_entries(connection: Connection) -> None:
    """Count the entries of each list, for those who look at them."""
    connection.execute(
        """
        UPDATE suppression_lists
           SET entries = counted.entries
          FROM (SELECT id, (SELECT count(*) FROM suppressed WHERE list_id = id)
                  FROM suppression_lists) AS counted (id, entries)
         WHERE suppression_lists.id = counted.id
           AND suppression_lists.entries <> counted.entries
        """
    )


def load_counts(connection: Connection) -> Mapping[int, int]:
    """Return how many entries each list had a moment ago."""
    rows = connection.execute("SELECT id, entries FROM suppression_lists ORDER BY id")
    return dict(rows.fetchall())


def mark_filled(connection: Connection, list_id: int) -> None:
    """Let imports ask for the entries of a list from now on.

    Takes the exclusive lock of the catalog where that is news: imports under way, which
    do not ask, end first.
    """
    filled = connection.execute(
        "SELECT filled FROM suppression_lists WHERE id = %(list_id)s",
        {"list_id": list_id},
    ).fetchone()
    if filled == (False,):
        lock_catalog(connection)
        connection.execute(
            "UPDATE suppression_lists SET filled = true WHERE id = %(list_id)s",
            {"list_id": list_id},
        )
        bump_version(connection)
