"""Words that people are found by: parts of names, emails, and phones, folded."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from ingest.domain.errors import InvalidRequest

#: The fields that make a name, in its order.
NAME_FIELDS = ("_fname", "_lname")
#: The paths of receipts whose change is one of what a person is found by.
PATHS = ("email", "phones", *NAME_FIELDS)
#: A word of a search has so many characters at least.
LEAST = 2
#: More words or characters than these find nobody more exactly.
MOST_WORDS, MOST_CHARACTERS = 8, 100
#: Of a value of a profile, no more is searched.
_MOST_OF_VALUE = 300

#: A phone as it is typed: digits, and what is put between them.
_PHONE = re.compile(r"\+?[0-9][0-9 ()./\-]*")
#: What the digits of a country's own form begin with, and what stands for a plus sign.
_TRUNK = re.compile("^0+")
_NOT_DIGITS = re.compile("[^0-9]")


def fold(text: str) -> str:
    """Return `text` as it is compared: no case, no accents, single spaces.

    `Zoë  Jonsson` is `zoe jonsson`.
    """
    plain = unicodedata.normalize("NFKD", text).casefold()
    # Case may come of a form of compatibility, and such a form of case.
    parts = unicodedata.normalize("NFKD", plain)
    bare = "".join(each for each in parts if not unicodedata.combining(each))
    return " ".join(unicodedata.normalize("NFKC", bare).split())


def make_text(
    email: str | None, phones: Iterable[str], fields: Mapping[str, object]
) -> str:
    """Return what a profile is found by, a value a line, a space before each word.

    So that the beginning of a word can be searched by an index. Empty for nothing.
    """
    names = (str(fields[name]) for name in NAME_FIELDS if fields.get(name))
    digits = (_NOT_DIGITS.sub("", phone) for phone in phones)
    values = (" ".join(names), email or "", *digits)
    return "\n".join(
        f" {folded}" for one in values if (folded := fold(one)[:_MOST_OF_VALUE])
    )


def read_words(text: str) -> tuple[str, ...]:
    """Return the words of a search, folded; all of them must be found.

    A phone is one word however it is written: `020 7946-0018` is `2079460018`. Raises
    InvalidRequest for a word that is too short, or too much.
    """
    stripped = text.strip()
    if len(stripped) > MOST_CHARACTERS:
        raise InvalidRequest(
            f"Search for at most {MOST_CHARACTERS} characters", "search"
        )
    if _PHONE.fullmatch(stripped):
        digits = _NOT_DIGITS.sub("", stripped)
        bare = _TRUNK.sub("", digits)
        words = [bare if len(bare) >= LEAST else digits]
    else:
        words = fold(stripped).split()
    if len(words) > MOST_WORDS:
        raise InvalidRequest(f"Search for at most {MOST_WORDS} words", "search")
    if words and max(map(len, words)) < LEAST:
        raise InvalidRequest(f"Enter at least {LEAST} characters", "search")
    return tuple(words)


def is_searchable(text: str) -> bool:
    """Tell whether a search for `text` may find anybody."""
    try:
        return bool(read_words(text))
    except InvalidRequest:
        return False
