"""Merges of profiles, kept so that they can be taken back."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec
import orjson

from ingest.domain.merging import StoredMerge
from ingest.domain.profiles import Profile
from ingest.domain.stamps import dump_stamps, load_stamps
from ingest.store.database import Connection
from ingest.store.profiles.subscriptions import dump_subscriptions, load_subscriptions
from ingest.store.rows import Id, dump_array


class _Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A profile as it was; its subscriptions as their document."""

    id: str
    email: str | None = None
    phones: tuple[str, ...] = ()
    fields: dict[str, object] = {}
    subscriptions: str = "[]"
    segments: tuple[int, ...] = ()
    former_keys: dict[str, list[object]] = {}
    created_at: datetime | None = None
    stamps: dict[str, object] | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(tuple[_Image, ...])


def insert_merge(connection: Connection, merge: StoredMerge, now: datetime) -> None:
    """Keep a merge, and let the ids of the profiles that it ended lead to the survivor.

    Those that led to them lead there too: no alias leads to another (M7).
    """
    absorbed = [one.id for one in merge.absorbed]
    parameters = {
        "merge_id": merge.merge_id,
        "database_id": merge.database_id,
        "survivor_id": merge.survivor_id,
        "absorbed": dump_array(absorbed),
        "profiles": dump_array([merge.survivor_id, *absorbed]),
        "stamps": merge.stamps and orjson.dumps(dump_stamps(merge.stamps)).decode(),
        "before": _ENCODER.encode([_show(one) for one in merge.absorbed]).decode(),
        "now": now,
    }
    connection.execute(
        """
        INSERT INTO merges (merge_id, database_id, survivor_id, absorbed, before,
                            stamps, aliases, merged_at)
        SELECT %(merge_id)s, %(database_id)s, %(survivor_id)s,
               cardinality(%(absorbed)s::text[]), %(before)s::jsonb,
               %(stamps)s::jsonb,
               coalesce(jsonb_object_agg(alias.alias_id, alias.profile_id), '{}'),
               %(now)s
          FROM unnest(%(absorbed)s::text[]) AS owner (profile_id)
         CROSS JOIN LATERAL (
               SELECT alias_id, profile_id
                 FROM profile_aliases
                WHERE profile_aliases.database_id = %(database_id)s
                  AND profile_aliases.profile_id = owner.profile_id
               OFFSET 0) AS alias
        """,
        parameters,
    )
    connection.execute(
        """
        INSERT INTO merged_profiles (database_id, profile_id, merge_id)
        SELECT %(database_id)s, profile_id, %(merge_id)s
          FROM unnest(%(profiles)s::text[]) AS merged (profile_id)
        """,
        parameters,
    )
    connection.execute(
        """
        UPDATE profile_aliases
           SET profile_id = %(survivor_id)s
          FROM unnest(%(absorbed)s::text[]) AS owner (profile_id)
         WHERE profile_aliases.database_id = %(database_id)s
           AND profile_aliases.profile_id = owner.profile_id
        """,
        parameters,
    )
    connection.execute(
        """
        INSERT INTO profile_aliases (database_id, alias_id, profile_id, merge_id)
        SELECT %(database_id)s, alias_id, %(survivor_id)s, %(merge_id)s
          FROM unnest(%(absorbed)s::text[]) AS fresh (alias_id)
        """,
        parameters,
    )


def end_merge(connection: Connection, merge: StoredMerge, undone_by: UUID) -> None:
    """Note that a merge was taken back, and give its aliases back."""
    parameters = {
        "merge_id": merge.merge_id,
        "database_id": merge.database_id,
        "absorbed": dump_array([one.id for one in merge.absorbed]),
        "aliases": dump_array(list(merge.aliases)),
        "owners": dump_array(list(merge.aliases.values())),
        "undone_by": undone_by,
    }
    connection.execute(
        """
        -- What it kept is stored again, in profiles.
        UPDATE merges
           SET undone_by = %(undone_by)s, before = NULL, stamps = NULL
         WHERE merge_id = %(merge_id)s
        """,
        parameters,
    )
    connection.execute(
        """
        -- As a join, probes of the primary key: as an array, a small table is read by
        -- whichever index begins with the database.
        DELETE FROM profile_aliases
         USING unnest(%(absorbed)s::text[]) AS gone (alias_id)
         WHERE profile_aliases.database_id = %(database_id)s
           AND profile_aliases.alias_id = gone.alias_id
        """,
        parameters,
    )
    connection.execute(
        """
        UPDATE profile_aliases
           SET profile_id = former.profile_id
          FROM unnest(%(aliases)s::text[], %(owners)s::text[])
               AS former (alias_id, profile_id)
         WHERE profile_aliases.database_id = %(database_id)s
           AND profile_aliases.alias_id = former.alias_id
        """,
        parameters,
    )


