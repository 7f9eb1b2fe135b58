"""Countries: two-letter codes from codes and English names."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import pycountry

#: Everyday names that ISO 3166 does not list, by lower-case name.
_EVERYDAY_NAMES = MappingProxyType(
    {
        "brunei": "BN",
        "cape verde": "CV",
        "east timor": "TL",
        "great britain": "GB",
        "holland": "NL",
        "ivory coast": "CI",
        "macedonia": "MK",
        "palestine": "PS",
        "russia": "RU",
        "swaziland": "SZ",
        "the netherlands": "NL",
        "turkey": "TR",
        "uk": "GB",
        "united states of america": "US",
        "usa": "US",
        "vatican": "VA",
    }
)


@cache
def _codes() -> Mapping[str, str]:
    codes = dict(_EVERYDAY_NAMES)
    for country in pycountry.countries:
        names = (
            country.alpha_2,
            country.name,
            getattr(country, "common_name", country.name),
        )
        codes.update((name.casefold(), country.alpha_2) for name in names)
    return codes


def normalize_country(text: str) -> str:
    """Return the code of a country, or unknown text as is (contract 14, point 40)."""
    return _codes().get(text.strip().casefold(), text)
