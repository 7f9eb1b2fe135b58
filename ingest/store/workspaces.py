"""Workspaces out of Postgres: what is found, loaded, and locked to be changed."""

from collections.abc import Iterable, Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.catalog import Catalog
from ingest.domain.lookups import PROFILE_ID, Search, lock_name
from ingest.domain.workspace import Address, Workspace
from ingest.store.locks import lock_names
from ingest.store.lookups import Hits, find_profiles, scan_profiles
from ingest.store.profiles import load_profiles, lock_profiles
from ingest.store.rows import Id

#: Documents to scan for, by the lookup that stands for each.
Scanned = Mapping[Address, Mapping[str, object]]


def lock_workspace(
    connection: Connection[TupleRow],
    catalog: Catalog,
    searched: Iterable[Address],
    scanned: Scanned,
) -> Workspace:
    """Return the workspace of what these find, every profile in it locked.

    First the match keys are locked, in one order: of two transactions that bring the
    same key, the second searches after the first has committed, so it finds what the
    first created. Then the profiles found are locked, in one order. A profile that was
    changed or deleted between the two steps no longer has the key that found it, and
    the search is repeated. A key that leads to a deleted profile even then is an
    orphan, and is passed over.
    """
    searched = list(searched)
    lock_names(connection, (lock_name(*address) for address in (*searched, *scanned)))
    deleted: set[Id] = set()
    while True:
        hits = _without(deleted, find_profiles(connection, searched))
        scans = scan_profiles(connection, scanned) if scanned else {}
        profiles = lock_profiles(connection, _ids(hits, scans))
        workspace = Workspace(catalog, profiles, scans)
        gone = _ids(_indexed(hits), scans) - workspace.loaded.keys()
        if not gone and not workspace.stale(_indexed(hits)):
            return workspace
        deleted |= gone


def read_workspace(
    connection: Connection[TupleRow],
    catalog: Catalog,
    searched: Iterable[Address],
    scanned: Scanned,
) -> Workspace:
    """Return the workspace of what these find, nothing in it locked.

    Must run in one snapshot (REPEATABLE READ), so that what is found is what is read.
    """
    hits = find_profiles(connection, searched)
    scans = scan_profiles(connection, scanned) if scanned else {}
    return Workspace(catalog, load_profiles(connection, _ids(hits, scans)), scans)


def split_search(
    database_id: int, search: Search
) -> tuple[list[Address], dict[Address, Mapping[str, object]]]:
    """Return what `search` looks up by an index, and what it scans for."""
    addresses = [(database_id, lookup) for lookup in search.lookups]
    if search.document is None:
        return addresses, {}
    return [], dict.fromkeys(addresses, search.document)


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
