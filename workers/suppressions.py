"""Suppression lists beside a batch: who is on them, and who goes on them (L2 to L5)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from ingest.domain.batches import AppliedImport, Prepared
from ingest.domain.catalog import Catalog, Channel
from ingest.domain.contact_hashes import ContactHasher
from ingest.domain.contacts import email_key, phone_key
from ingest.domain.imports import SubscriptionChange
from ingest.domain.profiles import SubscriptionKey
from ingest.domain.statuses import DEFAULT_STATUS, PROHIBITION
from ingest.domain.suppressions import SuppressionCheck
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection
from ingest.store.suppressions.entries import (
    SuppressedContact,
    find_entries,
    insert_entries,
)
from ingest.store.suppressions.key import ask_key, find_hasher, keep_key
from ingest.store.suppressions.work import SuppressionWork, insert_work

#: Where an entry comes from that a status has made (L5).
OPT_OUT = "opt-out"

#: (list id, canonical contact)
_Entry = tuple[int, str]


class ListedContacts:
    """Tells which contacts are on lists; asks Postgres for what it does not know."""

    def __init__(self, connection: Connection, hasher: ContactHasher) -> None:
        self._connection = connection
        self._hasher = hasher
        self._known: dict[_Entry, bool] = {}

    def __call__(self, list_id: int, contact: str) -> bool:
        """Tell whether a list has a contact."""
        entry = list_id, contact
        if entry not in self._known:
            self.load([entry])
        return self._known[entry]

    def load(self, entries: Iterable[_Entry]) -> None:
        """Ask for many at once."""
        hashes = {entry: self._hash(entry) for entry in entries}
        if hashes:
            found = find_entries(self._connection, hashes.values())
            self._known |= {entry: one in found for entry, one in hashes.items()}

    def _hash(self, entry: _Entry) -> tuple[int, bytes]:
        list_id, contact = entry
        return list_id, self._hasher.hash_contact(contact)


def load_suppression(
    connection: Connection, workspace: Workspace, batch: Sequence[Prepared]
) -> SuppressionCheck | None:
    """Return who of a batch is on suppression lists; None without such lists (L2).

    One round trip, for what the batch would insert or raise. What it turns out to need
    besides, for imports of a batch change each other's profiles, is asked for then.
    Raises NoSuppressionKey where nobody could be found.
    """
    rules = workspace.catalog.suppression
    if rules is None:
        return None
    hasher = find_hasher()
    # Both are sent before either is read: in pipeline mode, one round trip.
    check = ask_key(connection, hasher)
    listed = ListedContacts(connection, hasher)
    listed.load(set(_list_entries(workspace, batch)))
    check()
    return SuppressionCheck(rules, listed)


def _list_entries(workspace: Workspace, batch: Sequence[Prepared]) -> Iterator[_Entry]:
    """Yield what may have to be known of a batch: perhaps too little."""
    stored, lowered = _find_stored(workspace), set[int]()
    for one in batch:
        if one.faults:
            continue
        database_id, draft = one.import_.database_id, one.draft
        for sent in draft.subscriptions:
            before = stored.get((database_id, sent.key))
            if _may_free(before, sent.status):
                yield from _list_of(workspace.catalog, sent.key)
        change = draft.change
        if change is not None and change.change is SubscriptionChange.SUPPRESS:
            lowered.add(database_id)
        yield from _list_created(workspace, one)
    # Once, however many such imports the batch has.
    for database_id, key in stored if lowered else ():
        if database_id in lowered:
            yield from _list_of(workspace.catalog, key)


def _find_stored(workspace: Workspace) -> dict[tuple[int, SubscriptionKey], str]:
    """Return the least that a subscription has forbidden, in any of the profiles."""
    stored: dict[tuple[int, SubscriptionKey], str] = {}
    for profile in workspace.loaded.values():
        for key, one in profile.subscriptions.items():
            if one.deleted:
                continue
            place = profile.database_id, key
            known = stored.get(place)
            if known is None or PROHIBITION[one.status] > PROHIBITION[known]:
                stored[place] = one.status
    return stored


def _may_free(before: str | None, sent: str | None) -> bool:
    if before is None:
        return PROHIBITION[sent or DEFAULT_STATUS] < PROHIBITION["complained"]
    return sent is not None and PROHIBITION[sent] < PROHIBITION[before]


def _list_of(catalog: Catalog, key: SubscriptionKey) -> Iterator[_Entry]:
    if catalog.suppression is not None:
        for one in catalog.suppression.find_lists(key.resource_id, key.channel):
            yield one.id, key.contact


def _list_created(workspace: Workspace, one: Prepared) -> Iterator[_Entry]:
    """Yield the contacts that refuse a profile, if one would be created."""
    rules, database_id = workspace.catalog.suppression, one.import_.database_id
    if rules is None or not (
        rules.find_refusing(database_id, Channel.EMAIL)
        or rules.find_refusing(database_id, Channel.SMS)
    ):
        return
    if any(workspace.find_holders(database_id, each) for each in one.search.lookups):
        return
    for channel, contact in _list_own(one):
        for each in rules.find_refusing(database_id, channel):
            yield each.id, contact


def _list_own(one: Prepared) -> Iterator[tuple[Channel, str]]:
    """Yield the email and the phones of a profile that an import may create."""
    draft, search = one.draft, one.search
    if email := draft.email or search.email:
        yield Channel.EMAIL, email_key(email)
    sent = draft.phones.value if draft.phones is not None else None
    phones = sent if isinstance(sent, list) else [search.phone]
    for phone in phones:
        if phone:
            yield Channel.SMS, phone_key(phone)


def save_listed(
    connection: Connection, steps: Iterable[AppliedImport], now: datetime
) -> None:
    """Put on lists whom a batch puts there, and note whose statuses are to be lowered.

    In the transaction of the batch: what is told of its imports is true of the lists.
    """
    listed = {(one.list_id, one.contact): one for step in steps for one in step.listed}
    if not listed:
        return
    hasher = find_hasher()
    hashes = {
        entry: (one.list_id, hasher.hash_contact(one.contact))
        for entry, one in listed.items()
    }
    fresh = [
        SuppressedContact(
            list_id=one.list_id, hash=hashes[entry][1], source=OPT_OUT, added_at=now
        )
        for entry, one in listed.items()
        if one.is_new
    ]
    if fresh:
        keep_key(connection, hasher)
    inserted = insert_entries(connection, fresh)
    work = [
        SuppressionWork(list_id=one.list_id, channel=one.channel, contact=one.contact)
        for entry, one in listed.items()
        if not one.is_new or hashes[entry] in inserted
    ]
    insert_work(connection, work, now)
