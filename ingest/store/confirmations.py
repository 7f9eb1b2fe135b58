"""Confirmations in Postgres: what people were asked, and what they have answered."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from msgspec import Struct
from msgspec.structs import asdict

from ingest.domain.catalog import Channel
from ingest.domain.confirmation_requests import (
    Confirmation,
    LastRequest,
    StoredConfirmation,
    SubscriptionAddress,
)
from ingest.domain.profiles import Profile, SubscriptionKey
from ingest.store.database import Connection
from ingest.store.profiles.aliases import locate_ids
from ingest.store.profiles.profile_rows import load_profiles
from ingest.store.rows import execute_rows


def insert_confirmations(
    connection: Connection, confirmations: Sequence[Confirmation]
) -> None:
    """Insert what people are asked; does nothing for none."""
    execute_rows(
        connection,
        """
        INSERT INTO confirmations
               (id, database_id, profile_id, resource_id, channel, contact, attempt,
                issued_at, expires_at)
        SELECT id, database_id, profile_id, resource_id, channel, contact, attempt,
               issued_at, expires_at
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS issued (id uuid, database_id integer, profile_id text,
                          resource_id integer, channel text, contact text,
                          attempt integer, issued_at timestamptz,
                          expires_at timestamptz)
            -- An import that is replayed asks the same again.
            ON CONFLICT (id) DO UPDATE
           SET attempt = excluded.attempt,
               issued_at = excluded.issued_at,
               expires_at = excluded.expires_at
        """,
        [_row(one) for one in confirmations],
    )


def _row(one: Confirmation) -> dict[str, object]:
    return {
        "id": one.id,
        "database_id": one.database_id,
        "profile_id": one.profile_id,
        "resource_id": one.key.resource_id,
        "channel": one.key.channel,
        "contact": one.key.contact,
        "attempt": one.attempt,
        "issued_at": one.issued_at,
        "expires_at": one.expires_at,
    }


def note_confirmed(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """Note which confirmations were used; does nothing for none."""
    if not ids:
        return
    connection.execute(
        """
        UPDATE confirmations
           SET used_at = coalesce(used_at, %(now)s)
         WHERE id = ANY(%(ids)s::uuid[])
        """,
        {"ids": list(ids), "now": now},
    )


def load_last_requests(
    connection: Connection, addresses: Collection[SubscriptionAddress]
) -> dict[SubscriptionAddress, LastRequest]:
    """Return the last confirmations of subscriptions that nobody has used, if any.

    Of each that its profile has taken over from others, too.
    """
    if not addresses:
        return {}
    numbered = list(addresses)
    rows = connection.execute(
        """
        SELECT wanted.place, last.attempt, last.issued_at, last.expires_at
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS wanted (place integer, database_id integer, profile_id text,
                          resource_id integer, channel text, contact text)
         CROSS JOIN LATERAL (
               SELECT wanted.profile_id AS id
                UNION ALL
               SELECT profile_aliases.alias_id
                 FROM profile_aliases
                WHERE profile_aliases.database_id = wanted.database_id
                  AND profile_aliases.profile_id = wanted.profile_id) AS owner
         CROSS JOIN LATERAL (
               SELECT attempt, issued_at, expires_at, used_at
                 FROM confirmations
                WHERE confirmations.database_id = wanted.database_id
                  AND confirmations.profile_id = owner.id
                  AND confirmations.resource_id = wanted.resource_id
                  AND confirmations.channel = wanted.channel
                  AND confirmations.contact = wanted.contact
                ORDER BY issued_at DESC
                LIMIT 1) AS last
         WHERE last.used_at IS NULL
         ORDER BY last.issued_at
        """,
        {"rows": orjson.dumps([_place(*one) for one in enumerate(numbered)]).decode()},
    ).fetchall()
    # The latest of several profiles comes last.
    return {
        numbered[place]: LastRequest(
            attempt=attempt, issued_at=issued_at, expires_at=expires_at
        )
        for place, attempt, issued_at, expires_at in rows
    }


def _place(place: int, address: SubscriptionAddress) -> dict[str, object]:
    database_id, profile_id, key = address
    return {
        "place": place,
        "database_id": database_id,
        "profile_id": profile_id,
        **asdict(key),
    }


class OwnedConfirmation(Struct, frozen=True, kw_only=True):
    """A confirmation, and the profile that has its subscription now."""

    asked: StoredConfirmation
    #: None where there is none; of a merged profile, the survivor.
    profile: Profile | None


def find_confirmation(
    connection: Connection, confirmation_id: UUID
) -> OwnedConfirmation | None:
    """Return a confirmation and its profile; None for an unknown one.

    Must run in one snapshot: what was used is subscribed, or was changed since.
    """
    row = connection.execute(
        """
        SELECT database_id, profile_id, resource_id, channel, contact, attempt,
               issued_at, expires_at, used_at
          FROM confirmations
         WHERE id = %(id)s
        """,
        {"id": confirmation_id},
    ).fetchone()
    if row is None:
        return None
    database_id, profile_id, resource_id, channel, contact, *times = row
    asked = StoredConfirmation(
        id=confirmation_id,
        database_id=database_id,
        profile_id=profile_id,
        key=SubscriptionKey(resource_id, Channel(channel), contact),
        **dict(zip(_TIMES, times, strict=True)),
    )
    owner = (database_id, profile_id)
    alias = locate_ids(connection, [owner])[1].get(owner)
    if alias is not None:
        owner = (database_id, alias.profile_id)
    profiles = load_profiles(connection, [owner])
    return OwnedConfirmation(asked=asked, profile=profiles[0] if profiles else None)


_TIMES = ("attempt", "issued_at", "expires_at", "used_at")


def list_confirmations(
    connection: Connection, database_id: int, profile_ids: Collection[str]
) -> list[StoredConfirmation]:
    """Return what the people of profiles were asked, the latest first; at most 1,000.

    Of a merged profile, under its former ids, too.
    """
    rows = connection.execute(
        """
        SELECT asked.*
          FROM unnest(%(profile_ids)s::text[]) AS owner (profile_id)
         CROSS JOIN LATERAL (
               SELECT id, profile_id, resource_id, channel, contact, attempt, issued_at,
                      expires_at, used_at
                 FROM confirmations
                WHERE confirmations.database_id = %(database_id)s
                  AND confirmations.profile_id = owner.profile_id) AS asked
         ORDER BY issued_at DESC
         LIMIT 1000
        """,
        {"database_id": database_id, "profile_ids": list(profile_ids)},
    ).fetchall()
    return [
        StoredConfirmation(
            id=id_,
            database_id=database_id,
            profile_id=profile_id,
            key=SubscriptionKey(resource_id, Channel(channel), contact),
            **dict(zip(_TIMES, times, strict=True)),
        )
        for id_, profile_id, resource_id, channel, contact, *times in rows
    ]


def count_unused(connection: Connection) -> dict[str, int]:
    """Return how many confirmations nobody has used, by state; at most 100,000."""
    row = connection.execute(
        """
        SELECT count(*) FILTER (WHERE expires_at > now()),
               count(*) FILTER (WHERE expires_at <= now())
          FROM (SELECT expires_at
                  FROM confirmations
                 WHERE used_at IS NULL
                   AND swept_at IS NULL
                 LIMIT 100000) AS unused
        """
    ).fetchone()
    waiting, expired = row or (0, 0)
    return {"waiting": waiting, "expired": expired}


class StaleConfirmation(Struct, frozen=True, kw_only=True):
    """A confirmation that nobody has used for too long."""

    asked: Confirmation
    #: Nobody was asked once more since.
    is_last: bool


def list_stale(
    connection: Connection,
    resource_id: int,
    before: datetime,
    now: datetime,
    limit: int,
) -> list[StaleConfirmation]:
    """Return confirmations of a resource from before `before`, the oldest first.

    Of those that can be used no more, and that were not noted as swept.
    """
    rows = connection.execute(
        """
        SELECT id, database_id, profile_id, channel, contact, attempt, issued_at,
               expires_at,
               NOT EXISTS (
                   SELECT
                     FROM confirmations AS later
                    WHERE later.database_id = stale.database_id
                      AND later.profile_id = stale.profile_id
                      AND later.resource_id = stale.resource_id
                      AND later.channel = stale.channel
                      AND later.contact = stale.contact
                      AND later.issued_at > stale.issued_at) AS is_last
          FROM confirmations AS stale
         WHERE resource_id = %(resource_id)s
           AND issued_at < %(before)s
           AND used_at IS NULL
           AND swept_at IS NULL
           AND expires_at <= %(now)s
         ORDER BY issued_at
         LIMIT %(limit)s
        """,
        {"resource_id": resource_id, "before": before, "now": now, "limit": limit},
    ).fetchall()
    return [
        StaleConfirmation(
            asked=Confirmation(
                id=id_,
                database_id=database_id,
                profile_id=profile_id,
                key=SubscriptionKey(resource_id, Channel(channel), contact),
                attempt=attempt,
                issued_at=issued_at,
                expires_at=expires_at,
            ),
            is_last=is_last,
        )
        for id_, database_id, profile_id, channel, contact, *times, is_last in rows
        for attempt, issued_at, expires_at in [times]
    ]


def note_swept(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """Note that no more is to be done with confirmations; does nothing for none."""
    if not ids:
        return
    connection.execute(
        "UPDATE confirmations SET swept_at = %(now)s WHERE id = ANY(%(ids)s::uuid[])",
        {"ids": list(ids), "now": now},
    )


def drop_confirmations(connection: Connection, before: datetime) -> int:
    """Drop what expired before `before`, but for what is still to be swept.

    Returns how many. In chunks, each committed.
    """
    dropped = 0
    while True:
        done = connection.execute(
            """
            DELETE FROM confirmations
             WHERE id = ANY(ARRAY(
                   SELECT id
                     FROM confirmations
                    WHERE expires_at < %(before)s
                      AND (used_at IS NOT NULL OR swept_at IS NOT NULL
                           OR (SELECT unconfirmed_days
                                 FROM resources
                                WHERE resources.id = confirmations.resource_id)
                              IS NULL)
                    LIMIT %(limit)s))
            """,
            {"before": before, "limit": _CHUNK},
        )
        dropped += done.rowcount
        if done.rowcount < _CHUNK:
            return dropped


#: Rows that one statement deletes at most.
_CHUNK = 10_000
