"""Imports that came since those were held which a batch releases (H5)."""

from collections.abc import Mapping, Sequence

from ingest.domain.batches import Prepared
from ingest.domain.releases import WrittenPaths
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection
from ingest.store.held import list_written


def load_written(
    connection: Connection, workspace: Workspace, batch: Sequence[Prepared]
) -> Mapping[str, Sequence[WrittenPaths]]:
    """Return what was written to the profiles of a batch of released imports (H5).

    Their rows are locked: what is not written by now comes after the batch.
    """
    databases = {
        one.import_.database_id for one in batch if one.import_.release is not None
    }
    if not databases:
        return {}
    written: dict[str, Sequence[WrittenPaths]] = {}
    for database_id in databases:
        ids = [id_ for database, id_ in workspace.loaded if database == database_id]
        written.update(list_written(connection, database_id, sorted(ids)))
    return written
