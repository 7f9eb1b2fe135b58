"""The merges of a batch: what they need to know, and what is kept of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from ingest.domain.automatic_merges import AbsorbedCounts
from ingest.domain.batches import AppliedImport, Prepared
from ingest.domain.candidates import find_policy
from ingest.domain.catalog import Catalog
from ingest.domain.imports import OnAmbiguous
from ingest.domain.profile_merges import ChangedAt, list_dated
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection
from ingest.store.profiles.merges import (
    end_merge,
    insert_merge,
    load_changes,
)
from ingest.store.profiles.survivors import count_absorbed
from ingest.store.rows import Id


def load_dates(
    connection: Connection, workspace: Workspace, batch: Sequence[Prepared]
) -> ChangedAt:
    """Return when values changed that a merge of the batch chooses by their age."""
    wanted: dict[tuple[Id, str], None] = {}
    for one in batch:
        merge, database_id = one.import_.merge, one.import_.database_id
        if merge is None or one.faults:
            continue
        database = workspace.catalog.databases[database_id]
        for profile_id in merge.profiles:
            if profile := workspace.resolve(database_id, profile_id):
                for path in list_dated(merge.fields, database):
                    wanted[(database_id, profile.id), path] = None
    return load_changes(connection, list(wanted))


def load_absorbed(
    connection: Connection, workspace: Workspace, batch: Sequence[Prepared]
) -> AbsorbedCounts:
    """Return how many profiles others took over lately, if the batch may merge more."""
    databases = {
        one.import_.database_id
        for one in batch
        if not one.faults and _merges(one, workspace.catalog)
    }
    if not databases:
        return {}
    owners = [owner for owner in workspace.loaded if owner[0] in databases]
    return count_absorbed(connection, owners)


def _merges(one: Prepared, catalog: Catalog) -> bool:
    database = catalog.databases[one.import_.database_id]
    return find_policy(one.import_, database) is OnAmbiguous.MERGE


def save_merges(
    connection: Connection, steps: Iterable[AppliedImport], now: datetime
) -> None:
    """Keep the merges of a batch, and end those that it undoes, in their order."""
    for step in steps:
        if step.merge is None:
            continue
        if step.outcome.undoes is None:
            insert_merge(connection, step.merge, now)
        else:
            end_merge(connection, step.merge, step.outcome.import_id)
