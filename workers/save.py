"""Write what a batch changed, and nothing else."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ingest.domain.profiles import Profile
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection
from ingest.store.profiles.keys import delete_keys, insert_keys
from ingest.store.profiles.profile_rows import (
    date_profiles,
    delete_profiles,
    insert_profiles,
    update_profiles,
)
from ingest.store.profiles.segments import add_members, remove_members
from ingest.store.rows import Id
from ingest.store.segments.due import delete_due, save_due

#: What an import may change of a profile.
_WRITTEN = (*("email", "phones", "fields", "subscriptions", "segments", "former_keys"),)
#: A profile before the batch (None: it is new) and after it (None: it is gone).
Pair = tuple[Profile | None, Profile | None]


def save_workspace(connection: Connection, workspace: Workspace, now: datetime) -> None:
    """Write the changed profiles of `workspace` with all that hangs on them.

    Keys are removed before any is added, so that profiles can swap a unique value.
    """
    pairs = list(workspace.changed())
    created = [new for old, new in pairs if new and old is None]
    insert_profiles(connection, created, now)
    # A change of its segments alone counts: it moves `version`.
    kept = [(old, new) for old, new in pairs if old and new]
    update_profiles(connection, [one for one in kept if not _is_dated(*one)], now)
    date_profiles(connection, [new for old, new in kept if _is_dated(old, new)])
    delete_profiles(connection, [_id(old) for old, new in pairs if old and not new])
    keys = [
        (_id(either), *workspace.key_changes(either))
        for old, new in pairs
        if (either := new or old)
    ]
    delete_keys(connection, [(at, key) for at, gone, _ in keys for key in gone])
    fresh_keys = [(at, key) for at, _, fresh in keys for key in fresh]
    insert_keys(connection, workspace.catalog, fresh_keys)
    remove_members(connection, list(_members(pairs, left=True)))
    add_members(connection, list(_members(pairs, left=False)), now)
    save_due(connection, workspace.list_due())
    delete_due(connection, list(workspace.list_removed()))


def _is_dated(old: Profile, new: Profile) -> bool:
    """Tell whether nothing but its stamps sets a profile apart from what it was."""
    return new.stamps is not old.stamps and all(
        getattr(new, name) is getattr(old, name) for name in _WRITTEN
    )


def _id(profile: Profile) -> Id:
    return profile.database_id, profile.id


def _members(pairs: Iterable[Pair], *, left: bool) -> Iterator[tuple[Id, int]]:
    """Return the memberships that ended (`left`) or began."""
    for old, new in pairs:
        before, after = _segments(old), _segments(new)
        gone = before - after if left else after - before
        for segment_id in sorted(gone):
            if either := new or old:
                yield _id(either), segment_id


def _segments(profile: Profile | None) -> frozenset[int]:
    return frozenset() if profile is None else profile.segments
