"""The words of contact files: names of columns, and words in their cells.

Words are compared in their normal form, as a whole: "unsubscribed" has "subscribed" in
it, and "inactive" has "active".
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

#: No subscription follows from such a word, and none is withdrawn.
NOBODY_AGREED = "none"
#: Marks of order, joiners, and soft hyphens, which nobody sees.
_UNSEEN = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
#: Where a capital begins a word: `firstName`, `IPAddress`, `ДатаРождения`.
_LOWER = "a-z\u00df-\u00f6\u00f8-\u00ff\u0430-\u045f"
_UPPER = "A-Z\u00c0-\u00d6\u00d8-\u00de\u0400-\u042f"
_CAMEL = re.compile(
    f"(?<=[{_LOWER}0-9])(?=[{_UPPER}])|(?<=[{_UPPER}])(?=[{_UPPER}][{_LOWER}])"
)
_GAPS = re.compile(r"[\W_]+")
_MARKS = re.compile("[\u0300-\u036f]")
#: Latin letters that Unicode does not take apart, and the Russian ё.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "ё": "\u0435"}
)
#: Headers whose normal form is remembered: uploads may have any.
_KEPT = 4096
#: A cell is a word if it is short.
_LONGEST_WORD = 60


@lru_cache(maxsize=_KEPT)
def normalize(name: str) -> str:
    """Return the normal form of a column's name: `E-mail 1` is `e mail 1`.

    Words in camel case are separate; case, marks of Latin letters, punctuation, and
    characters that nobody sees do not count. Empty for a name without letters.
    """
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", name))
    return _fold(_CAMEL.sub(" ", text))


def normalize_word(cell: str) -> str:
    """Return the normal form of a word in a cell; signs without letters stay."""
    if len(cell) > _LONGEST_WORD:
        return ""
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", cell))
    return _fold(text) or text.strip()


def _fold(text: str) -> str:
    text = text.casefold()
    if not text.isascii():
        text = "".join(map(_strip_marks, text)).translate(_PLAIN)
    return _GAPS.sub(" ", text).strip()


def _strip_marks(letter: str) -> str:
    """Return a Latin letter without its marks; й and others stay what they are."""
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    return _MARKS.sub("", parts) if parts[0].isascii() else letter


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All tables of words, by normal form."""

    #: The field of a header: `vorname` is `_fname`.
    fields: Mapping[str, str]
    #: The shape of a field's cells: `phone`, `date`; absent where any text may be.
    kinds: Mapping[str, str]
    #: What a yes in a column says of consent: `may`, `not`, `status`, `bounced`, …
    consent: Mapping[str, str]
    #: What finds further columns of consent.
    stems: re.Pattern[str]
    #: The group of rules by which an ambiguous header is understood.
    ambiguous: Mapping[str, str]
    #: `first`, `later`, `drop`, `zones`, `asks`, `company`: words around the field's.
    qualifiers: Mapping[str, tuple[str, ...]]
    #: Why a column is left out: `other_person`, `no_phone`, `no_date`, …
    left_out: Mapping[str, str]
    #: Names that are no field's, however near they are to one.
    no_field: frozenset[str]
    #: Headers that mean another thing with a word around them.
    whole_only: frozenset[str]
    #: Names that fields of many systems have.
    shared_names: frozenset[str]
    second_address: frozenset[str]
    never: frozenset[str]
    #: Words of cells: true and false, statuses, male and female (None for neither).
    booleans: Mapping[str, bool]
    statuses: Mapping[str, str]
    sexes: Mapping[str, str | None]
    #: Statuses of sales, payments, and memberships.
    not_consent: frozenset[str]
    #: Statuses of many other things too.
    weak_statuses: frozenset[str]
    #: Compared as they stand, in lower case.
    empty: frozenset[str]
    patronymics: tuple[str, ...]
    companies: frozenset[str]


@cache
def load_vocabulary() -> Vocabulary:
    """Return the vocabulary of this version."""
    table = tomllib.loads(
        files("ingest.wire.suggestions").joinpath("synonyms.toml").read_text("utf-8")
    )
    stems = table["consent_stems"]
    return Vocabulary(
        fields=_invert(_flatten(table["fields"])),
        kinds={
            name: words["kind"]
            for name, words in table["fields"].items()
            if "kind" in words
        },
        consent=_invert(_flatten(table["consent"])),
        stems=re.compile(
            _join(r"\b", stems["words"]) + "|" + _join("", stems["parts"])
        ),
        ambiguous=_invert(table["ambiguous"]),
        qualifiers={
            name: tuple(sorted(words, key=len, reverse=True))
            for name, words in table["qualifiers"].items()
        },
        left_out=_invert(table["left_out"]),
        no_field=frozenset(table["no_field"]["words"]),
        whole_only=frozenset(table["whole_only"]["words"]),
        shared_names=frozenset(table["shared_names"]["words"]),
        second_address=frozenset(table["second_address"]["words"]),
        never=frozenset(table["never"]["words"]),
        booleans={
            word: name == "true"
            for name, words in table["bool_words"].items()
            for word in words
        },
        statuses=_invert(table["status_words"]),
        sexes={
            word: None if sex == "none" else sex
            for word, sex in _invert(table["sex_words"]).items()
        },
        not_consent=frozenset(table["not_consent"]["words"]),
        weak_statuses=frozenset(table["weak_statuses"]["words"]),
        empty=frozenset(table["empty_words"]["values"]),
        patronymics=tuple(table["patronymics"]["endings"]),
        companies=frozenset(table["companies"]["words"]),
    )


def _flatten(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the words of each table, of all languages."""
    return {
        name: [
            word
            for words in table.values()
            if isinstance(words, list)
            for word in words
        ]
        for name, table in tables.items()
    }


def _invert(tables: Mapping[str, Iterable[str]]) -> Mapping[str, str]:
    """Return the table of each word; the first one that has it counts."""
    found: dict[str, str] = {}
    for name, words in tables.items():
        for word in words:
            found.setdefault(word, name)
    return MappingProxyType(found)


def _join(before: str, stems: Iterable[str]) -> str:
    return f"{before}(?:{'|'.join(map(re.escape, stems))})"


def find_status(cell: str) -> str | None:
    """Return the status that a word of any system means; None for an unknown word.

    It is a status of the contract, or `NOBODY_AGREED`.
    """
    return load_vocabulary().statuses.get(normalize_word(cell))


def find_boolean(cell: str) -> bool | None:
    """Return what a word for yes or no says; None for an unknown word (V8)."""
    return load_vocabulary().booleans.get(normalize_word(cell))


def find_sex(cell: str) -> str | None:
    """Return `male` or `female`; empty for "not specified", None if unknown (V8)."""
    word = normalize_word(cell)
    sexes = load_vocabulary().sexes
    return (sexes[word] or "") if word in sexes else None


def is_empty_word(cell: str) -> bool:
    """Return whether a cell of a column of a known kind is as good as empty (V11)."""
    text = cell.strip()
    return not text or text.casefold() in load_vocabulary().empty
