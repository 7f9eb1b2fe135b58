"""Rates of tokens, and the headers that report them."""

import math
import re
from dataclasses import dataclass

from ingest.domain.errors import InvalidValue

_RATE = re.compile(r"([1-9][0-9]{0,8})/(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_NAMES = {1: "s", 60: "m", 3600: "h"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many imports a second on average, and at most `burst` at once."""

    per_second: float
    burst: int

    @property
    def cap(self) -> int:
        """The most requests in one second, counted from its first."""
        return max(self.burst, math.ceil(self.per_second))

    @property
    def policy(self) -> str:
        """The limit as the field RateLimit-Policy says it.

        Its window is the time in which a whole burst comes back.
        """
        return f'"token";q={self.burst};w={math.ceil(self.burst / self.per_second)}'

    def __str__(self) -> str:
        """Say it as it is typed, by the smallest unit that makes it whole."""
        for seconds, unit in _NAMES.items():
            count = round(self.per_second * seconds, 6)
            if count.is_integer():
                return f"{count:.0f}/{unit}, burst {self.burst}"
        return f"{self.per_second:g}/s, burst {self.burst}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateState:
    """The rest of a rate after a request was accepted or refused."""

    is_allowed: bool
    #: How many more may come at once now.
    remaining: int
    #: Seconds until a whole burst is there again.
    reset_seconds: float
    #: Seconds until the refused request would be let in; 0 if it was.
    retry_seconds: float

    @property
    def field(self) -> str:
        """The RateLimit header."""
        return f'"token";r={self.remaining};t={math.ceil(self.reset_seconds)}'


def parse_rate(text: str, burst: int | None = None) -> Rate:
    """Read `100/s`, `600/m` or `1000/h`; raise InvalidValue.

    Unless told, a burst is what a second brings, and one at least.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise InvalidValue(f"Incorrect rate {text!r} (such as 100/s, 600/m, or 1000/h)")
    per_second = int(found[1]) / _SECONDS[found[2]]
    return Rate(per_second=per_second, burst=burst or max(1, math.ceil(per_second)))
