"""Reversals: what a profile would be if one import had never been applied.

Nothing is guessed: its history is told again without the import. What others have
changed since is kept, and whatever cannot be taken back is named.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain import histories
from ingest.domain.catalog import Database, FieldType
from ingest.domain.errors import AlreadyUndone, Fault, Gone, InvalidValue
from ingest.domain.histories import History, PastImport
from ingest.domain.imports import Kept, State, Undo
from ingest.domain.lookups import EMAIL, FIELD_PREFIX, PHONE
from ingest.domain.merge import same
from ingest.domain.paths import show
from ingest.domain.profiles import Profile
from ingest.domain.statuses import rank_prohibition

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
    reading = _Reading(show(profile), history, undone, without, later, undo, database)
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
            return self._explain(kept)
        if self._raises(path, current, value) and (by or not self._may_raise):
            return self._keep_consent(path, current, value, by)
        return _Value(path, value)

    def _explain(self, kept: Kept) -> Kept | None:
        """Return why a value is as it would be anyway; None if nothing keeps it so.

        Where an undo has left what somebody did since, as it does with consent, that
        is the reason; of a status, also what somebody did before.
        """
        if kept.by is not None:
            return kept
        path = kept.path
        ids = [past.import_id for past in self.history]
        place = ids.index(self.undo.import_id)
        since, before = self.history[place + 1 :], self.history[:place]
        named = (path, histories.name_status(path))
        if left := histories.find_left(since, named, self.undone):
            return replace(kept, by=left)
        if not (status := self._find_status(path)):
            return None
        left = histories.find_left(before, (status,), self.undone)
        return None if left is None else Kept(path=status, reason=CONSENT, by=left)

    def _find_status(self, path: str) -> str:
        """Return the path of the status at `path`; empty if it has none."""
        if path.startswith(histories.SUBSCRIPTION):
            return histories.name_status(path)
        declared = self.database.fields.get(path)
        is_status = declared is not None and declared.type is FieldType.STATUS
        return path if is_status else ""

    def _keep_consent(
        self, path: str, current: object, value: object, by: UUID | None
    ) -> _Value:
        """Return what becomes of a path whose status stays as it is."""
        kept = Kept(path=self._find_status(path), reason=CONSENT, by=by)
        if kept.path == path:
            return _Value(path, current, kept)
        shown = value if isinstance(value, Mapping) else {}
        return _Value(path, {**shown, "status": histories.read_status(current)}, kept)

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
        if not self._find_status(path):
            return False
        if path.startswith(histories.SUBSCRIPTION):
            current, value = map(histories.read_status, (current, value))
        return rank_prohibition(value) < rank_prohibition(current)


def _delete(subscription: object) -> object:
    """Return a subscription that goes: marked as deleted, never dropped."""
    if not isinstance(subscription, Mapping):
        return None
    return {**subscription, "is_delete": True}
