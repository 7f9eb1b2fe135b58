"""Write what a batch changed, and nothing else."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ingest.domain.catalog import Catalog
from ingest.domain.lookups import Lookup, is_exclusive, profile_keys
from ingest.domain.profiles import Profile, Subscription
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection
from ingest.store.profiles.keys import delete_keys, insert_keys
from ingest.store.profiles.profile_rows import insert_profiles, update_profiles
from ingest.store.profiles.segments import add_members, remove_members
from ingest.store.profiles.subscriptions import upsert_subscriptions
from ingest.store.rows import Id

#: A profile before the batch (None: it is new) and after it.
Pair = tuple[Profile | None, Profile]


def save_workspace(connection: Connection, workspace: Workspace, now: datetime) -> None:
    """Write the changed profiles of `workspace` with all that hangs on them.

    Keys are removed before any is added, so that profiles can swap a unique value.
    """
    pairs = list(workspace.changed())
    insert_profiles(connection, [new for old, new in pairs if old is None], now)
    # A change of its subscriptions or segments alone counts: it moves `version`.
    update_profiles(connection, [new for old, new in pairs if old is not None], now)
    keys = [
        (_id(new), *_key_changes(workspace.catalog, old, new)) for old, new in pairs
    ]
    delete_keys(connection, [(at, key) for at, gone, _ in keys for key in gone])
    insert_keys(
        connection,
        [
            (at, key, is_exclusive(workspace.catalog.databases[at[0]], key))
            for at, _, fresh in keys
            for key in fresh
        ],
    )
    upsert_subscriptions(connection, list(_changed_subscriptions(pairs)), now)
    remove_members(connection, list(_members(pairs, left=True)))
    add_members(connection, list(_members(pairs, left=False)), now)


def _id(profile: Profile) -> Id:
    return profile.database_id, profile.id


def _key_changes(
    catalog: Catalog, old: Profile | None, new: Profile
) -> tuple[set[Lookup], set[Lookup]]:
    """Return the keys that `new` no longer has, and those it has gained."""
    database = catalog.databases[new.database_id]
    before = set() if old is None else profile_keys(old, database)
    after = profile_keys(new, database)
    return before - after, after - before


def _changed_subscriptions(
    pairs: Iterable[Pair],
) -> Iterator[tuple[Id, Subscription]]:
    for old, new in pairs:
        before = {} if old is None else old.subscriptions
        for key, subscription in new.subscriptions.items():
            if before.get(key) is not subscription:
                yield _id(new), subscription


def _members(pairs: Iterable[Pair], *, left: bool) -> Iterator[tuple[Id, int]]:
    """Return the memberships that ended (`left`) or began."""
    for old, new in pairs:
        before = frozenset() if old is None else old.segments
        gone = before - new.segments if left else new.segments - before
        for segment_id in sorted(gone):
            yield _id(new), segment_id
