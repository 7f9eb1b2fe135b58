"""Releases of held imports: what an operator decided, and what came since (H4, H5)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.drafts import Draft
from ingest.domain.imports import DecisionNote, Kept, Operation
from ingest.domain.profiles import name_subscription
from ingest.domain.updates import Action

#: Why a value of a released import is not applied.
NEWER = "newer"
#: Functions that do not go by what was there.
_PLAIN = (Action.SET, Action.UNSET)
#: Of the names of cases.
_CASES = UUID("5d1c1d9e-8d0c-4d39-9a3b-9a2d6f6f1b5e")

#: Path → the last import, accepted later, that changed or confirmed it.
Newer = Mapping[str, UUID]


class WrittenPaths(Struct, frozen=True, kw_only=True):
    """Paths of a profile that an import changed or confirmed."""

    import_id: UUID
    accepted_at: datetime
    paths: Sequence[str]


def list_newer(written: Iterable[WrittenPaths], accepted_at: datetime) -> Newer:
    """Return what was written by imports accepted after `accepted_at` (H5).

    `written` is in the order applied.
    """
    return {
        path: one.import_id
        for one in written
        if one.accepted_at > accepted_at
        for path in one.paths
    }


class Decision(Struct, frozen=True, kw_only=True):
    """The decision of an operator: to pick, to search again, or to reject."""

    #: The profile to apply the imports to; None to search again.
    profile_id: str | None = None
    #: Why they are rejected; empty to apply them.
    rejection: str = ""
    #: For the receipts: what was decided, by whom, and why; empty if by nobody.
    action: str = ""
    by: str = ""
    reason: str = ""

    def note(self, at: datetime) -> DecisionNote | None:
        """Return what the receipts keep of it; None if nobody has decided."""
        if not self.by:
            return None
        return DecisionNote(action=self.action, by=self.by, at=at, reason=self.reason)


def withdraw(reason: str, *, by: str) -> Decision:
    """Return the decision that undoes an import before it is applied (U11)."""
    rejection = f"Undone ({reason})" if reason else "Undone"
    return Decision(
        rejection=rejection, action=Operation.UNDO.value, by=by, reason=reason
    )


def name_case(database_id: int, candidates: Iterable[str]) -> UUID:
    """Return the case of an import with these candidates (H3)."""
    return uuid5(_CASES, " ".join([str(database_id), *sorted(candidates)]))


def drop_newer(draft: Draft, newer: Newer) -> tuple[Draft, tuple[Kept, ...]]:
    """Return `draft` without plain values that others have written since (H5).

    A held import counts as of the moment when it was accepted. What adds to a value is
    applied all the same.
    """
    kept: list[Kept] = []

    def is_older(path: str) -> bool:
        if path not in newer:
            return False
        kept.append(Kept(path=path, reason=NEWER, by=newer[path]))
        return True

    phones, email = draft.phones, draft.email
    if phones is not None and phones.action in _PLAIN and is_older("phones"):
        phones = None
    if email is not None and is_older("email"):
        email = None
    fields = {
        name: update
        for name, update in draft.fields.items()
        if update.action not in _PLAIN or not is_older(name)
    }
    subscriptions = tuple(
        one for one in draft.subscriptions if not is_older(name_subscription(one.key))
    )
    return (
        replace(
            draft,
            email=email,
            phones=phones,
            fields=fields,
            subscriptions=subscriptions,
        ),
        tuple(kept),
    )
