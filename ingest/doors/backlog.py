"""How much work waits, and when to come back: back-pressure without I/O."""

from collections import deque
from dataclasses import dataclass

#: What is known about the waiting count is good for this long.
FRESH_SECONDS = 0.25
#: The rate is measured over the samples of this long.
_WINDOW_SECONDS = 10.0
_MAX_RETRY_SECONDS = 60
#: The answer while nothing is seen to move.
_UNKNOWN_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    waiting: int
    accepted: int


class Backlog:
    """The waiting imports over all partitions, as last seen, and how fast they go."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self._accepted = 0

    @property
    def waiting(self) -> int:
        """Imports that waited when it was last looked."""
        return self._samples[-1].waiting if self._samples else 0

    def is_fresh(self, now: float) -> bool:
        """Say whether the last look is recent enough to refuse anyone."""
        return bool(self._samples) and now - self._samples[-1].at < FRESH_SECONDS

    def note(self, now: float, *, waiting: int, accepted: int) -> None:
        """Remember that at `now`, after `accepted` more, `waiting` were waiting."""
        self._accepted += accepted
        # A second sample within a hundredth says nothing about a rate over seconds.
        if len(self._samples) > 1 and now - self._samples[-2].at < 0.01:
            self._samples.pop()
        self._samples.append(_Sample(now, waiting, self._accepted))
        while now - self._samples[0].at > _WINDOW_SECONDS:
            self._samples.popleft()

    def retry_after_seconds(self) -> int:
        """Return when the waiting work should be done, at the rate it is being done.

        What other intake processes accepted is not known here, so that the rate is
        rather too low and the answer rather too late.
        """
        if len(self._samples) < 2:
            return _UNKNOWN_RETRY_SECONDS
        first, last = self._samples[0], self._samples[-1]
        applied = first.waiting + last.accepted - first.accepted - last.waiting
        if applied <= 0 or last.at <= first.at:
            return _UNKNOWN_RETRY_SECONDS
        rate = applied / (last.at - first.at)
        return max(1, min(_MAX_RETRY_SECONDS, round(last.waiting / rate)))
