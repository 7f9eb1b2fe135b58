"""Countries: two-letter codes from codes and names.

Every input reads English names; tables have names in other languages too.
"""

import gettext
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

import pycountry

from ingest.domain.errors import InvalidValue

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


#: Those of pycountry that names of tables are read in; of two countries that are called
#: alike, the name is that of the language before.
_LANGUAGES = ("de", "fr", "es", "pt", "pt_BR", "ru", "uk", "it", "pl", "nl")
#: What people call countries, and ISO 3166 does not.
_SPOKEN: Mapping[str, str] = {
    "AE": "uae emirates emirate оаэ emiratos emirados",
    "BY": "белоруссия weißrussland biélorussie",
    "CD": "dr-congo",
    "CH": "швейцария schweiz suisse suiza suíça svizzera",
    "CN": "china кнр",
    "CZ": (
        "czech-republic tschechische-republik république-tchèque república-checa"
        " чешская-республика"
    ),
    "DE": "brd фрг",
    "GB": (
        "england scotland wales northern-ireland britain англия великобритания"
        " шотландия großbritannien grande-bretagne angleterre gran-bretaña inglaterra"
        " grã-bretanha u-k"
    ),
    "KG": "киргизия kirgistan kirghizistan",
    "KP": "north-korea",
    "KR": "south-korea korea корея республика-корея corée corea coreia",
    "KZ": "rk рк",
    "MD": "молдова moldova",
    "MK": "mazedonien macédoine",
    "NL": "holland голландия hollande holanda",
    "RU": (
        "россия рф российская-федерация russland russie rusia rússia russian-federation"
    ),
    "SZ": "swaziland",
    "UA": "украина",
    "US": (
        "u-s u-s-a united-states-of-america america сша соединенные-штаты-америки"
        " америка vereinigte-staaten-von-amerika états-unis-d-amérique ee-uu eeuu eua"
        " estados-unidos-de-america estados-unidos-da-américa"
    ),
    "VA": "vatikan vatican vaticano ватикан",
}
_GAPS = re.compile(r"[\W_]+")


def _fold(name: str) -> str:
    """Return the form in which names are compared: no case, accents, punctuation."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(one for one in parts if not unicodedata.combining(one))
    return _GAPS.sub(" ", bare).strip()


def _translate() -> Iterator[tuple[str, str]]:
    """Yield the names of countries in all languages, each with its code."""
    read = [
        gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language])
        for language in _LANGUAGES
    ]
    for country in pycountry.countries:
        code = country.alpha_2
        yield country.alpha_3, code
        for field in ("name", "official_name", "common_name"):
            name = getattr(country, field, None)
            if name is None:
                continue
            yield name, code
            for texts in read:
                yield texts.gettext(name), code


@cache
def _names() -> Mapping[str, str]:
    names = {_fold(name): code for name, code in _codes().items()}
    for code, listed in _SPOKEN.items():
        for name in listed.split():
            names.setdefault(_fold(name), code)
    for name, code in _translate():
        names.setdefault(_fold(name), code)
        # `Korea, Republic of`, as it is said.
        first, comma, rest = name.partition(", ")
        if comma:
            names.setdefault(_fold(f"{rest} {first}"), code)
    return names


@cache
def list_codes() -> frozenset[str]:
    """Return the two-letter codes of all countries."""
    return frozenset(country.alpha_2 for country in pycountry.countries)


def find_country(text: str) -> str:
    """Return the code of a country by a code or by its name in ten languages (V9).

    Raises InvalidValue for what is none: a text in its place would never be found.
    """
    code = _names().get(_fold(text))
    if code is None:
        raise InvalidValue("Unknown country (a two-letter code, or a name)")
    return code
