"""Notations of dates, numbers, and flags in tables: named, never guessed.

A cell that is written so becomes the text that every door reads; any other cell stays
as it is, for the field's own parser to take or refuse.
"""

import re
from collections.abc import Callable, Mapping, Sequence
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
#: Which half of the day an hour of 12 is in, and what asks for it.
_HALF = r"[ \xa0\u202f]?(?P<half>[AP])\.?M\.?"
_HALF_TOKEN = re.compile(" ?(?:A|TT|AM/PM)$")
#: A time may stand behind any date that is told without one: of 12 hours or 24, with
#: or without a fraction and a zone (as `parse_date` reads them).
_TIME = (
    rf"(?:[T ]+{_PARTS['HH']}:{_MINUTE}(?::{_PARTS['SS']}(?P<fraction>\.[0-9]+)?)?"
    rf"(?:{_HALF})?(?: ?(?P<zone>Z|UTC|[+-][0-9]{{2}}(?::?[0-9]{{2}})?))?)?"
)
_EXAMPLE = "such as DD.MM.YYYY, MM/DD/YYYY or DD.MM.YYYY HH:mm:ss"


@cache
def date_notation(text: str) -> Notation:
    """Return what reads dates written like `text`: DD.MM.YYYY; raise InvalidValue.

    YYYY, YY, MM, DD, MMM (a month's English name), HH, mm, ss, A (AM or PM), and what
    stands between them. Without a time in it, any may follow the date.
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
        raise InvalidValue(f"Must be a date format, {_EXAMPLE}")
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
    clock, halves = _HALF_TOKEN.subn("", clock)
    rest = _TIME_TOKEN.sub("", clock)
    tokens = ["HH" if one == "H" else one for one in _TIME_TOKEN.findall(clock)]
    if tokens not in (["HH", "MM"], ["HH", "MM", "SS"]) or rest.strip(":. "):
        raise InvalidValue(f"Must be a date format, {_EXAMPLE}")
    parts = {**_PARTS, "MM": _MINUTE}
    pattern, at = "", 0
    for found in _TIME_TOKEN.finditer(clock):
        pattern += re.escape(clock[at : found.start()])
        pattern += parts["HH" if found[0] == "H" else found[0]]
        at = found.end()
    return pattern + re.escape(clock[at:]) + _HALF * halves


def _write_date(found: Mapping[str, str | None]) -> str | None:
    year = int(found.get("year") or 0)
    if short := found.get("short"):
        year = int(short) + (1900 if int(short) >= _PIVOT else 2000)
    if name := found.get("name"):
        start = name[:3].lower()
        month = _MONTHS.index(start) + 1 if start in _MONTHS else 0
    else:
        month = int(found["month"] or 0)
    minute, second = (int(found.get(one) or 0) for one in ("minute", "second"))
    day = int(found["day"] or 0)
    try:
        hour = _read_hour(int(found.get("hour") or 0), found.get("half"))
        # Without a zone it is read as UTC (contract 4.3).
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None
    if found.get("hour") is None:
        return moment.date().isoformat()
    fraction, zone = found.get("fraction") or "", found.get("zone") or ""
    return f"{moment.isoformat()}{fraction}{zone}"


def _read_hour(hour: int, half: str | None) -> int:
    """Return the hour of the day; raise ValueError for one that a half has not."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError
    return hour % 12 + (12 if half in "Pp" else 0)


#: What may separate thousands, the decimal mark apart.
_GROUPS = "., '\xa0\u202f\u2019"


@cache
def decimal_notation(mark: str) -> Notation:
    """Return what reads numbers whose decimal mark is `,` or `.`; raise InvalidValue.

    Its cells raise InvalidValue if they hold the other mark where it separates no
    thousands: that they mean another number than they seem to is never silent.
    """
    if mark not in {",", "."}:
        raise InvalidValue("Must be , or . (the decimal mark)")
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
            raise InvalidValue("Must be a number")
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
                f"Must be two words separated by /, for {' and '.join(meanings)}"
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
                f"{one} and {other} read the same text as different dates (set the "
                "format for each column)"
            )
    return lambda cell: next(filter(None, (read(cell) for read in readers)), None)


def _clash(one: Notation, other: Notation) -> bool:
    texts = ("01{0}02{0}2003", "2003{0}01{0}02", "01{0}02{0}03", "01022003", "20030102")
    dates = (text.format(mark) for text in texts for mark in "./- ")
    return any(
        (first := one(text)) and (second := other(text)) and first != second
        for text in dates
    )
