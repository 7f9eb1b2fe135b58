"""Two profiles that are merged and parted, again and again, while imports name both.

At the end they are one. Whatever breaks meanwhile, no increment may be lost or applied
twice, and both of their emails find the profile that is left.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

#: Pairs have a database for themselves, which the check of the rest does not read.
DATABASE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two persons, as they are written down once their last merge is applied."""

    name: str
    #: Increments by 1 that were accepted, by either email.
    increments: int = 0

    @property
    def emails(self) -> tuple[str, str]:
        """The emails of both."""
        first, second = (f"{self.name}-{one}@chaos.example" for one in "ab")
        return first, second


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A profile of the pairs, as it is in Postgres."""

    email: str
    former_emails: Sequence[str]
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """What pairs have left in Postgres."""

    profiles: Sequence[Survivor] = ()
    #: How many receipts there are of each state.
    states: Mapping[str, int] = field(default_factory=dict)


def find_lost_points(pairs: Iterable[Pair], left: Pairs) -> Iterator[str]:
    """Yield the pairs of which increments are missing."""
    for one in pairs:
        total = _count_points(one, left)
        if total < one.increments:
            yield f"{one.name} has {total} of {one.increments} increments"


def find_doubled_points(pairs: Iterable[Pair], left: Pairs) -> Iterator[str]:
    """Yield the pairs of which increments were applied twice."""
    for one in pairs:
        total = _count_points(one, left)
        if total > one.increments:
            yield f"{one.name} has {total} increments, not {one.increments}"


def find_unmerged(pairs: Iterable[Pair], left: Pairs) -> Iterator[str]:
    """Yield who is not one, or is not found by both emails."""
    for one in pairs:
        found = _find(one, left)
        names = {name for each in found for name in (each.email, *each.former_emails)}
        if len(found) != 1 or names != set(one.emails):
            yield f"{one.name} is {len(found)} profiles, found by {sorted(names)}"
    for state in ("rejected", "dead"):
        if count := left.states.get(state, 0):
            yield f"{count} imports of pairs are {state}"


def _find(one: Pair, left: Pairs) -> list[Survivor]:
    return [each for each in left.profiles if each.email in one.emails]


def _count_points(one: Pair, left: Pairs) -> int:
    return sum(each.points for each in _find(one, left))
