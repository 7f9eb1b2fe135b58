"""Dated updates of one person that arrive in any order.

Whatever breaks meanwhile, each value is in the end the newest by its date, and no
increment is lost or applied twice.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Shuffles have a database for themselves, which the check of the rest does not read.
DATABASE = 5
_UPDATES = 12
#: All dates are before this, in Unix seconds: 1 June 2026.
_NEWEST = 1_780_272_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shuffle:
    """One person, as it is written down once all updates are accepted."""

    name: str
    #: The updates, by their import ids.
    import_ids: Sequence[str] = ()

    @property
    def email(self) -> str:
        """The email of the person."""
        return f"{self.name}@chaos.example"

    def updates(self) -> list[dict[str, Any]]:
        """Return the documents in the order in which they are sent."""
        chance = random.Random(self.name)
        updates = [
            {"email": self.email, "as_of": _NEWEST - age, "data": _make_data(chance)}
            for age in range(_UPDATES)
        ]
        chance.shuffle(updates)
        return updates

    def expect(self) -> dict[str, Any]:
        """Return the fields that are left."""
        left: dict[str, Any] = {
            "points": _UPDATES,
            "custom_field": None,
            "checks": None,
        }
        for update in sorted(self.updates(), key=lambda one: one["as_of"]):
            for name, value in update["data"].items():
                if name != "points":
                    left[name] = None if isinstance(value, dict) else value
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """What shuffles have left in Postgres."""

    #: Fields by email.
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: How many receipts each import has, by its id.
    receipts: Mapping[str, int] = field(default_factory=dict)
    #: Receipts that say what they kept because it is newer.
    kept: int = 0


def _make_data(chance: random.Random) -> dict[str, Any]:
    """Make an increment, and of one field or of both a value or its end."""
    points = {"points": {"action": "incr", "value": 1}}
    named = chance.choice([["custom_field"], ["checks"], ["custom_field", "checks"]])
    return {
        **points,
        **{
            name: {"action": "unset", "value": ""}
            if chance.random() < 0.3
            else _make_value(name, chance)
            for name in named
        },
    }


def _make_value(name: str, chance: random.Random) -> int | str:
    number = chance.randint(1, 10**6)
    return number if name == "checks" else f"text {number}"


def find_lost_updates(shuffles: Iterable[Shuffle], left: Dated) -> Iterator[str]:
    """Yield what is missing: imports without a receipt, and increments."""
    for one in shuffles:
        for import_id in one.import_ids:
            if not left.receipts.get(import_id):
                yield f"{import_id} of {one.name} has no receipt"
        if (points := _read(one, left).get("points", 0)) < _UPDATES:
            yield f"{one.name} has {points} of {_UPDATES} increments"


def find_doubled_updates(shuffles: Iterable[Shuffle], left: Dated) -> Iterator[str]:
    """Yield what was applied more than once."""
    for one in shuffles:
        for import_id in one.import_ids:
            if left.receipts.get(import_id, 0) > 1:
                yield f"{import_id} of {one.name} has several receipts"
        if (points := _read(one, left).get("points", 0)) > _UPDATES:
            yield f"{one.name} has {points} increments, not {_UPDATES}"


def find_outdated(shuffles: Iterable[Shuffle], left: Dated) -> Iterator[str]:
    """Yield whose values are not the newest."""
    for one in shuffles:
        expected, found = one.expect(), _read(one, left)
        for name in ("custom_field", "checks"):
            if found.get(name) != expected[name]:
                yield f"{one.name}: {name} is {found.get(name)}, not {expected[name]}"


def _read(one: Shuffle, left: Dated) -> Mapping[str, Any]:
    return left.people.get(one.email, {})
