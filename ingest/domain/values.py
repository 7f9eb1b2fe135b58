"""Canonical values of the plain field types.

Every parser takes text as well, because in XML every leaf is text (contract 11),
and raises InvalidValue for what does not fit (contract 5, 14 points 20 and 24).
"""

import math
import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address

from ingest.domain.errors import InvalidValue
from ingest.domain.invisible import reveal
from ingest.domain.memos import remembered_if_short

#: What both PostgreSQL's bigint and every JSON reader can hold.
INT_RANGE = range(-(2**63), 2**63)

_WHOLE_NUMBER = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
#: UTF-8 cannot carry a lone surrogate, nor PostgreSQL's text a NUL.
_SURROGATE = re.compile("[\ud800-\udfff]")

_BOOLEANS: Mapping[str, bool] = {"true": True, "1": True, "false": False, "0": False}
#: Contract 4.4.
_SEXES: Mapping[str, str | None] = {
    "male": "male",
    "1": "male",
    "female": "female",
    "2": "female",
    "0": None,
}
_NO_INT64 = "Out of range (from -2^63 to 2^63-1)"
_NOT_FINITE = "Out of range (must be finite)"


def check_text(text: str) -> str:
    """Return text that can be stored, unchanged; refuse any other."""
    # Most text is ASCII, which needs no search.
    if "\0" in text or (not text.isascii() and _SURROGATE.search(text)):
        raise InvalidValue("Must not contain NUL or unpaired surrogates")
    return text


def check_int(number: int) -> int:
    """Return a number that fits 64 bits, unchanged; refuse any other."""
    if number not in INT_RANGE:
        raise InvalidValue(_NO_INT64)
    return number


def check_float(number: float) -> float:
    """Return a finite number, with zero unsigned; refuse any other."""
    if not math.isfinite(number):
        raise InvalidValue(_NOT_FINITE)
    return number + 0.0


def number_text(number: float) -> str:
    """Return one text for equal numbers: `123` for 123 and 123.0, `20.5`."""
    whole = int(number)
    return str(whole) if whole == number and whole in INT_RANGE else repr(number)


def scalar_text(raw: object) -> str:
    """Return text, or an int or bool as text; it may be empty."""
    match raw:
        case str():
            return check_text(raw)
        case bool():
            return "true" if raw else "false"
        case int():
            return str(check_int(raw))
        case _:
            raise InvalidValue("Must be a string")


def parse_text(raw: object) -> str | None:
    """Return text as it is; None for empty text, which clears (14, point 20)."""
    # Nearly all is, so this asks for no more than `check_text` would.
    if isinstance(raw, str) and raw.isascii() and "\0" not in raw:
        return raw or None
    return scalar_text(raw) or None


def parse_option(raw: object) -> str:
    """Return the trimmed text of an enum; its field knows the options."""
    try:
        return scalar_text(raw).strip()
    except InvalidValue as error:
        raise InvalidValue("Must be one of the field's options") from error


def parse_int(raw: object) -> int:
    """Return a whole number; a zero fraction is dropped."""
    match raw:
        case str() if whole := _WHOLE_NUMBER.fullmatch(raw.strip()):
            try:
                return check_int(int(whole[1]))
            except ValueError as error:  # Python converts no text of 4,301 digits.
                raise InvalidValue(_NO_INT64) from error
        case float() if raw.is_integer():
            return check_int(int(raw))
        case int() if not isinstance(raw, bool):
            return check_int(raw)
        case _:
            raise InvalidValue(reveal("Must be an integer", raw))


def parse_float(raw: object) -> float:
    """Return a finite number."""
    match raw:
        case str() if _NUMBER.fullmatch(text := raw.strip()):
            return check_float(float(text))
        case float():
            return check_float(raw)
        case int() if not isinstance(raw, bool):
            try:
                return float(raw)
            except OverflowError as error:
                raise InvalidValue(_NOT_FINITE) from error
        case _:
            raise InvalidValue(reveal("Must be a number", raw))


def parse_bool(raw: object) -> bool:
    """Return true or false, also from `true`, `false`, 1 and 0."""
    try:
        return _BOOLEANS[scalar_text(raw).strip().lower()]
    except (InvalidValue, KeyError) as error:
        raise InvalidValue(reveal("Must be true or false", raw)) from error


def parse_sex(raw: object) -> str | None:
    """Return `male` or `female`; None for 0, which is unset (contract 4.4)."""
    try:
        return _SEXES[scalar_text(raw).strip().lower()]
    except (InvalidValue, KeyError) as error:
        raise InvalidValue(reveal("Must be male or female", raw)) from error


def parse_ipv4(raw: object) -> str:
    """Return an IPv4 address (contract 4.5)."""
    if not isinstance(raw, str):
        raise InvalidValue(reveal("Incorrect ip", raw))
    try:
        return str(IPv4Address(raw.strip()))
    except AddressValueError as error:
        raise InvalidValue(reveal("Incorrect ip", raw)) from error


def parse_ip(raw: object) -> str:
    """Return an IPv4 or IPv6 address in its short form (contract 14, point 39).

    An IPv4 address wrapped in IPv6 comes out as IPv4. A zone (`%eth0`) is refused:
    it means something on one machine only.
    """
    if not isinstance(raw, str) or "%" in raw:
        raise InvalidValue(reveal("Incorrect ip", raw))
    return _parse_ip(raw)


@remembered_if_short
def _parse_ip(text: str) -> str:
    try:
        address = ip_address(text.strip())
    except ValueError as error:
        raise InvalidValue(reveal("Incorrect ip", text)) from error

    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def parse_version(raw: object) -> str:
    """Return a version as trimmed text, such as `16.4.1`."""
    text = repr(check_float(raw)) if isinstance(raw, float) else scalar_text(raw)
    if isinstance(raw, bool) or not text.strip():
        raise InvalidValue(reveal("Incorrect version", raw))
    return text.strip()
