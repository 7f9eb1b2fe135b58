"""Imports that two profiles match, held until somebody decides, while others go on.

However it is decided, and whatever breaks meanwhile: each has one outcome in the end,
nothing of it is lost or applied twice, and it overwrites nothing that came later.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ingest.wire.held import HeldAction

#: Cases have a database for themselves, which the check of the rest does not read.
DATABASE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Two profiles and the imports that both match, once all of these are decided."""

    name: str
    action: str
    #: Increments by 1 that one profile matched.
    clear: int = 0
    #: Those that both matched, by their import ids.
    held: Sequence[str] = ()
    #: What `checks` of the first profile was set to, after all that was held set it.
    last_set: int = 0

    @property
    def email(self) -> str:
        """The email of the first profile."""
        return f"{self.name}@chaos.example"

    @property
    def phone(self) -> str:
        """The phone of the second profile."""
        *_, seed, line, number = self.name.split("-")
        return f"+1312{int(seed) % 100:02}{int(line):01}{int(number):04}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A profile of the cases, as it is in Postgres."""

    #: Former ones too.
    emails: Sequence[str]
    phones: Sequence[str]
    points: int
    checks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What cases have left in Postgres."""

    profiles: Sequence[Candidate] = ()
    #: The states of the receipts of each import, by its id.
    states: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Imports that are held.
    held: int = 0


def find_lost_decisions(cases: Iterable[Case], left: Decided) -> Iterator[str]:
    """Yield what is missing: receipts, and increments that were applied."""
    for one in cases:
        for import_id in one.held:
            if not left.states.get(import_id):
                yield f"{import_id} of {one.name} has no receipt"
        if (total := _count_points(one, left)) < (due := _expect(one, left)):
            yield f"{one.name} has {total} of {due} increments"


def find_doubled_decisions(cases: Iterable[Case], left: Decided) -> Iterator[str]:
    """Yield what was decided or applied more than once."""
    for one in cases:
        for import_id in one.held:
            if len(left.states.get(import_id, ())) > 1:
                yield f"{import_id} of {one.name} has several receipts"
        if (total := _count_points(one, left)) > (due := _expect(one, left)):
            yield f"{one.name} has {total} increments, not {due}"


def find_wrong_decisions(cases: Iterable[Case], left: Decided) -> Iterator[str]:
    """Yield what was not decided as asked, and what overwrote something later."""
    if left.held:
        yield f"{left.held} imports are still held"
    for one in cases:
        found = _find(one, left)
        states = Counter(
            left.states[each][0] for each in one.held if each in left.states
        )
        rejected = one.action == HeldAction.REJECT
        allowed = {"rejected"} if rejected else {"updated"}
        if not states.keys() <= allowed:
            yield f"{one.name} ({one.action}) ended as {dict(states)}"
        if len(found) != (1 if one.action == HeldAction.MERGE else 2):
            yield f"{one.name} ({one.action}) is {len(found)} profiles"
        checks = [each.checks for each in found if one.email in each.emails]
        if checks != [one.last_set]:
            yield f"{one.name} is set to {checks}, not {one.last_set}"


def _find(one: Case, left: Decided) -> list[Candidate]:
    return [
        each
        for each in left.profiles
        if one.email in each.emails or one.phone in each.phones
    ]


def _count_points(one: Case, left: Decided) -> int:
    return sum(each.points for each in _find(one, left))


def _expect(one: Case, left: Decided) -> int:
    applied = sum("updated" in left.states.get(each, ()) for each in one.held)
    return one.clear + applied
