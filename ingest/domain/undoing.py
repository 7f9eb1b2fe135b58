"""Undo: what a profile would be if one import had never been applied.

Nothing is guessed: its history is told again without the import. What others have
changed since is kept, and whatever cannot be taken back is named.
"""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain import histories
from ingest.domain.catalog import Catalog, Channel, Database, FieldType
from ingest.domain.contacts import email_key
from ingest.domain.errors import AlreadyUndone, Fault, Gone, InvalidValue
from ingest.domain.fields import match_value
from ingest.domain.histories import History, PastImport
from ingest.domain.imports import Import, Kept, Outcome, State, Undo
from ingest.domain.lookups import (
    EMAIL,
    FIELD_PREFIX,
    PHONE,
    PROFILE_ID,
    Lookup,
    is_exclusive,
    search_keys,
)
from ingest.domain.merge import Changes, compare, same
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.statuses import PROHIBITION
from ingest.domain.workspace import Workspace

#: Why a value is as it was before the undo.
CHANGED_SINCE = "changed since"
CONSENT = "consent"
NEEDED = "needed"
#: Imports of a profile that an undo looks back on, at most.
MAX_IMPORTS = 5000
#: An import of which nothing can be taken back.
_WITHOUT_EFFECT = frozenset({State.REJECTED, State.DEAD})


class Reversal(Struct, frozen=True, kw_only=True):
    """The effect of an undo on a profile."""

    #: Value by path, in the form of receipts; None for absent.
    values: Mapping[str, object] = field(default_factory=dict)
    #: The profile goes, for nothing but the import made it.
    removes: bool = False
    kept: tuple[Kept, ...] = ()
    #: What cannot be taken back, and why.
    faults: tuple[Fault, ...] = ()


def take_back(
    profile: Profile | None, history: History, undo: Undo, database: Database
) -> Reversal:
    """Return what `profile` would be without the import that `undo` names.

    Raises Gone if nothing tells what it did, or AlreadyUndone.
    """
    target = _find_target(profile, history, undo)
    undone = histories.find_undone(history)
    if target.import_id in undone:
        raise AlreadyUndone(f"Already undone by {undone[target.import_id].import_id}")
    without: dict[UUID, PastImport | None] = {**undone, target.import_id: None}
    if target.undoes is not None:
        # Without it, what it took back counts again.
        without = {**histories.find_undone(history, without=target.import_id)}
    later = list(histories.iterate_later(history, target.import_id, undone))
    reading = _Reading(_show(profile), history, undone, without, later, undo, database)
    read = [
        # What it only confirmed is kept without a word.
        found
        for path in histories.list_paths(target)
        if not isinstance(found := reading.read(path), Kept) or path in target.changes
    ]
    faults = tuple(one for one in read if isinstance(one, Fault))
    if target.state is State.CREATED and not later and not faults:
        return Reversal(removes=True)
    needed = _find_needed(later) if target.state is State.CREATED else {}
    kept = [one for one in read if isinstance(one, Kept)]
    values: dict[str, object] = {}
    for one in read:
        if not isinstance(one, _Value):
            continue
        if one.path in needed:
            kept.append(Kept(path=one.path, reason=NEEDED, by=needed[one.path]))
            continue
        values[one.path] = one.value
        if one.kept is not None:
            kept.append(one.kept)
    return Reversal(values=values, kept=tuple(kept), faults=faults)


def write(profile: Profile, values: Mapping[str, object]) -> Profile:
    """Return `profile` with `values` by path, in the form of receipts."""
    fields = dict(profile.fields)
    subscriptions = dict(profile.subscriptions)
    email, phones, segments = profile.email, profile.phones, profile.segments
    for path, value in values.items():
        if path == "email":
            email = None if value is None else str(value)
        elif path == "phones":
            phones = tuple(map(str, _list(value)))
        elif path == histories.SEGMENTS:
            segments = frozenset(one for one in _list(value) if isinstance(one, int))
        elif path.startswith(histories.SUBSCRIPTION):
            key = _parse_key(path)
            subscriptions[key] = _make(key, subscriptions.get(key), value)
        elif value is None:
            fields.pop(path, None)
        else:
            fields[path] = value
    return replace(
        profile,
        email=email,
        phones=phones,
        fields=fields,
        subscriptions=subscriptions,
        segments=segments,
    )


