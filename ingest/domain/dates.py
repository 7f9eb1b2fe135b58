"""Canonical dates: RFC 3339 text in UTC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ingest.domain.errors import InvalidValue
from ingest.domain.invisible import reveal
from ingest.domain.memos import remembered_if_short

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Epoch numbers this far from zero are milliseconds (contract 14, point 38).
_MILLISECONDS_FROM = 10**11

_TEXT = re.compile(
    r"""
    [0-9]{4}-[0-9]{2}-[0-9]{2}
    (?: [T ] (?:[01][0-9]|2[0-3]) : [0-5][0-9] (?: :[0-5][0-9] (?:\.[0-9]+)? )?
      (?P<zone> [ ]? (?: Z | UTC | [+-][0-9]{2} (?: :?[0-5][0-9] )? ) )?
    )?
    """,
    re.VERBOSE,
)
#: Shorter text is never an epoch: eight digits could be a date without dashes.
_EPOCH_TEXT = re.compile(r"-?[0-9]{9,15}")
_NUMBER_TEXT = re.compile(r"-?[0-9]{1,8}(?:\.[0-9]{1,15})?")
#: Days since 1900 until the year 2200, which spreadsheets count in.
_MAX_SERIAL = 110_000
#: Days of the years 1800 to 2100, alone and with hour, minute and second: as epochs
#: they would be in 1970, and after 2540.
_DATE_DIGITS = ((18000101, 21001231), (18000101_000000, 21001231_235959))


def _refuse_lookalike(number: float) -> None:
    """Refuse a number that is surely no epoch, by what it looks like (16.7)."""
    if -_MAX_SERIAL <= number <= _MAX_SERIAL:
        raise InvalidValue("Incorrect date (looks like a spreadsheet serial number)")
    # Not ranges, which search for a float one number after another.
    digits = any(first <= number <= last for first, last in _DATE_DIGITS)
    if digits and _is_moment(str(int(number))):
        raise InvalidValue("Incorrect date (looks like a date without dashes)")


def _is_moment(digits: str) -> bool:
    try:
        datetime.fromisoformat(f"{digits[:8]}T{digits[8:] or '00'}")
    except ValueError:
        return False
    return True


def _from_epoch(number: int) -> datetime:
    _refuse_lookalike(number)
    if abs(number) >= _MILLISECONDS_FROM:
        return EPOCH + timedelta(milliseconds=number)
    return EPOCH + timedelta(seconds=number)


def _from_text(raw: str) -> datetime:
    text = raw.strip().upper()
    if _EPOCH_TEXT.fullmatch(text):
        return _from_epoch(int(text))
    found = _TEXT.fullmatch(text)
    if found is None:
        if _NUMBER_TEXT.fullmatch(text):
            _refuse_lookalike(float(text))
        raise InvalidValue(reveal("Incorrect date", raw))

    if zone := found["zone"]:
        text = text.removesuffix(zone) + zone.strip().replace("UTC", "Z")
    moment = datetime.fromisoformat(text)
    # Without a zone it is read as UTC (contract 4.3).
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_moment(raw: object) -> datetime:
    """Return a date as `parse_date` reads it, as a moment in UTC."""
    return datetime.fromisoformat(parse_date(raw))


def dump_date(moment: datetime) -> str:
    """Write a moment in UTC as RFC 3339, a fraction only when it is not zero."""
    text = moment.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


def _dump_valid(read: Callable[[T], datetime], raw: T) -> str:
    try:
        return dump_date(read(raw))
    except InvalidValue:
        raise
    # No such day, or outside of the years 1 to 9999.
    except (ValueError, OverflowError) as error:
        raise InvalidValue("Incorrect date") from error


@remembered_if_short
def _parse_text(text: str) -> str:
    return _dump_valid(_from_text, text)


def parse_date(raw: object) -> str:
    """Return a date of any form of contract 4.3 and 16.7 as RFC 3339 in UTC.

    A blank may stand for the T and before the zone. The fraction is there only when it
    is not zero, at most six digits, cut rather than rounded. Whole numbers, also as
    text of nine digits or more, are seconds since the epoch, or milliseconds from 10^11
    on in either direction. A number that is surely something else is refused by what it
    looks like: a spreadsheet's serial number, or a date without dashes.
    """
    if isinstance(raw, str):
        return _parse_text(raw)
    if isinstance(raw, float):
        _refuse_lookalike(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise InvalidValue("Incorrect date")
    return _dump_valid(_from_epoch, raw)
