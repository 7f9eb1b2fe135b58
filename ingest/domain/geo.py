"""Locations of IP addresses (contract 14, points 42 and 43)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from types import MappingProxyType

from ingest.domain.catalog import FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.fields import PARSERS
from ingest.domain.updates import Action, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The location of an address; None for what its database does not know."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    postal_code: str | None = None
    timezone: str | None = None
    latitude: float | None = None
    longitude: float | None = None


Locate = Callable[[str], Place | None]

#: Whose address decides, the first that was sent, and what it fills: a profile's
#: field from which part of the place.
_FILLED: tuple[tuple[tuple[str, ...], Mapping[str, str]], ...] = (
    (("_regip",), {"_regcountry": "country", "_regcity": "city"}),
    (
        ("_ip", "_regip"),
        {
            "_country": "country",
            "_region": "region",
            "_city": "city",
            "_postal_code": "postal_code",
            "_tz": "timezone",
            "_lat": "latitude",
            "_lon": "longitude",
        },
    ),
)
_ADDRESSES = frozenset(name for names, _ in _FILLED for name in names)
_TYPES: Mapping[str, FieldType] = MappingProxyType(
    {
        "country": FieldType.COUNTRY,
        "region": FieldType.UNICODE,
        "city": FieldType.UNICODE,
        "postal_code": FieldType.UNICODE,
        "timezone": FieldType.TIMEZONE,
        "latitude": FieldType.FLOAT,
        "longitude": FieldType.FLOAT,
    }
)


def fill(
    given: Mapping[str, Update], locate: Locate, kept: Collection[str] = ()
) -> dict[str, object]:
    """Return canonical values by field, as the IPs among `given` tell.

    Fields of `given`, whatever they are told, and of `kept` are left out: explicit
    values win. An address that is not sent in this import counts for nothing.
    """
    found: dict[str, object] = {}
    places: dict[str, Place] = {}
    for names, filled in _FILLED:
        address = next(filter(None, (_address(given.get(name)) for name in names)), "")
        if address not in places:
            places[address] = _find(address, locate)
        for field, part in filled.items():
            value = _read(part, places[address])
            if value is not None and field not in given and field not in kept:
                found[field] = value
    return found


def has_address(given: Mapping[str, Update]) -> bool:
    """Say whether an IP among `given` is one to look for."""
    return any(name in given and _address(given[name]) for name in _ADDRESSES)


def _address(update: Update | None) -> str:
    """Return the address that is being stored; empty for none."""
    if update is None or update.action is not Action.SET:
        return ""
    return str(update.value or "")


def _find(address: str, locate: Locate) -> Place:
    """Return where `address` is: nowhere if private, or IPv6 (contract 14, 39)."""
    if not address:
        return Place()
    parsed = ip_address(address)
    if not isinstance(parsed, IPv4Address) or not parsed.is_global:
        return Place()
    return locate(address) or Place()


def _read(part: str, place: Place) -> object:
    """Return a part of `place` in its canonical form; None if it is no such value."""
    value = getattr(place, part)
    if value is None:
        return None
    try:
        return PARSERS[_TYPES[part]](value)
    except InvalidValue:
        return None  # such as a time zone that this machine has not heard of
