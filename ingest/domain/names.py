"""Names that were nearly right: which one was meant."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from ingest.domain.invisible import name_invisible

_NOT_LETTERS = re.compile(r"[\W_]+")
#: A longer name is no slip of ours, and comparing it takes its time.
_LONGEST = 64
#: Allowed words that are named, at most.
_MOST_TOLD = 25
#: Enough for a letter or two, too little for a word of another meaning.
_LIKENESS = 0.8


def _plain(name: str) -> str:
    return _NOT_LETTERS.sub("", name).lower()


def is_slip(name: str, meant: str) -> bool:
    """Say whether `name` is `meant` but for one slip of the hand.

    One letter too many, missing or wrong, two that changed places; case, hyphens and
    underscores do not count.
    """
    one, other = sorted((_plain(name), _plain(meant)), key=len)
    if len(other) - len(one) > 1:
        return False
    pairs = zip(one, other, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[at : at + 2] == other[at : at + 2][::-1]
    return one[at + 1 :] == other[at + 1 :] or (
        swapped and one[at + 2 :] == other[at + 2 :]
    )


def find_slip(name: str, known: Collection[str]) -> str:
    """Return which of `known` was meant by `name`, one slip away; empty for none."""
    if len(name) > _LONGEST:
        return ""
    return next((meant for meant in known if is_slip(name, meant)), "")


def one_of(allowed: Iterable[str]) -> str:
    """Return ` (one of a, b)` with what is allowed; of very many, the first."""
    words = _list(allowed)
    return f" (one of {words})" if words else ""


def listed(allowed: Iterable[str]) -> str:
    """Return ` (a, b)` with what is allowed; of very many, the first."""
    words = _list(allowed)
    return f" ({words})" if words else ""


def _list(allowed: Iterable[str]) -> str:
    words = list(allowed)
    first = words[:_MOST_TOLD]
    more = f" and {len(words) - len(first)} more" if len(words) > len(first) else ""
    return ", ".join(first) + more


def suggest(name: str, known: Collection[str]) -> str:
    """Return ` (is it …?)` with the nearest of `known`; empty where none is near.

    Nobody sees why a name with an invisible character is unknown: it is named.
    """
    if unseen := name_invisible(name):
        return f" (its name holds the invisible character {unseen})"
    if meant := find_slip(name, known):
        return f" (is it {meant}?)"
    if len(name) > _LONGEST:
        return ""
    plain = {_plain(one): one for one in known}
    near = get_close_matches(_plain(name), plain, n=1, cutoff=_LIKENESS)
    return f" (is it {plain[near[0]]}?)" if near else ""
