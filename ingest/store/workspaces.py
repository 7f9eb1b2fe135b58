"""Workspaces out of Postgres: what is found, loaded, and locked to be changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.catalog import Catalog, Database
from ingest.domain.lookups import (
    PROFILE_ID,
    Lookup,
    Search,
    is_exclusive,
    lock_name,
)
from ingest.domain.workspace import Address, Workspace
from ingest.store.locks import lock_names
from ingest.store.lookups import (
    Hits,
    find_holders_of_all,
    find_profiles,
    scan_profiles,
)
from ingest.store.profiles import load_profiles, lock_profiles
from ingest.store.rows import Id


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one or many imports look for, and what they bring; filled by `add_`s."""

    #: Keys any holder of which is a candidate.
    searched: dict[Address, None] = field(default_factory=dict)
    #: Keys of which a candidate must hold all, such as several tags.
    together: dict[tuple[Address, ...], None] = field(default_factory=dict)
    #: Documents to scan for, by the lookup that stands for each.
    scanned: dict[Address, Mapping[str, object]] = field(default_factory=dict)
    #: Keys that are only locked: whoever brings them next waits.
    brought: dict[Address, None] = field(default_factory=dict)

    def add_search(self, database_id: int, search: Search) -> None:
        """Look for what `search` finds."""
        addresses = [(database_id, lookup) for lookup in search.lookups]
        if search.document is not None:
            self.scanned.update(dict.fromkeys(addresses, search.document))
        elif search.every and len(addresses) > 1:
            self.together[tuple(addresses)] = None
        else:
            self.searched.update(dict.fromkeys(addresses))

    def add_written(self, database: Database, lookup: Lookup) -> None:
        """Bring `lookup`; who holds it matters only where one profile may."""
        chosen = self.searched if is_exclusive(database, lookup) else self.brought
        chosen[database.id, lookup] = None

    def names(self) -> Iterator[str]:
        """Return the names of the locks that guard all of it."""
        joined = (address for group in self.together for address in group)
        for address in (*self.searched, *joined, *self.scanned, *self.brought):
            yield lock_name(*address)


def want(database_id: int, search: Search) -> Wanted:
    """Return what one `search` looks for."""
    wanted = Wanted()
    wanted.add_search(database_id, search)
    return wanted


def lock_workspace(
    connection: Connection[TupleRow], catalog: Catalog, wanted: Wanted
) -> Workspace:
    """Return the workspace of what is `wanted`, every profile in it locked.

    First the match keys are locked, in one order: of two transactions that bring the
    same key, the second searches after the first has committed, so it finds what the
    first created. Then the profiles found are locked, in one order. A profile that was
    changed or deleted between the two steps no longer has the key that found it, and
    the search is repeated. A key that leads to a deleted profile even then is an
    orphan, and is passed over.
    """
    lock_names(connection, wanted.names())
    deleted: set[Id] = set()
    while True:
        hits = _without(deleted, _find(connection, wanted))
        scans = scan_profiles(connection, wanted.scanned)
        profiles = lock_profiles(connection, _ids(hits, scans))
        workspace = Workspace(catalog, profiles, scans)
        gone = _ids(_indexed(hits), scans) - workspace.loaded.keys()
        if not gone and not workspace.stale(_indexed(hits)):
            return workspace
        deleted |= gone


def read_workspace(
    connection: Connection[TupleRow], catalog: Catalog, wanted: Wanted
) -> Workspace:
    """Return the workspace of what is `wanted`, nothing in it locked.

    Must run in one snapshot (REPEATABLE READ), so that what is found is what is read.
    """
    hits = _find(connection, wanted)
    scans = scan_profiles(connection, wanted.scanned)
    return Workspace(catalog, load_profiles(connection, _ids(hits, scans)), scans)


def _find(connection: Connection[TupleRow], wanted: Wanted) -> Hits:
    hits = find_profiles(connection, wanted.searched)
    for group in wanted.together:
        found = find_holders_of_all(connection, group)
        for address in group:
            hits[address] = [*hits.get(address, ()), *found]
    return hits


def _ids(*found: Hits) -> set[Id]:
    return {
        (database_id, profile_id)
        for hits in found
        for (database_id, _), ids in hits.items()
        for profile_id in ids
    }


def _without(deleted: set[Id], hits: Hits) -> Hits:
    return {
        (database_id, lookup): [id_ for id_ in ids if (database_id, id_) not in deleted]
        for (database_id, lookup), ids in hits.items()
    }


def _indexed(hits: Hits) -> Hits:
    """Return the hits that came from a key; an id sent by a caller may not exist."""
    return {
        address: ids for address, ids in hits.items() if address[1].kind != PROFILE_ID
    }
