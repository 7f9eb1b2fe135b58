"""Dates in tables: forms that mean one day only, and forms that the column decides.

`01.02.2023` is the first of February wherever it is written; `01/02/2023` is not, and
which of its numbers is the day is a matter of the column, never of one cell (V1).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.domain.errors import InvalidValue


class DayOrder(StrEnum):
    """Orders of day and month in `01/02/2023`."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


class NoDate(StrEnum):
    """Cells of dates that hold none, and are no errors."""

    #: `0/0/00`, `0000-00-00`: programs write it for an empty cell.
    EMPTY = "empty"
    #: `05/17`, `--05-17` (V3).
    NO_YEAR = "no_year"


#: The beginnings of months in six languages, those that tell them apart.
_MONTHS: Mapping[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "jan januar jänner janv ene jan янв",
            "feb fev fév feb фев",
            "mar mär maer mrz мар",
            "apr avr abr апр",
            "may mai mag mayo май мая",
            "jun juin июн",
            "jul juil июл",
            "aug aoû aou ago авг",
            "sep set сен",
            "oct okt out окт",
            "nov ноя",
            "dec déc dez dic дек",
        ),
        start=1,
    )
    for name in names.split()
}
#: Two digits of a year from here on are of the 20th century (POSIX).
_PIVOT = 69
_TIME = r"""
    (?: (?:,?[ ]|T|,?[ ]at[ ]) [ ]*
        (?P<hour>[0-9]{1,2}) : (?P<minute>[0-9]{2})
        (?: : (?P<second>[0-9]{2}) (?:[.,] (?P<fraction>[0-9]+))? )?
        (?: [ \xa0\u202f]? (?P<half>[AP]) \.? M \.? )?
        (?: [ ]? (?:UTC|GMT)? (?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?)
            # Go and JavaScript repeat the offset.
            (?:[ ](?:[A-Z]{2,5}|[+-][0-9]{2,4}|\([^()]*\)))?
          | [ ]? (?P<utc>Z|UTC|GMT) )?
    )?
"""
_WEEKDAY = r"(?:[^\W\d]{2,12}\.?,?[ ])?"
_MONTH = r"(?P<name>[^\W\d]{3,10})\.?"
_OF = r"(?:[ ]de)?"


def _compile(date: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{date}) {_TIME}", re.VERBOSE | re.IGNORECASE)


_YEAR_FIRST = _compile(
    r"(?P<year>[0-9]{4}) (?P<mark>[-/.]) (?P<month>[0-9]{1,2})"
    r" (?P=mark) (?P<day>[0-9]{1,2})"
)
_DOTTED = _compile(
    r"(?P<day>[0-9]{1,2}) \. (?P<month>[0-9]{1,2}) \. (?P<year>[0-9]{4})"
)
_DAY_NAME = _compile(
    rf"{_WEEKDAY} (?P<day>[0-9]{{1,2}}) (?:\.|st|nd|rd|th|er)? {_OF} [ -] {_MONTH}"
    rf" ,? {_OF} [ -] (?P<year>[0-9]{{4}})"
)
_NAME_DAY = _compile(
    rf"{_WEEKDAY} {_MONTH} [ ] (?P<day>[0-9]{{1,2}}) (?:st|nd|rd|th)? ,?"
    r" [ ] (?P<year>[0-9]{4})"
)
_COMPACT = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})T(?P<hour>[0-9]{2})"
    r"(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?"
    r"(?:(?P<offset>[+-][0-9]{2}(?::?[0-9]{2})?)|(?P<utc>Z))?",
    re.IGNORECASE,
)
_SURE = (_YEAR_FIRST, _DOTTED, _COMPACT, _DAY_NAME, _NAME_DAY)
_BY_ORDER = _compile(
    r"(?P<one>[0-9]{1,2}) (?P<mark>[-/.]) (?P<two>[0-9]{1,2})"
    r" (?P=mark) (?P<year>[0-9]{4}|[0-9]{2})"
)
#: 1C writes the first day of all for none.
_EMPTY = re.compile(
    r"(?:0{1,4}([-/.])0{1,2}\1(?:0{2}|0{4})|0001-01-01|01\.01\.0001)(?:[ T].*)?"
)
_NO_YEAR = re.compile(
    rf"--(?P<first>[0-9]{{2}})-?(?P<second>[0-9]{{2}})"
    rf"|(?P<one>[0-9]{{1,2}})[/-](?P<two>[0-9]{{1,2}})"
    rf"|(?P<day>[0-9]{{1,2}})\.(?P<month>[0-9]{{1,2}})\."
    rf"|{_MONTH}[ ][0-9]{{1,2}}|[0-9]{{1,2}}\.?[ ]{_MONTH.replace('name', 'named')}",
    re.IGNORECASE,
)
#: What `parse_date` reads as fast, so that it needs no reading here.
PLAIN = re.compile(
    r"[12][0-9]{3}-[01][0-9]-[0-3][0-9](?:[T ][0-2][0-9](?::[0-5][0-9]){2}Z?)?"
)
#: Such a date without a time.
PLAIN_DAY = re.compile(r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]")


