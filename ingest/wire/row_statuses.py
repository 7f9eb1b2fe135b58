"""Statuses of a row's subscriptions, as its columns and its file have them (R7).

The one that forbids most counts. What no column has is not assumed: such a row makes
no subscription. A negative status always arrives, and never by a basis that raises.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from ingest.domain import values
from ingest.domain.dates import parse_moment
from ingest.domain.errors import InvalidValue
from ingest.domain.statuses import DEFAULT_STATUS, PROHIBITION, STATUSES
from ingest.wire.suggestions.vocabulary import (
    NOBODY_AGREED,
    find_boolean,
    find_status,
    is_empty_word,
    normalize_word,
)
from ingest.wire.targets import SubscriptionName

#: Every other filled cell of a column.
REST = "*"
#: A word that means nothing; also a row of which no column has a status.
NOTHING = ""
#: What a word, or a file, may mean.
MEANINGS = (*STATUSES, NOBODY_AGREED)
#: The source of a basis that has none, where the system is not known.
_FILE = "file"
#: How long the texts of a basis may be.
_LONGEST = {"source": 200, "url": 2000, "text": 1000}
#: From what means nothing to what forbids most.
_ORDER = (NOTHING, DEFAULT_STATUS, NOBODY_AGREED, *list(PROHIBITION)[1:])
_RANKS = {meaning: rank for rank, meaning in enumerate(_ORDER)}


def choose_strictest(meanings: Iterable[str]) -> str:
    """Return the meaning that forbids most; `none` forbids less than any negative."""
    return max(meanings, key=_RANKS.__getitem__, default=NOTHING)


class WordReader:
    """The statuses that the words of one column mean."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Begin; `words` are those of `--words`.

        `true` and `false` are also every word for yes and no, `*` is any other.
        """
        self._words = {
            normalize_word(word): meaning
            for word, meaning in words.items()
            if word != REST
        }
        self._flags = {True: self._words.get("true"), False: self._words.get("false")}
        self._rest = words.get(REST)

    def find(self, cell: str) -> str | None:
        """Return the meaning of a filled cell; None for an unknown word.

        `*` does not weaken a word that is known to forbid more.
        """
        word = normalize_word(cell)
        if word and word in self._words:
            return self._words[word]
        flag = find_boolean(cell)
        if flag is not None and (meaning := self._flags.get(flag)) is not None:
            return meaning
        known = _find_known(cell)
        if known in (None, NOBODY_AGREED) and is_empty_word(cell):
            # Such as a dash: not filled, whatever `*` is.
            return known or NOTHING
        if self._rest is None:
            return known
        return choose_strictest([self._rest, known or NOTHING])


def _find_known(cell: str) -> str | None:
    word = cell.strip().lower()
    return word if word in STATUSES else find_status(cell)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRules:
    """Options for the statuses of a file."""

    #: Meanings by column and word.
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: What each row means, where no column forbids more.
    status: str = ""
    #: The system that wrote the file: the source of a basis that has no other.
    system: str = ""
    #: The basis by which statuses may be raised, of each row.
    basis: Mapping[str, Any] = field(default_factory=dict)


NO_STATUSES = StatusRules()


@dataclass(slots=True)
class StatusTally:
    """Counts of statuses of the rows that were read."""

    #: By channel and meaning; of an empty one nothing is known.
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: By column and word.
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)

    def show(self) -> dict[str, dict[str, int]]:
        """Return the counts by channel and meaning, and those that are unknown."""
        shown: dict[str, dict[str, int]] = {}
        for (channel, meaning), number in sorted(
            self.rows.items(), key=lambda one: _SHOWN.index(one[0][1])
        ):
            shown.setdefault(channel, {})[meaning or "unknown"] = number
        return shown


#: The order in which counts are shown.
_SHOWN = (DEFAULT_STATUS, *reversed(list(PROHIBITION)[1:]), NOBODY_AGREED, NOTHING)


_NAMES = {
    DEFAULT_STATUS: "subscribe",
    "unsubscribed": "unsubscribe",
    "hardbounced": "bounced",
    NOBODY_AGREED: "not agreed: no subscription",
    "unknown": "unknown: no subscription",
}


def tell_statuses(tally: StatusTally) -> str:
    """Return the counts in words: `38 subscribe · 2 unsubscribe · 1 bounced`."""
    shown = tally.show()
    told = []
    for channel, counts in shown.items():
        text = " · ".join(
            f"{number:,} {_NAMES.get(meaning, meaning)}"
            for meaning, number in counts.items()
        )
        told.append(f"{channel}: {text}" if len(shown) > 1 else text)
    return "; ".join(told) or "no subscriptions"


class Said(Struct):
    """The cells of a row about its subscriptions of one channel and resource."""

    meanings: list[str]
    #: Parts of the basis, by name.
    basis: dict[str, str]


#: By the subscriptions that it is about.
RowNotes = Mapping[SubscriptionName, Said]


def settle(
    element: Mapping[str, Any],
    notes: RowNotes,
    told: Set[SubscriptionName],
    default_id: int | None,
    rules: StatusRules,
    tally: StatusTally,
) -> None:
    """Give the subscriptions of a row their statuses, and drop those without one.

    `told` has the subscriptions of which a column has the status.
    """
    data = element["data"]
    kept = []
    meanings: dict[SubscriptionName, str] = {}
    for subscription in data.pop("subscriptions", ()):
        name = SubscriptionName(
            subscription["channel"], subscription.get("resource_id", default_id)
        )
        said = notes.get(name)
        has_status = name in told or bool(rules.status)
        meaning = DEFAULT_STATUS
        if has_status:
            own = [] if said is None else said.meanings
            meaning = choose_strictest([rules.status, *own])
        meanings[name] = meaning
        if meaning in (NOTHING, NOBODY_AGREED):
            continue
        if has_status:
            subscription["status"] = meaning
        if basis := _make_basis(element, said, meaning, rules):
            subscription["consent"] = basis
        kept.append(subscription)
    tally.rows.update({(name.channel, one) for name, one in meanings.items()})
    if kept:
        data["subscriptions"] = kept


def _make_basis(
    element: Mapping[str, Any], said: Said | None, meaning: str, rules: StatusRules
) -> dict[str, Any] | None:
    """Return the basis of one subscription; None for that of its row, or none."""
    own = {} if said is None else said.basis
    of_row = element.get("consent") or {}
    if meaning == DEFAULT_STATUS:
        if not own:
            return None
        basis = {**rules.basis, **of_row, **own}
    else:
        if not (own or of_row or rules.basis):
            return None
        basis = _lower({**rules.basis, **of_row, **own})
    basis.setdefault("source", rules.system or _FILE)
    return basis


def _lower(basis: dict[str, Any]) -> dict[str, Any]:
    """Return what is recorded of an opt-out: nothing of it keeps it from counting.

    Its time is no `time`, by which what is stored would be newer. What cannot be read
    is dropped.
    """
    lowered: dict[str, Any] = {}
    for name in ("source", "url", "text"):
        if text := str(basis.get(name) or "")[: _LONGEST[name]].strip():
            lowered[name] = text
    with suppress(InvalidValue):
        if sent := basis.get("time"):
            parse_moment(sent)
            lowered["date"] = sent
    with suppress(InvalidValue):
        if sent := basis.get("ip"):
            lowered["ip"] = values.parse_ip(sent)
    return lowered
