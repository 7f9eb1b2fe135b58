"""Moments, and the days that they are in time zones."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from ingest.domain.intervals import to_microseconds

_SECOND = timedelta(seconds=1)
#: Clocks are put back or forward by less, but for a day that a zone left out.
_AROUND = timedelta(hours=26)


class LocalDay(Struct, frozen=True, kw_only=True):
    """The day of a moment in a time zone."""

    year: int
    #: Days since the first of January of the year 1, which is 1.
    ordinal: int
    #: When the clock is put back into the day before, in microseconds; None for never.
    reverts_at: int | None = None


class Instant:
    """A moment of time, and the day that it is in each zone."""

    def __init__(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)
        #: Microseconds since 1970.
        self.microseconds = to_microseconds(at)
        self._days: dict[str, LocalDay] = {}

    def day_in(self, zone: str) -> LocalDay:
        """Return the day that this moment is in `zone` (an IANA name)."""
        day = self._days.get(zone)
        if day is None:
            day = self._days[zone] = _find_day(self.at, _load(zone))
        return day


@cache
def _load(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


def find_local_day(moment: datetime, zone: str) -> datetime | None:
    """Return a moment by the clock of `zone`; None outside of the years 1 to 9999."""
    try:
        return moment.astimezone(_load(zone))
    except OverflowError:
        return None


def _find_day(at: datetime, zone: ZoneInfo) -> LocalDay:
    today = at.astimezone(zone).date()
    later = at + timedelta(hours=3)
    reverts_at = None
    if _offset(later, zone) < _offset(at, zone):
        change = _find_change(at, later, zone)
        if change.astimezone(zone).date() < today:
            reverts_at = to_microseconds(change)
    return LocalDay(year=today.year, ordinal=today.toordinal(), reverts_at=reverts_at)


def find_start(ordinal: int, zone: str) -> int | None:
    """Return when a day begins in `zone`, in microseconds; None for a year too late.

    That is its midnight, unless the clock is put forward over that.
    """
    info = _load(zone)
    try:
        midnight = datetime.fromordinal(ordinal)
        about = midnight.replace(tzinfo=UTC)
        before, after = about - _AROUND, about + _AROUND
        offsets = _offset(before, info), _offset(after, info)
    except (ValueError, OverflowError):
        return None
    if offsets[0] == offsets[1]:
        return to_microseconds(about - offsets[0])
    change = _find_change(before, after, info)
    start = about - offsets[0]
    if start >= change:
        start = max(change, about - offsets[1])
    return to_microseconds(start)


def _find_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the second of the one change of the clock between two moments."""
    old = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle <= before:
            break
        if _offset(middle, zone) == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
