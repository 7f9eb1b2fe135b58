"""Anniversaries: the days of a year on which a date comes back (S7)."""

from datetime import date
from functools import lru_cache

from ingest.domain.intervals import NEVER, move_to_year, to_datetime
from ingest.domain.local_days import Instant, LocalDay, find_local_day, find_start

#: No date is later.
_LAST_YEAR = date.max.year


def judge_birthday(
    moment: int, now: Instant, *, days: int, zone: str
) -> tuple[bool, int]:
    """Tell whether an anniversary is today, or one of the next `days`, and until when.

    The days are those of `zone`. Until when is in microseconds, and not too late.
    """
    return _judge(moment, now.day_in(zone), days, zone)


# People share birthdays: seventy years have fewer days.
@lru_cache(maxsize=32_768)
def _judge(moment: int, today: LocalDay, days: int, zone: str) -> tuple[bool, int]:
    at = to_datetime(moment)
    local = None if at is None else find_local_day(at, zone)
    if local is None:
        return False, NEVER
    born = local.date()
    # Three years: of a window of a whole year the next may begin before it ends.
    for year in range(today.year, min(today.year + 3, _LAST_YEAR + 1)):
        day = move_to_year(born, year).toordinal()
        if year < born.year or day < today.ordinal:
            continue
        if day <= today.ordinal + days:
            return True, _find_until(day + 1, today, zone)
        return False, _find_until(day - days, today, zone)
    first = born.toordinal() - days
    return False, _find_until(first, today, zone) if first > today.ordinal else NEVER


def _find_until(ordinal: int, today: LocalDay, zone: str) -> int:
    start = find_start(ordinal, zone)
    until = NEVER if start is None else start
    return until if today.reverts_at is None else min(until, today.reverts_at)
