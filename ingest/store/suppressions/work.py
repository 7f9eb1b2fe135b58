"""The work that additions to suppression lists leave: contacts, and scans (L4)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from ingest.domain.catalog import Channel
from ingest.domain.profiles import Subscription, SubscriptionKey
from ingest.store.catalog.load import lock_catalog
from ingest.store.database import Connection
from ingest.store.profiles.subscriptions import load_subscriptions
from ingest.store.rows import execute_rows


class SuppressionWork(Struct, frozen=True, kw_only=True):
    """A contact whose stored subscriptions are to be lowered."""

    list_id: int
    #: None where only the hash of the contact is known: all profiles are to be seen.
    channel: Channel | None = None
    contact: str | None = None
    #: Given when it is stored.
    id: int = 0


class SuppressionScan(Struct, frozen=True, kw_only=True):
    """The profiles that are looked through for the contacts of a list."""

    list_id: int
    #: The last profile that is done; None and empty at the start.
    database_id: int | None
    after: str
    #: How many are done, and how many imports are to lower statuses.
    profiles: int
    imports: int
    requested_at: datetime
    updated_at: datetime


def insert_work(
    connection: Connection, work: Sequence[SuppressionWork], now: datetime
) -> None:
    """Note what is to be lowered; the keeper does it after the commit."""
    execute_rows(
        connection,
        """
        INSERT INTO suppression_work (list_id, channel, contact, requested_at)
        SELECT list_id, channel, contact, %(now)s
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (list_id integer, channel text, contact text)
        """,
        [
            {"list_id": one.list_id, "channel": one.channel, "contact": one.contact}
            for one in work
        ],
        now,
    )


def take_work(connection: Connection, limit: int) -> list[SuppressionWork]:
    """Lock the first contacts to be lowered that nobody else is at."""
    rows = connection.execute(
        """
        SELECT id, list_id, channel, contact
          FROM suppression_work
         WHERE channel IS NOT NULL
         ORDER BY id
         LIMIT %(limit)s
           FOR UPDATE SKIP LOCKED
        """,
        {"limit": limit},
    )
    return [
        SuppressionWork(
            id=id_, list_id=list_id, channel=Channel(channel), contact=contact
        )
        for id_, list_id, channel, contact in rows
    ]


def delete_work(connection: Connection, ids: Collection[int]) -> None:
    """Forget what was done; the caller has locked it."""
    connection.execute(
        """
        DELETE FROM suppression_work
         USING unnest(%(ids)s::bigint[]) AS done (id)
         WHERE suppression_work.id = done.id
        """,
        {"ids": list(ids)},
    )


def find_holders(
    connection: Connection, database_ids: Collection[int], kind: str, contact: str
) -> list[tuple[int, str]]:
    """Return the profiles that a key of the contact leads to, in these databases."""
    rows = connection.execute(
        """
        SELECT found.database_id, found.profile_id
          FROM unnest(%(database_ids)s::integer[]) AS owner (database_id)
         CROSS JOIN LATERAL (
               SELECT database_id, profile_id
                 FROM match_keys
                WHERE match_keys.database_id = owner.database_id
                  AND match_keys.kind = %(kind)s
                  AND match_keys.value = %(contact)s
               OFFSET 0) AS found
         ORDER BY database_id, profile_id
        """,
        {"database_ids": sorted(database_ids), "kind": kind, "contact": contact},
    )
    return rows.fetchall()


def start_scans(connection: Connection, now: datetime) -> list[int]:
    """Start the scans that are to be; return the lists that they are for.

    Must run in a transaction of its own: takes the exclusive lock of the catalog, so
    that imports which have not seen the entries end first. What comes while a list is
    scanned waits for the next scan.
    """
    if not _is_scan_due(connection):
        return []
    lock_catalog(connection)
    rows = connection.execute(
        """
          WITH due AS (
               DELETE FROM suppression_work
                WHERE channel IS NULL
                  AND NOT EXISTS (
                      SELECT FROM suppression_scans
                       WHERE suppression_scans.list_id = suppression_work.list_id)
            RETURNING list_id)
        INSERT INTO suppression_scans (list_id, requested_at, updated_at)
        SELECT DISTINCT list_id, %(now)s::timestamptz, %(now)s::timestamptz
          FROM due
        RETURNING list_id
        """,
        {"now": now},
    )
    return [list_id for (list_id,) in rows]


def _is_scan_due(connection: Connection) -> bool:
    row = connection.execute(
        """
        SELECT EXISTS (
               SELECT FROM suppression_work
                WHERE channel IS NULL
                  AND NOT EXISTS (
                      SELECT FROM suppression_scans
                       WHERE suppression_scans.list_id = suppression_work.list_id))
        """
    ).fetchone()
    return row == (True,)


def take_scan(connection: Connection) -> SuppressionScan | None:
    """Lock the first scan that nobody else is at; None for none."""
    cursor = connection.cursor(row_factory=class_row(SuppressionScan))
    return cursor.execute(
        """
        SELECT list_id, database_id, after, profiles, imports, requested_at, updated_at
          FROM suppression_scans
         ORDER BY requested_at, list_id
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """
    ).fetchone()


def list_scans(connection: Connection) -> list[SuppressionScan]:
    """Return the scans under way."""
    cursor = connection.cursor(row_factory=class_row(SuppressionScan))
    return cursor.execute(
        """
        SELECT list_id, database_id, after, profiles, imports, requested_at, updated_at
          FROM suppression_scans
         ORDER BY requested_at, list_id
        """
    ).fetchall()


def count_work(connection: Connection) -> int:
    """Return how many additions are still to lower something; a scan counts as one."""
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM suppression_work)
             + (SELECT count(*) FROM suppression_scans)
        """
    ).fetchone()
    return int(row[0]) if row else 0


def save_scan(connection: Connection, scan: SuppressionScan) -> None:
    """Write how far a scan has come; its row is the caller's."""
    connection.execute(
        """
        UPDATE suppression_scans
           SET database_id = %(database_id)s, after = %(after)s,
               profiles = %(profiles)s, imports = %(imports)s,
               updated_at = %(updated_at)s
         WHERE list_id = %(list_id)s
        """,
        {
            "list_id": scan.list_id,
            "database_id": scan.database_id,
            "after": scan.after,
            "profiles": scan.profiles,
            "imports": scan.imports,
            "updated_at": scan.updated_at,
        },
    )


def finish_scan(connection: Connection, list_id: int) -> None:
    """Forget a scan that has seen all profiles; its row is the caller's."""
    connection.execute(
        "DELETE FROM suppression_scans WHERE list_id = %(list_id)s",
        {"list_id": list_id},
    )


def read_subscriptions(
    connection: Connection, database_id: int, after: str, limit: int
) -> list[tuple[str, dict[SubscriptionKey, Subscription]]]:
    """Return the profiles that follow one, at most `limit`: their subscriptions."""
    rows = connection.execute(
        """
        SELECT id, subscriptions::text
          FROM profiles
         WHERE database_id = %(database_id)s
           AND id > %(after)s
         ORDER BY id
         LIMIT %(limit)s
        """,
        {"database_id": database_id, "after": after, "limit": limit},
    )
    return [(id_, load_subscriptions(text) if text else {}) for id_, text in rows]
