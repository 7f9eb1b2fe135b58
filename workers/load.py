"""Find, lock and load everything that a batch may touch."""

from collections.abc import Iterable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.batches import Prepared, written_keys
from ingest.domain.catalog import Catalog
from ingest.domain.lookups import Lookup, lock_name
from ingest.domain.workspace import Address, Workspace
from ingest.store.locks import lock_names
from ingest.store.lookups import Hits, find_profiles, scan_profiles
from ingest.store.profiles import lock_profiles


def load_workspace(
    connection: Connection[TupleRow], prepared: Sequence[Prepared], catalog: Catalog
) -> Workspace:
    """Return the workspace for `prepared`, every profile in it locked.

    First the match keys are locked, in one order: of two batches that bring the same
    key, the second searches after the first has committed, so it finds what the first
    created. Then the profiles found are locked, in one order. A profile that changed
    between the two steps no longer has the key that found it, and the search is
    repeated.
    """
    valid = [one for one in prepared if not one.faults]
    searched, scanned, written = _wanted(valid, catalog)
    names = (lock_name(*address) for address in (*searched, *scanned, *written))
    lock_names(connection, names)
    while True:
        hits = find_profiles(connection, {**searched, **written})
        scans = scan_profiles(connection, scanned) if scanned else {}
        profiles = lock_profiles(connection, _ids(hits, scans))
        workspace = Workspace(catalog, profiles, scans)
        if not workspace.stale(_indexed(hits)):
            return workspace


def _wanted(
    prepared: Iterable[Prepared], catalog: Catalog
) -> tuple[
    dict[Address, None], dict[Address, Mapping[str, object]], dict[Address, None]
]:
    """Return the keys to search by index, to scan for, and that will be written."""
    searched: dict[Address, None] = {}
    scanned: dict[Address, Mapping[str, object]] = {}
    written: dict[Address, None] = {}
    for one in prepared:
        database_id = one.import_.database_id
        for lookup in one.search.lookups:
            if one.search.document is None:
                searched[database_id, lookup] = None
            else:
                scanned[database_id, lookup] = one.search.document
        for lookup in written_keys(one, catalog):
            written[database_id, lookup] = None
    return searched, scanned, written


def _ids(*found: Hits) -> set[tuple[int, str]]:
    return {
        (database_id, profile_id)
        for hits in found
        for (database_id, _), ids in hits.items()
        for profile_id in ids
    }


def _indexed(hits: Hits) -> dict[tuple[int, Lookup], list[str]]:
    """Return the hits that came from a key; an id sent by a caller may not exist."""
    return {
        address: ids for address, ids in hits.items() if address[1].kind != "profile_id"
    }
