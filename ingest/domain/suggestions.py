"""Suggestions of options by which rejected cells could be read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.domain.errors import InvalidValue
from ingest.domain.notations import (
    Notation,
    date_notation,
    decimal_notation,
    words_notation,
)

#: Date formats that are suggested, those of one shape side by side.
DATE_FORMATS = (
    *("DD.MM.YYYY", "MM.DD.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY"),
    *("MM-DD-YYYY", "YYYY/MM/DD", "YYYY.MM.DD", "DD.MM.YY", "DD/MM/YY", "MM/DD/YY"),
    *("DD MMM YYYY", "DD-MMM-YYYY", "DD-MMM-YY", "MMM DD, YYYY", "MMM DD YYYY"),
    *("YYYYMMDD", "DDMMYYYY"),
)
BOOLEAN_PAIRS = (
    *("yes/no", "y/n", "on/off", "t/f", "да/нет", "истина/ложь", "д/н", "ja/nein"),
    *("oui/non", "sí/no", "si/no", "sim/não", "tak/nie", "so/ne", "x/-", "так/ні"),
    "1.0/0.0",
)
SEX_PAIRS = (
    *("M/F", "M/W", "м/ж", "муж/жен", "мужской/женский", "мужчина/женщина"),
    *("man/woman", "Mr/Ms", "Mr/Mrs", "boy/girl", "H/F", "ч/ж"),
)
#: What programs write for nothing.
NOTHINGS = frozenset(
    {
        *("null", "nil", "none", "nan", "n/a", "na", "#n/a", "\\n", "-", "--", "—"),
        *("(null)", "<null>", "undefined", "unknown", "empty", "нет данных", "nat"),
        # What MySQL, .NET and Excel write for a date that is none.
        *("0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "00/00/0000"),
        *("0001-01-01", "0001-01-01t00:00:00", "1900-01-00"),
    }
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An option under which cells could be read, and what it would be told."""

    option: str
    value: str


def suggest(message: str, cells: Iterable[str]) -> Iterator[Suggestion]:
    """Yield what would read `cells`, refused with `message`; the likeliest first."""
    sample = [one.strip() for one in cells if one.strip()]
    if not sample:
        return
    nothings = list(dict.fromkeys(one for one in sample if one.casefold() in NOTHINGS))
    rest = [one for one in sample if one.casefold() not in NOTHINGS]
    if rest:
        yield from _suggest(message, rest)
    for word in nothings:
        yield Suggestion("null", word)


def _suggest(message: str, sample: list[str]) -> Iterator[Suggestion]:
    if message.startswith("Incorrect date"):
        yield from _suggest_dates(sample)
    elif message in {"Must be a number", "Must be an integer"}:
        yield from _suggest_mark(sample, whole=message == "Must be an integer")
    elif message in {"Must be true or false", "Must be male or female"}:
        is_bool = message == "Must be true or false"
        option, known = ("booleans", BOOLEAN_PAIRS) if is_bool else ("sexes", SEX_PAIRS)
        meanings = ("true", "false") if is_bool else ("male", "female")
        words = {one.casefold() for one in sample}
        best = max(known, key=lambda pair: len(words & set(pair.casefold().split("/"))))
        read = words_notation([best], meanings)
        if any(map(read, sample)):
            yield Suggestion(option, best)


def _suggest_dates(sample: list[str]) -> Iterator[Suggestion]:
    read = {one: _count(date_notation(one), sample) for one in DATE_FORMATS}
    best = max(read.values())
    # A few cells that nobody could read hide no format from the others.
    if best * 2 >= len(sample):
        fitting = [one for one in DATE_FORMATS if read[one] == best]
        yield from (Suggestion("dates", one) for one in fitting[:2])


def _suggest_mark(sample: list[str], *, whole: bool) -> Iterator[Suggestion]:
    """Yield the decimal mark by which most of `sample` are numbers, `whole` ones."""
    read = {mark: _count(decimal_notation(mark), sample, whole=whole) for mark in ",."}
    mark = "," if read[","] >= read["."] else "."
    if read[mark] * 2 >= len(sample):
        yield Suggestion("decimal", mark)


def _count(notation: Notation, sample: list[str], *, whole: bool = False) -> int:
    """Return how many cells of `sample` are written so."""
    return sum(_reads(notation, cell, whole=whole) for cell in sample)


def _reads(notation: Notation, cell: str, *, whole: bool) -> bool:
    try:
        found = notation(cell)
    except InvalidValue:
        return False
    return found is not None and not (whole and found.rstrip("0").partition(".")[2])