def list_changes(before: Profile | None, after: Profile | None) -> Changes:
    """Return what differs, also where a profile comes or goes."""
    if after is None and before is not None:
        gone = compare(_empty(before), before)
        return {path: (new, old) for path, (old, new) in gone.items()}
    if after is None:
        return {}
    return compare(before or _empty(after), after)


def apply(
    workspace: Workspace,
    import_: Import,
    history: History,
    restored: Collection[Lookup],
) -> Outcome:
    """Take back in `workspace` what the undo `import_` names.

    `restored` are the unique values that may come back, which are locked. Raises what
    `take_back` does but AlreadyUndone: to undo twice is to have undone.
    """
    undo, database_id = import_.undo, import_.database_id
    if undo is None:
        raise ValueError("not an undo")
    profile_id = import_.key.profile_id or ""
    profile = workspace.current.get((database_id, profile_id))
    matched_by = None if profile is None else PROFILE_ID
    database = workspace.catalog.databases[database_id]
    try:
        reversal = take_back(profile, history, undo, database)
    except AlreadyUndone as error:
        return Outcome(
            import_id=import_.import_id,
            state=State.UNCHANGED,
            profile_id=profile_id,
            matched_by=matched_by,
            warnings=(Fault(code=0, message=str(error)),),
        )
    before = profile or Profile(id=profile_id, database_id=database_id)
    after, faults = _store(workspace, before, reversal, restored)
    changes = list_changes(profile, after)
    return Outcome(
        import_id=import_.import_id,
        state=_find_state(profile, after, changes),
        profile_id=profile_id,
        matched_by=matched_by,
        changes=changes,
        kept=reversal.kept,
        faults=faults,
        undoes=undo.import_id,
    )


def _find_state(
    before: Profile | None, after: Profile | None, changes: Changes
) -> State:
    if after is None:
        return State.REMOVED
    if not changes:
        return State.UNCHANGED
    return State.UPDATED if before else State.CREATED


def _store(
    workspace: Workspace,
    before: Profile,
    reversal: Reversal,
    restored: Collection[Lookup],
) -> tuple[Profile | None, tuple[Fault, ...]]:
    """Put what a reversal makes of a profile; return it, and what could not be done."""
    if reversal.removes:
        workspace.remove(before)
        return None, reversal.faults
    faults = [*reversal.faults]
    values = _without_unknown_segments(reversal.values, workspace.catalog, faults)
    while values:
        after = write(before, values)
        if taken := _find_taken(workspace, before, after, restored):
            faults += taken
            for fault in taken:
                values.pop(fault.path)
            continue
        workspace.put(after)
        return after, tuple(faults)
    return before, tuple(faults)


def _without_unknown_segments(
    values: Mapping[str, object], catalog: Catalog, faults: list[Fault]
) -> dict[str, object]:
    """Return `values` with the segments that there are; add to `faults` for others."""
    kept = dict(values)
    listed = _list(kept.get(histories.SEGMENTS))
    if any(one not in catalog.segments for one in listed):
        message = "A segment is no longer in the catalog"
        faults.append(Fault(code=404, message=message, path=histories.SEGMENTS))
        del kept[histories.SEGMENTS]
    return kept


def _find_taken(
    workspace: Workspace, before: Profile, after: Profile, restored: Collection[Lookup]
) -> list[Fault]:
    """Return a fault for each value that comes back and that one profile may hold."""
    database = workspace.catalog.databases[after.database_id]
    fresh = search_keys(after, database) - search_keys(before, database)
    faults = []
    for lookup in fresh:
        if not is_exclusive(database, lookup):
            continue
        holders = workspace.find_holders(after.database_id, lookup) - {after.id}
        if not holders and lookup in restored:
            continue
        message = "Changed during the undo; try it again"
        if holders:
            message = f"Taken by profile {min(holders)}"
        path = lookup.kind.removeprefix(FIELD_PREFIX)
        faults.append(Fault(code=409, message=message, path=path))
    return sorted(faults, key=lambda fault: fault.path)


