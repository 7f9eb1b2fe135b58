"""Automatic merges: an import that several profiles match makes one of them (A7, M11).

It cannot be asked whether they are one person. So a database says what is proof enough,
and whatever speaks against it leaves the profiles as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.catalog import Database
from ingest.domain.imports import Import, Outcome, State
from ingest.domain.limits import ProfileLimits
from ingest.domain.lookups import (
    CANDIDATES,
    FIELD_PREFIX,
    FIELD_SCAN,
    LOCK_CLASSES,
    SUBSCRIPTION_SCAN,
    Lookup,
    is_exclusive,
    own_keys,
)
from ingest.domain.merging import StoredMerge, make_stored
from ingest.domain.paths import list_changes
from ingest.domain.profile_merges import MergedProfiles, age, merge_profiles
from ingest.domain.profiles import Profile

#: Contacts that may prove that profiles are one person; fields may too.
MERGE_CONTACTS = ("email", "phone", "push")
#: What cannot be named in the catalog, and so proves nothing.
_SCANNED: Mapping[str, str] = {
    FIELD_SCAN: "a field without match",
    SUBSCRIPTION_SCAN: "a field of subscriptions",
}
#: What speaks against a merge that has more than a profile may have.
TOO_LARGE = "the profile would be too large"
#: How many profiles each has taken over lately, by id.
AbsorbedCounts = Mapping[str, int]


class Candidates(Struct, frozen=True):
    """The profiles that an import matches, and the keys that lead to each."""

    profiles: Sequence[Profile]
    held: Mapping[str, Sequence[Lookup]]


def find_obstacle(found: Candidates, database: Database, absorbed: int) -> str | None:
    """Return what speaks against merging the candidates; None if nothing does (M11).

    `absorbed` is how many profiles they have taken over lately.
    """
    return next(_list_obstacles(found, database, absorbed), None)


def _list_obstacles(
    found: Candidates, database: Database, absorbed: int
) -> Iterator[str]:
    held = found.held.values()
    if len(held) >= CANDIDATES:
        yield "there may be more"
    for lookups in held:
        if not any(_is_proof(lookup, database) for lookup in lookups):
            yield f"{_name(lookups[0])} is no proof"
    values = {_plain(lookup.value) for lookups in held for lookup in lookups}
    if not values.isdisjoint(map(_plain, database.merge_blocked)):
        yield "the value is blocked"
    differing = _find_difference(found.profiles, database)
    if differing is not None:
        yield f"{differing} differs"
    if absorbed + len(found.profiles) - 1 > database.merge_limit:
        yield f"at most {database.merge_limit} profiles in 30 days"


def explain_obstacle(matches: str, obstacle: str) -> str:
    """Return the error of profiles that match, with what speaks against a merge."""
    counted, _, named = matches.partition(": ")
    return f"{counted} (not merged, {obstacle}): {named}"


class AutomaticMerge(Struct, frozen=True):
    """The merge that an import brings about, before it is applied itself."""

    #: The survivor, as it was.
    before: Profile
    made: MergedProfiles
    stored: StoredMerge

    def describe(self) -> Outcome:
        """Return what the merge alone has done."""
        return Outcome(
            import_id=self.stored.merge_id,
            state=State.UPDATED,
            profile_id=self.before.id,
            changes=list_changes(self.before, self.made.survivor),
            operators=self.made.operators,
            profiles=tuple(one.id for one in self.made.absorbed),
            kept=self.made.kept,
        )

    def list_paths(self, after: Profile) -> Iterable[str]:
        """Return what the merge and its import have changed."""
        return list_changes(self.before, after)

    def join(self, outcome: Outcome, after: Profile) -> Outcome:
        """Return what the merge and its import have done, for one receipt (A7)."""
        merge, operators = self.describe(), dict[str, object]()
        changes = list_changes(self.before, after)
        for path in changes:
            steps = [
                one.operators.get(path)
                for one in (merge, outcome)
                if path in one.changes
            ]
            # Of different functions nobody can tell which changed what: it was set.
            if steps and steps[0] is not None and len({*map(str, steps)}) == 1:
                operators[path] = steps[0]
        return replace(
            outcome,
            changes=changes,
            operators=operators,
            profiles=merge.profiles,
            kept=(*merge.kept, *outcome.kept),
        )


def unite(
    found: Candidates, import_: Import, database: Database, limits: ProfileLimits
) -> AutomaticMerge:
    """Return the oldest candidate with the others in it; raise InvalidRequest."""
    survivor, *others = sorted(found.profiles, key=age)
    # Receipts are not looked at for when values changed: that is for operators.
    made = merge_profiles(survivor, others, {}, database, limits, {})
    return AutomaticMerge(survivor, made, make_stored(import_, survivor, made))


def _is_proof(lookup: Lookup, database: Database) -> bool:
    return is_exclusive(database, lookup) or _name(lookup) in database.merge_keys


def _name(lookup: Lookup) -> str:
    """Return what a key is of, as the catalog names it: `email`, `phone`, a field."""
    if lookup.kind in _SCANNED:
        return _SCANNED[lookup.kind]
    kind = LOCK_CLASSES.get(lookup.kind, lookup.kind)
    return kind.removeprefix(FIELD_PREFIX).removesuffix("_sub")


def _plain(value: str) -> str:
    """Return a value as it is compared with what is blocked."""
    return value.strip().lower().lstrip("+")


def _find_difference(profiles: Sequence[Profile], database: Database) -> str | None:
    """Return the name of a unique field of which profiles have several values."""
    keys: dict[str, str] = {}
    for profile in profiles:
        for lookup in own_keys(profile, database):
            if not lookup.kind.startswith(FIELD_PREFIX):
                continue
            known = keys.setdefault(lookup.kind, lookup.value)
            if known != lookup.value and is_exclusive(database, lookup):
                return _name(lookup)
    return None
