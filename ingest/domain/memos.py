"""Answers worth keeping: imports repeat their phones, addresses and dates."""

from collections.abc import Callable
from functools import lru_cache, wraps

#: Answers kept for each function: some ten megabytes at most.
_ANSWERS = 32768
#: What is longer is answered, but kept by nobody.
_LONGEST_TEXT = 128


def remembered(function: Callable[[str], str]) -> Callable[[str], str]:
    """Keep the last answers of a pure function of a text, but nothing it raises.

    It has to refuse a text that is too long to keep.
    """
    return lru_cache(maxsize=_ANSWERS)(function)


def remembered_if_short(function: Callable[[str], str]) -> Callable[[str], str]:
    """Do the same for a function that answers a text of any length."""
    kept = remembered(function)

    @wraps(function)
    def answer(text: str) -> str:
        return kept(text) if len(text) <= _LONGEST_TEXT else function(text)

    return answer
