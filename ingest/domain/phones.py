"""Phones as people, spreadsheets and links write them, to `+digits` (contract 16.8)."""

import re
from collections.abc import Iterable
from functools import cache

import phonenumbers

from ingest.domain.errors import InvalidValue
from ingest.domain.invisible import MARKS, reveal
from ingest.domain.memos import remembered

#: What a number without a country code may be read in: countries, by ISO 3166.
REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)
#: No number, however decorated, is longer.
_MAX_LENGTH = 250
#: Spaces of every alphabet, hyphens and dashes, brackets, dots: all written, none
#: dialled. Not the ends of lines: what stands in another is another number.
_PUNCTUATION = re.compile(
    r"(?:[^\S\r\n\v\f\x85\u2028\u2029]|[-\u2010-\u2015\u2212()\[\].])+"
)
_INVISIBLE = re.compile(f"[{MARKS}]")
#: Digits, plus, brackets, hyphen and dot as wide as a Chinese character.
_WIDE = str.maketrans(
    {0xFF00 + code - 0x20: chr(code) for code in map(ord, "0123456789+()-.")}
)
#: What keeps a spreadsheet from taking a cell for a number.
_CELL = re.compile(r"""=\s*"(.*)"|=\s*'(.*)'|'(.*?)'?""")
_SCHEME = re.compile(r"tel:\s*", re.IGNORECASE)
#: A cell that a program has taken for a number with a fraction.
_FRACTION = re.compile(r"([^.]*[0-9])\.0")
_SCIENTIFIC = re.compile(r"\+?[0-9]+(?:[.,][0-9]+)?e\+?[0-9]+", re.IGNORECASE)
_DIGITS = re.compile(r"(\+?)([0-9]{1,24})")
_INTERNATIONAL = re.compile(r"[1-9][0-9]{6,14}")
#: As it is stored, and as nearly all are sent.
_STORED = re.compile(r"\+[1-9][0-9]{6,14}")


def _undecorate(raw: str) -> str:
    """Return a number without what is certain not to be dialled."""
    text = raw if raw.isascii() else _INVISIBLE.sub("", raw).translate(_WIDE)
    text = text.strip()
    if cell := _CELL.fullmatch(text):
        text = next(one for one in cell.groups() if one is not None).strip()
    if scheme := _SCHEME.match(text):
        text = text[scheme.end() :]
    if fraction := _FRACTION.fullmatch(text):
        text = fraction[1]
    return _PUNCTUATION.sub("", text)


def _explain(raw: str) -> str:
    """Say what is wrong with a text that is no phone, where it can be told."""
    text = raw.strip()
    if _SCIENTIFIC.fullmatch(text):
        return "Incorrect phone (its digits were lost in scientific notation)"
    if len(text.splitlines()) > 1:
        return "Incorrect phone (has several lines)"
    if _has_extension(text):
        return "Incorrect phone (has an extension)"
    return reveal("Incorrect phone", _undecorate(raw))


def _has_extension(text: str) -> bool:
    try:
        # Of which country a number without plus sign is does not matter here.
        return bool(phonenumbers.parse(text, "US").extension)
    except phonenumbers.NumberParseException:
        return False


def _read(raw: str) -> tuple[bool, str]:
    """Return whether `raw` is international, and its digits; raise InvalidValue."""
    if len(raw) > _MAX_LENGTH:
        raise InvalidValue("Incorrect phone")
    found = _DIGITS.fullmatch(_undecorate(raw))
    if found is None:
        raise InvalidValue(_explain(raw))
    digits = found[2]
    if not digits.strip("0"):
        raise InvalidValue("Incorrect phone")
    if not found[1] and digits.startswith("00"):
        return True, digits[2:]
    return bool(found[1]), digits


def _check(digits: str) -> str:
    if digits.startswith("0") and len(digits) > 6:
        raise InvalidValue("Incorrect phone (no international number begins with 0)")
    if not _INTERNATIONAL.fullmatch(digits):
        raise InvalidValue("Incorrect phone")
    return f"+{digits}"


@remembered
def parse_international(raw: str) -> str:
    """Return `+digits` of a number with its country code; raise InvalidValue.

    Without `+` or `00` it is taken for one, since nothing says otherwise.
    """
    if _STORED.fullmatch(raw):
        return raw
    return _check(_read(raw)[1])


@remembered
def parse_regional(raw: str) -> str:
    """Return `+digits` of a number, after the two letters of the region to read it in.

    With `+` or `00` it is of any country. Raises InvalidValue for what is no number of
    the region: whose it is instead would be a guess.
    """
    region, text = raw[:2], raw[2:]
    is_international, digits = _read(text)
    if is_international:
        return _check(digits)
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        number = phonenumbers.PhoneNumber()
    how = phonenumbers.is_possible_number_with_reason(number)
    if how != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise InvalidValue(
            f"Incorrect phone (not a number of {region}; other countries need +)"
        )
    return _check(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
    )


