"""Canonical emails and phones."""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from ingest.domain.errors import InvalidValue
from ingest.domain.invisible import reveal
from ingest.domain.memos import remembered
from ingest.domain.phones import is_e164, parse_international, parse_regional

#: The longest address SMTP can carry.
_MAX_EMAIL_LENGTH = 254
#: Nothing in the local part that the library would refuse or change, and a domain of
#: which one letter is one byte.
_PLAIN_EMAIL = re.compile(
    r"(?=[^@]{1,64}@)([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)"
    r"@((?!.*[Xx][Nn]--)[A-Za-z0-9.-]+)"
)


def _validate_email(text: str) -> str:
    try:
        # "Test environment" admits `.test`; the network is not asked either way.
        address = validate_email(
            text, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise InvalidValue(reveal("Incorrect email", text)) from error
    if "." not in address.domain:
        raise InvalidValue("Incorrect email")

    return address.normalized


@remembered
def _normalize_domain(domain: str) -> str:
    return _validate_email(f"a@{domain}").removeprefix("a@")


@remembered
def _normalize_email(text: str) -> str:
    """Ask the library for the address; of a plain one, for its domain only.

    A new customer's address costs it 22 microseconds, and domains repeat.
    """
    plain = _PLAIN_EMAIL.fullmatch(text)
    if plain is None or plain[1].lower() in CASE_INSENSITIVE_MAILBOX_NAMES:
        return _validate_email(text)
    return f"{plain[1]}@{_normalize_domain(plain[2])}"


def normalize_email(raw: object) -> str:
    """Return one address, trimmed, with a lower-case domain (contract 14, point 25).

    The local part keeps its case. Reserved test domains and internationalised
    addresses are accepted; `a@x;b@y` is one address, and not a valid one (3.4).
    """
    if not isinstance(raw, str):
        raise InvalidValue("Incorrect email")
    text = raw.strip()
    if len(text) > _MAX_EMAIL_LENGTH:
        raise InvalidValue("Incorrect email")

    return _normalize_email(text)


def email_key(email: str) -> str:
    """Return the form of a normalized email that is compared (contract 3.4)."""
    return email.lower()


def normalize_phone(raw: object, region: str | None = None) -> str:
    """Return `+digits` (contract 14, point 28, and 16.8).

    A number without `+` is one of `region` (ISO 3166), or without that international.
    This is what is stored, and what counts as a phone: the phonenumbers library
    would refuse numbers the contract accepts, such as its own sample +790000000000.
    """
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise InvalidValue("Incorrect phone")
    if isinstance(raw, int):
        raw = str(raw) if 0 <= raw < 10**15 else ""

    return parse_regional(region + raw) if region else parse_international(raw)


@remembered
def phone_key(phone: str) -> str:
    """Return the form of a normalized phone that is compared: E.164.

    So +44 (0)20 7946 0018 and +44 20 7946 0018 are one phone. A number of no known
    country is compared as it is.
    """
    if is_e164(phone):
        return phone
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    key = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # A prefix that was stripped may have hidden another.
    return phone_key(key) if len(key) < len(phone) else key
