"""Rates of accepted and processed imports, and the time to drain: without I/O."""

from collections import deque
from dataclasses import dataclass

from ingest.domain.durations import describe_seconds

#: Rates are measured over the samples of this long.
WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Rates and backlog of all partitions."""

    waiting: int
    #: None until two samples were taken, and where Redis does not count.
    accepted_per_minute: float | None = None
    processed_per_minute: float | None = None
    #: 0 without a backlog; None if it is unknown, or the backlog grows.
    drain_seconds: float | None = None

    @property
    def is_growing(self) -> bool:
        """Whether more imports are accepted than processed while imports wait."""
        accepted, processed = self.accepted_per_minute, self.processed_per_minute
        if accepted is None or processed is None:
            return False
        return self.waiting > 0 and accepted >= processed


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    accepted: int | None
    waiting: int


def time_to_drain(waiting: int, fewer: int, seconds: float) -> float | None:
    """Return the seconds until nothing waits, if `fewer` go in `seconds`.

    None while nothing goes.
    """
    return waiting * seconds / fewer if fewer > 0 and seconds > 0 else None


class FlowMeter:
    """Remembers samples of the streams for a minute."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()

    def note(self, at: float, *, accepted: int | None, waiting: int) -> None:
        """Remember that at `at` seconds so many had ever been accepted, so many waited.

        Redis before version 7 does not tell the first: None. A total that has become
        smaller is another Redis, or one restored: what was measured before says
        nothing about it.
        """
        before = self._samples[-1].accepted if self._samples else None
        if accepted is not None and before is not None and accepted < before:
            self._samples.clear()
        self._samples.append(_Sample(at, accepted, waiting))
        # One sample past the window stays, so that those who look rarely have two.
        while len(self._samples) > 2 and at - self._samples[1].at >= WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def is_measured(self) -> bool:
        """Whether there are two samples, which rates need."""
        return len(self._samples) > 1

    def flow(self) -> Flow:
        """Return the rates over the samples, and what they promise."""
        if not self._samples:
            return Flow(waiting=0)
        first, last = self._samples[0], self._samples[-1]
        drained = 0.0 if last.waiting == 0 else None
        seconds = last.at - first.at
        if seconds <= 0:
            return Flow(waiting=last.waiting, drain_seconds=drained)
        fewer = first.waiting - last.waiting
        if drained is None:
            drained = time_to_drain(last.waiting, fewer, seconds)
        if first.accepted is None or last.accepted is None:
            return Flow(waiting=last.waiting, drain_seconds=drained)
        accepted = last.accepted - first.accepted
        # What was accepted and no longer waits has been processed.
        processed = accepted + fewer
        return Flow(
            waiting=last.waiting,
            accepted_per_minute=accepted * 60 / seconds,
            processed_per_minute=max(0, processed) * 60 / seconds,
            drain_seconds=drained,
        )


def describe_drain(flow: Flow) -> str:
    """Describe the time to drain."""
    if flow.waiting == 0:
        return "empty"
    if flow.drain_seconds is not None:
        return f"drains in about {describe_seconds(flow.drain_seconds)}"
    if not flow.is_growing:
        return "measuring"
    if not flow.processed_per_minute:
        return "nothing processed in the last minute; check that workers run"
    return "growing; add workers if it persists"
