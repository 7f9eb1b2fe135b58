"""Match keys made anew, and orphans removed, in chunks, beside imports."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from ingest.domain.catalog import Catalog
from ingest.domain.lookups import Lookup, lock_name, stored_keys
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.subscription_contacts import recompute_contact
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection, snapshot
from ingest.store.profiles.key_makers import (
    Makers,
    begin_step,
    end_step,
    hold_keys,
    load_makers,
    save_position,
)
from ingest.store.profiles.keys import (
    delete_keys,
    find_missing_keys,
    insert_free_keys,
    list_keys,
    sample_keys,
)
from ingest.store.profiles.locks import lock_names
from ingest.store.profiles.profile_rows import (
    list_ids,
    load_profiles,
    lock_profiles,
    replace_subscriptions,
    sample_ids,
)
from ingest.store.rows import Id

#: Profiles in one transaction: few enough to lock all names that they bring.
CHUNK = 200
_KEYS = 2_000

#: A profile and a key of it.
_Held = tuple[Id, Lookup]


def rebuild_keys(connection: Connection, chunk: int = CHUNK) -> Iterator[Makers]:
    """Give every profile the keys that our versions make; yield after each chunk.

    No key is removed: workers of other versions find by those they make. Contacts of
    subscriptions are replaced, for a subscription has one. Goes on where it was broken
    off. Each chunk is a transaction that locks only the profiles it changes.
    """
    hold_keys(connection)
    begun = begin_step(connection, "rebuild")
    catalog = load_catalog(connection)
    for database_id, begins_after in _databases(catalog, begun.position):
        after = begins_after
        # Whoever comes behind the last one has keys of the version that made it.
        last = _find_last(connection, database_id)
        while ids := list_ids(connection, database_id, after, chunk):
            with connection.transaction():
                catalog = _hold(connection, catalog)
                changed, refused = _rebuild(connection, catalog, database_id, ids)
                after = ids[-1]
                save_position(
                    connection,
                    (database_id, after),
                    looked_at=len(ids),
                    changed=changed,
                    refused=refused,
                )
            yield load_makers(connection)
            if after >= last:
                break
    yield end_step(connection)


def prune_keys(connection: Connection, chunk: int = _KEYS) -> Iterator[Makers]:
    """Remove the keys that no profile holds; yield after each chunk.

    For when no worker of other versions runs any more.
    """
    hold_keys(connection)
    position = begin_step(connection, "prune").position
    catalog = load_catalog(connection)
    # Each turn begins behind the last key of the one before, so it ends.
    while keys := list_keys(connection, position, chunk):
        (database_id, profile_id), lookup = keys[-1]
        position = (database_id, lookup.kind, lookup.value, profile_id)
        with connection.transaction():
            catalog = _hold(connection, catalog)
            removed = _prune(connection, catalog, keys)
            save_position(connection, position, looked_at=len(keys), changed=removed)
        yield load_makers(connection)
    yield end_step(connection)


def sample(connection: Connection) -> tuple[int, int, int]:
    """Look at profiles and keys chosen by chance, in one snapshot.

    Returns how many profiles lack keys, how many keys are orphans, and how many
    profiles were looked at.
    """
    with snapshot(connection):
        catalog = load_catalog(connection)
        profiles = load_profiles(connection, sample_ids(connection))
        lacking = find_lacking(connection, catalog, profiles)
        keys = sample_keys(connection)
        holders = load_profiles(connection, {owner for owner, _ in keys})
        return len(lacking), len(find_orphans(catalog, keys, holders)), len(profiles)


def find_lacking(
    connection: Connection, catalog: Catalog, profiles: Sequence[Profile]
) -> set[Id]:
    """Return those of `profiles` that lack a key, or have a contact of old versions."""
    moved = [(one, _move_contacts(one)[0]) for one in profiles]
    keys = _all_keys(catalog, (new for _, new in moved))
    lacking = {owner for owner, _ in find_missing_keys(connection, keys)}
    return lacking | {_id(new) for old, new in moved if new is not old}


def find_orphans(
    catalog: Catalog, keys: Iterable[_Held], profiles: Iterable[Profile]
) -> list[_Held]:
    """Return those of `keys` that their profile, if it is there, does not hold."""
    held = {
        _id(profile): stored_keys(profile, catalog.databases[profile.database_id])
        for profile in profiles
    }
    return [(owner, key) for owner, key in keys if key not in held.get(owner, ())]


def _databases(
    catalog: Catalog, position: Sequence[str | int]
) -> Iterator[tuple[int, str]]:
    """Return the databases from `position` on, and the profile to begin behind."""
    at, after = position or (0, "")
    for database_id in sorted(catalog.databases):
        if database_id >= int(at):
            yield database_id, str(after) if database_id == at else ""


def _find_last(connection: Connection, database_id: int) -> str:
    row = connection.execute(
        """
        SELECT id
          FROM profiles
         WHERE database_id = %(database_id)s
         ORDER BY id DESC
         LIMIT 1
        """,
        {"database_id": database_id},
    ).fetchone()
    return str(row[0]) if row else ""


def _hold(connection: Connection, known: Catalog) -> Catalog:
    """Keep the catalog as it is until this transaction ends, as imports do."""
    version = hold_catalog(connection)
    return known if known.version == version else load_catalog(connection)


def _rebuild(
    connection: Connection,
    catalog: Catalog,
    database_id: int,
    ids: Sequence[str],
) -> tuple[int, int]:
    """Give the profiles `ids` what they lack; return how much, and how much not."""
    read = load_profiles(connection, [(database_id, id_) for id_ in ids])
    lacking = find_lacking(connection, catalog, read)
    if not lacking:
        return 0, 0
    # In the order of every import: names, then profiles; and what is locked counts.
    expected = [_move_contacts(one)[0] for one in read if _id(one) in lacking]
    wanted = _all_keys(catalog, expected)
    lock_names(connection, (lock_name(owner[0], key) for owner, key in wanted))
    profiles = lock_profiles(connection, lacking)
    moved = [(one, *_move_contacts(one)) for one in profiles]
    replace_subscriptions(connection, [new for old, new, _ in moved if new is not old])
    missing = find_missing_keys(
        connection, _all_keys(catalog, (new for _, new, _ in moved))
    )
    added = insert_free_keys(connection, catalog, missing)
    refused = sum(count for _, _, count in moved)
    return added, len(missing) - added + refused


def _prune(connection: Connection, catalog: Catalog, keys: Sequence[_Held]) -> int:
    owners = {owner for owner, _ in keys}
    suspects = find_orphans(catalog, keys, load_profiles(connection, owners))
    if not suspects:
        return 0
    lock_names(connection, (lock_name(owner[0], key) for owner, key in suspects))
    profiles = lock_profiles(connection, {owner for owner, _ in suspects})
    orphans = find_orphans(catalog, suspects, profiles)
    delete_keys(connection, orphans)
    return len(orphans)


def _id(profile: Profile) -> Id:
    return profile.database_id, profile.id


def _all_keys(catalog: Catalog, profiles: Iterable[Profile]) -> list[_Held]:
    return [
        (_id(profile), key)
        for profile in profiles
        for key in stored_keys(profile, catalog.databases[profile.database_id])
    ]


def _move_contacts(profile: Profile) -> tuple[Profile, int]:
    """Return `profile` with the contacts that our versions make, and how many stay.

    Those stay for which there is no room: the profile has that subscription already.
    """
    subscriptions: dict[SubscriptionKey, Subscription] = {}
    stay = 0
    for key, subscription in profile.subscriptions.items():
        contact = recompute_contact(key.channel, subscription.contact)
        fresh = key if contact is None else replace(key, contact=contact)
        if fresh == key:
            subscriptions[key] = subscription
        elif fresh in profile.subscriptions or fresh in subscriptions:
            subscriptions[key] = subscription
            stay += 1
        else:
            subscriptions[fresh] = replace(subscription, key=fresh)
    is_same = subscriptions.keys() == profile.subscriptions.keys()
    return (profile if is_same else replace(profile, subscriptions=subscriptions)), stay
