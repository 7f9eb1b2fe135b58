"""How a table writes dates, numbers and yes: as it is told, never guessed.

A cell that is written so becomes the text that every door reads; any other cell stays
as it is, for the field's own parser to take or refuse.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import product

from ingest.domain.errors import InvalidValue

#: Reads a cell: the canonical text, or None if it is not written so.
Notation = Callable[[str], str | None]

_MONTHS = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
#: Two digits of a year from here on are of the 20th century (POSIX).
_PIVOT = 69
#: Longest first. A number stands with or without its zero where no digit is beside it.
_DATE_TOKEN = re.compile("YYYY|YY|MMM|MM|M|DD|D")
_TIME_TOKEN = re.compile("HH|H|MM|SS")
_PARTS = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "YY": r"(?P<short>[0-9]{2})",
    "MMM": r"(?P<name>[A-Za-z]{3,9})\.?",
    "MM": r"(?P<month>[0-9]{2})",
    "DD": r"(?P<day>[0-9]{2})",
    "HH": r"(?P<hour>[0-9]{1,2})",
    "SS": r"(?P<second>[0-9]{2})",
}
_LOOSE = {"MM": r"(?P<month>[0-9]{1,2})", "DD": r"(?P<day>[0-9]{1,2})"}
_MINUTE = r"(?P<minute>[0-9]{2})"
#: A time may stand behind any date that is told without one.
_TIME = rf"(?:[T ]+{_PARTS['HH']}:{_MINUTE}(?::{_PARTS['SS']}(?:\.0+)?)?)?"
_EXAMPLE = "such as DD.MM.YYYY, MM/DD/YYYY or DD.MM.YYYY HH:mm:ss"


@cache
def date_notation(text: str) -> Notation:
    """Return what reads dates written like `text`: DD.MM.YYYY; raise InvalidValue.

    YYYY, YY, MM, DD, MMM (a month's English name), HH, mm, ss, and what stands
    between them. Without a time in it, one may follow the date.
    """
    pattern = re.compile(_compile(text), re.IGNORECASE)

    def read(cell: str) -> str | None:
        found = pattern.fullmatch(cell)
        return _write_date(found.groupdict()) if found else None

    return read


def _compile(text: str) -> str:
    date, clock = text.strip().upper(), ""
    if (place := date.find("H")) >= 0:
        date, clock = date[:place], date[place:]
    tokens = _DATE_TOKEN.findall(date)
    kinds = sorted({token[0] for token in tokens})
    if kinds != ["D", "M", "Y"] or len(tokens) != 3:
        raise InvalidValue(f"Not a date format, {_EXAMPLE}")
    pattern, at = "", 0
    for found in _DATE_TOKEN.finditer(date):
        pattern += re.escape(date[at : found.start()])
        pattern += _part(date, found)
        at = found.end()
    pattern += re.escape(date[at:])
    if not clock:
        return pattern + _TIME
    return pattern + _compile_clock(clock)


def _part(date: str, found: re.Match[str]) -> str:
    """Return how a day, month or year is written; alone, it may lack its zero."""
    token = {"M": "MM", "D": "DD"}.get(found[0], found[0])
    beside = (
        date[found.start() - 1 : found.start()] + date[found.end() : found.end() + 1]
    )
    joined = any(one in "YMD" for one in beside)
    return _PARTS[token] if joined else _LOOSE.get(token, _PARTS[token])


def _compile_clock(clock: str) -> str:
    rest = _TIME_TOKEN.sub("", clock)
    tokens = ["HH" if one == "H" else one for one in _TIME_TOKEN.findall(clock)]
    if tokens not in (["HH", "MM"], ["HH", "MM", "SS"]) or rest.strip(":. "):
        raise InvalidValue(f"Not a date format, {_EXAMPLE}")
    parts = {**_PARTS, "MM": _MINUTE}
    pattern, at = "", 0
    for found in _TIME_TOKEN.finditer(clock):
        pattern += re.escape(clock[at : found.start()])
        pattern += parts["HH" if found[0] == "H" else found[0]]
        at = found.end()
    return pattern + re.escape(clock[at:])


def _write_date(found: Mapping[str, str | None]) -> str | None:
    year = int(found.get("year") or 0)
    if short := found.get("short"):
        year = int(short) + (1900 if int(short) >= _PIVOT else 2000)
    if name := found.get("name"):
        start = name[:3].lower()
        month = _MONTHS.index(start) + 1 if start in _MONTHS else 0
    else:
        month = int(found["month"] or 0)
    hour, minute, second = (
        int(found.get(one) or 0) for one in ("hour", "minute", "second")
    )
    day = int(found["day"] or 0)
    try:
        # Without a zone it is read as UTC (contract 4.3).
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None
    if found.get("hour") is None:
        return moment.date().isoformat()
    return moment.isoformat()


#: What may separate thousands, the decimal mark apart.
_GROUPS = "., '\xa0\u202f\u2019"


@cache
def decimal_notation(mark: str) -> Notation:
    """Return what reads numbers whose decimal mark is `,` or `.`; raise InvalidValue.

    Its cells raise InvalidValue if they hold the other mark where it separates no
    thousands: that they mean another number than they seem to is never silent.
    """
    if mark not in {",", "."}:
        raise InvalidValue("Not a decimal mark: write , or .")
    other = "." if mark == "," else ","
    groups = re.escape(_GROUPS.replace(mark, ""))
    number = re.compile(
        rf"([+-]?[0-9]{{1,3}}(?:([{groups}])[0-9]{{3}}(?:\2[0-9]{{3}})*)?|[+-]?[0-9]+)"
        rf"(?:{re.escape(mark)}([0-9]*))?"
    )

    def read(cell: str) -> str | None:
        found = number.fullmatch(cell)
        if found:
            whole = re.sub("[^0-9+-]", "", found[1])
            return f"{whole}.{found[3]}" if found[3] else whole
        if other in cell or mark in cell.replace(".", "", 1):
            raise InvalidValue("Not a number")
        return None

    return read


def words_notation(pairs: Sequence[str], meanings: tuple[str, str]) -> Notation:
    """Return what reads words, such as `yes/no` for (`true`, `false`).

    Raises InvalidValue for a pair that is none, or a word of two meanings.
    """
    words: dict[str, str] = {}
    for pair in pairs:
        written = [one.strip().casefold() for one in pair.split("/")]
        if len(written) != 2 or not all(written):
            raise InvalidValue(
                f"Not two words with / between, for {' and '.join(meanings)}"
            )
        for word, meaning in zip(written, meanings, strict=True):
            if words.setdefault(word, meaning) != meaning:
                raise InvalidValue(
                    f"{word!r} cannot mean both {' and '.join(meanings)}"
                )
    return lambda cell: words.get(cell.casefold())


def dates_notation(formats: Sequence[str]) -> Notation:
    """Return what reads dates in one of `formats`; raise InvalidValue.

    That two of them read a text as two dates is refused: nobody could tell which.
    """
    readers = [date_notation(one) for one in formats]
    for one, other in product(formats, formats):
        if one != other and _clash(date_notation(one), date_notation(other)):
            raise InvalidValue(
                f"{one} and {other} read one text as two dates; tell them by column"
            )
    return lambda cell: next(filter(None, (read(cell) for read in readers)), None)


def _clash(one: Notation, other: Notation) -> bool:
    texts = ("01{0}02{0}2003", "2003{0}01{0}02", "01{0}02{0}03", "01022003", "20030102")
    dates = (text.format(mark) for text in texts for mark in "./- ")
    return any(
        (first := one(text)) and (second := other(text)) and first != second
        for text in dates
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
)
_SEXES = (
    *("M/F", "M/W", "м/ж", "муж/жен", "мужской/женский", "мужчина/женщина"),
    *("man/woman", "Mr/Ms", "Mr/Mrs", "boy/girl", "H/F", "ч/ж"),
)
#: What programs write for nothing.
NOTHINGS = frozenset(
    {
        *("null", "nil", "none", "nan", "n/a", "na", "#n/a", "\\n", "-", "--", "—"),
        *("(null)", "<null>", "undefined", "unknown", "empty", "нет данных"),
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