def remember(import_: Import, outcome: Outcome) -> PastImport:
    """Return an import of the same batch as its receipt will tell of it."""
    unreversed = {one.path for one in outcome.kept if one.reason != CHANGED_SINCE}
    unreversed |= {fault.path for fault in outcome.faults}
    return PastImport(
        import_id=import_.import_id,
        state=outcome.state,
        matched_by=outcome.matched_by,
        changes=outcome.changes,
        operators=outcome.operators,
        claims=outcome.claims,
        undoes=outcome.undoes,
        unreversed=frozenset(unreversed) if outcome.undoes else frozenset(),
    )


def list_restored(history: History, database: Database) -> tuple[Lookup, ...]:
    """Return the unique values that a profile of this history ever had."""
    found: dict[Lookup, None] = {}
    for past in history:
        for path, values in past.changes.items():
            for value in values:
                found |= dict.fromkeys(_list_lookups(path, value, database))
    return tuple(found)


def _list_lookups(path: str, value: object, database: Database) -> list[Lookup]:
    if value is None:
        return []
    if path == "email":
        return [Lookup(EMAIL, email_key(str(value)))]
    declared = database.fields.get(path)
    if declared is None or not declared.unique:
        return []
    try:
        texts = match_value(declared, value)
    except InvalidValue:
        return []  # of a type that the field no longer has
    return [Lookup(FIELD_PREFIX + path, text) for text in texts]


def _empty(profile: Profile) -> Profile:
    return Profile(id=profile.id, database_id=profile.database_id)


def _find_target(profile: Profile | None, history: History, undo: Undo) -> PastImport:
    if len(history) > MAX_IMPORTS:
        raise Gone(f"The profile has too many imports since (at most {MAX_IMPORTS})")
    target = next((one for one in history if one.import_id == undo.import_id), None)
    if target is None:
        raise Gone("The receipt is no longer kept")
    if target.state in _WITHOUT_EFFECT:
        raise Gone(f"The import changed nothing (it is {target.state})")
    if profile is None and target.state is not State.REMOVED:
        raise Gone("The profile was deleted")
    return target


def _find_needed(later: Sequence[PastImport]) -> dict[str, UUID]:
    """Return the paths of keys by which imports have found the profile since."""
    found: dict[str, UUID] = {}
    for past in later:
        kind = past.matched_by or ""
        path = {EMAIL: "email", PHONE: "phones"}.get(kind)
        if kind.startswith(FIELD_PREFIX):
            path = kind.removeprefix(FIELD_PREFIX)
        if path is not None:
            found[path] = past.import_id
    return found


class _Value(Struct, frozen=True):
    """A value to take back."""

    path: str
    value: object
    #: What of it stays as it is.
    kept: Kept | None = None


