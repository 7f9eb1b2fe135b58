"""Limits of documents, for every input."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a body; its bytes are counted by the input."""

    #: Levels of nesting.
    depth: int = 32
    #: Members of one object, or differently named children of one element.
    keys: int = 1000
    #: Values in all. Bytes are counted that may begin one, so that nothing has to be
    #: read to tell: what looks like the beginning of a value inside a text counts too.
    values: int = 1_000_000


DEFAULT_LIMITS = Limits()
