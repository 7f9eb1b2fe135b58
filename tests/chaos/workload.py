"""What one line of a producer asks for: hot keys, races to create, sequences, sizes."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from tests.chaos.asks import Ask, Kind
from tests.chaos.sizes import BEYOND, choose_size, make_large

IMPORT = "/api/v1.1/profiles/import"
UPDATE = "/api/v1.1/profiles/update"
BATCH = "/api/v1.1/profiles/import_batch"
START = "/api/v1.1/campaigns/triggers/import_and_start"
START_TRIGGER = 7
#: Its endpoint has a name that nobody resolves.
HUNG_TRIGGER = 9

#: Persons whom everybody imports all the time.
HOT_PERSONS = 6
#: Persons whom everybody imports much about.
LARGE_PERSONS = 2
#: Events that one line sends where nobody takes them.
_HUNG_EVENTS = 2
#: Rows of an upload, and of a file.
UPLOAD_ROWS = 120
#: Elements of a batch request.
BATCH_ROWS = 20
#: A sequence ends at this number and another profile begins one.
SEQUENCE_LENGTH = 200
_SEQUENCES = 2
_BULK_SHARE = 0.3
_MODES = ("email", "phone", "email_phone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST, and the imports it asks for, in their order."""

    path: str
    body: Mapping[str, Any]
    asks: Sequence[Ask]

    @property
    def is_beyond(self) -> bool:
        """Whether it must be refused."""
        return self.asks[0].kind is Kind.BEYOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that is sent under a key, and the imports that its rows ask for."""

    key: str
    asks: Sequence[Ask]

    @property
    def body(self) -> bytes:
        """The file."""
        return dump_rows(self.asks)

    def exchange(self, place: int, ask: Ask) -> bytes:
        """Return another file, whose row `place` is another."""
        return dump_rows([*self.asks[:place], ask, *self.asks[place + 1 :]])


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
    _uploads: Iterator[int] = field(default_factory=lambda: count(1))
    _sequences: list[_Sequence] = field(default_factory=list)
    #: Of HUNG_TRIGGER, still to be sent.
    _hung_events: int = _HUNG_EVENTS

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.name}")

    @property
    def name(self) -> str:
        """Name the line among all."""
        return f"{self.producer}.{self.number}"

    def next_request(self) -> Request:
        """Return what to ask for next, given that everything so far was answered."""
        choices = {
            self._batch: 80,
            self._sequence: 40,
            self._hot: 40,
            self._newcomer: 40,
            self._invalid: 20,
            self._missing: 10,
            self._start: 20,
            self._large: 4,
            self._beyond: 4,
            self._hung: 2 if self._hung_events else 0,
        }
        (choice,) = self._random.choices(list(choices), list(choices.values()))
        return self._choose_lane(choice())

    def _choose_lane(self, request: Request) -> Request:
        """Send some by the bulk lane: each key keeps its order across both."""
        if self._random.random() > _BULK_SHARE:
            return request
        body = {**request.body, "lane": "bulk"}
        return Request(path=request.path, body=body, asks=request.asks)

    def next_upload(self) -> Upload:
        """Return a file to send: hot profiles, and a sequence in its order."""
        person = f"upload-{self.name}-{next(self._made)}"
        asks = [
            self._hot_increment("email")
            if self._random.random() < 0.2
            else self._ask(Kind.SEQUENCE, person, value=number)
            for number in range(1, UPLOAD_ROWS + 1)
        ]
        key = f"{self.seed}-{self.name}-{next(self._uploads)}"
        return Upload(key=key, asks=asks)

    def exchange_row(self, upload: Upload) -> tuple[Ask, bytes]:
        """Return `upload` with another row in one place, and that row.

        It asks the same of somebody else, or something else of the same person.
        """
        place = self._random.randrange(len(upload.asks))
        persons = ("nobody", upload.asks[place].person)
        ask = self._ask(Kind.BEYOND, self._random.choice(persons))
        return ask, upload.exchange(place, ask)

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
        return _started(ask, START_TRIGGER)

    def _hung(self) -> Request:
        self._hung_events -= 1
        return _started(self._hot_increment("email", Kind.HUNG), HUNG_TRIGGER)

    def _large(self) -> Request:
        """Import much about somebody about whom everybody does, or a little."""
        person = f"large-{self._random.randrange(LARGE_PERSONS)}"
        if self._random.random() < 0.3:
            return _single(self._ask(Kind.INCREMENT, person, value=1))
        size = choose_size(self._random)
        return _single(self._ask(Kind.LARGE, person, value=size))

    def _beyond(self) -> Request:
        ask = self._ask(Kind.BEYOND, "hot-0")
        request = _single(ask)
        data = {**make_data(ask), **self._random.choice(list(BEYOND.values()))()}
        return Request(
            path=IMPORT, body={**request.body, "data": data}, asks=request.asks
        )


def email(person: str) -> str:
    """Return the email of `person`."""
    return f"{person}@chaos.example"


def phone(person: str) -> str:
    """Return the phone of `person`, who alone has it."""
    family, *numbers = person.split("-")
    if family == "hot":
        return f"+120255{int(numbers[0]):05}"
    if family == "large":
        return f"+120256{int(numbers[0]):05}"
    return f"+1213{int(numbers[0]):02}{int(numbers[1]):05}"


def make_data(ask: Ask) -> dict[str, Any]:
    """Return the profile fields that `ask` sends."""
    data: dict[str, Any] = {"custom_field": ask.ref}
    if ask.kind is Kind.SEQUENCE:
        return {**data, "checks": ask.value}
    if ask.kind is Kind.INVALID:
        return {**data, "points": "many"}
    if ask.kind in (Kind.MISSING, Kind.BEYOND):
        return data
    if ask.kind is Kind.LARGE:
        return {**data, **make_large(ask.ref, ask.value)}
    address = email(ask.person)
    subscription = {"channel": "email", "email": address, "resource_id": 1}
    return {
        **data,
        "email": address,
        "phones": [phone(ask.person)],
        "points": {"action": "incr", "value": ask.value},
        "subscriptions": [subscription],
    }


def dump_rows(asks: Sequence[Ask]) -> bytes:
    """Return a file of documents whose rows ask for `asks`, each by its email."""
    rows = ({"email": email(ask.person), "data": make_data(ask)} for ask in asks)
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def _started(ask: Ask, trigger_id: int) -> Request:
    request = _single(ask, START)
    body = {**request.body, "trigger_id": trigger_id}
    return Request(path=START, body=body, asks=request.asks)


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