def load_merges(
    connection: Connection, merge_ids: Collection[UUID]
) -> dict[UUID, StoredMerge]:
    """Return those of `merge_ids` that can be taken back."""
    if not merge_ids:
        return {}
    rows = connection.execute(
        """
        SELECT merge_id, database_id, survivor_id, before::text, aliases, stamps
          FROM merges
         WHERE merge_id = ANY(%(ids)s::uuid[])
           AND before IS NOT NULL
        """,
        {"ids": dump_array(list(merge_ids))},
    )
    return {
        merge_id: StoredMerge(
            merge_id=merge_id,
            database_id=database_id,
            survivor_id=survivor_id,
            absorbed=tuple(
                _make(database_id, image) for image in _DECODER.decode(before)
            ),
            aliases=aliases,
            stamps=load_stamps(stamps) if stamps else None,
        )
        for merge_id, database_id, survivor_id, before, aliases, stamps in rows
    }


def find_merge(connection: Connection, database_id: int, alias_id: str) -> UUID | None:
    """Return the merge that ended a profile; None if none did, or nobody knows."""
    row = connection.execute(
        """
        SELECT merge_id
          FROM profile_aliases
         WHERE database_id = %(database_id)s
           AND alias_id = %(alias_id)s
        """,
        {"database_id": database_id, "alias_id": alias_id},
    ).fetchone()
    return row[0] if row else None


def drop_merges(connection: Connection, before: datetime) -> int:
    """Forget the merges of before `before`; return how many (M10)."""
    return connection.execute(
        "DELETE FROM merges WHERE merged_at < %(before)s", {"before": before}
    ).rowcount


def load_changes(
    connection: Connection, wanted: Collection[tuple[Id, str]]
) -> dict[tuple[str, str], int]:
    """Return the turn in which each path of a profile changed last, by id and path.

    Absent where no receipt tells of it.
    """
    if not wanted:
        return {}
    rows = connection.execute(
        """
        SELECT wanted.profile_id, wanted.path, max(coalesce(changed.turn, 0))
          FROM unnest(%(databases)s::integer[], %(profiles)s::text[], %(paths)s::text[])
               AS wanted (database_id, profile_id, path)
         CROSS JOIN LATERAL (
               SELECT turn
                 FROM imports
                WHERE imports.database_id = wanted.database_id
                  AND imports.profile_id = wanted.profile_id
                  AND imports.changes ? wanted.path
               OFFSET 0) AS changed
         GROUP BY wanted.profile_id, wanted.path
        """,
        {
            "databases": dump_array([owner[0] for owner, _ in wanted]),
            "profiles": dump_array([owner[1] for owner, _ in wanted]),
            "paths": dump_array([path for _, path in wanted]),
        },
    )
    return {(profile_id, path): turn for profile_id, path, turn in rows}


def _show(profile: Profile) -> _Image:
    return _Image(
        id=profile.id,
        email=profile.email,
        phones=profile.phones,
        fields=dict(profile.fields),
        subscriptions=dump_subscriptions(profile.subscriptions.values()),
        segments=tuple(sorted(profile.segments)),
        former_keys={path: list(one) for path, one in profile.former_keys.items()},
        created_at=profile.created_at,
        stamps=dump_stamps(profile.stamps) if profile.stamps else None,
    )


def _make(database_id: int, image: _Image) -> Profile:
    return Profile(
        id=image.id,
        database_id=database_id,
        email=image.email,
        phones=image.phones,
        fields=image.fields,
        subscriptions=load_subscriptions(image.subscriptions),
        segments=frozenset(image.segments),
        former_keys=image.former_keys,
        created_at=image.created_at,
        stamps=load_stamps(image.stamps) if image.stamps else None,
    )
