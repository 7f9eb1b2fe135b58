"""Find, lock and load everything that a batch may touch."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.batches import Prepared, written_keys
from ingest.domain.candidates import find_policy
from ingest.domain.catalog import Catalog
from ingest.domain.errors import Fault
from ingest.domain.imports import OnAmbiguous
from ingest.domain.limits import excess, too_many
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection
from ingest.store.profiles.workspaces import SearchPlan, lock_workspace


class Gathered(Struct, frozen=True, kw_only=True):
    """The first imports of a batch, as many as its locks have room for."""

    #: Those with more keys than an import may have are faulted.
    prepared: list[Prepared]
    wanted: SearchPlan


def gather(prepared: Sequence[Prepared], catalog: Catalog, room: int) -> Gathered:
    """Return what the first of `prepared` want, up to `room` keys in all.

    One at least is taken. The order is kept: where one does not fit, none after it is.
    """
    wanted, taken = SearchPlan(), list[Prepared]()
    # No less than `wanted.size`, which counts a key once that several bring.
    most = 0
    for one in prepared:
        if one.faults:
            taken.append(one)
            continue
        keys = list(written_keys(one, catalog))
        count = len(keys) + len(one.search.lookups)
        if count > catalog.limits.profile_keys:
            taken.append(replace(one, faults=(_too_many_keys(catalog),)))
            continue
        most += count
        if most > room and wanted.size and wanted.size + count > room:
            break
        database = catalog.databases[one.import_.database_id]
        by_newest = find_policy(one.import_, database) is OnAmbiguous.NEWEST
        wanted.add_search(database.id, one.search, newest=by_newest)
        for lookup in keys:
            wanted.add_written(database, lookup)
        taken.append(one)
    return Gathered(prepared=taken, wanted=wanted)


def _too_many_keys(catalog: Catalog) -> Fault:
    what = "contacts, tags and values to be found by"
    return excess(too_many(catalog.limits.profile_keys, what), "data")


def load_workspace(
    connection: Connection, gathered: Gathered, catalog: Catalog
) -> Workspace:
    """Return the workspace for `gathered`, every key and profile in it locked."""
    return lock_workspace(connection, catalog, gathered.wanted)
