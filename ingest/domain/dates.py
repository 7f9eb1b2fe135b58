"""Canonical dates: RFC 3339 text in UTC."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ingest.domain.errors import InvalidValue
from ingest.domain.memos import remembered

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Epoch numbers this far from zero are milliseconds (contract 14, point 38).
_MILLISECONDS_FROM = 10**11

_TEXT = re.compile(
    r"""
    [0-9]{4}-[0-9]{2}-[0-9]{2}
    (T (?:[01][0-9]|2[0-3]) : [0-5][0-9] (?: :[0-5][0-9] (?:\.[0-9]+)? )?
      (?: Z | [+-][0-9]{2} (?: :[0-5][0-9] )? )?
    )?
    """,
    re.VERBOSE,
)
#: Eight digits could be a date without dashes, so shorter text is never an epoch.
_EPOCH_TEXT = re.compile(r"-?[0-9]{9,15}")


def _from_epoch(number: int) -> datetime:
    if abs(number) >= _MILLISECONDS_FROM:
        return _EPOCH + timedelta(milliseconds=number)
    return _EPOCH + timedelta(seconds=number)


def _from_text(raw: str) -> datetime:
    text = raw.strip().upper()
    if _EPOCH_TEXT.fullmatch(text):
        return _from_epoch(int(text))
    if not _TEXT.fullmatch(text):
        raise InvalidValue("Incorrect date")

    moment = datetime.fromisoformat(text)
    # Without a zone it is read as UTC (contract 4.3).
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def dump_date(moment: datetime) -> str:
    """Write a moment in UTC as RFC 3339, a fraction only when it is not zero."""
    text = moment.replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


def _dump_valid(read: Callable[[T], datetime], raw: T) -> str:
    try:
        return dump_date(read(raw))
    # No such day, or outside of the years 1 to 9999.
    except (ValueError, OverflowError) as error:
        raise InvalidValue("Incorrect date") from error


@remembered
def _parse_text(text: str) -> str:
    return _dump_valid(_from_text, text)


def parse_date(raw: object) -> str:
    """Return a date of any form of contract 4.3 as RFC 3339 in UTC.

    The fraction is there only when it is not zero, at most six digits, cut rather
    than rounded. Whole numbers, also as text of nine digits or more, are seconds
    since the epoch, or milliseconds from 10^11 on in either direction.
    """
    if isinstance(raw, str):
        return _parse_text(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise InvalidValue("Incorrect date")
    return _dump_valid(_from_epoch, raw)