def find_orders(cell: str) -> frozenset[DayOrder] | None:
    """Return the orders in which a cell is a date; None if no order decides it.

    Empty for a cell that is none in either. A day that both orders read alike, such as
    05/05/1990, says nothing.
    """
    found = _BY_ORDER.fullmatch(cell)
    if found is None or _EMPTY.fullmatch(cell) or _DOTTED.fullmatch(cell):
        return None
    read = {order: _write(_order(found, order), None) for order in DayOrder}
    if len(set(read.values())) == 1 and None not in read.values():
        return None
    return frozenset(order for order, text in read.items() if text is not None)


def has_open_time(cell: str) -> bool:
    """Say whether a cell is a moment that names no time zone."""
    for form in (*_SURE, _BY_ORDER):
        if found := form.fullmatch(cell):
            parts = found.groupdict()
            return bool(parts["hour"]) and not (parts["offset"] or parts["utc"])
    return False


def read_table_date(
    cell: str, order: DayOrder | None, zone: tzinfo | None = None
) -> str | NoDate | None:
    """Return a date as every input reads it, or why there is none (V1, V2, V3).

    Times without a zone are of `zone`. None for what is no date, or one day in one
    order and another in the other while `order` is not known.
    """
    if _EMPTY.fullmatch(cell):
        return NoDate.EMPTY
    for form in _SURE:
        if found := form.fullmatch(cell):
            return _write(found.groupdict(), zone)
    if found := _BY_ORDER.fullmatch(cell):
        return _read_ordered(found, order, zone)
    return NoDate.NO_YEAR if _lacks_year(cell) else None


def _read_ordered(
    found: re.Match[str], order: DayOrder | None, zone: tzinfo | None
) -> str | None:
    if order is not None:
        return _write(_order(found, order), zone)
    # Read if it is one day whatever comes first.
    read = {_write(_order(found, one), zone) for one in DayOrder}
    return read.pop() if len(read) == 1 else None


def _order(found: re.Match[str], order: DayOrder) -> dict[str, str | None]:
    """Return the parts of a date by their names."""
    parts = found.groupdict()
    names = ("day", "month") if order is DayOrder.DAY_FIRST else ("month", "day")
    return {**parts, **dict(zip(names, (parts["one"], parts["two"]), strict=True))}


def _write(parts: Mapping[str, str | None], zone: tzinfo | None) -> str | None:
    """Return the text of a date; None for a day or a time that there is not."""
    try:
        year, month = _read_year(parts["year"] or ""), _read_month(parts)
        day = int(parts["day"] or 0)
        hour = _read_hour(int(parts["hour"] or 0), parts.get("half"))
        minute, second = (int(parts[one] or 0) for one in ("minute", "second"))
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
        if parts["hour"] is None:
            return moment.date().isoformat()
        return _write_moment(moment, parts, zone)
    except (ValueError, OverflowError):
        return None


def _write_moment(
    moment: datetime, parts: Mapping[str, str | None], zone: tzinfo | None
) -> str:
    digits = parts.get("fraction")
    fraction = f".{digits}" if digits else ""
    named = parts["offset"] or ("Z" if parts["utc"] else "")
    if not named and zone is not None:
        moment = moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
        named = "Z"
    return f"{moment.isoformat()}{fraction}{named}"


def _read_year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= _PIVOT else 2000)


def _read_month(parts: Mapping[str, str | None]) -> int:
    """Return the number of a month; raise ValueError for none."""
    if name := parts.get("name"):
        return find_month(name)
    return int(parts["month"] or 0)


