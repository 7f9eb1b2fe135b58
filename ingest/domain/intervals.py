"""Durations such as `30d`, and moments as microseconds since 1970 that they move (S6).

A moment is an int here: a year may be added to the last that a datetime can be.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from ingest.domain.dates import EPOCH
from ingest.domain.errors import InvalidValue

#: Later than every moment.
NEVER = 2**63
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
_EPOCH_DAY = EPOCH.toordinal()
#: Minutes of each unit but years, which differ.
_UNITS = {"m": 1, "h": 60, "d": 1440, "w": 10080}
_MAX_YEARS = 1000
#: As many minutes as the longest duration in years has.
_MAX_MINUTES = _MAX_YEARS * 365_2425 * 1440 // 10_000
#: Digits of the longest duration in minutes.
_TEXT = re.compile(r"([0-9]{1,9})([mhdwy])")
#: Years after which the calendar repeats, and its days.
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097

#: A stored date: canonical, and a day that there is. 0045 says the same in SQL.
STORED_DATE = re.compile(
    r"(?!0000)[0-9]{4}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
    r"-02-29T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z"
)
#: The characters of the longest.
_DATE_LENGTH = len("1990-02-22T21:00:00.123456Z")


class Duration(Struct, frozen=True, kw_only=True):
    """A length of time: years of the calendar, or minutes."""

    years: int = 0
    minutes: int = 0


def parse_duration(raw: object) -> Duration:
    """Read `15m`, `36h`, `7d`, `2w`, or `18y`: one unit, from 1, to 1,000 years."""
    found = _TEXT.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise InvalidValue("Must be a duration (such as 15m, 36h, 7d, 2w, or 18y)")
    number, unit = int(found[1]), found[2]
    minutes = number * _UNITS.get(unit, 0)
    if not number or minutes > _MAX_MINUTES or (not minutes and number > _MAX_YEARS):
        raise InvalidValue("Out of range (from 1m to 1000y)")
    return Duration(minutes=minutes) if minutes else Duration(years=number)


def parse_bounded(raw: object, least: str, most: str) -> Duration:
    """Read a duration from `least` to `most`, neither of them in years."""
    duration = parse_duration(raw)
    lowest, highest = parse_duration(least).minutes, parse_duration(most).minutes
    if duration.years or not lowest <= duration.minutes <= highest:
        raise InvalidValue(f"Out of range (from {least} to {most})")
    return duration


def to_timedelta(duration: Duration) -> timedelta:
    """Return a duration as one of days, a year as 366 of them: it is no longer."""
    return timedelta(days=366 * duration.years, minutes=duration.minutes)


def to_microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970, UTC."""
    return (moment - EPOCH) // _MICROSECOND


def to_datetime(microseconds: int) -> datetime | None:
    """Return a moment as a datetime; None beyond the years that one can have."""
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def read_stored_date(value: object) -> int | None:
    """Return a stored date as microseconds; None for what is none."""
    if not isinstance(value, str) or len(value) > _DATE_LENGTH:
        return None
    return _read_date(value)


# People share birthdays.
@lru_cache(maxsize=32_768)
def _read_date(text: str) -> int | None:
    if STORED_DATE.fullmatch(text) is None:
        return None
    return to_microseconds(datetime.fromisoformat(text).astimezone(UTC))


def shift(moment: int, duration: Duration, direction: int = 1) -> int:
    """Return `moment` moved by `duration`, forward or, by -1, back.

    Years are of the calendar in UTC: 29 February becomes 28 February.
    """
    if not duration.years:
        return moment + direction * duration.minutes * 60_000_000
    days, rest = divmod(moment, _DAY)
    return (_shift_years(days, direction * duration.years) * _DAY) + rest


def _shift_years(days: int, years: int) -> int:
    """Return days since 1970, years later; a date has too few years to do it."""
    day = date.fromordinal(days + _EPOCH_DAY)
    cycles, year = divmod(day.year + years - 1, _CYCLE_YEARS)
    moved = move_to_year(day, year + 1)
    return moved.toordinal() - _EPOCH_DAY + cycles * _CYCLE_DAYS


def move_to_year(day: date, year: int) -> date:
    """Return the day of the same name in another year; 28 for 29 February."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
