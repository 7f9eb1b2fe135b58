"""The statuses of a subscriber, told again from the receipts, one after another."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from ingest.domain.statuses import PROHIBITION
from tests.chaos.subscribers import Subscriber

#: The door of what lowers the statuses that lists forbid.
KEEPER = "suppression"

#: (profile id, resource id)
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStatus:
    """A status that an import left as it was."""

    reason: str
    sent: str | None = None
    stored: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReceipt:
    """A receipt of the subscribers, with the statuses alone."""

    import_id: str
    #: Receipts of one profile have those of its imports in their order.
    turn: int
    state: str
    profile_id: str | None
    door: str = "http"
    #: Resource → (old, new).
    statuses: Mapping[int, tuple[str | None, str | None]] = field(default_factory=dict)
    #: Resource → what was kept.
    kept: Mapping[int, KeptStatus] = field(default_factory=dict)
    #: The import that this takes back.
    undoes: str | None = None
    #: The profiles that a merge ended, or that its undo brought back.
    profiles: Sequence[str] = ()
    #: Some of what was to be taken back could not be.
    has_faults: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether it changed nothing, and says why."""
        return self.state in ("rejected", "dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLine:
    """A line of the view `consents`."""

    profile_id: str
    resource_id: int
    status: str
    since: datetime | None = None
    #: None while it holds.
    until: datetime | None = None
    by: str | None = None
    #: The source of its basis.
    source: str | None = None
    ended_by: str | None = None
    applied: bool = True

    @property
    def place(self) -> Place:
        """Whose status of what it is."""
        return self.profile_id, self.resource_id


@dataclass(frozen=True, kw_only=True)
class Consents:
    """What subscribers have left in Postgres."""

    receipts: Sequence[StatusReceipt] = ()
    lines: Sequence[StatusLine] = ()
    #: `points` of each profile that is left, by its id.
    points: Mapping[str, int] = field(default_factory=dict)
    #: Additions to lists of which something is still to be lowered.
    unlowered: int = 0

    @cached_property
    def by_import(self) -> Mapping[str, Sequence[StatusReceipt]]:
        """The receipts of each import."""
        found = defaultdict(list)
        for receipt in self.receipts:
            found[receipt.import_id].append(receipt)
        return found

    @cached_property
    def by_profile(self) -> Mapping[str, Sequence[StatusReceipt]]:
        """The receipts of each profile, in the order in which they were applied."""
        found = defaultdict(list)
        for receipt in sorted(self.receipts, key=lambda one: one.turn):
            found[receipt.profile_id or ""].append(receipt)
        return found

    @cached_property
    def lines_of(self) -> Mapping[str, Sequence[StatusLine]]:
        """The lines of each profile."""
        found = defaultdict(list)
        for line in self.lines:
            found[line.profile_id].append(line)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A status over another, as a receipt tells it."""

    receipt: StatusReceipt
    place: Place
    #: None for a new subscription.
    before: str | None
    after: str

    @property
    def is_fall(self) -> bool:
        """Whether it forbids less."""
        before = self.before
        return before is not None and PROHIBITION[self.after] < PROHIBITION[before]

    @property
    def is_rise(self) -> bool:
        """Whether it forbids more."""
        before = self.before
        return before is not None and PROHIBITION[self.after] > PROHIBITION[before]


class StatusStory:
    """The statuses of one person, from the first receipt to the last."""

    def __init__(self, one: Subscriber, left: Consents) -> None:
        self.one = one
        moves = zip(one.import_ids, one.moves(), strict=True)
        #: What was imported, by the ids of the imports.
        self.moves = {id_: move for id_, move in moves if move.act.is_import}
        self.imports = {id_: left.by_import.get(id_, ()) for id_ in self.moves}
        profiles = {
            receipt.profile_id or ""
            for id_ in one.import_ids[:2]
            for receipt in self.imports[id_]
        }
        self.points = sum(left.points.get(each, 0) for each in profiles)
        self.lines = [one for id_ in profiles for one in left.lines_of.get(id_, ())]
        self.past = [one for one in self.lines if one.until and one.applied]
        self.unapplied = [one for one in self.lines if not one.applied]
        self.current = {
            one.place: one.status for one in self.lines if one.until is None
        }
        #: In the order in which they were applied.
        receipts = (one for id_ in profiles for one in left.by_profile.get(id_, ()))
        self.receipts = sorted(receipts, key=lambda one: one.turn)
        self.changes: list[StatusChange] = []
        #: The statuses that ended as their profile was merged, by which merge.
        self.ended: list[tuple[str, Place, str]] = []
        #: What does not follow from what was before.
        self.breaks: list[str] = []
        #: After an import, by its id, the statuses of its profile, by resource.
        self.after: dict[str, dict[int, str]] = {}
        self._statuses: dict[Place, str] = {}
        self._absorbed: dict[Place, str] = {}
        self._follow()

    def _follow(self) -> None:
        for receipt in self.receipts:
            if not receipt.is_refused:
                self._apply(receipt)
        for place in sorted(self._statuses.keys() | self.current.keys()):
            due, found = self._statuses.get(place), self.current.get(place)
            if due != found:
                self.breaks.append(f"{place} is {found}, by its receipts {due}")

    def _apply(self, receipt: StatusReceipt) -> None:
        profile_id = receipt.profile_id or ""
        together = self._read(profile_id)
        for resource, (old, new) in receipt.statuses.items():
            place = profile_id, resource
            known = self._statuses.get(place)
            if known != old or new is None:
                text = f"{receipt.import_id} made {new} of {old} where {known} was"
                self.breaks.append(text)
            if new is None:
                continue
            self._statuses[place] = new
            if new != old:
                change = StatusChange(
                    receipt=receipt, place=place, before=old, after=new
                )
                self.changes.append(change)
        for absorbed in receipt.profiles:
            if receipt.undoes is None:
                self._end(receipt, absorbed)
            else:
                self._bring_back(absorbed, together)
        self.after[receipt.import_id] = self._read(profile_id)

    def _end(self, receipt: StatusReceipt, absorbed: str) -> None:
        """Let a profile go; what it forbids, the one that stays forbids."""
        for resource, status in self._read(absorbed).items():
            del self._statuses[absorbed, resource]
            self._absorbed[absorbed, resource] = status
            self.ended.append((receipt.import_id, (absorbed, resource), status))
            now = self._statuses.get((receipt.profile_id or "", resource))
            if now is None or PROHIBITION[now] < PROHIBITION[status]:
                self.breaks.append(f"{receipt.import_id} merged {status} into {now}")

    def _bring_back(self, absorbed: str, together: Mapping[int, str]) -> None:
        """Let a profile come back, which allows no more than the merged one did."""
        for (profile_id, resource), status in list(self._absorbed.items()):
            if profile_id == absorbed:
                del self._absorbed[absorbed, resource]
                known = [status, together.get(resource, status)]
                strictest = max(known, key=PROHIBITION.__getitem__)
                self._statuses[absorbed, resource] = strictest

    def _read(self, profile_id: str) -> dict[int, str]:
        return {
            resource: status
            for (id_, resource), status in self._statuses.items()
            if id_ == profile_id
        }