def find_month(name: str) -> int:
    """Return the number of a month by its name or its beginning, in six languages.

    Raises ValueError for none.
    """
    folded = name.casefold()
    for length in (4, 3):
        if number := _MONTHS.get(folded[:length]):
            return number
    raise ValueError


def _read_hour(hour: int, half: str | None) -> int:
    """Return the hour of the day; raise ValueError for one that a half has not."""
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError
    return hour % 12 + (12 if half in "Pp" else 0)


def _lacks_year(cell: str) -> bool:
    """Say whether a cell is a day and a month."""
    found = _NO_YEAR.fullmatch(cell)
    if found is None:
        return False
    parts = found.groupdict()
    if name := parts["name"] or parts["named"]:
        try:
            return bool(find_month(name))
        except ValueError:
            return False
    numbers = sorted(
        int(parts[name])
        for name in ("first", "second", "one", "two", "day", "month")
        if parts[name]
    )
    return 1 <= numbers[0] <= 12 and 1 <= numbers[1] <= 31


def as_birthday(text: str, cell: str, last_year: int) -> str:
    """Return the day of a date that was read: births have no zone, and no midnight.

    People are born until `last_year`: two digits that would be later are of the
    century before.
    """
    day, mark, time = text.partition("T")
    if int(day[:4]) > last_year and day[:4] not in cell:
        day = f"{int(day[:4]) - 100:04}{day[4:]}"
    time = re.sub(r"(?:Z|[+-][0-9:]+)$", "", time)
    return f"{day}{mark}{time}" if time.strip("0:.") else day


_HEADER_ZONE = re.compile(
    r"\(\s*(?:(?P<utc>UTC|GMT)\s*(?P<sign>[+-])?\s*(?P<hours>[0-9]{1,2})?"
    r"(?::?(?P<minutes>[0-9]{2}))?|(?P<name>[A-Z][A-Za-z_]+/[A-Za-z_/+-]+))\s*\)"
)


def find_header_zone(name: str) -> tzinfo | None:
    """Return the time zone that the name of a column tells: `Created (GMT+2)` (V2)."""
    found = _HEADER_ZONE.search(name)
    if found is None:
        return None
    if found["name"]:
        try:
            return read_zone(found["name"])
        except InvalidValue:
            return None
    hours, minutes = int(found["hours"] or 0), int(found["minutes"] or 0)
    if (hours and not found["sign"]) or hours > 14 or minutes > 59:
        return None
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if found["sign"] == "-" else ahead)


def read_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name, or of `UTC+2`; raise InvalidValue."""
    if name.strip().upper().startswith(("UTC", "GMT")) and (
        found := find_header_zone(f"({name.strip().upper()})")
    ):
        return found
    try:
        return ZoneInfo(name.strip())
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidValue(
            "Unknown time zone (an IANA name, such as Europe/Moscow)"
        ) from error


class OrderSurvey:
    """Finds the order of the dates of a column, row after row."""

    def __init__(self) -> None:
        #: The first row that only one order reads.
        self._proofs: dict[DayOrder, int] = {}
        #: The first row that both orders read, as different days.
        self.open_row: int | None = None
        #: Whether any moment names no time zone.
        self.has_open_time = False

    def add(self, row: int, cell: str) -> None:
        """Look at the cell of a row."""
        if not self.has_open_time and ":" in cell:
            self.has_open_time = has_open_time(cell)
        orders = find_orders(cell)
        if not orders:
            return
        if len(orders) == 1:
            (order,) = orders
            self._proofs.setdefault(order, row)
        elif self.open_row is None:
            self.open_row = row

    @property
    def order(self) -> DayOrder | None:
        """The order that the column proves; None for none, or for both."""
        return next(iter(self._proofs)) if len(self._proofs) == 1 else None

    @property
    def conflict(self) -> tuple[int, ...]:
        """Two rows that need different orders; empty for no conflict."""
        return tuple(sorted(self._proofs.values())) if len(self._proofs) > 1 else ()


def survey_orders(cells: Iterable[tuple[int, str]]) -> OrderSurvey:
    """Return what the cells of a column, each with its row, say of their order."""
    survey = OrderSurvey()
    for row, cell in cells:
        survey.add(row, cell)
    return survey
