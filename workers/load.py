"""Find, lock and load everything that a batch may touch."""

from collections.abc import Iterable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.batches import Prepared, written_keys
from ingest.domain.catalog import Catalog
from ingest.domain.workspace import Address, Workspace
from ingest.store.workspaces import lock_workspace, split_search


def load_workspace(
    connection: Connection[TupleRow], prepared: Sequence[Prepared], catalog: Catalog
) -> Workspace:
    """Return the workspace for `prepared`, every key and profile in it locked."""
    valid = [one for one in prepared if not one.faults]
    searched, scanned = _wanted(valid, catalog)
    return lock_workspace(connection, catalog, searched, scanned)


def _wanted(
    prepared: Iterable[Prepared], catalog: Catalog
) -> tuple[dict[Address, None], dict[Address, Mapping[str, object]]]:
    """Return the keys to look up, searched for or written, and what to scan for."""
    searched: dict[Address, None] = {}
    scanned: dict[Address, Mapping[str, object]] = {}
    for one in prepared:
        database_id = one.import_.database_id
        indexed, documents = split_search(database_id, one.search)
        scanned |= documents
        searched.update(dict.fromkeys(indexed))
        for lookup in written_keys(one, catalog):
            searched[database_id, lookup] = None
    return searched, scanned