def has_country(phone: str) -> bool:
    """Say whether `+digits` begins with the code of a country."""
    return any(
        int(phone[1:end]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
        for end in (2, 3, 4)
    )


def can_be_dialled(phone: str) -> bool:
    """Say whether some country has `+digits` in its numbering plan."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(phone))
    except phonenumbers.NumberParseException:
        return False


@remembered
def _find_doubt(raw: str) -> str:
    is_international, _ = _read(raw)
    phone = parse_international(raw)
    sure = has_country(phone) if is_international else can_be_dialled(phone)
    return "" if sure else "No country has this number (write + and the country code)"


#: How numbers begin whose country code can be no other.
_SURE = frozenset(
    f"+{start}"
    for start in range(10, 100)
    if {start, start // 10} & phonenumbers.COUNTRY_CODE_TO_REGION_CODE.keys()
)


@cache
def _find_trunk_prefix(code: str) -> re.Pattern[str] | None:
    """Return what may stand before a number inside a country; None for nothing."""
    number = int(code)
    region = phonenumbers.region_code_for_country_code(number)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(
        number, region
    )
    prefix = metadata.national_prefix_for_parsing if metadata else None
    return re.compile(prefix) if prefix else None


#: The codes of countries, of which none begins another.
_CODES = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))


def is_e164(phone: str) -> bool:
    """Tell, in a twentieth of the time, whether the library leaves `phone` as it is.

    It drops a prefix that is dialled inside the country, and nothing else of `+digits`.
    If it says no, that may be so all the same.
    """
    if not _STORED.fullmatch(phone):
        return False
    for end in (2, 3, 4):
        if (code := phone[1:end]) in _CODES:
            prefix = _find_trunk_prefix(code)
            return prefix is None or prefix.match(phone[end:]) is None
    return False


def is_sure(raw: object) -> bool:
    """Say whether a number begins with the code of a country, at first sight."""
    return type(raw) is str and raw[:3] in _SURE


def find_doubt(raw: object, region: str | None) -> str:
    """Return why a number that is stored may not be dialled; empty for no doubt.

    A number without `+` is looked up in the numbering plans, one with it by its country
    code only: whoever writes the code means it.
    """
    text = raw if isinstance(raw, str) else str(raw)
    if region is None:
        return _find_doubt(text)
    phone = parse_regional(region + text)
    return _find_doubt(phone if text.lstrip().startswith("+") else phone[1:])


#: Words of six languages before the digits that a switchboard asks for.
_EXTENSION_WORDS = (
    r"(?:ext(?:ension|n)?|x|доб(?:авочный)?|вн(?:утр)?|durchwahl|dw|app|poste|anexo"
    r"|ramal|int)(?![^\W\d])\.?"
)
_EXTENSION = re.compile(
    rf"(?<=[0-9)])[\s,;(]*(?:;ext=|{_EXTENSION_WORDS}[\s:]*|\#\s*)([0-9]{{1,7}})\s*\)?\s*\Z",
    re.IGNORECASE,
)
#: A digit for calls within a country, in brackets behind its code.
_TRUNK = re.compile(r"(\+|00)[\s]*[1-9][0-9]{0,2}[\s./-]*\(\s*0")
#: What separates phones of one cell; an extension belongs to the phone before it, and
#: a comma to a number that lost its digits.
_BETWEEN = re.compile(
    rf"\s:::\s|[|\r\n]+|[;,](?![0-9]+[Ee]\+?[0-9])(?!\s*(?:ext=|{_EXTENSION_WORDS}\s*[0-9]))",
    re.IGNORECASE,
)
_UNSURE = "Incorrect phone (write + and the country code, or name the region)"


def split_phones(cell: str) -> list[str]:
    """Return the phones of a cell, without the mark of a preferred one (V4, V7)."""
    return [
        phone
        for one in _BETWEEN.split(cell)
        if (phone := one.strip().removeprefix("* ").strip("* "))
    ]


def cut_extension(phone: str) -> tuple[str, bool]:
    """Return a phone without its extension, and whether it had one (V4)."""
    found = _EXTENSION.search(phone)
    return (phone[: found.start()], True) if found else (phone, False)


def is_international(phone: str) -> bool:
    """Say whether a phone names its country; raise InvalidValue for what is none."""
    return _read(phone)[0]


def read_table_phone(phone: str, region: str | None, *, coded: bool = False) -> str:
    """Return `+digits` of a phone of a table, which nobody looks at again (V4).

    A number without `+` is one of `region`, else one that some country has in its plan
    as it is. If its column is `coded` (`is_coded`), it begins with a country code.
    Raises InvalidValue where that is not sure: with the code of a wrong country, it
    would be the phone of somebody else.
    """
    international, digits = _read(phone)
    if international:
        number = _check(digits)
        return _without_trunk(number) if _TRUNK.match(phone) else number
    if coded and _is_possible(digits):
        return _check(digits)
    if region is not None and (found := _read_in(digits, region)):
        return found
    if can_be_dialled(f"+{digits}"):
        return _check(digits)
    if region is not None:
        return parse_regional(region + phone)
    raise InvalidValue(_UNSURE)


def is_coded(phones: Iterable[str]) -> bool:
    """Say whether phones without `+`, those of a column, begin with country codes.

    All may, and at least half of them are in the plan of their country.
    """
    listed = [one.strip() for one in phones]
    return (
        bool(listed)
        and all(one.isdecimal() and _is_possible(one) for one in listed)
        and 2 * sum(can_be_dialled(f"+{one}") for one in listed) >= len(listed)
    )


def _is_possible(digits: str) -> bool:
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_possible_number(number)


def _read_in(digits: str, region: str) -> str:
    """Return a number that the plan of a region has; empty for one that it has not."""
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _without_trunk(number: str) -> str:
    """Return `+digits` without the zero that is dialled within a country only."""
    parsed = phonenumbers.parse(number)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
