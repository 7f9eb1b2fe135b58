"""Profile rows: locked and loaded, inserted and updated, by the batch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from psycopg.rows import TupleRow

from ingest.domain.profiles import Profile, Stamps
from ingest.domain.stamps import dump_stamps, load_stamps
from ingest.store.database import Connection
from ingest.store.profiles.segments import load_segments
from ingest.store.profiles.subscriptions import (
    dump_changed,
    dump_subscriptions,
    load_subscriptions,
)
from ingest.store.rows import Id, dump_array, execute_rows, sample_percent


def lock_profiles(connection: Connection, ids: Iterable[Id]) -> list[Profile]:
    """Lock the rows of `ids` in one order and return those that exist, complete."""
    wanted = sorted(set(ids))
    if not wanted:
        return []
    parameters = _arrays(wanted)
    rows = connection.execute(
        """
        -- FOR NO KEY UPDATE: nothing refers to a profile by a foreign key.
        SELECT profiles.database_id, profiles.id, email, phones, fields,
               subscriptions::text, version, created_at, updated_at, former_keys,
               stamps
          FROM profiles
          JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, id)
            ON profiles.database_id = wanted.database_id
           AND profiles.id = wanted.id
         ORDER BY profiles.database_id, profiles.id
           FOR NO KEY UPDATE OF profiles
        """,
        parameters,
    )
    return _complete(connection, parameters, rows)


def load_profiles(connection: Connection, ids: Iterable[Id]) -> list[Profile]:
    """Return the profiles of `ids` that exist, complete, in order; locks nothing."""
    wanted = sorted(set(ids))
    if not wanted:
        return []
    parameters = _arrays(wanted)
    rows = connection.execute(
        """
        SELECT profiles.database_id, profiles.id, email, phones, fields,
               subscriptions::text, version, created_at, updated_at, former_keys,
               stamps
          FROM profiles
          JOIN unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS wanted (database_id, id)
            ON profiles.database_id = wanted.database_id
           AND profiles.id = wanted.id
         ORDER BY profiles.database_id, profiles.id
        """,
        parameters,
    )
    return _complete(connection, parameters, rows)


def list_ids(
    connection: Connection, database_id: int, after: str, limit: int
) -> list[str]:
    """Return the ids of at most `limit` profiles that follow `after`, in order."""
    rows = connection.execute(
        """
        SELECT id
          FROM profiles
         WHERE database_id = %(database_id)s
           AND id > %(after)s
         ORDER BY id
         LIMIT %(limit)s
        """,
        {"database_id": database_id, "after": after, "limit": limit},
    )
    return [str(id_) for (id_,) in rows]


def delete_profiles(connection: Connection, ids: Sequence[Id]) -> None:
    """Delete the rows of `ids`, which the caller has locked."""
    if not ids:
        return
    connection.execute(
        """
        DELETE FROM profiles
         USING unnest(%(databases)s::integer[], %(profiles)s::text[])
               AS gone (database_id, id)
         WHERE profiles.database_id = gone.database_id
           AND profiles.id = gone.id
        """,
        _arrays(ids),
    )


def sample_ids(connection: Connection) -> list[Id]:
    """Return the ids on some pages, chosen by chance; all of a small table."""
    rows = connection.execute(
        """
        SELECT database_id, id
          FROM profiles TABLESAMPLE SYSTEM (%(percent)s)
        """,
        {"percent": sample_percent(connection, "profiles")},
    )
    return [(database_id, id_) for database_id, id_ in rows]


def _arrays(wanted: Sequence[Id]) -> dict[str, object]:
    return {
        "databases": dump_array([database_id for database_id, _ in wanted]),
        "profiles": dump_array([profile_id for _, profile_id in wanted]),
    }


def _complete(
    connection: Connection,
    parameters: Mapping[str, object],
    rows: Iterable[TupleRow],
) -> list[Profile]:
    """Return the profiles of `rows` with their segments."""
    # Both are sent before either is read: in pipeline mode, one round trip.
    memberships = load_segments(connection, parameters)
    segments: dict[Id, list[int]] = defaultdict(list)
    for owner, segment_id in memberships:
        segments[owner].append(segment_id)
    return [
        Profile(
            id=id_,
            database_id=database_id,
            email=email,
            phones=tuple(phones),
            fields=fields,
            subscriptions=load_subscriptions(document) if document else {},
            segments=frozenset(segments.get((database_id, id_), ())),
            version=version,
            created_at=created_at,
            updated_at=updated_at,
            former_keys=former_keys or {},
            stamps=load_stamps(stamps) if stamps else None,
        )
        for (
            database_id,
            id_,
            email,
            phones,
            fields,
            document,
            version,
            created_at,
            updated_at,
            former_keys,
            stamps,
        ) in rows
    ]


def insert_profiles(
    connection: Connection, profiles: Sequence[Profile], now: datetime
) -> None:
    """Insert `profiles`, which must be new."""
    execute_rows(
        connection,
        """
        -- The document of subscriptions comes as a text, which is stored as it is.
        INSERT INTO profiles
               (database_id, id, email, phones, fields, subscriptions, version,
                created_at, updated_at, former_keys, stamps)
        SELECT database_id, id, email, phones, fields, subscriptions::json, 1,
               coalesce(created_at, %(now)s), %(now)s, former_keys, stamps
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS fresh (database_id integer, id text, email text, phones text[],
                         fields jsonb, subscriptions text, created_at timestamptz,
                         former_keys jsonb, stamps jsonb)
        """,
        [_new_row(profile, now) for profile in profiles],
        now,
    )


def update_profiles(
    connection: Connection,
    changed: Iterable[tuple[Profile, Profile]],
    now: datetime,
) -> None:
    """Write profiles, each before and after, whose rows the caller has locked."""
    execute_rows(
        connection,
        """
        -- A document that is not given is as it was: Postgres then keeps a long one
        -- where it is.
        UPDATE profiles
           SET email = changed.email,
               phones = changed.phones,
               fields = changed.fields,
               subscriptions = coalesce(changed.subscriptions::json,
                                        profiles.subscriptions),
               former_keys = changed.former_keys,
               stamps = changed.stamps,
               version = profiles.version + 1,
               updated_at = %(now)s
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS changed (database_id integer, id text, email text, phones text[],
                           fields jsonb, subscriptions text, former_keys jsonb,
                           stamps jsonb)
         WHERE profiles.database_id = changed.database_id
           AND profiles.id = changed.id
        """,
        [_profile_row(profile, before, now) for before, profile in changed],
        now,
    )


def date_profiles(connection: Connection, profiles: Iterable[Profile]) -> None:
    """Write the stamps of `profiles`, which are as they were otherwise."""
    execute_rows(
        connection,
        """
        UPDATE profiles
           SET stamps = dated.stamps
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS dated (database_id integer, id text, stamps jsonb)
         WHERE profiles.database_id = dated.database_id
           AND profiles.id = dated.id
        """,
        [
            {
                "database_id": profile.database_id,
                "id": profile.id,
                "stamps": dump_stamps(profile.stamps or Stamps()),
            }
            for profile in profiles
        ],
    )


def replace_subscriptions(connection: Connection, profiles: Iterable[Profile]) -> None:
    """Write the subscriptions of `profiles` as they are, and nothing else of them."""
    execute_rows(
        connection,
        """
        UPDATE profiles
           SET subscriptions = changed.subscriptions::json
          FROM jsonb_to_recordset(%(rows)s::jsonb)
               AS changed (database_id integer, id text, subscriptions text)
         WHERE profiles.database_id = changed.database_id
           AND profiles.id = changed.id
        """,
        [
            {
                "database_id": profile.database_id,
                "id": profile.id,
                "subscriptions": dump_subscriptions(profile.subscriptions.values()),
            }
            for profile in profiles
        ],
    )


def _new_row(profile: Profile, now: datetime) -> dict[str, object]:
    """Return what is written of a new profile; one that is restored has its time."""
    row = _profile_row(profile, None, now)
    if profile.created_at is not None:
        row["created_at"] = profile.created_at
    return row


def _profile_row(
    profile: Profile, before: Profile | None, now: datetime
) -> dict[str, object]:
    """Return what is written of `profile`."""
    row: dict[str, object] = {
        "database_id": profile.database_id,
        "id": profile.id,
        "email": profile.email,
        "phones": profile.phones,
        "fields": profile.fields,
        "subscriptions": dump_changed(
            profile.subscriptions, before.subscriptions if before else {}, now
        ),
    }
    if profile.former_keys:
        row["former_keys"] = profile.former_keys
    if profile.stamps is not None:
        row["stamps"] = dump_stamps(profile.stamps)
    return row
