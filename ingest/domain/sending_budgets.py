"""Budgets of requests to endpoints: token buckets, each as one moment (T5)."""

import math
from datetime import datetime, timedelta

from msgspec import Struct

#: As much of a second's requests may be sent at once, after a time without any.
_BURST_SECONDS = 1.0
#: Steps of a microsecond, in which moments are stored, cost no token.
_ROUNDING = 1e-3
#: Nobody looks for tokens more often, in seconds.
_SHORTEST_WAIT = 0.05


class SendingBudget(Struct, frozen=True, kw_only=True):
    """The requests that an endpoint may get now."""

    #: Per second.
    rate: float
    #: When the bucket was empty; None for never, so that it is full.
    empty_at: datetime | None

    def take(self, wanted: int, now: datetime) -> "tuple[int, SendingBudget]":
        """Return how many of `wanted` requests may be sent now, and what is left.

        Over any time there are no more than the rate allows, and those of one second;
        one at least.
        """
        empty_at = self._fill(now)
        tokens = (now - empty_at).total_seconds() * self.rate
        taken = max(0, min(wanted, math.floor(tokens + _ROUNDING)))
        return taken, self._move(empty_at, taken)

    def give_back(self, unused: int, now: datetime) -> "SendingBudget":
        """Return the budget with tokens that were taken, and not used."""
        return self._move(self._fill(now), -unused)

    def find_wait(self, now: datetime) -> timedelta:
        """Return how long until there is a token."""
        missing = 1 - (now - self._fill(now)).total_seconds() * self.rate
        seconds = max(missing / self.rate, _SHORTEST_WAIT)
        return timedelta(seconds=seconds)

    def _fill(self, now: datetime) -> datetime:
        """Return when the bucket was empty, as it is now: no more than full."""
        seconds = max(_BURST_SECONDS, 1 / self.rate)
        full = now - timedelta(seconds=seconds)
        return full if self.empty_at is None else max(self.empty_at, full)

    def _move(self, empty_at: datetime, requests: int) -> "SendingBudget":
        moved = empty_at + timedelta(seconds=requests / self.rate)
        return SendingBudget(rate=self.rate, empty_at=moved)
