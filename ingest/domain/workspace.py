"""The profiles that one batch works on, findable as the batch changes them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ingest.domain.catalog import Catalog
from ingest.domain.dates import EPOCH
from ingest.domain.dynamic_segments import Due, Followed
from ingest.domain.errors import AmbiguousMatch, Fault, InvalidRequest, ValueTaken
from ingest.domain.local_days import Instant
from ingest.domain.lookups import (
    CANDIDATES,
    EMAIL,
    FIELD_PREFIX,
    FIELD_SCAN,
    FORMER_ID,
    PROFILE_ID,
    SUBSCRIPTION_SCAN,
    Lookup,
    Search,
    is_stored,
    list_exclusive,
    search_keys,
    subscription_keys,
)
from ingest.domain.profiles import Profile
from ingest.domain.reads import NOTHING_READ, Address, Hit, Reads, Scans


class Alias(NamedTuple):
    """The profile that the id of a merged one leads to."""

    profile_id: str
    #: The merge that ended it; None where nobody knows.
    merge_id: UUID | None


class Workspace:
    """A batch's profiles in memory; imports apply to it one after another.

    It starts as what Postgres holds and locks for the batch, so that the second
    import of a profile in one batch sees what the first did.
    """

    def __init__(
        self,
        catalog: Catalog,
        profiles: Iterable[Profile],
        scans: Scans,
        aliases: Mapping[tuple[int, str], Alias] | None = None,
        reads: Reads = NOTHING_READ,
        now: datetime = EPOCH,
    ) -> None:
        self.catalog = catalog
        #: When it is worked on, once everything in it is locked.
        self.now = Instant(now)
        #: How far the holders of keys were read.
        self.reads = reads
        self.loaded = {
            (profile.database_id, profile.id): profile for profile in profiles
        }
        self.current = dict(self.loaded)
        #: Of merged profiles that are looked for by their ids.
        self.aliases = dict(aliases or {})
        #: What the import that is being applied has changed, as it was before; None
        #: where there was none.
        self.touched: dict[tuple[int, str], Profile | None] = {}
        #: How many others each has taken over here.
        self.absorbed: Counter[tuple[int, str]] = Counter()
        self._held: dict[tuple[int, str], Set[Lookup]] = {}
        self._holders: dict[Address, dict[str, None]] = defaultdict(dict)
        self._scans = scans
        self._exclusive: dict[int, frozenset[str]] = {}
        #: Those that are gone.
        self._removed: set[tuple[int, str]] = set()
        #: When time may next move profiles, in the dynamic segments looked at.
        self._due: dict[tuple[int, str], dict[int, int]] = {}
        for profile in self.loaded.values():
            keys = self._keys(profile)
            self._index(profile, keys, keys)
        self._stored = dict(self._held)

    def find(self, database_id: int, search: Search) -> tuple[Profile, str] | None:
        """Return the one profile that `search` finds and the kind of key that did.

        Raises AmbiguousMatch, naming how many and by which key, when there are several
        (contract 14, point 8), and InvalidRequest when a scan for it was given up.
        """
        found: dict[str, str] = {}
        for number, lookup in enumerate(search.lookups):
            hits = self._hits(database_id, lookup, search)
            if search.every and number:
                found = {id_: kind for id_, kind in found.items() if id_ in hits}
            else:
                for profile_id in hits:
                    found.setdefault(profile_id, _name_kind(lookup, profile_id))
        if len(found) > 1:
            error = AmbiguousMatch(_name_candidates(found))
            error.held = {
                id_: [
                    lookup
                    for lookup in search.lookups
                    if id_ in self._hits(database_id, lookup, search)
                ]
                for id_ in found
            }
            raise error
        for profile_id, kind in found.items():
            return self.current[database_id, profile_id], kind
        return None

    def resolve(self, database_id: int, profile_id: str) -> Profile | None:
        """Return the profile that has or had an id (M7); None if none did."""
        for _ in range(len(self.aliases) + 1):
            profile = self.current.get((database_id, profile_id))
            alias = self.aliases.get((database_id, profile_id))
            if profile is not None or alias is None:
                return profile
            profile_id = alias.profile_id
        return None

    def follow(
        self, before: Profile | None, after: Profile, paths: Iterable[str]
    ) -> Followed:
        """Return a changed profile in the dynamic segments that it belongs to (G1).

        Whoever changes profiles puts what this returns. `paths` changed; of a profile
        that is new, or comes back, `before` is None.
        """
        dynamic = self.catalog.dynamic.get(after.database_id)
        if dynamic is None:
            return Followed(before=before, after=after)
        return dynamic.follow(before, after, paths, self.now)

    def put(self, profile: Profile, due: Due | None = None) -> None:
        """Hold `profile` from now on; raise ValueTaken, changing nothing.

        An email and a unique field's value belong to one profile (contract 3.3). `due`
        is when time may next move it, in the segments it was compared with.
        """
        address = (profile.database_id, profile.id)
        keys, held = self._keys(profile), self._held.get(address, frozenset())
        fresh, exclusive = keys - held, self._find_exclusive(profile.database_id)
        faults = [
            fault
            for lookup in fresh
            if lookup.kind in exclusive and (fault := self._conflict(profile, lookup))
        ]
        if faults:
            error = ValueTaken(sorted(faults, key=lambda fault: fault.path))
            error.held = self._find_rivals(profile, fresh)
            raise error
        for lookup in held - keys:
            self._holders[profile.database_id, lookup].pop(profile.id, None)
        self._index(profile, keys, fresh)
        self.touched.setdefault(address, self.current.get(address))
        self.current[address] = profile
        self._removed.discard(address)
        if due:
            self._due.setdefault(address, {}).update(due)

    def remove(self, profile: Profile) -> None:
        """Hold `profile` no longer."""
        address = (profile.database_id, profile.id)
        for lookup in self._held.pop(address):
            self._holders[profile.database_id, lookup].pop(profile.id, None)
        self.touched.setdefault(address, self.current[address])
        del self.current[address]
        self._removed.add(address)
        self._due.pop(address, None)

    def absorb(
        self,
        survivor: Profile,
        absorbed: Sequence[Profile],
        merge_id: UUID,
        due: Due | None = None,
    ) -> None:
        """Hold `survivor`, with what it took over, instead of those `absorbed`.

        Their ids lead to it. Raises ValueTaken, changing nothing.
        """
        for one in absorbed:
            self.remove(one)
        try:
            self.put(survivor, due)
        except ValueTaken:
            for one in absorbed:
                self.put(one)
            raise
        self.absorbed[survivor.database_id, survivor.id] += len(absorbed)
        for one in absorbed:
            alias = Alias(survivor.id, merge_id)
            self.aliases[one.database_id, one.id] = alias

    def replace_touched(self, profile: Profile) -> None:
        """Hold `profile` instead of what was put last, which has the same keys."""
        self.current[profile.database_id, profile.id] = profile

    def find_holders(self, database_id: int, lookup: Lookup) -> Set[str]:
        """Return the ids of the profiles that hold `lookup`."""
        return self._holders.get((database_id, lookup), {}).keys()

    def changed(self) -> Iterator[tuple[Profile | None, Profile | None]]:
        """Return each profile that is no longer as it was loaded: before and after."""
        for address in self._removed:
            if address in self.loaded:
                yield self.loaded[address], None
        for address, profile in self.current.items():
            loaded = self.loaded.get(address)
            if profile is not loaded:
                yield loaded, profile

    def list_due(self) -> Iterator[tuple[tuple[int, str], int, int]]:
        """Return when time may next move which profile, in which segment."""
        for address, due in self._due.items():
            for segment_id, moment in due.items():
                yield address, segment_id, moment

    def list_removed(self) -> Iterator[tuple[int, str]]:
        """Return the profiles that are gone, of databases where time moves some."""
        for database_id, profile_id in self._removed:
            dynamic = self.catalog.dynamic.get(database_id)
            if dynamic is not None and dynamic.is_timed:
                yield database_id, profile_id

    def key_changes(self, profile: Profile) -> tuple[Set[Lookup], Set[Lookup]]:
        """Return the keys that `profile` no longer has, and those it has gained."""
        address = (profile.database_id, profile.id)
        before = self._stored.get(address, frozenset())
        after = self._held.get(address, frozenset())
        return (
            {key for key in before - after if is_stored(key)},
            {key for key in after - before if is_stored(key)},
        )

    def list_keys(self, database_id: int) -> Iterator[Set[Lookup]]:
        """Return the keys of each profile of a database."""
        for (database, _), keys in self._held.items():
            if database == database_id:
                yield keys

    def stale(self, hits: Iterable[tuple[Address, Sequence[str]]]) -> set[Hit]:
        """Return those of `hits` whose profile does not hold the key that found it.

        Between finding and loading, somebody else may have changed or deleted it.
        """
        return {
            ((database_id, lookup), id_)
            for (database_id, lookup), ids in hits
            for id_ in ids
            if lookup not in self._held.get((database_id, id_), ())
        }

    def _hits(self, database_id: int, lookup: Lookup, search: Search) -> list[str]:
        if lookup.kind == PROFILE_ID:
            known = self.resolve(database_id, lookup.value)
            return [] if known is None else [known.id]
        if search.document is None:
            return list(self._holders.get((database_id, lookup), ()))
        if (database_id, lookup) in self._scans.given_up:
            raise _too_long(search.document)
        untouched = (
            id_
            for id_ in self._scans.get((database_id, lookup), ())
            if (database_id, id_) in self.loaded
            and self.current.get((database_id, id_)) is self.loaded[database_id, id_]
        )
        touched = (
            profile.id
            for address, profile in self.current.items()
            if address[0] == database_id
            and profile is not self.loaded.get(address)
            and _holds_document(profile, lookup, search.document)
        )
        return [*untouched, *touched]

    def _keys(self, profile: Profile) -> set[Lookup]:
        database = self.catalog.databases[profile.database_id]
        keys = search_keys(profile, database)
        keys.add(Lookup(PROFILE_ID, profile.id))
        return keys

    def _index(
        self, profile: Profile, keys: Set[Lookup], fresh: Iterable[Lookup]
    ) -> None:
        """Hold `keys` for `profile`, of which `fresh` are not found yet."""
        self._held[profile.database_id, profile.id] = keys
        for lookup in fresh:
            self._holders[profile.database_id, lookup][profile.id] = None

    def _find_exclusive(self, database_id: int) -> frozenset[str]:
        """Return the kinds of keys that one profile of a database alone may hold."""
        kinds = self._exclusive.get(database_id)
        if kinds is None:
            kinds = list_exclusive(self.catalog.databases[database_id])
            self._exclusive[database_id] = kinds
        return kinds

    def _find_rivals(
        self, profile: Profile, fresh: Iterable[Lookup]
    ) -> dict[str, list[Lookup]]:
        """Return who else holds those of `fresh` that one alone may, by id."""
        exclusive = self._find_exclusive(profile.database_id)
        rivals: dict[str, list[Lookup]] = defaultdict(list)
        for lookup in sorted(fresh, key=lambda lookup: lookup.kind):
            if lookup.kind in exclusive:
                for id_ in self.find_holders(profile.database_id, lookup):
                    if id_ != profile.id:
                        rivals[id_].append(lookup)
        return dict(rivals)

    def _conflict(self, profile: Profile, lookup: Lookup) -> Fault | None:
        """Return the fault if another profile holds `lookup`, which one alone may."""
        others = self._holders.get((profile.database_id, lookup), {}).keys()
        if not others - {profile.id}:
            return None
        name = (
            "email" if lookup.kind == EMAIL else lookup.kind.removeprefix(FIELD_PREFIX)
        )
        message = "Another profile holds this value"
        return Fault(code=ValueTaken.code, message=message, path=f"data.{name}")


def _name_kind(lookup: Lookup, profile_id: str) -> str:
    """Return the kind of key that found a profile."""
    if lookup.kind == PROFILE_ID and lookup.value != profile_id:
        return FORMER_ID
    return lookup.kind


def _too_long(document: Mapping[str, object]) -> InvalidRequest:
    return InvalidRequest(
        f"The search by {', '.join(document)} took too long (declare the field with "
        "match = true in the catalog)",
        "field_name",
    )


def _name_candidates(found: Mapping[str, str]) -> str:
    """Say how many profiles match and by which key; no more are read than that."""
    least = "At least " if len(found) >= CANDIDATES else ""
    named = ", ".join(f"{id_} by {kind}" for id_, kind in sorted(found.items()))
    return f"{least}{len(found)} profiles match: {named}"


def holds_any(profile: Profile, search: Search) -> bool:
    """Tell whether `search` finds `profile` by one of its subscriptions."""
    if search.document is not None:
        document = search.document
        return any(_holds_document(profile, one, document) for one in search.lookups)
    return not subscription_keys(profile).isdisjoint(search.lookups)


def _holds_document(
    profile: Profile, lookup: Lookup, document: Mapping[str, object]
) -> bool:
    """Tell whether a scan for `document` finds `profile`, as jsonb containment does."""
    if lookup.kind == FIELD_SCAN:
        return _contains(profile.fields, document)
    if lookup.kind == SUBSCRIPTION_SCAN:
        return any(
            _contains(subscription.custom_fields, document)
            for key, subscription in profile.subscriptions.items()
            if not subscription.deleted
            and lookup.resource_id in (None, key.resource_id)
        )
    return False


def _contains(stored: Mapping[str, object], document: Mapping[str, object]) -> bool:
    for name, wanted in document.items():
        value = stored.get(name)
        if isinstance(wanted, list):
            if not isinstance(value, list) or not set(wanted) <= set(value):
                return False
        elif value != wanted or isinstance(value, bool) is not isinstance(wanted, bool):
            return False
    return True
