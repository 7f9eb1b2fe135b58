"""Three files about the same people, of which the second is undone.

What is left must be what the first and the third alone make, whatever breaks meanwhile
and in whichever order the undo and the third file come.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from ingest.domain.jobs import row_import_id

#: Rounds have a database for themselves, which the check of the rest does not read.
DATABASE = 2
_FIELDS = ("points", "checks", "custom_field")


class Part(StrEnum):
    """A file of a round."""

    BEFORE = "before"
    WRONG = "wrong"
    LATER = "later"


def _choose_people(part: Part, people: int) -> list[int]:
    """Return of whom a file tells.

    Of some two files tell, of some one alone, of some one more than once.
    """
    sixth = people // 6
    if part is Part.BEFORE:
        return [*range(4 * sixth)]
    if part is Part.LATER:
        return [*range(3 * sixth, 5 * sixth)]
    return [
        *range(2 * sixth, 6 * sixth),
        *range(5 * sixth // 2, 11 * sixth // 2, 3),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round, as it is written down once its undo is certain to come."""

    name: str
    #: The job of the wrong file.
    job_id: str = ""
    #: Of whom the files tell, a multiple of 12; the wrong one has 5/6 of that in rows.
    people: int = 60

    def rows(self, part: Part) -> list[dict[str, Any]]:
        """Return the documents of a file."""
        chance = random.Random(f"{self.name} {part}")
        return [
            {"email": self.email(person), "data": self._make_data(part, chance)}
            for person in _choose_people(part, self.people)
        ]

    def email(self, person: int) -> str:
        """Return the email of a person."""
        return f"{self.name}-{person}@chaos.example"

    def dump(self, part: Part) -> bytes:
        """Write a file."""
        return b"".join(orjson.dumps(row) + b"\n" for row in self.rows(part))

    def expect(self) -> dict[str, dict[str, Any]]:
        """Return the fields of everybody who is left, by email."""
        left: dict[str, dict[str, Any]] = {}
        for part in (Part.BEFORE, Part.LATER):
            for row in self.rows(part):
                fields = left.setdefault(row["email"], dict.fromkeys(_FIELDS))
                data = row["data"]
                points = data.pop("points")["value"]
                fields.update(data, points=points + (fields["points"] or 0))
        return left

    def import_ids(self) -> list[str]:
        """Return the imports that are undone."""
        rows = range(1, len(_choose_people(Part.WRONG, self.people)) + 1)
        return [str(row_import_id(UUID(self.job_id), row)) for row in rows]

    def _make_data(self, part: Part, chance: random.Random) -> dict[str, Any]:
        points = {"action": "incr", "value": chance.randint(1, 9)}
        if part is Part.LATER:
            return {"points": points}
        return {
            "points": points,
            "checks": chance.randint(1, 10**6),
            "custom_field": f"{part} {chance.random()}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What rounds have left in Postgres."""

    #: Fields by email.
    people: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: How many receipts each import has, and how many undos, by its id.
    receipts: Counter[str] = field(default_factory=Counter)
    undos: Counter[str] = field(default_factory=Counter)


def find_lost(rounds: Iterable[Round], left: Left) -> Iterator[str]:
    """Yield what is missing: imports without a receipt, undos that never came."""
    for one in rounds:
        for import_id in one.import_ids():
            if not left.receipts[import_id]:
                yield f"{import_id} of {one.name} has no receipt"
            if not left.undos[import_id]:
                yield f"{import_id} of {one.name} is not undone"


def find_doubled(rounds: Iterable[Round], left: Left) -> Iterator[str]:
    """Yield what was undone more than once."""
    for one in rounds:
        for import_id in one.import_ids():
            if left.undos[import_id] > 1:
                yield f"{import_id} of {one.name} is undone {left.undos[import_id]}x"


def find_wrong(rounds: Iterable[Round], left: Left) -> Iterator[str]:
    """Yield who is not as without the wrong file."""
    for one in rounds:
        expected = one.expect()
        told = set(map(one.email, range(one.people)))
        for email in sorted(told | expected.keys()):
            found = left.people.get(email)
            shown = found and {name: found.get(name) for name in _FIELDS}
            if shown != expected.get(email):
                yield f"{email} is {shown}, not {expected.get(email)}"
