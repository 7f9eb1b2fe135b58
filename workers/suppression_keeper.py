"""The keeper of suppression lists: lowers what was stored before an addition (L4).

It changes nothing itself: each profile gets an import, which is applied in its place in
the order and leaves a receipt.
"""

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid5

from msgspec.structs import replace

from ingest.domain.catalog import Catalog
from ingest.domain.contact_hashes import ContactHasher
from ingest.domain.imports import (
    Import,
    Key,
    Matching,
    Operation,
    SubscriptionChange,
)
from ingest.domain.lanes import Lane
from ingest.domain.lookups import SUBSCRIPTION_KINDS, lock_name
from ingest.domain.profiles import Subscription, SubscriptionKey
from ingest.domain.suppressions import SuppressionRules, list_lowered, lock_lookup
from ingest.doors.accept import place
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection, LateConnection
from ingest.store.profiles.locks import lock_names
from ingest.store.profiles.profile_rows import load_profiles
from ingest.store.rows import Id
from ingest.store.suppressions.entries import (
    count_entries,
    delete_expired,
    find_entries,
)
from ingest.store.suppressions.key import check_key, find_hasher
from ingest.store.suppressions.work import (
    SuppressionScan,
    SuppressionWork,
    delete_work,
    find_holders,
    finish_scan,
    insert_work,
    read_subscriptions,
    save_scan,
    start_scans,
    take_scan,
    take_work,
)

logger = logging.getLogger(__name__)

#: By which receipts and journals know its imports.
DOOR = "suppression"
#: Contacts of one transaction; each locks its keys.
_WORK = 50
#: Profiles of one chunk of a scan.
_CHUNK = 1000
#: How long a run lasts, of every second: other tasks wait for the same process.
_RUN_SECONDS = 0.5
#: Entries past their time that are deleted at a time, and how often all are counted.
_EXPIRED = 1000
_COUNT_SECONDS = 60.0


