"""What one line of a producer asks for: hot keys, races to create, sequences."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.chaos.asks import Ask, Kind

IMPORT = "/api/v1.1/profiles/import"
UPDATE = "/api/v1.1/profiles/update"
BATCH = "/api/v1.1/profiles/import_batch"
START = "/api/v1.1/campaigns/triggers/import_and_start"
START_TRIGGER = 7

#: Persons whom everybody imports all the time.
HOT_PERSONS = 6
#: Elements of a batch request.
BATCH_ROWS = 20
#: A sequence ends at this number and another profile begins one.
SEQUENCE_LENGTH = 200
_SEQUENCES = 2
_MODES = ("email", "phone", "email_phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST, and the imports it asks for, in their order."""

    path: str
    body: Mapping[str, Any]
    asks: Sequence[Ask]


@dataclass(slots=True)
class _Sequence:
    person: str
    last: int = 0


@dataclass(slots=True)
class Line:
    """One connection of one producer, which waits for each answer."""

    producer: int
    number: int
    seed: int
    _random: random.Random = field(init=False)
    _refs: Iterator[int] = field(default_factory=lambda: count(1))
    _made: Iterator[int] = field(default_factory=lambda: count(1))
    _newcomers: Iterator[int] = field(default_factory=lambda: count(1))
    _sequences: list[_Sequence] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.name}")

    @property
    def name(self) -> str:
        """Name the line among all."""
        return f"{self.producer}.{self.number}"

    def next_request(self) -> Request:
        """Return what to ask for next, given that everything so far was answered."""
        choices = {
            self._batch: 8,
            self._sequence: 4,
            self._hot: 4,
            self._newcomer: 4,
            self._invalid: 2,
            self._missing: 1,
            self._start: 2,
        }
        (choice,) = self._random.choices(list(choices), list(choices.values()))
        return choice()

    def doubt(self, request: Request) -> None:
        """Take note that nobody knows what became of `request`.

        A sequence of which a number is in doubt ends there, for the number may still
        be on its way when the next is accepted.
        """
        doubted = {ask.person for ask in request.asks if ask.kind is Kind.SEQUENCE}
        self._sequences = [one for one in self._sequences if one.person not in doubted]

    def _ask(self, kind: Kind, person: str, mode: str = "email", value: int = 0) -> Ask:
        return Ask(
            ref=f"{self.name}.{next(self._refs)}",
            kind=kind,
            line=self.name,
            person=person,
            key=f"{mode}:{person}",
            value=value,
        )

    def _next_number(self) -> Ask:
        while len(self._sequences) < _SEQUENCES:
            person = f"sequence-{self.name}-{next(self._made)}"
            self._sequences.append(_Sequence(person))
        sequence = self._random.choice(self._sequences)
        sequence.last += 1
        if sequence.last == SEQUENCE_LENGTH:
            self._sequences.remove(sequence)
        return self._ask(Kind.SEQUENCE, sequence.person, value=sequence.last)

    def _hot_increment(self, mode: str, kind: Kind = Kind.INCREMENT) -> Ask:
        person = f"hot-{self._random.randrange(HOT_PERSONS)}"
        return self._ask(kind, person, mode, value=self._random.randint(1, 9))

    def _batch(self) -> Request:
        asks = [
            self._hot_increment("email")
            if self._random.random() < 0.2
            else self._next_number()
            for _ in range(BATCH_ROWS)
        ]
        rows = [{"email": email(ask.person), "data": make_data(ask)} for ask in asks]
        body = {"db_id": 1, "matching": "email", "data": rows}
        return Request(path=BATCH, body=body, asks=asks)

    def _sequence(self) -> Request:
        ask = self._next_number()
        return _single(ask, UPDATE if ask.value > 1 else IMPORT)

    def _hot(self) -> Request:
        return _single(self._hot_increment(self._random.choice(_MODES)))

    def _newcomer(self) -> Request:
        """Import somebody whom the other producers import about now, by other keys."""
        turn = next(self._newcomers)
        mode = _MODES[(turn + self.producer) % len(_MODES)]
        person = f"newcomer-{self.number}-{turn}"
        return _single(self._ask(Kind.INCREMENT, person, mode, value=1))

    def _invalid(self) -> Request:
        return _single(self._ask(Kind.INVALID, "nobody"))

    def _missing(self) -> Request:
        return _single(self._ask(Kind.MISSING, "nobody"), UPDATE)

    def _start(self) -> Request:
        ask = self._hot_increment(self._random.choice(_MODES), Kind.START)
        request = _single(ask, START)
        body = {**request.body, "trigger_id": START_TRIGGER}
        return Request(path=START, body=body, asks=request.asks)


def email(person: str) -> str:
    """Return the email of `person`."""
    return f"{person}@chaos.example"


def phone(person: str) -> str:
    """Return the phone of `person`, who alone has it."""
    family, *numbers = person.split("-")
    if family == "hot":
        return f"+120255{int(numbers[0]):05}"
    return f"+1213{int(numbers[0]):02}{int(numbers[1]):05}"


def make_data(ask: Ask) -> dict[str, Any]:
    """Return the profile fields that `ask` sends."""
    data: dict[str, Any] = {"custom_field": ask.ref}
    if ask.kind is Kind.SEQUENCE:
        return {**data, "checks": ask.value}
    if ask.kind is Kind.INVALID:
        return {**data, "points": "many"}
    if ask.kind is Kind.MISSING:
        return data
    address = email(ask.person)
    subscription = {"channel": "email", "email": address, "resource_id": 1}
    return {
        **data,
        "email": address,
        "phones": [phone(ask.person)],
        "points": {"action": "incr", "value": ask.value},
        "subscriptions": [subscription],
    }


def _single(ask: Ask, path: str = IMPORT) -> Request:
    mode, _, person = ask.key.partition(":")
    keys = {
        name: make(person)
        for name, make in (("email", email), ("phone", phone))
        if name in mode
    }
    body = {"db_id": 1, "matching": mode, **keys, "data": make_data(ask)}
    if ask.kind is Kind.INCREMENT:
        body["add_to_segments"] = [1]
    return Request(path=path, body=body, asks=[ask])
