"""Merges of profiles: what becomes of several that are one person (M4 to M6).

Nothing of any of them is lost in silence: what the survivor does not take over of what
they are found by, it keeps as former keys, and the receipt names what changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain import updates
from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.documents import json_key
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.former_keys import keep_former, list_values
from ingest.domain.histories import list_of, name_status
from ingest.domain.imports import Kept
from ingest.domain.limits import ProfileLimits, excess, too_many
from ingest.domain.lookups import search_keys
from ingest.domain.merge import check_size, size_of
from ingest.domain.names import listed
from ingest.domain.profiles import (
    Profile,
    Subscription,
    SubscriptionKey,
    name_subscription,
)
from ingest.domain.reversals import CONSENT
from ingest.domain.stamps import NO_STAMPS, find, unite
from ingest.domain.statuses import rank_prohibition
from ingest.domain.subscription_drafts import MAX_PRIORITY
from ingest.domain.updates import Action, Update


class Rule(StrEnum):
    """The rules for a field that several merged profiles have."""

    #: The survivor's, else that of the oldest profile that has one.
    KEEP = "keep"
    #: That of the profile where it changed last, or where it has stood longest.
    LATEST = "latest"
    EARLIEST = "earliest"
    LONGEST = "longest"
    MAX = "max"
    MIN = "min"
    #: True if it is true anywhere.
    ANY = "any"
    #: All elements, once each.
    UNION = "union"
    SUM = "sum"


class Survivor(StrEnum):
    """The ways to choose the profile that stays."""

    OLDEST = "oldest"
    NEWEST = "newest"
    #: The one that was updated last.
    LATEST = "latest"


#: When a path of a profile changed last, in the order of receipts; absent if unknown.
ChangedAt = Mapping[tuple[str, str], int]

_NUMBERS = (Rule.KEEP, Rule.LATEST, Rule.EARLIEST, Rule.MAX, Rule.MIN, Rule.SUM)
_LISTS = (Rule.UNION, Rule.KEEP, Rule.LATEST, Rule.EARLIEST)
#: The rules of each type, the default first.
_RULES: Mapping[FieldType, tuple[Rule, ...]] = {
    FieldType.INT: _NUMBERS,
    FieldType.FLOAT: _NUMBERS,
    FieldType.DATE: _NUMBERS[:-1],
    FieldType.UNICODE: (Rule.KEEP, Rule.LATEST, Rule.EARLIEST, Rule.LONGEST),
    FieldType.BOOL: (Rule.KEEP, Rule.LATEST, Rule.EARLIEST, Rule.ANY),
    FieldType.TAGS: _LISTS,
    FieldType.ARR_OBJECT: _LISTS,
    # The one that forbids most stays, always: M5.
    FieldType.STATUS: (),
}
#: The status of a profile as a whole.
STATUS = "_status"
#: Rules that go by when a value changed.
_DATED = frozenset({Rule.LATEST, Rule.EARLIEST})
_OTHERS = (Rule.KEEP, Rule.LATEST, Rule.EARLIEST)
#: What is no field of the catalog, with a type whose rules suit it.
_EMAIL = Field(name="email", type=FieldType.IP)
_PHONES = Field(name="phones", type=FieldType.TAGS)


class MergedProfiles(Struct, frozen=True, kw_only=True):
    """The profile that is made of several."""

    survivor: Profile
    #: The others, the oldest first.
    absorbed: tuple[Profile, ...]
    #: Path → the function that the merge was to the survivor, for undo.
    operators: Mapping[str, object]
    #: Statuses of the others that yielded to one that forbids more (M5).
    kept: tuple[Kept, ...] = ()


def list_rules(field: Field) -> tuple[Rule, ...]:
    """Return the rules that a field may have, the default first."""
    return _RULES.get(field.type, _OTHERS)


def choose_survivor(profiles: Iterable[Profile], survivor: str) -> Profile | None:
    """Return the profile that stays; None if the id is none of theirs (M1)."""
    aged = sorted(profiles, key=age)
    if survivor == Survivor.OLDEST:
        return aged[0]
    if survivor == Survivor.NEWEST:
        return aged[-1]
    if survivor == Survivor.LATEST:
        return max(aged, key=lambda one: (one.updated_at is not None, one.updated_at))
    return next((one for one in aged if one.id == survivor), None)


def check_rules(
    rules: Mapping[str, str], profile_ids: Iterable[str], database: Database
) -> list[Fault]:
    """Return a fault for each path that a merge cannot decide as it is told."""
    ids = set(profile_ids)
    faults = []
    for path, rule in rules.items():
        field = _find_field(path, database)
        if field is None:
            faults.append(_fault("Unknown field", path))
        elif not (allowed := list_rules(field)):
            message = "The status that forbids most is kept"
            faults.append(_fault(message, path))
        elif rule not in ids and rule not in allowed:
            options = listed([*allowed, "the ID of one of the profiles"])
            faults.append(_fault(f"Unknown rule{options}", path))
    return faults


def list_dated(rules: Mapping[str, str], database: Database) -> list[str]:
    """Return the paths of which a merge must know when they changed."""
    declared = {field.name: field.merge for field in database.fields.values()}
    decided = {**declared, **rules}
    return [path for path, rule in decided.items() if rule in _DATED]


def merge_profiles(
    survivor: Profile,
    absorbed: Iterable[Profile],
    rules: Mapping[str, str],
    database: Database,
    limits: ProfileLimits,
    changed_at: ChangedAt,
) -> MergedProfiles:
    """Return what `survivor` becomes with `absorbed`; raise InvalidRequest.

    `rules` are of this merge, and right; other fields go by the catalog, or by their
    type.
    """
    others = sorted(absorbed, key=age)
    everyone = [survivor, *others]
    choice = _Choice(everyone, rules, changed_at, limits)
    fields: dict[str, object] = {}
    for name in {name: None for one in everyone for name in one.fields}:
        field = _declare(name, database)
        value = choice.choose(field, [one.fields.get(name) for one in everyone])
        if value is not None:
            fields[name] = value
    phones = choice.choose(_PHONES, [list(one.phones) or None for one in everyone])
    email = choice.choose(_EMAIL, [one.email for one in everyone])
    merged = replace(
        survivor,
        email=None if email is None else str(email),
        phones=tuple(map(str, list_of(phones))),
        fields=fields,
        subscriptions=_merge_subscriptions(everyone),
        segments=frozenset().union(*(one.segments for one in everyone)),
    )
    merged = keep_former(
        merged, [list_values(one, database) for one in everyone], database
    )
    if database.times:
        merged = replace(merged, stamps=unite(everyone, merged))
    _check_limits(merged, everyone, database, limits)
    decided = [_PHONES, *(_declare(name, database) for name in fields)]
    operators = {
        field.name: operator.value
        for field in decided
        if (operator := _OPERATORS.get(choice.find_rule(field)))
    }
    return MergedProfiles(
        survivor=merged,
        absorbed=tuple(others),
        operators=operators,
        kept=tuple(_list_yielding(merged, others)),
    )


def _fault(message: str, path: str) -> Fault:
    return Fault(code=400, message=message, path=f"fields.{path}")


def _find_field(path: str, database: Database) -> Field | None:
    return {"email": _EMAIL, "phones": _PHONES}.get(path) or database.fields.get(path)


def _declare(name: str, database: Database) -> Field:
    """Return a field; of one that the catalog no longer has, the default rule."""
    return database.fields.get(name) or Field(name=name, type=FieldType.IP)


def age(profile: Profile) -> tuple[bool, str, str]:
    """Return the key by which profiles sort, the oldest first."""
    created = profile.created_at
    return created is None, created.isoformat() if created else "", profile.id


#: What a rule does to the survivor's value, as undo takes it back.
_OPERATORS: Mapping[str, Action] = {Rule.UNION: Action.ADD, Rule.SUM: Action.INCR}


class _Choice(Struct, frozen=True):
    """Chooses among the values of profiles."""

    #: The survivor first, then the others, the oldest first.
    profiles: Sequence[Profile]
    rules: Mapping[str, str]
    changed_at: ChangedAt
    limits: ProfileLimits

    def find_rule(self, field: Field) -> str:
        """Return the rule of a field, or the id whose value stays."""
        allowed = list_rules(field)
        return self.rules.get(field.name) or field.merge or (*allowed, "")[0]

    def choose(self, field: Field, stored: Sequence[object]) -> object:
        """Return what stays of the values of the profiles; None for none."""
        pairs = zip(self.profiles, stored, strict=True)
        held = [(one, value) for one, value in pairs if value is not None]
        if not held:
            return None
        rule, values = self.find_rule(field), [value for _, value in held]
        if field.type is FieldType.STATUS:
            chosen: object = max(values, key=rank_prohibition)
        elif rule in _DATED:
            chosen = self._find_last(field.name, held, last=rule == Rule.LATEST)
        elif rule in _OPERATORS:
            chosen = _gather(field, _OPERATORS[rule], values, self.limits)
        elif rule in _CHOOSERS:
            chosen = _CHOOSERS[rule](values)
        else:
            chosen = next((value for one, value in held if one.id == rule), None)
        return chosen

    def _find_last(
        self, path: str, held: Sequence[tuple[Profile, object]], *, last: bool
    ) -> object:
        """Return the value that changed last; first, if not `last`.

        By its stamp, then by receipts; of profiles whose receipts tell nothing, by
        their updates.
        """

        def rank(one: tuple[Profile, object]) -> tuple[int, int, str]:
            profile = one[0]
            stamp = find(profile.stamps or NO_STAMPS, path, is_there=True)
            updated = profile.updated_at.isoformat() if profile.updated_at else ""
            return stamp.at, self.changed_at.get((profile.id, path), 0), updated

        return (max if last else min)(held, key=rank)[1]


def _gather(
    field: Field, action: Action, values: Sequence[object], limits: ProfileLimits
) -> object:
    """Return the first value with the others added by a function of imports."""
    gathered = values[0]
    for value in values[1:]:
        fresh = value
        if isinstance(value, list):
            known = {json_key(one) for one in list_of(gathered)}
            fresh = [one for one in value if json_key(one) not in known]
        try:
            update = Update(action=action, value=fresh)
            gathered = updates.apply(field, update, gathered, limits)
        except InvalidValue as error:
            raise InvalidRequest(str(error), f"fields.{field.name}") from error
    return gathered


def _keep(values: Sequence[object]) -> object:
    """Return the first; of objects, member by member."""
    first = values[0]
    if not isinstance(first, Mapping):
        return first
    members: dict[str, object] = {}
    for value in values:
        if isinstance(value, Mapping):
            members = {**value, **members}
    return {**{name: members[name] for name in first}, **members}


def _length(value: object) -> int:
    return len(str(value))


_CHOOSERS: Mapping[str, Callable[[Any], object]] = {
    Rule.LONGEST: lambda values: max(values, key=_length),
    Rule.MAX: max,
    Rule.MIN: min,
    Rule.ANY: any,
    Rule.KEEP: _keep,
}


def _merge_subscriptions(
    profiles: Sequence[Profile],
) -> dict[SubscriptionKey, Subscription]:
    """Return the subscriptions of all, those of the first before the others' (M5)."""
    alike: dict[SubscriptionKey, list[Subscription]] = {}
    for profile in profiles:
        for key, one in profile.subscriptions.items():
            alike.setdefault(key, []).append(one)
    merged = {key: _merge_alike(ones) for key, ones in alike.items()}
    own = profiles[0].subscriptions
    last = max((one.priority for one in own.values() if not one.deleted), default=-1)
    for key, one in merged.items():
        if key not in own:
            last = min(last + 1, MAX_PRIORITY)
            if one.priority != last:
                merged[key] = replace(one, priority=last)
    return merged


