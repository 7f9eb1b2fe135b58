"""Find, lock and load everything that a batch may touch."""

from collections.abc import Sequence

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest.domain.batches import Prepared, written_keys
from ingest.domain.catalog import Catalog
from ingest.domain.workspace import Workspace
from ingest.store.workspaces import Wanted, lock_workspace


def load_workspace(
    connection: Connection[TupleRow], prepared: Sequence[Prepared], catalog: Catalog
) -> Workspace:
    """Return the workspace for `prepared`, every key and profile in it locked."""
    wanted = Wanted()
    for one in prepared:
        if one.faults:
            continue
        database = catalog.databases[one.import_.database_id]
        wanted.add_search(database.id, one.search)
        for lookup in written_keys(one, catalog):
            wanted.add_written(database, lookup)
    return lock_workspace(connection, catalog, wanted)
