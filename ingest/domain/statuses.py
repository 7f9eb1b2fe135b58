"""The statuses of a subscription, as words and as numbers (contract 6.3)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from ingest.domain.errors import InvalidValue
from ingest.domain.names import one_of

DEFAULT_STATUS = "subscribed"
#: The person is still to confirm.
UNCONFIRMED = "unconfirmed"

STATUSES: Mapping[str, int] = MappingProxyType(
    {
        DEFAULT_STATUS: 0,
        "unsubscribed": 1,
        "complained": 2,
        "hardbounced": 3,
        UNCONFIRMED: 4,
        "suspended": 5,
        "invalid": 6,
    }
)

#: How much each forbids; what forbids more is never lowered by accident.
PROHIBITION: Mapping[str, int] = MappingProxyType(
    {
        DEFAULT_STATUS: 0,
        "suspended": 1,
        UNCONFIRMED: 2,
        "hardbounced": 3,
        "invalid": 3,
        "unsubscribed": 4,
        "complained": 5,
    }
)

#: Those of which the least is a person's own decision, or a fact.
DECIDED = tuple(
    word for word, rank in PROHIBITION.items() if rank >= PROHIBITION["hardbounced"]
)

#: What may be sent, and the word it stands for; None to leave the status as it is.
_WORDS: Mapping[str | int, str | None] = {
    -1: None,
    "-1": None,
    **{word: word for word in STATUSES},
    **{number: word for word, number in STATUSES.items()},
    **{str(number): word for word, number in STATUSES.items()},
}


def read_word(status: object) -> str:
    """Return a status, a word or a number, as a word; an absent one allows all."""
    word = None if isinstance(status, bool) else _WORDS.get(cast(str | int, status))
    return word or DEFAULT_STATUS


def rank_prohibition(status: object) -> int:
    """Return how much a status, a word or a number, forbids; an absent one nothing."""
    return PROHIBITION[read_word(status)]


def parse_status(raw: object) -> str | None:
    """Read a word or a number of contract 6.3 as its word.

    None means that -1 was sent: leave the status as it is (contract 14, point 45).
    """
    sent = raw.strip().lower() if isinstance(raw, str) else raw
    # True and False are equal to 1 and 0, but they are no statuses.
    if isinstance(sent, bool) or not isinstance(sent, str | int) or sent not in _WORDS:
        raise InvalidValue(f"Unknown status{one_of(STATUSES)}")
    return _WORDS[sent]
