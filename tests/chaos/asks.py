"""What producers ask for, as they write it down: one line a request's import."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import orjson


class Kind(StrEnum):
    """What an import is to do."""

    #: Sets `checks` of the profile to `value`: 1, 2, 3 …
    SEQUENCE = "sequence"
    #: Adds `value` to `points` of the profile, creating it if need be.
    INCREMENT = "increment"
    #: The same, and starts the trigger of START_TRIGGER.
    START = "start"
    #: The same, and starts that of HUNG_TRIGGER, whose endpoint's name nobody resolves.
    HUNG = "hung"
    #: Sets `orders` of the profile to `value` letters, and many tags.
    LARGE = "large"
    #: Is more than a limit allows: refused at the door, and nothing is left of it.
    BEYOND = "beyond"
    #: Is accepted, then rejected for a value.
    INVALID = "invalid"
    #: Updates a profile that does not exist.
    MISSING = "missing"

    @property
    def is_rejected(self) -> bool:
        """Whether the receipt must be a rejection."""
        return self in (Kind.INVALID, Kind.MISSING)

    @property
    def is_start(self) -> bool:
        """Whether an event tells that a trigger was started."""
        return self in (Kind.START, Kind.HUNG)

    @property
    def is_increment(self) -> bool:
        """Whether it adds to `points`."""
        return self is Kind.INCREMENT or self.is_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One import that was asked for, and what was heard of it."""

    #: Names it among all; an import that is applied leaves it in `custom_field`, so
    #: that the old and new values in the receipts of a profile tell their order.
    ref: str
    kind: Kind
    #: Who sends its requests one after another, each after the answer to the last.
    line: str
    #: Whom it is about: one person is one profile, by whichever key.
    person: str
    #: The mode and key it is matched by.
    key: str
    value: int = 0
    #: None when nobody knows whether it was accepted.
    import_id: str | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether it may have been accepted, and nobody knows."""
        return self.import_id is None and self.kind is not Kind.BEYOND


def acknowledge(
    asks: Sequence[Ask], import_ids: Sequence[str] | None
) -> tuple[Ask, ...]:
    """Return `asks` with the ids they were accepted under; without, as perhaps."""
    if import_ids is None:
        return tuple(asks)
    return tuple(
        replace(ask, import_id=import_id)
        for ask, import_id in zip(asks, import_ids, strict=True)
    )


def dump_asks(asks: Sequence[Ask]) -> bytes:
    """Write `asks` as lines of JSON, to be appended in one piece."""
    return b"".join(orjson.dumps(asdict(ask)) + b"\n" for ask in asks)


def read_asks(log: Path) -> Iterator[Ask]:
    """Read what `dump_asks` wrote, in the order in which it was answered."""
    with log.open("rb") as lines:
        for line in lines:
            document = orjson.loads(line)
            yield Ask(**{**document, "kind": Kind(document["kind"])})
