"""The field that a header means, by its words alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from ingest.domain.names import is_slip
from ingest.wire.suggestions.vocabulary import load_vocabulary

#: A header that is known as a whole.
WHOLE = 1.0
#: One that is known without the words around it.
QUALIFIED = 0.85
#: One that ends or begins with a known header.
STEM = 0.5
#: One that is a letter away from a header of one field.
SLIP = 0.4
#: Letters of a word in which a slip is told from another word.
_SLIP_LENGTH = 6
_NUMBERED = re.compile(r"([^\W\d_]{3,})([0-9]{1,2})")
#: Fields of a place, which a company may have as well as a person.
PLACES = frozenset({"_city", "_region", "_country", "_postal_code"})
#: Words that make a name another name: of a company, not of a person.
_NO_NAMES = frozenset({"full_name", "_fname", "_lname"})
#: Headers whose meaning is remembered: uploads may have any.
_KEPT = 4096


class Preference(IntEnum):
    """The order of preference of several columns of one field (R4)."""

    OWN = 0
    PLAIN = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class Heading:
    """The meaning of a header."""

    #: A field, `full_name`, or `tags`.
    field: str
    score: float
    rank: Preference = Preference.PLAIN
    #: Of several such columns; 0 for none.
    number: int = 0
    #: Whether it is of a company.
    is_company: bool = False
    #: The known header that it was understood by.
    core: str = ""


@lru_cache(maxsize=_KEPT)
def find_heading(form: str) -> Heading | None:
    """Return the field that a header in normal form means; None for an unknown one."""
    words = load_vocabulary()
    if form in words.no_field:
        return None
    for core, rank, number, is_company in peel(form):
        field = words.fields.get(core)
        if field is None or (core != form and core in words.whole_only):
            continue
        if is_company and field in _NO_NAMES:
            continue
        score = WHOLE if core == form else QUALIFIED
        if is_company and field not in PLACES:
            score = STEM
        return Heading(field, score, rank, number, is_company, core)
    return _find_stem(form) or find_slip(form)


def peel(form: str) -> Iterator[tuple[str, Preference, int, bool]]:
    """Yield a header without the words around it, the longest first."""
    qualifiers = load_vocabulary().qualifiers
    number, tokens = _take_number(form)
    yield form, _rank(form), number, False
    states = [(" ".join(tokens), Preference.PLAIN, False)]
    seen = {form}
    while states:
        text, rank, is_company = states.pop(0)
        if text not in seen:
            seen.add(text)
            yield text, rank, number, is_company
        for kind, phrases in qualifiers.items():
            for rest in _strip(text, phrases):
                own = {"first": Preference.OWN, "later": Preference.OTHER}.get(
                    kind, rank
                )
                if kind == "company":
                    own = Preference.OTHER
                states.append((rest, own, is_company or kind == "company"))
        states = [one for one in states if one[0] and one[0] not in seen]


def _rank(form: str) -> Preference:
    """Return the rank that a whole header tells by a word in it."""
    qualifiers = load_vocabulary().qualifiers
    first, rest = form.split(" ", maxsplit=1)[0], form.partition(" ")[2]
    if rest and first in qualifiers["first"]:
        return Preference.OWN
    return (
        Preference.OTHER if rest and first in qualifiers["later"] else Preference.PLAIN
    )


def _take_number(form: str) -> tuple[int, list[str]]:
    """Return the number in a header, 0 for none, and the other words."""
    tokens: list[str] = []
    number = 0
    for token in form.split(" "):
        found = _NUMBERED.fullmatch(token)
        if token.isdigit() and len(token) <= 2:
            number = number or int(token)
        elif found:
            number = number or int(found[2])
            tokens.append(found[1])
        else:
            tokens.append(token)
    return number, tokens


def _strip(text: str, phrases: tuple[str, ...]) -> Iterator[str]:
    """Yield `text` without a phrase at its beginning, and at its end."""
    for phrase in phrases:
        if text.startswith(f"{phrase} "):
            yield text[len(phrase) + 1 :]
        if text.endswith(f" {phrase}"):
            yield text[: -len(phrase) - 1]


def _find_stem(form: str) -> Heading | None:
    """Return what a header ends with, or begins with: `ticket buyer email`."""
    fields, whole = load_vocabulary().fields, load_vocabulary().whole_only
    tokens = form.split(" ")
    for length in range(len(tokens) - 1, 0, -1):
        for core in (" ".join(tokens[-length:]), " ".join(tokens[:length])):
            if (field := fields.get(core)) and len(core) > 3 and core not in whole:
                return Heading(field, STEM, core=core)
    return None


def find_slip(form: str) -> Heading | None:
    """Return the one field that a header is a slip of the hand away from."""
    if not _SLIP_LENGTH <= len(form) <= 40:
        return None
    near = {
        field: core
        for core, field in load_vocabulary().fields.items()
        if abs(len(core) - len(form)) <= 1 and _is_slip(form, core)
    }
    if len(near) != 1:
        return None
    ((field, core),) = near.items()
    return Heading(field, SLIP, core=core)


def _is_slip(form: str, core: str) -> bool:
    """Say whether one long word of a header is a letter away from another's."""
    words, meant = form.split(" "), core.split(" ")
    if len(words) != len(meant):
        return False
    pairs = [pair for pair in zip(words, meant, strict=True) if pair[0] != pair[1]]
    if len(pairs) != 1 or min(map(len, pairs[0])) < _SLIP_LENGTH:
        return False
    return is_slip(*pairs[0])
