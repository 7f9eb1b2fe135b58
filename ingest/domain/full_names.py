"""Whole names to given and family names, in the order that is named (R5).

Nothing tells `García López` from `Maria Anna`: which comes first is said once for a
column, and shown before it is used.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum


class NameOrder(StrEnum):
    """The order of the parts of whole names."""

    GIVEN_FIRST = "given_first"
    FAMILY_FIRST = "family_first"
    #: `Last, First`.
    COMMA = "comma"


@dataclass(frozen=True, slots=True)
class SplitName:
    """The parts of a name; empty for one that it does not have."""

    given: str = ""
    family: str = ""
    #: Of neither: never a family name.
    patronymic: str = ""


@dataclass(frozen=True, slots=True)
class NameWords:
    """Words by which parts of names are known, in lower case."""

    #: Forms of companies: `gmbh`, `ltd`.
    companies: Set[str]
    #: Endings: `ович`.
    patronymics: tuple[str, ...]


#: Before a family name, and part of it.
_PARTICLES = frozenset(
    [
        *("von", "van", "vom", "zum", "zur", "zu", "der", "den", "dem", "de", "del"),
        *(
            "della",
            "dello",
            "degli",
            "dei",
            "di",
            "da",
            "das",
            "dos",
            "do",
            "du",
            "des",
        ),
        *("la", "las", "los", "le", "lo", "l", "d", "y", "e", "und", "af", "av"),
        *("ten", "ter", "te", "op", "'t", "st", "ibn", "bin", "al", "el"),
        *("фон", "ван", "дер", "де", "ла"),
    ]
)
#: Particles that stand between two family names, and begin none.
_JOINTS = frozenset(("y", "e", "und"))
_TITLES = frozenset(
    [
        *(
            "mr",
            "mrs",
            "ms",
            "miss",
            "mx",
            "dr",
            "prof",
            "sir",
            "madam",
            "herr",
            "frau",
        ),
        *("m", "mme", "mlle", "monsieur", "madame", "sr", "sra", "srta", "don", "doña"),
        *("dona", "господин", "госпожа"),
        "\N{CYRILLIC SMALL LETTER GHE}-н",
        "\N{CYRILLIC SMALL LETTER GHE}-жа",
    ]
)
_SUFFIXES = frozenset(("jr", "sr", "ii", "iii", "iv", "phd", "md", "esq", "mba", "dds"))
#: Forms of companies of so few letters are written in capitals or with dots.
_SHORT = 3
_QUOTES = re.compile('[«»“”„"]')


def split_name(text: str, order: NameOrder, words: NameWords) -> SplitName | None:
    """Return the parts of a name; None for the name of a company.

    One word is a given name. Particles go with the family name, titles are no part.
    """
    if is_company(text, words):
        return None
    text = _drop_suffix(" ".join(text.split()))
    family, comma, given = text.partition(",")
    if comma:
        parts = _drop_titles(given.split())
        place = _find_patronymic(parts, words)
        first = parts[:place] if place else parts
        patronymic = parts[place] if place else ""
        return SplitName(" ".join(first), family.strip(), patronymic)
    return _split(_drop_titles(text.split()), order, words)


def _split(parts: list[str], order: NameOrder, words: NameWords) -> SplitName:
    """Return the parts of a name without a comma."""
    place = _find_patronymic(parts, words)
    if place:
        # It follows the given name, in either order.
        family = [*parts[: place - 1], *parts[place + 1 :]]
        return SplitName(parts[place - 1], " ".join(family), parts[place])
    cut = 0
    if order is NameOrder.FAMILY_FIRST:
        cut = _end_of_family(parts)
    if cut:
        return SplitName(" ".join(parts[cut:]), " ".join(parts[:cut]))
    cut = _start_of_family(parts)
    return SplitName(" ".join(parts[:cut]), " ".join(parts[cut:]))


def is_company(text: str, words: NameWords) -> bool:
    """Say whether a name has the form of a company at its beginning or its end."""
    parts = _QUOTES.sub(" ", text).replace(",", " ").split()
    return len(parts) > 1 and any(
        _is_form(part, words) for part in (parts[0], parts[-1])
    )


def _is_form(part: str, words: NameWords) -> bool:
    letters = part.replace(".", "").replace("/", "")
    known = letters.casefold() in words.companies
    return known and (
        len(letters) > _SHORT
        or "." in part.rstrip(".")
        or letters.isupper()
        or letters in ("Ltd", "Inc", "Oy", "Llc")
    )


def _drop_suffix(text: str) -> str:
    """Return a name without `Jr.` and the like at its end."""
    first, _, last = text.replace(",", " , ").rstrip().rpartition(" ")
    if last.replace(".", "").casefold() in _SUFFIXES and first.strip(" ,"):
        text = first.rstrip(" ,").replace(" , ", ", ")
    return text


def _drop_titles(parts: list[str]) -> list[str]:
    while len(parts) > 1 and parts[0].rstrip(".").casefold() in _TITLES:
        # A single letter with a dot is a given name.
        if len(parts[0].rstrip(".")) == 1:
            break
        parts = parts[1:]
    return parts


def _find_patronymic(parts: list[str], words: NameWords) -> int:
    """Return where a patronymic is; 0 for none, since it follows a given name."""
    for place in range(len(parts) - 1, 0, -1):
        # `Иван Петрович` has no family name; `Вук Караджич` has.
        if _is_patronymic(parts[place], words) and (
            len(parts) > 2 or _is_russian(parts[place])
        ):
            return place
    return 0


def _is_patronymic(part: str, words: NameWords) -> bool:
    return len(part) > 5 and part.casefold().endswith(words.patronymics)


def _is_russian(part: str) -> bool:
    return part.casefold().endswith(("ович", "евич", "ьич", "овна", "евна", "ична"))


def _is_particle(part: str) -> bool:
    return part.islower() and part.rstrip("'\u2019") in _PARTICLES


def _start_of_family(parts: list[str]) -> int:
    """Return where the family name begins, if it is the last."""
    for place in range(1, len(parts) - 1):
        if _is_particle(parts[place]):
            joint = parts[place] in _JOINTS and place > 1
            return place - 1 if joint else place
    return max(len(parts) - 1, min(len(parts), 1))


def _end_of_family(parts: list[str]) -> int:
    """Return where the family name ends, if it is the first; 0 if it is not."""
    if len(parts) < 2:
        return 0
    place = 0
    while place < len(parts) - 1 and _is_particle(parts[place]):
        place += 1
    if place:
        return min(place + 1, len(parts) - 1)
    if len(parts) > 3 and parts[1] in _JOINTS:
        return 3
    # A particle that follows the first word shows that the given name is first.
    return 0 if len(parts) > 2 and _is_particle(parts[1]) else 1
