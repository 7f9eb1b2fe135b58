"""How cells that were refused could be read: options to tell, and words for nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.domain.errors import InvalidValue
from ingest.domain.notations import (
    Notation,
    date_notation,
    decimal_notation,
    words_notation,
)

#: Date formats that are suggested, those of one shape side by side.
_FORMATS = (
    *("DD.MM.YYYY", "MM.DD.YYYY", "DD/MM/YYYY", "MM/DD/YYYY", "DD-MM-YYYY"),
    *("MM-DD-YYYY", "YYYY/MM/DD", "YYYY.MM.DD", "DD.MM.YY", "DD/MM/YY", "MM/DD/YY"),
    *("DD MMM YYYY", "DD-MMM-YYYY", "DD-MMM-YY", "MMM DD, YYYY", "MMM DD YYYY"),
    *("YYYYMMDD", "DDMMYYYY"),
)
_BOOLEANS = (
    *("yes/no", "y/n", "on/off", "t/f", "да/нет", "истина/ложь", "д/н", "ja/nein"),
    *("oui/non", "sí/no", "si/no", "sim/não", "tak/nie", "so/ne", "x/-", "так/ні"),
    "1.0/0.0",
)
_SEXES = (
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
        fitting = [one for one in _FORMATS if all(map(date_notation(one), sample))]
        yield from (Suggestion("dates", one) for one in fitting[:2])
    elif message in {"Not a number", "Not an integer"}:
        if _reads(decimal_notation(","), sample):
            yield Suggestion("decimal", ",")
        elif _reads(decimal_notation("."), sample):
            yield Suggestion("decimal", ".")
    elif message in {"Not true or false", "Not male or female"}:
        is_bool = message == "Not true or false"
        option, known = ("booleans", _BOOLEANS) if is_bool else ("sexes", _SEXES)
        meanings = ("true", "false") if is_bool else ("male", "female")
        words = {one.casefold() for one in sample}
        best = max(known, key=lambda pair: len(words & set(pair.casefold().split("/"))))
        read = words_notation([best], meanings)
        if any(map(read, sample)):
            yield Suggestion(option, best)


def _reads(notation: Notation, sample: Sequence[str]) -> bool:
    try:
        return all(map(notation, sample))
    except InvalidValue:
        return False
