"""Columns that are left out, and why: other people's, faxes, secrets (R10)."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from ingest.wire.suggestions.vocabulary import load_vocabulary

#: Never stored, whatever the answer.
NEVER = "never"
#: The reasons, as they are shown.
REASONS: Mapping[str, str] = {
    NEVER: "a secret, a card, or a document; never imported",
    "other_person": "another person's",
    "company": "a company's",
    "no_phone": "no phone that a person answers",
    "label": "describes the column next to it",
    "no_date": "a date of something else",
    "activity": "activity in the other system",
    "campaign": "a campaign of the other system",
    "rights": "a right or a bill in the other system, not consent",
}
#: Reasons that a part of a header tells: `Assistant's Phone`, `Business Fax`.
_BY_PART = (NEVER, "other_person", "no_phone", "company")
#: Letters of a word that tells its reason in any header; of a secret, more.
_SHORTEST_PART = 3
_SHORTEST_SECRET = 6
#: What a label is of.
_LABELED = re.compile(
    r"(?:e ?mail|phone|address|website|url|relation|event|im|custom field)s?(?: \d+)?"
    r" (?:label|type|kind)"
)
_BESIDE = re.compile(r"(?:phonetic|yomi)\b|\b(?:phonetic|yomi)$")


def find_left_out(form: str) -> str:
    """Return why a column of that header is left out; empty if it is not."""
    words = load_vocabulary()
    if form in words.never:
        return NEVER
    if form in words.fields or form in words.consent:
        return ""
    if known := words.left_out.get(form):
        # A label is one beside something that it describes.
        return "" if known == "label" else known
    if _LABELED.fullmatch(form) or _BESIDE.search(form):
        return "label"
    return next((name for name in _BY_PART if _parts(name).search(form)), "")


@cache
def _parts(reason: str) -> re.Pattern[str]:
    """Return what finds the words of a reason in a header."""
    words = load_vocabulary()
    known: Iterable[str] = words.never
    shortest = _SHORTEST_SECRET
    if reason != NEVER:
        known = (word for word, name in words.left_out.items() if name == reason)
        shortest = _SHORTEST_PART
    phrases = "|".join(re.escape(one) for one in known if len(one) >= shortest)
    return re.compile(rf"\b(?:{phrases})\b")