def _merge_alike(ones: Sequence[Subscription]) -> Subscription:
    """Return what one subscription is that several profiles have: M5.

    The status that forbids most stays, whoever has it, and even if it was deleted
    there. Deleted ones stay so unless another profile has it.
    """
    live = [one for one in ones if not one.deleted]
    first, *others = [*live, *(one for one in ones if one.deleted)]
    if not others:
        return first
    strictest = max([first, *others], key=lambda one: rank_prohibition(one.status))
    categories = sorted({name for one in ones for name in one.categories})
    merged = replace(
        first,
        status=strictest.status,
        status_at=strictest.status_at,
        status_by=strictest.status_by,
        consent=strictest.consent,
        custom_fields=_keep([one.custom_fields for one in (first, *others)]),
        categories=tuple(categories),
    )
    return first if merged == first else merged


def _list_yielding(merged: Profile, others: Sequence[Profile]) -> Iterator[Kept]:
    """Yield the statuses that stay though one of `others` had one that forbids less.

    Also where that one was said later: a merge is no basis for a raise (C11).
    """
    own = merged.fields.get(STATUS)
    if any(_yields(one.fields.get(STATUS), own) for one in others):
        yield Kept(path=STATUS, reason=CONSENT, stored=own)
    for key, kept in merged.subscriptions.items():
        alike = (one.subscriptions.get(key) for one in others)
        if any(
            one is not None and not one.deleted and _yields(one.status, kept.status)
            for one in alike
        ):
            path = name_status(name_subscription(key))
            yield Kept(
                path=path, reason=CONSENT, stored=kept.status, since=kept.status_at
            )


def _yields(status: object, kept: object) -> bool:
    return status is not None and rank_prohibition(status) < rank_prohibition(kept)


def _check_limits(
    merged: Profile,
    profiles: Sequence[Profile],
    database: Database,
    limits: ProfileLimits,
) -> None:
    """Raise InvalidRequest for a profile with more than one may have.

    What one of them has already, it may have.
    """
    counts: tuple[tuple[Callable[[Profile], int], int, str], ...] = (
        (lambda one: len(one.phones), limits.phones, "phones"),
        (lambda one: len(one.subscriptions), limits.subscriptions, "subscriptions"),
        (lambda one: len(search_keys(one, database)), limits.profile_keys, "keys"),
    )
    faults = [
        excess(too_many(most, f"{what} in a profile"), "profiles")
        for count, most, what in counts
        if count(merged) > max(most, *map(count, profiles))
    ]
    if faults:
        raise InvalidRequest(faults)
    check_size(max(profiles, key=size_of), merged, limits)
