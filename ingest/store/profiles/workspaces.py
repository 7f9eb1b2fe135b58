"""Workspaces out of Postgres: what is found, loaded, and locked to be changed."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

from psycopg.errors import SerializationFailure

from ingest.domain.catalog import Catalog, Database
from ingest.domain.lookups import (
    CANDIDATES,
    PROFILE_ID,
    Lookup,
    Search,
    is_exclusive,
    lock_name,
)
from ingest.domain.profiles import Profile
from ingest.domain.reads import Address, Hit, Holders, Reads, is_together
from ingest.domain.workspace import Alias, Workspace
from ingest.store.database import Connection
from ingest.store.profiles.aliases import locate_ids
from ingest.store.profiles.keys import delete_keys
from ingest.store.profiles.locks import lock_names
from ingest.store.profiles.lookups import (
    find_holders_of_all,
    find_profiles,
    scan_profiles,
)
from ingest.store.profiles.newest import find_newest, find_newest_of_all
from ingest.store.profiles.profile_rows import load_profiles, lock_profiles
from ingest.store.rows import Id
from ingest.telemetry import metrics

logger = logging.getLogger(__name__)

#: How many candidates of a key are read, look by look, when some of the first turn out
#: not to hold it. More orphans of one key than the last may hide who does.
_MORE_CANDIDATES = tuple(CANDIDATES * 4**look for look in range(1, 5))

#: How often profiles are looked for by id that others merge or part meanwhile.
_ID_LOOKS = 10


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """Searches and new keys of one or many imports, filled by `add_` functions."""

    #: Keys any holder of which is a candidate.
    searched: dict[Address, None] = field(default_factory=dict)
    #: Keys of which a candidate must hold all, such as several tags.
    together: dict[tuple[Address, ...], None] = field(default_factory=dict)
    #: Documents to scan for, by the lookup that stands for each.
    scanned: dict[Address, Mapping[str, object]] = field(default_factory=dict)
    #: Keys that are only locked: whoever brings them next waits.
    brought: dict[Address, None] = field(default_factory=dict)
    #: As `searched` and `together`, where the newest are wanted instead of the oldest.
    newest: dict[Address, None] = field(default_factory=dict)
    newest_together: dict[tuple[Address, ...], None] = field(default_factory=dict)

    def add_search(
        self, database_id: int, search: Search, *, newest: bool = False
    ) -> None:
        """Look for what `search` finds: the oldest profiles, or the `newest`."""
        addresses = [(database_id, lookup) for lookup in search.lookups]
        if search.document is not None:
            self.scanned.update(dict.fromkeys(addresses, search.document))
        elif is_together(search):
            groups = self.newest_together if newest else self.together
            groups[tuple(addresses)] = None
        else:
            # An id has one profile, which is neither.
            by_id = any(lookup.kind == PROFILE_ID for lookup in search.lookups)
            keys = self.newest if newest and not by_id else self.searched
            keys.update(dict.fromkeys(addresses))

    def add_written(self, database: Database, lookup: Lookup) -> None:
        """Bring `lookup`; who holds it matters only where one profile may."""
        chosen = self.searched if is_exclusive(database, lookup) else self.brought
        chosen[database.id, lookup] = None

    @property
    def size(self) -> int:
        """The most locks that guard it."""
        single = len(self.searched) + len(self.scanned) + len(self.brought)
        groups = (*self.together, *self.newest_together)
        return single + len(self.newest) + sum(map(len, groups))

    def names(self) -> Iterator[str]:
        """Return the names of the locks that guard all of it."""
        groups = (*self.together, *self.newest_together)
        joined = (address for group in groups for address in group)
        single = (*self.searched, *self.newest, *self.scanned, *self.brought)
        for address in (*single, *joined):
            yield lock_name(*address)


def want(database_id: int, search: Search) -> SearchPlan:
    """Return what one `search` looks for."""
    wanted = SearchPlan()
    wanted.add_search(database_id, search)
    return wanted


def lock_workspace(
    connection: Connection, catalog: Catalog, wanted: SearchPlan
) -> Workspace:
    """Return the workspace of what is `wanted`, every profile in it locked.

    First the match keys are locked, in one order: of two transactions that bring the
    same key, the second searches after the first has committed, so it finds what the
    first created. Then the profiles found are locked, in one order. A profile that was
    changed or deleted between the two steps no longer has the key that found it, and
    the search is repeated, a few times at most. A key that leads to such a profile even
    then is an orphan: it is passed over, and removed where one profile alone may hold
    it, so that its true holder can.
    """
    lock_names(connection, wanted.names())
    workspace, orphans = _search(connection, catalog, wanted, lock_profiles)
    if orphans:
        _note(orphans)
        # Nobody else writes these: their names are locked.
        delete_keys(connection, [
            ((database_id, profile_id), lookup)
            for (database_id, lookup), profile_id in orphans
            if is_exclusive(catalog.databases[database_id], lookup)
        ])  # fmt: skip
    return workspace


def read_workspace(
    connection: Connection, catalog: Catalog, wanted: SearchPlan
) -> Workspace:
    """Return the workspace of what is `wanted`, nothing in it locked.

    Must run in one snapshot (REPEATABLE READ), so that what is found is what is read.
    """
    return _search(connection, catalog, wanted, load_profiles)[0]


#: Loads profiles, and may lock them.
_Take = Callable[[Connection, Iterable[Id]], list[Profile]]


def _search(
    connection: Connection, catalog: Catalog, wanted: SearchPlan, take: _Take
) -> tuple[Workspace, Set[Hit]]:
    """Find and `take` profiles; return those, and the hits on keys they do not hold.

    Each look reads more candidates, for orphans may hide a holder. The first that finds
    nothing new amiss is the last, or else the last that there is.
    """
    known: Set[Hit] = frozenset()
    workspace, amiss = _look(connection, catalog, wanted, take, CANDIDATES)
    for candidates in _MORE_CANDIDATES:
        if amiss <= known:
            break
        known = amiss
        workspace, amiss = _look(connection, catalog, wanted, take, candidates)
    return workspace, amiss


def _look(
    connection: Connection,
    catalog: Catalog,
    wanted: SearchPlan,
    take: _Take,
    candidates: int,
) -> tuple[Workspace, Set[Hit]]:
    reads = _read(connection, wanted, candidates)
    scans = scan_profiles(connection, wanted.scanned, catalog.limits.scan_seconds)
    ids = {
        (address[0], profile_id)
        for address, found in (*reads.list_hits(), *scans.items())
        for profile_id in found
    }
    profiles, aliases = take(connection, ids), dict[Id, Alias]()
    if any(lookup.kind == PROFILE_ID for _, lookup in wanted.searched):
        profiles, aliases = _follow_aliases(connection, wanted, take, ids, profiles)
    now = datetime.now(UTC)
    workspace = Workspace(catalog, profiles, scans, aliases, reads, now)
    # An id that is sent by a caller may not exist.
    by_key = (hit for hit in reads.list_hits() if hit[0][1].kind != PROFILE_ID)
    return workspace, workspace.stale(by_key)


def _follow_aliases(
    connection: Connection,
    wanted: SearchPlan,
    take: _Take,
    ids: Set[Id],
    profiles: list[Profile],
) -> tuple[list[Profile], dict[Id, Alias]]:
    """Take the profiles that are wanted by id, or those that took them over (M7).

    They are asked for only where an id is no profile's, and again once their rows are
    locked: meanwhile others may have merged them, or taken the merge back. Raises
    SerializationFailure, which passes, where that never ends.
    """
    named = {
        (database_id, lookup.value)
        for database_id, lookup in wanted.searched
        if lookup.kind == PROFILE_ID
    }
    for _ in range(_ID_LOOKS):
        taken = {(one.database_id, one.id) for one in profiles}
        there, aliases = locate_ids(connection, named - taken)
        there |= {(at[0], alias.profile_id) for at, alias in aliases.items()}
        if there <= taken:
            return profiles, aliases
        profiles = take(connection, ids | there)
    raise SerializationFailure("others merge and part the profiles time and again")


def _note(orphans: Set[Hit]) -> None:
    """Count and log keys that lead to profiles which do not hold them."""
    kinds = Counter(lookup.kind.partition(":")[0] for (_, lookup), _ in orphans)
    for kind, keys in sorted(kinds.items()):
        metrics.ORPHAN_KEYS.labels(kind).inc(keys)
        logger.warning("orphan keys", extra={"kind": kind, "keys": keys})


def _read(connection: Connection, wanted: SearchPlan, candidates: int) -> Reads:
    """Read up to `candidates` holders of each key, and of each group of keys."""
    oldest = Holders(
        by_key=find_profiles(connection, wanted.searched, candidates),
        by_keys={
            group: find_holders_of_all(connection, group, candidates)
            for group in wanted.together
        },
        most=candidates,
    )
    if not (wanted.newest or wanted.newest_together):
        return Reads(oldest)
    newest = Holders(
        by_key=find_newest(connection, wanted.newest, candidates),
        by_keys={
            group: find_newest_of_all(connection, group, candidates)
            for group in wanted.newest_together
        },
        most=candidates,
    )
    return Reads(oldest, newest)
