"""Countries in which phones without a country code can be read (V4)."""

from collections.abc import Sequence

import phonenumbers

#: From which exports come most; one of these is offered if it fits.
_COMMON = (
    *("US", "GB", "DE", "FR", "ES", "IT", "RU", "BR", "IN", "NL", "PL", "PT", "MX"),
    *("CA", "AU", "UA", "KZ", "BY", "AT", "CH", "BE", "SE", "NO", "DK", "FI", "CZ"),
    *("IE", "TR", "IL", "AE", "ZA", "AR", "CL", "CO", "NZ", "JP", "SG", "RO", "GR"),
)
#: Phones that are tried, and countries that are offered.
_TRIED = 20
_OFFERED = 3


def list_countries(phones: Sequence[str]) -> list[str]:
    """Return the countries with numbers such as `phones`, those of most first."""
    tried = phones[:_TRIED]
    fits = {one: sum(_fit(phone, one) for phone in tried) for one in _COMMON}
    best = sorted(_COMMON, key=lambda one: -fits[one])
    return [one for one in best[:_OFFERED] if fits[one]]


def _fit(phone: str, country: str) -> float:
    """Return whether a phone is one of a country; its trunk prefix speaks for it."""
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return 0
    if not phonenumbers.is_valid_number_for_region(number, country):
        return 0
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    prefix = metadata.national_prefix if metadata else None
    digits = "".join(filter(str.isdigit, phone))
    return 1.5 if prefix and digits.startswith(prefix) else 1
