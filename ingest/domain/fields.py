"""Fields of a profile: which exist by themselves, and how values are read."""

import zoneinfo
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from types import MappingProxyType

from ingest.domain import documents, values
from ingest.domain.catalog import Field, FieldType
from ingest.domain.countries import normalize_country
from ingest.domain.dates import parse_date
from ingest.domain.errors import InvalidValue
from ingest.domain.invisible import reveal
from ingest.domain.names import listed, one_of
from ingest.domain.statuses import STATUSES, parse_status

#: An index of Postgres takes rows of 2,704 bytes, and the field's name is in them too.
_INDEXED_BYTES = 2048
#: How the text of a longer value begins (migration 0014 wrote it alike).
_FOLDED = "sha256:"

#: Contract 4.1, without what is no field: email, phones and subscriptions.
SYSTEM_FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        name: Field(name=name, type=type_, title=title, system=True)
        for name, type_, title in (
            ("_fname", FieldType.UNICODE, "First name"),
            ("_lname", FieldType.UNICODE, "Last name"),
            ("_bdate", FieldType.DATE, "Birth date"),
            ("_sex", FieldType.SEX, "Sex"),
            ("_regdate", FieldType.DATE, "Registration date"),
            ("_regip", FieldType.ANY_IP, "Registration IP"),
            ("_regcity", FieldType.UNICODE, "Registration city"),
            ("_regcountry", FieldType.COUNTRY, "Registration country"),
            ("_regurl", FieldType.UNICODE, "Registration URL"),
            ("_ip", FieldType.ANY_IP, "Last known IP"),
            ("_city", FieldType.UNICODE, "City"),
            ("_region", FieldType.UNICODE, "Region"),
            ("_country", FieldType.COUNTRY, "Country"),
            ("_postal_code", FieldType.UNICODE, "Postal code"),
            ("_tz", FieldType.TIMEZONE, "Time zone"),
            ("_os", FieldType.UNICODE, "Operating system"),
            ("_browser", FieldType.UNICODE, "Browser"),
            ("_vendor", FieldType.UNICODE, "Lead source"),
            ("_status", FieldType.STATUS, "Global subscription status"),
        )
    }
)

#: Contract 4.2: computed, so an import that sends them back is not refused but
#: they are ignored (14, point 18).
READ_ONLY_FIELDS: frozenset[str] = frozenset(
    {
        "id",
        "db_id",
        "_acid",
        "_createtime",
        "_md5",
        "_xxh",
        "_xxm",
        "_emaildomain",
        "_domaingroup",
        "_lat",
        "_lon",
        "_is_test",
        "_is_desktop",
        "_open_date",
        "_deliv_date",
        "_deliv_exist",
        "_deliv_push_exist",
        "_deliv_sms_date",
        "_deliv_sms_exist",
        "_click_exist",
        "_click_push_exist",
        "_click_sms_exist",
        "_confirm_exist",
    }
)


def _parse_country(raw: object) -> str | None:
    return normalize_country(values.scalar_text(raw)) or None


@cache
def _timezones() -> frozenset[str]:
    # `localtime` is whatever the machine at hand is set to.
    return frozenset(zoneinfo.available_timezones() - {"localtime"})


def _parse_timezone(raw: object) -> str:
    if not isinstance(raw, str) or raw.strip() not in _timezones():
        raise InvalidValue("Unknown time zone (an IANA name, such as Europe/Moscow)")
    return raw.strip()


def _parse_status(raw: object) -> int:
    word = parse_status(raw)
    if word is None:
        raise InvalidValue(f"Unknown status{one_of(STATUSES)}")
    return STATUSES[word]


#: How each type reads a raw value. Options of an enum are checked by `parse`.
PARSERS: Mapping[FieldType, Callable[[object], object]] = MappingProxyType(
    {
        FieldType.INT: values.parse_int,
        FieldType.FLOAT: values.parse_float,
        FieldType.UNICODE: values.parse_text,
        FieldType.DATE: parse_date,
        FieldType.BOOL: values.parse_bool,
        FieldType.ENUM: values.parse_option,
        FieldType.IP: values.parse_ipv4,
        FieldType.TAGS: documents.parse_tags,
        FieldType.OBJECT: documents.parse_object,
        FieldType.ARR_OBJECT: documents.parse_objects,
        FieldType.VERSION: values.parse_version,
        FieldType.SEX: values.parse_sex,
        FieldType.COUNTRY: _parse_country,
        FieldType.TIMEZONE: _parse_timezone,
        FieldType.STATUS: _parse_status,
        FieldType.ANY_IP: values.parse_ip,
    }
)


def parse(field: Field, raw: object) -> object:
    """Return the canonical value of `raw`; None when it clears the field.

    What clears: empty text in a text field (14, point 20) and sex 0 (4.4). Null is
    not a value: callers leave such a field alone (14, point 19).
    """
    return make_parser(field)(raw)


def make_parser(field: Field) -> Callable[[object], object]:
    """Return what reads the values of `field`, for those who read many."""
    if field.type is FieldType.ENUM:
        return partial(_parse_enum, field)
    return PARSERS[field.type]


def _parse_enum(field: Field, raw: object) -> object:
    # Most are right as sent.
    if raw.__class__ is str and raw in field.options:
        return raw
    with suppress(InvalidValue):
        value = PARSERS[FieldType.ENUM](raw)
        if value in field.options:
            return value
    message = f"Must be one of the field's options{listed(field.options)}"
    raise InvalidValue(reveal(message, raw))


def _match_number(value: object) -> list[str]:
    return [values.number_text(values.parse_float(value))]


def _match_bool(value: object) -> list[str]:
    return ["true" if value else "false"]


def _match_tags(value: object) -> list[str]:
    return documents.parse_tags(value)


def _match_nothing(value: object) -> list[str]:
    raise InvalidValue("Fields of this type cannot be used for matching")


#: How a value is found, where it is not by its plain text.
_MATCH_TEXTS: Mapping[FieldType, Callable[[object], list[str]]] = MappingProxyType(
    {
        FieldType.FLOAT: _match_number,
        FieldType.BOOL: _match_bool,
        FieldType.TAGS: _match_tags,
        FieldType.OBJECT: _match_nothing,
        FieldType.ARR_OBJECT: _match_nothing,
    }
)


def match_value(field: Field, value: object) -> list[str]:
    """Return the texts under which a canonical value is found (contract 3.4).

    Equal values have equal texts, whether sent as number or as text. Tags have one
    text each, and all must be present to match (14, point 11). A text that is too long
    for an index is found by its digest, and so is one that could be taken for such.
    """
    texts = _MATCH_TEXTS.get(field.type)
    found = texts(value) if texts else [str(value)]
    return [_fold(text) if _is_folded(text) else text for text in found]


def _is_folded(text: str) -> bool:
    # No character takes more than four bytes.
    if len(text) * 4 <= _INDEXED_BYTES:
        return text.startswith(_FOLDED)
    return len(text.encode()) > _INDEXED_BYTES or text.startswith(_FOLDED)


def _fold(text: str) -> str:
    return _FOLDED + sha256(text.encode()).hexdigest()
