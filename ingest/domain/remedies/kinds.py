"""Kinds of errors."""

import re
from functools import cached_property

from msgspec import Struct

#: What a sentence adds: what is allowed, in parentheses; a place, after a colon.
_MORE = r"(?: \(.*\))?"


class ErrorKind(Struct, frozen=True, kw_only=True, dict=True):
    """One kind of error: its stable name, and what to do about it."""

    #: Stable, in snake case: what a program may test.
    reason: str
    code: int = 400
    #: What `error_text` says before the path; `{}` stands for any words. What is
    #: allowed may follow in parentheses.
    sentences: tuple[str, ...]
    #: What to do, as a full sentence.
    remedy: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of messages of this kind."""
        said = "|".join(
            ".*?".join(map(re.escape, sentence.split("{}")))
            for sentence in self.sentences
        )
        return re.compile(f"(?:{said}){_MORE}", re.DOTALL)


def kind(reason: str, *sentences: str, remedy: str, code: int = 400) -> ErrorKind:
    """Return a kind of error."""
    return ErrorKind(reason=reason, code=code, sentences=sentences, remedy=remedy)
