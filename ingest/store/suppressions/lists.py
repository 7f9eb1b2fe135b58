"""Contacts of suppression lists: added, removed, and looked for (L4, L7)."""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct

from ingest.domain.contact_hashes import ContactHasher, ContactReference
from ingest.store.database import Connection
from ingest.store.suppressions.entries import (
    SuppressedContact,
    delete_entries,
    insert_entries,
    mark_filled,
    read_entries,
)
from ingest.store.suppressions.key import check_key, keep_key
from ingest.store.suppressions.work import SuppressionWork, insert_work


class ListAddition(Struct, frozen=True, kw_only=True):
    """A contact for a list, and why it goes there."""

    contact: ContactReference
    reason: str = ""
    source: str = ""
    #: None for never.
    expires_at: datetime | None = None


def add_to_list(
    connection: Connection,
    list_id: int,
    additions: Sequence[ListAddition],
    hasher: ContactHasher,
    now: datetime,
) -> int:
    """Put contacts on a list; return how many were not on it.

    Must run in a transaction of its own. From its commit on no import subscribes them;
    the keeper lowers what is stored. Raises NoSuppressionKey for another secret.
    """
    mark_filled(connection, list_id)
    return add_entries(connection, list_id, additions, hasher, now)


def add_entries(
    connection: Connection,
    list_id: int,
    additions: Sequence[ListAddition],
    hasher: ContactHasher,
    now: datetime,
) -> int:
    """Put contacts on a list that imports ask for anyway; return how many are new."""
    keep_key(connection, hasher)
    hashes = {one.contact.find_hash(hasher): one for one in additions}
    entries = [
        SuppressedContact(
            list_id=list_id,
            hash=hash_,
            reason=one.reason,
            source=one.source,
            added_at=now,
            expires_at=one.expires_at,
        )
        for hash_, one in hashes.items()
    ]
    inserted = insert_entries(connection, entries)
    fresh = [hashes[hash_].contact for _, hash_ in inserted]
    work = {
        (one.channel, one.contact): SuppressionWork(
            list_id=list_id, channel=one.channel, contact=one.contact
        )
        for one in fresh
    }
    insert_work(connection, list(work.values()), now)
    return len(fresh)


def remove_from_list(
    connection: Connection,
    list_id: int,
    contacts: Sequence[ContactReference],
    hasher: ContactHasher,
) -> int:
    """Take contacts from a list; return how many it had. Nothing is raised by it.

    Raises NoSuppressionKey for another secret.
    """
    check_key(connection, hasher)
    hashes = {one.find_hash(hasher) for one in contacts}
    return delete_entries(connection, [(list_id, one) for one in hashes])


def find_listings(
    connection: Connection,
    contacts: Sequence[ContactReference],
    list_ids: Collection[int],
    hasher: ContactHasher,
) -> list[list[SuppressedContact]]:
    """Return the entries of each of `contacts` on these lists, in their order.

    Raises NoSuppressionKey for another secret.
    """
    check_key(connection, hasher)
    hashes = [one.find_hash(hasher) for one in contacts]
    entries = {(list_id, hash_) for list_id in list_ids for hash_ in hashes}
    found: dict[bytes, list[SuppressedContact]] = {hash_: [] for hash_ in hashes}
    for one in read_entries(connection, entries):
        found[bytes(one.hash)].append(one)
    return [found[hash_] for hash_ in hashes]
