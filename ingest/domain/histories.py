"""Histories: what imports did to one profile, and what it would be without some.

A path is followed from the first import that matters. What each import did to it is an
effect on any value, so that the history can be told again without an import: a set
value, a difference, elements that were added or deleted, a property of an object.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain.documents import json_key
from ingest.domain.errors import InvalidValue
from ingest.domain.former_keys import FORMER
from ingest.domain.imports import State
from ingest.domain.merge import SAID, same
from ingest.domain.updates import Action, with_property

#: Paths of subscriptions in changes, such as `subscriptions[1/email/ann@example.com]`.
SUBSCRIPTION = "subscriptions["
#: The path of memberships, which imports add and remove one by one.
SEGMENTS = "segments"
#: Of claims only: segments that an import removes, and that the profile was not in.
SEGMENTS_REMOVED = "segments.removed"

#: Makes of a value the value after it; None, both ways, for absent.
Effect = Callable[[object], object]


class PastImport(Struct, frozen=True, kw_only=True):
    """An applied import, as its receipt tells of it."""

    import_id: UUID
    state: State
    #: What found the profile; None if it was created.
    matched_by: str | None = None
    #: Path → [old, new], both canonical; None for absent.
    changes: Mapping[str, Sequence[object]] = field(default_factory=dict)
    #: Path → the function that changed it, or what `upsert` was told: {"upsert": path}.
    operators: Mapping[str, object] = field(default_factory=dict)
    #: Path → what it named of elements some of which were so already; None for a value.
    claims: Mapping[str, Sequence[object] | None] = field(default_factory=dict)
    #: The import that it takes back.
    undoes: UUID | None = None
    #: Paths that it should have taken back, and did not for a reason of its own.
    unreversed: frozenset[str] = frozenset()
    #: The profiles that a merge ended, or that its undo brought back.
    profiles: tuple[str, ...] = ()


#: The imports of a profile, in the order applied.
History = Sequence[PastImport]
#: Who takes back whom: undo by import. None stands for an undo that is considered.
Undone = Mapping[UUID, PastImport | None]


class Step(Struct, frozen=True, kw_only=True):
    """The effect of one import on one path."""

    past: PastImport
    effect: Effect
    #: Of a subscription, what it did to the status alone.
    status_effect: Effect | None = None


class PathHistory(Struct, frozen=True, kw_only=True):
    """The history of one path."""

    path: str
    #: The value before the first step.
    base: object
    steps: Sequence[Step]

    def tell(self, undone: Undone) -> object:
        """Return the value after all imports but those that are `undone`.

        Raises InvalidValue if one of them could not have been applied then.
        """
        value, status_path = self.base, name_status(self.path)
        for step in self.steps:
            if not is_undone(step.past, self.path, undone):
                value = step.effect(value)
            elif step.status_effect and not is_undone(step.past, status_path, undone):
                value = step.status_effect(value)
        return value


def list_paths(past: PastImport) -> Collection[str]:
    """Return the paths that an import changed, or found as it said."""
    if not past.claims:
        return past.changes
    told = dict.fromkeys([*past.changes, *past.claims])
    if SEGMENTS_REMOVED in told:
        del told[SEGMENTS_REMOVED]
        told[SEGMENTS] = None
    return told


def leave_out(past: PastImport, segment_ids: Set[int]) -> PastImport:
    """Return an import as if it had moved its profile in none of these segments."""
    if SEGMENTS not in past.changes:
        return past
    before, after = (
        [one for one in list_of(value) if one not in segment_ids]
        for value in past.changes[SEGMENTS]
    )
    changes = {path: one for path, one in past.changes.items() if path != SEGMENTS}
    if before != after:
        changes[SEGMENTS] = (before, after)
    return replace(past, changes=changes)


def name_status(path: str) -> str:
    """Return the path of the status of a subscription."""
    return f"{path}.status"


def is_undone(past: PastImport, path: str, undone: Undone) -> bool:
    """Say whether what `past` did to `path` is taken back."""
    if past.import_id not in undone:
        return False
    undo = undone[past.import_id]
    return undo is None or path not in undo.unreversed


def find_left(history: History, paths: Collection[str], undone: Undone) -> UUID | None:
    """Return the last import whose undo has left what it did to one of `paths`."""
    for past in reversed(history):
        undo = undone.get(past.import_id)
        if undo is not None and not undo.unreversed.isdisjoint(paths):
            return past.import_id
    return None


def find_undone(
    history: History, without: UUID | None = None
) -> dict[UUID, PastImport]:
    """Return the imports that are taken back, and by which undo.

    An undo that was itself taken back counts no more; nor does that of `without`.
    """
    undone: dict[UUID, PastImport] = {}
    for past in reversed(history):
        counts = past.import_id not in undone and past.import_id != without
        if past.undoes is not None and counts:
            undone[past.undoes] = past
    return undone


def follow(history: History, path: str) -> PathHistory | None:
    """Return what happened to `path`; None if nothing did."""
    told = {past.import_id for past in history}
    first = next((past for past in history if path in past.changes), None)
    if first is None:
        return None
    base = actual = first.changes[path][0]
    steps: list[Step] = []
    for past in history:
        if path in past.changes:
            old, new = past.changes[path]
        elif path in list_paths(past):
            old = new = actual
        else:
            continue
        actual = new
        # The effect of an undo is that of what it takes back, as far as that is known.
        if past.undoes not in told:
            steps.append(_make_step(past, path, old, new))
    return PathHistory(path=path, base=_open(path, base), steps=steps)


def close(path: str, value: object) -> object:
    """Return a value of `path` in the form in which receipts show it."""
    if path.startswith(FORMER):
        return value or None
    if path == SEGMENTS:
        return sorted(one for one in list_of(value) if isinstance(one, int))
    if not path.startswith(SUBSCRIPTION):
        return value
    return _unflatten(value) if isinstance(value, Mapping) and value else None


def agree(told: object, stored: object) -> bool:
    """Say whether a value that was told again is the one that is stored.

    Sums of floats may differ in their last digits.
    """
    if isinstance(told, float) and isinstance(stored, float | int):
        return math.isclose(told, stored, rel_tol=1e-9, abs_tol=1e-12)
    return same(stored, told)


def list_of(value: object) -> list[object]:
    """Return a value that is a list; an empty one for any other."""
    return value if isinstance(value, list) else []


def read_status(subscription: object) -> object:
    """Return the status of a subscription in the form of receipts."""
    return subscription.get("status") if isinstance(subscription, Mapping) else None


def _open(path: str, value: object) -> object:
    """Return a value of `path` in the form that effects work on."""
    if not path.startswith(SUBSCRIPTION):
        return value
    return _flatten(value) if isinstance(value, Mapping) else {}


def _make_step(past: PastImport, path: str, old: object, new: object) -> Step:
    effect, of_status = _find_effect(past, path, old, new), None
    if path.startswith(SUBSCRIPTION) and old is not None:
        before, after = ({"status": read_status(one)} for one in (old, new))
        of_status = _change_members(before, after)
    return Step(past=past, effect=effect, status_effect=of_status)


def _find_effect(past: PastImport, path: str, old: object, new: object) -> Effect:
    operator = past.operators.get(path)
    if path.startswith(SUBSCRIPTION):
        return _change_members(_open(path, old), _open(path, new))
    if isinstance(operator, Mapping):
        return _put_property(old, new, str(operator[Action.UPSERT.value]))
    if operator == Action.INCR:
        return _add_difference(old, new)
    listed = path == SEGMENTS or path.startswith(FORMER)
    if listed or operator in (Action.ADD, Action.DELETE):
        return _change_elements(past, path, old, new)
    return lambda _: new


def _holds_objects(value: object) -> bool:
    return any(isinstance(one, Mapping) for one in list_of(value))


def _add_difference(old: object, new: object) -> Effect:
    before, after = _number(old), _number(new)

    def add(value: object) -> object:
        # As it was, so that a float comes to the very same one.
        return new if same(value, old) else _number(value) + (after - before)

    return add


def _number(value: object) -> int | float:
    return value if isinstance(value, int | float) else 0


def _change_elements(past: PastImport, path: str, old: object, new: object) -> Effect:
    """Return what adds and deletes elements of a list."""
    operator, claimed = past.operators.get(path), past.claims.get(path) or ()
    if operator == Action.ADD and _holds_objects(new):
        return _append_objects(old, new)
    absent = past.claims.get(SEGMENTS_REMOVED) or () if path == SEGMENTS else ()
    if operator == Action.DELETE:
        claimed, absent = (), claimed
    before, after = list_of(old), list_of(new)
    known = _keys(before)
    gone = known - _keys(after) | _keys(absent)
    added = [one for one in after if json_key(one) not in known]
    if operator == Action.ADD and claimed:
        # All that it named, in the order in which that would be added.
        added = [*claimed]
    added += [one for one in claimed if json_key(one) not in _keys(added)]

    def change(value: object) -> object:
        if same(value, old):
            return new
        if value is None and not added:
            return None
        kept = [one for one in list_of(value) if json_key(one) not in gone]
        there = _keys(kept)
        return kept + [one for one in added if json_key(one) not in there]

    return change


def _append_objects(old: object, new: object) -> Effect:
    """Return what adds objects to a list, which may hold equal ones."""
    added = list_of(new)[len(list_of(old)) :]
    return lambda value: [*list_of(value), *added]


def _keys(values: Sequence[object]) -> set[object]:
    return {json_key(value) for value in values}


def _put_property(old: object, new: object, submatch: str) -> Effect:
    path = submatch.split(".")
    property_ = _read_property(new, path)

    def put(value: object) -> object:
        if same(value, old):
            return new
        if value is not None and not isinstance(value, Mapping):
            raise InvalidValue("Must be an object")
        return with_property(value or {}, path, property_)

    return put


def _read_property(value: object, path: Sequence[str]) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


#: Members of a subscription that are no values of their own.
_CATEGORIES, _CUSTOM_FIELDS = "cats", "custom_fields"
#: What a name of a custom field is led by in a flat subscription.
_CUSTOM = "custom_fields."


def _flatten(subscription: Mapping[str, object]) -> dict[str, object]:
    """Return the members of a subscription, each custom field by itself."""
    custom = subscription.get(_CUSTOM_FIELDS)
    flat = {
        name: value
        for name, value in subscription.items()
        if name not in (_CUSTOM_FIELDS, SAID)
    }
    named = custom.items() if isinstance(custom, Mapping) else ()
    return flat | {_CUSTOM + name: value for name, value in named}


def _unflatten(flat: Mapping[str, object]) -> dict[str, object]:
    custom = {
        name.removeprefix(_CUSTOM): value
        for name, value in flat.items()
        if name.startswith(_CUSTOM)
    }
    own = {name: value for name, value in flat.items() if not name.startswith(_CUSTOM)}
    return {**own, _CUSTOM_FIELDS: custom}


def _change_members(old: object, new: object) -> Effect:
    """Return what changes the members of a subscription that differ."""
    before = old if isinstance(old, Mapping) else {}
    after = new if isinstance(new, Mapping) else {}
    gone = before.keys() - after.keys()
    told = {
        name: value
        for name, value in after.items()
        if name not in before or not same(before[name], value)
    }
    gathered = [
        one
        for one in list_of(after.get(_CATEGORIES))
        if one not in list_of(before.get(_CATEGORIES))
    ]

    def change(value: object) -> object:
        members = dict(value) if isinstance(value, Mapping) else {}
        if not members and before:
            # It was not there: the import would have made it.
            return dict(after)
        categories = {*list_of(members.get(_CATEGORIES)), *gathered}
        members |= told
        if _CATEGORIES in told:
            members[_CATEGORIES] = sorted(map(str, categories))
        return {name: kept for name, kept in members.items() if name not in gone}

    return change


def iterate_later(
    history: History, target: UUID, undone: Undone
) -> Iterator[PastImport]:
    """Return the imports after `target` that count: no undos, and none taken back."""
    after = False
    for past in history:
        if past.import_id == target:
            after = True
        elif after and past.undoes is None and past.import_id not in undone:
            yield past
