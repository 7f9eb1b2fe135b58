"""Shapes of cells: how many of a column are emails, phones, dates, or words for yes."""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address

from ingest.domain.countries import find_country
from ingest.domain.errors import InvalidValue
from ingest.domain.table_dates import DayOrder, read_table_date, read_zone
from ingest.wire.suggestions.samples import SampledColumn
from ingest.wire.suggestions.vocabulary import find_boolean, find_sex, find_status

_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;.]{2,}\.?")
#: Several values in one cell.
_SEPARATORS = re.compile(r" ::: |[;|,\n]")
_PHONE = re.compile(
    r"(?:tel:)?\s*\+?[\s(]*[0-9](?:[\s().\u00a0\u2010-\u2015/-]*[0-9])+"
)
_EXTENSION = re.compile(r"(?:,|;)?\s*(?:ext|x|доб|#)\.?\s*[0-9]{1,6}$", re.IGNORECASE)
_DIGITS = range(7, 16)
_EPOCH = re.compile(r"1[0-9]{8,9}(?:[0-9]{3})?")
_NUMBER = re.compile(r"[+-]?[0-9][0-9 \u00a0.,']*")
_PLAIN_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+.*)?")
#: Of an object ID.
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")


def is_email(cell: str) -> bool:
    """Return whether a cell is one or more emails."""
    return _all(_EMAIL.fullmatch, _SEPARATORS.split(cell))


def is_phone(cell: str) -> bool:
    """Return whether a cell is one or more phones, with a country code or without."""
    return _all(_is_phone, _SEPARATORS.split(cell)) and not is_date(cell)


def _is_phone(text: str) -> bool:
    number = _EXTENSION.sub("", text)
    digits = sum(character.isdigit() for character in number)
    return digits in _DIGITS and _PHONE.fullmatch(number) is not None


def _all(check: Callable[[str], object], parts: Iterable[str]) -> bool:
    filled = [part.strip() for part in parts if part.strip()]
    return bool(filled) and all(check(part) for part in filled)


def is_date(cell: str) -> bool:
    """Return whether a cell is a date or a time, in some notation."""
    if _PLAIN_DATE.fullmatch(cell) or _EPOCH.fullmatch(cell):
        return True
    return any(read_table_date(cell, order) is not None for order in DayOrder)


def is_ip(cell: str) -> bool:
    """Return whether a cell is an IP address."""
    with suppress(ValueError):
        return bool(ip_address(cell))
    return False


def is_timezone(cell: str) -> bool:
    """Return whether a cell is the name of a time zone."""
    with suppress(InvalidValue):
        return bool(read_zone(cell))
    return False


def is_country(cell: str) -> bool:
    """Return whether a cell is the code or the name of a country."""
    with suppress(InvalidValue):
        return bool(find_country(cell))
    return False


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with any marks."""
    return _NUMBER.fullmatch(cell) is not None


def is_flag(cell: str) -> bool:
    """Return whether a cell is a word for yes or no."""
    return find_boolean(cell) is not None


def is_sex(cell: str) -> bool:
    """Return whether a cell is a sex, or a form of address that tells one."""
    return find_sex(cell) is not None


def is_status(cell: str) -> bool:
    """Return whether a cell is a word for a status."""
    return find_status(cell) is not None


def is_object_id(cell: str) -> bool:
    """Return whether a cell is the ID of a profile."""
    return _OBJECT_ID.fullmatch(cell) is not None


#: What judges the cells of a kind.
CHECKS: Mapping[str, Callable[[str], bool]] = {
    "email": is_email,
    "phone": is_phone,
    "date": is_date,
    "ip": is_ip,
    "timezone": is_timezone,
    "country": is_country,
    "sex": is_sex,
}
#: The shapes that no name, city, or tag has.
_FOREIGN = (is_email, is_date, is_ip)
#: The score of cells that nothing can judge.
UNJUDGED = 0.9


def share(column: SampledColumn, check: Callable[[str], bool]) -> float:
    """Return the share of the filled cells that pass; 0 if none is filled."""
    return sum(map(check, column.cells)) / len(column.cells) if column.cells else 0.0


def score_cells(column: SampledColumn, kind: str) -> float:
    """Return how well the cells of a column fit a kind, from 0 to 1 (R2)."""
    if not column.cells:
        return UNJUDGED
    if check := CHECKS.get(kind):
        return share(column, check)
    foreign = max(share(column, one) for one in _FOREIGN)
    return min(UNJUDGED, 1 - foreign)
