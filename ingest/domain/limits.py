"""Limits of one import and of one profile (contract 16.14).

The door refuses what an import brings too much of; what gathers in a profile is seen
when it is merged. What was stored before a limit was lowered stays, and may shrink.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import orjson

from ingest.domain.errors import Fault

#: A name that a fault quotes is cut after so many characters.
_TOLD = 100
#: More faults than this help nobody, and they are kept and sent.
_MOST_FAULTS = 100
#: The shortest phone takes as many bytes with what separates it from the next.
_PHONE_BYTES = 8
_TAG_BYTES = 2
_SUBSCRIPTION_BYTES = 8


# With a dictionary, for what is derived once.
@dataclass(frozen=True, kw_only=True)
class ProfileLimits:
    """The limits of one installation."""

    #: Bytes of one text, in UTF-8.
    text_bytes: int = 64 * 1024
    #: Characters of a tag, of a matched field's value, and of a matching key.
    key_length: int = 1024
    phones: int = 100
    #: Of one field.
    tags: int = 1000
    #: Deleted ones included.
    subscriptions: int = 500
    #: Bytes of what an import brings, and of a profile's values, as JSON.
    profile_bytes: int = 1024 * 1024
    #: Values that an import's profile is to be found by, all kinds together.
    profile_keys: int = 2000
    #: Longest time that one batch may read whole databases for, in search of fields
    #: that no index covers: everyone behind it waits.
    scan_seconds: float = 2.0

    @cached_property
    def small(self) -> int:
        """The bytes of JSON in which nothing can exceed a limit, whatever it is."""
        listed = min(self.phones * _PHONE_BYTES, self.tags * _TAG_BYTES)
        several = self.subscriptions * _SUBSCRIPTION_BYTES
        return min(self.text_bytes, self.key_length, listed, several)

    @cached_property
    def short(self) -> int:
        """The characters of a text that cannot exceed a limit, whatever it is."""
        return self.small // 4


DEFAULT_LIMITS = ProfileLimits()


def too_many(count: int, what: str) -> str:
    """Say that no more than `count` are allowed."""
    return f"At most {count} {what} are allowed"


def too_large(count: int, what: str) -> str:
    """Say that `what` may have no more than `count` bytes."""
    return f"{what} may be at most {count} bytes"


def too_deep(levels: int) -> str:
    """Say that objects and lists may be nested no deeper than `levels`."""
    return f"Nested too deeply (at most {levels} levels)"


def abbreviate(name: str) -> str:
    """Return a name that a producer chose as a fault quotes it."""
    return name if len(name) <= _TOLD else f"{name[:_TOLD]}…"


def shorten(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return the first of many faults, and how many more there are."""
    if len(faults) <= _MOST_FAULTS:
        return faults
    more = f"{len(faults) - _MOST_FAULTS} more errors are not listed"
    return (*faults[:_MOST_FAULTS], Fault(code=faults[0].code, message=more))


def measure(value: object) -> int:
    """Return the bytes of `value` as JSON; about that, of what JSON cannot hold."""
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return len(repr(value))


def text_faults(value: object, path: str, limits: ProfileLimits) -> Iterator[Fault]:
    """Return a fault for every text in `value`, at any depth, that is too long."""
    waiting = [(path, value)]
    while waiting:
        at, node = waiting.pop()
        if isinstance(node, str):
            if _is_long(node, limits.text_bytes):
                yield excess(too_large(limits.text_bytes, "A text"), at)
        elif isinstance(node, Mapping):
            waiting += [
                (f"{at}.{abbreviate(str(name))}", one) for name, one in node.items()
            ]
        elif isinstance(node, list):
            waiting += [(f"{at}[{index}]", one) for index, one in enumerate(node)]


def excess(message: str, path: str) -> Fault:
    """Return the fault of what exceeds a limit."""
    return Fault(code=400, message=message, path=path)


def _is_long(text: str, most: int) -> bool:
    # No character takes more than four bytes.
    if len(text) * 4 <= most:
        return False
    return len(text.encode(errors="surrogatepass")) > most