class SuppressionKeeper:
    """Lowers stored subscriptions of contacts that went on lists."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = LateConnection(
            settings.database_url, application_name="penstock-suppressions"
        )
        self._appends: BlockingAppends | None = None
        self._catalog: Catalog | None = None
        self._counts_at = 0.0

    def run(self, seconds: float = _RUN_SECONDS) -> None:
        """Lower what is to be, for some seconds at most."""
        ends_at = time.monotonic() + seconds
        rules = self._load_rules()
        if rules is None:
            return
        connection = self._database.get()
        check_key(connection, find_hasher())
        while self.lower_contacts() and time.monotonic() < ends_at:
            pass
        with connection.transaction():
            started = start_scans(connection, datetime.now(UTC))
        if started:
            logger.info("suppression scan started", extra={"list_ids": started})
        while time.monotonic() < ends_at and self.scan_chunk():
            pass
        if time.monotonic() > self._counts_at:
            self._counts_at = time.monotonic() + _COUNT_SECONDS
            self._keep(connection)

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._database.close()
        if self._appends is not None:
            self._appends.close()
            self._appends = None

    def lower_contacts(self) -> int:
        """Queue imports for the profiles with some of the contacts; return how many.

        Whoever brings such a contact holds its lock: those who have not seen the entry
        end first, and what they have stored is found.
        """
        connection = self._database.get()
        with connection.transaction():
            catalog, rules = self._hold_rules(connection)
            work = take_work(connection, _WORK)
            if not work or rules is None:
                return 0
            lock_names(connection, _list_names(work, rules))
            imports = {
                one.import_id: one
                for each in work
                for one in _lower_contact(connection, each, rules)
            }
            unseen = [
                SuppressionWork(list_id=one.list_id)
                for one in work
                if one.channel and not rules.is_indexed(one.list_id, one.channel)
            ]
            insert_work(connection, unseen, datetime.now(UTC))
            self._append(imports.values(), catalog, Lane.LIVE)
            delete_work(connection, [one.id for one in work])
        return len(work)

    def scan_chunk(self) -> bool:
        """Look through some profiles for one list; return False if there is none."""
        connection = self._database.get()
        with connection.transaction():
            catalog, rules = self._hold_rules(connection)
            scan = take_scan(connection)
            if scan is None or rules is None:
                return False
            self._scan(connection, scan, catalog, rules)
        return True

    def _scan(
        self,
        connection: Connection,
        scan: SuppressionScan,
        catalog: Catalog,
        rules: SuppressionRules,
    ) -> None:
        databases = rules.list_databases(scan.list_id)
        database_id = scan.database_id or min(databases, default=0)
        read = read_subscriptions(connection, database_id, scan.after, _CHUNK)
        if not read:
            following = [one for one in databases if one > database_id]
            if not following:
                finish_scan(connection, scan.list_id)
                done = {"list_id": scan.list_id, "profiles": scan.profiles}
                logger.info("suppression scan done", extra=done)
                return
            ahead = replace(scan, database_id=min(following), after="")
            save_scan(connection, replace(ahead, updated_at=datetime.now(UTC)))
            return
        found = _find_listed(connection, scan, read, rules, find_hasher())
        imports = [
            _make_import((database_id, id_), f"{scan.requested_at}/{scan.list_id}")
            for id_ in found
        ]
        self._append(imports, catalog, Lane.BULK)
        save_scan(
            connection,
            replace(
                scan,
                database_id=database_id,
                after=read[-1][0],
                profiles=scan.profiles + len(read),
                imports=scan.imports + len(imports),
                updated_at=datetime.now(UTC),
            ),
        )

    def _append(self, imports: Iterable[Import], catalog: Catalog, lane: Lane) -> None:
        """Queue imports; repeated, they are applied once all the same."""
        partitions = self._settings.partitions
        accepted = [place(one, catalog, partitions, lane=lane) for one in imports]
        if not accepted:
            return
        if self._appends is None:
            self._appends = BlockingAppends(
                self._settings, client_name="penstock-suppressions", lane=lane
            )
            self._appends.start()
        self._appends.append(accepted)

    def _keep(self, connection: Connection) -> None:
        """Delete entries past their time, and count the others."""
        while delete_expired(connection, _EXPIRED) == _EXPIRED:
            pass
        count_entries(connection)

    def _load_rules(self) -> SuppressionRules | None:
        connection = self._database.get()
        with connection.transaction():
            return self._hold_rules(connection)[1]

    def _hold_rules(
        self, connection: Connection
    ) -> tuple[Catalog, SuppressionRules | None]:
        version = hold_catalog(connection)
        if self._catalog is None or self._catalog.version != version:
            self._catalog = load_catalog(connection, self._settings.profile_limits)
        return self._catalog, self._catalog.suppression


def _list_names(
    work: Iterable[SuppressionWork], rules: SuppressionRules
) -> Iterable[str]:
    """Yield the locks of contacts, in all databases where a list counts."""
    for one in work:
        if one.channel is not None and one.contact is not None:
            lookup = lock_lookup(SubscriptionKey(0, one.channel, one.contact))
            for database_id in rules.list_databases(one.list_id):
                yield lock_name(database_id, lookup)


def _lower_contact(
    connection: Connection, work: SuppressionWork, rules: SuppressionRules
) -> Iterable[Import]:
    """Yield an import for each profile with a subscription to be lowered."""
    kind = SUBSCRIPTION_KINDS.get(work.channel) if work.channel else None
    if kind is None or work.contact is None:
        return
    databases = rules.list_databases(work.list_id)
    holders = find_holders(connection, databases, kind, work.contact)
    for profile in load_profiles(connection, holders):
        lowered = list_lowered(profile.subscriptions.values(), work.list_id, rules)
        if any(one.key.contact == work.contact for one in lowered):
            yield _make_import((profile.database_id, profile.id), f"work/{work.id}")


def _find_listed(
    connection: Connection,
    scan: SuppressionScan,
    read: Iterable[tuple[str, dict[SubscriptionKey, Subscription]]],
    rules: SuppressionRules,
    hasher: ContactHasher,
) -> list[str]:
    """Return those profiles that have a subscription of a listed contact to lower."""
    hashes = {
        (id_, one.key.contact): (scan.list_id, hasher.hash_contact(one.key.contact))
        for id_, subscriptions in read
        for one in list_lowered(subscriptions.values(), scan.list_id, rules)
    }
    if not hashes:
        return []
    found = find_entries(connection, set(hashes.values()))
    listed = {id_ for (id_, _), entry in hashes.items() if entry in found}
    return sorted(listed)


#: What ids of imports are made in; of no other kind of name.
_NAMES = UUID("7d0c3f0e-6f1b-5c1e-9b52-0c4b6a4f5d11")


def _make_import(owner: Id, cause: str) -> Import:
    """Return the import that lowers what lists forbid of a profile, once a cause."""
    database_id, profile_id = owner
    return Import(
        import_id=uuid5(_NAMES, f"{cause}/{database_id}/{profile_id}"),
        accepted_at=datetime.now(UTC),
        door=DOOR,
        token_id=None,
        database_id=database_id,
        matching=Matching.PROFILE_ID,
        key=Key(profile_id=profile_id),
        data={},
        operation=Operation.UPDATE,
        subscription_change=SubscriptionChange.SUPPRESS,
    )