class _Reading(Struct, frozen=True):
    """Reads what is to become of each path."""

    #: What the profile holds, by path.
    stored: Mapping[str, object]
    history: History
    undone: histories.Undone
    without: histories.Undone
    later: Sequence[PastImport]
    undo: Undo
    database: Database

    def read(self, path: str) -> _Value | Kept | Fault | None:
        """Return what becomes of a path; None if there is nothing to be done."""
        current, by = self.stored.get(path), self._find_last(path)
        kept = Kept(path=path, reason=CHANGED_SINCE, by=by)
        try:
            agrees, value = self._tell(path, current)
        except InvalidValue:
            # What was done since could not have been done without the import.
            return kept
        if not agrees:
            message = "The value differs from the receipts"
            return Fault(code=409, message=message, path=path)
        if same(current, value):
            return None if by is None else kept
        if self._raises(path, current, value) and (by or not self._may_raise):
            return self._keep_consent(path, current, value, by)
        return _Value(path, value)

    def _keep_consent(
        self, path: str, current: object, value: object, by: UUID | None
    ) -> _Value:
        """Return what becomes of a path whose status stays as it is."""
        if not path.startswith(histories.SUBSCRIPTION):
            return _Value(path, current, Kept(path=path, reason=CONSENT, by=by))
        kept = Kept(path=histories.name_status(path), reason=CONSENT, by=by)
        shown = value if isinstance(value, Mapping) else {}
        return _Value(path, {**shown, "status": _status(current)}, kept)

    def _tell(self, path: str, current: object) -> tuple[bool, object]:
        """Return whether receipts tell of a value, and what it would be without."""
        told = histories.follow(self.history, path)
        if told is None:
            return True, current
        now = self._close(path, told.tell(self.undone), current)
        value = self._close(path, told.tell(self.without), current)
        return histories.agree(now, current), value

    def _close(self, path: str, told: object, current: object) -> object:
        """Return what is to be stored for a value that was told."""
        value = histories.close(path, told)
        if value is None and path.startswith(histories.SUBSCRIPTION):
            return _delete(current)
        return value

    @property
    def _may_raise(self) -> bool:
        return self.undo.restore_consent and bool(self.undo.reason)

    def _find_last(self, path: str) -> UUID | None:
        """Return the last import that changed or confirmed a path since."""
        touched = [
            one.import_id for one in self.later if path in histories.list_paths(one)
        ]
        return touched[-1] if touched else None

    def _raises(self, path: str, current: object, value: object) -> bool:
        """Say whether `value` allows more than `current` does."""
        declared = self.database.fields.get(path)
        if path.startswith(histories.SUBSCRIPTION):
            current, value = _status(current), _status(value)
        elif declared is None or declared.type is not FieldType.STATUS:
            return False
        return _rank(value) < _rank(current)


def _rank(status: object) -> int:
    """Return how much a status forbids; an absent one forbids nothing."""
    return PROHIBITION.get(str(status), 0)


def _status(subscription: object) -> object:
    return subscription.get("status") if isinstance(subscription, Mapping) else None


def _delete(subscription: object) -> object:
    """Return a subscription that goes: marked as deleted, never dropped."""
    if not isinstance(subscription, Mapping):
        return None
    return {**subscription, "is_delete": True}


def _show(profile: Profile | None) -> dict[str, object]:
    """Return what a profile holds, by path, in the form of receipts."""
    nothing: dict[str, object] = {"phones": [], histories.SEGMENTS: []}
    if profile is None:
        return nothing
    shown = list_changes(None, profile)
    return nothing | {path: value for path, (_, value) in shown.items()}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _parse_key(path: str) -> SubscriptionKey:
    """Return the key of a subscription whose path `compare` made."""
    told = path.removeprefix(histories.SUBSCRIPTION).removesuffix("]")
    resource_id, channel, contact = told.split("/", 2)
    return SubscriptionKey(int(resource_id), Channel(channel), contact)


#: Members of a subscription as receipts show it; the others are its contact.
_MEMBERS = frozenset({"status", "priority", "custom_fields", "cats", "is_delete"})


def _make(
    key: SubscriptionKey, stored: Subscription | None, value: object
) -> Subscription:
    """Return a subscription that receipts show as `value`."""
    shown: Mapping[str, object] = value if isinstance(value, Mapping) else {}
    custom = shown.get("custom_fields")
    priority = shown.get("priority")
    made = Subscription(
        key=key,
        contact={name: one for name, one in shown.items() if name not in _MEMBERS},
        status=str(shown.get("status")),
        priority=priority if isinstance(priority, int) else 0,
        custom_fields=dict(custom) if isinstance(custom, Mapping) else {},
        categories=tuple(map(str, _list(shown.get("cats")))),
        deleted=bool(shown.get("is_delete")),
    )
    if stored is None:
        return made
    return replace(made, created_at=stored.created_at, updated_at=stored.updated_at)
