"""Backlog, its rate, and the room for more: back-pressure without I/O."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ingest.domain.errors import Overloaded, Unavailable
from ingest.domain.flow import time_to_drain

#: What is known about the waiting count is good for this long.
FRESH_SECONDS = 0.25
#: The rate is measured over the samples of this long.
_WINDOW_SECONDS = 10.0
_MAX_RETRY_SECONDS = 60
#: The answer while nothing is seen to move.
_UNKNOWN_RETRY_SECONDS = 5
#: What an entry costs Redis beside its payload, at most.
_ENTRY_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    settled: int


class Backlog:
    """The waiting imports over all partitions, as last seen, and the room for more.

    Every intake counts what waits after each of its own appends, so that all of them
    keep one bound. How fast it goes is read from a counter that drains keep: no intake
    knows what the others have accepted.
    """

    def __init__(self, *, max_waiting: int, memory_ratio: float) -> None:
        self._max_waiting = max_waiting
        self._memory_ratio = memory_ratio
        self._waiting = 0
        self._seen_at = float("-inf")
        self._promised = 0
        self._samples: deque[_Sample] = deque()
        # What Redis may still take before it counts as full; None: without limit.
        self._room_bytes: float | None = None

    @property
    def waiting(self) -> int:
        """Imports that waited when it was last looked."""
        return self._waiting

    def is_fresh(self, now: float) -> bool:
        """Say whether the last look is recent enough to refuse anyone."""
        return now - self._seen_at < FRESH_SECONDS

    def is_surveyed(self, now: float) -> bool:
        """Say whether rate and memory were looked at recently."""
        return bool(self._samples) and now - self._samples[-1].at < FRESH_SECONDS

    def check(self, count: int = 1, size_bytes: int = 0) -> None:
        """Raise Unavailable or Overloaded unless there is room for `count` imports.

        More than may ever wait are let in when nothing else waits. `size_bytes` is
        that of the whole request.
        """
        needed_bytes = size_bytes + count * _ENTRY_BYTES
        if self._room_bytes is not None and self._room_bytes < needed_bytes:
            raise Unavailable("The queue is nearly full")
        expected = self._waiting + self._promised + min(count, self._max_waiting)
        if expected > self._max_waiting:
            raise Overloaded("Too many imports are waiting")

    def promise(self, count: int) -> None:
        """Keep room for `count` imports that are let in but not yet appended."""
        self._promised += count

    def keep(self, count: int) -> None:
        """Give up the room of `count` promised imports, waiting or refused by now."""
        self._promised -= count

    def note(self, now: float, *, waiting: int, added_bytes: int = 0) -> None:
        """Remember that at `now`, after adding, `waiting` imports were waiting."""
        self._waiting, self._seen_at = waiting, now
        if self._room_bytes is not None:
            self._room_bytes -= added_bytes

    def survey(self, now: float, *, settled: int, memory: Mapping[str, object]) -> None:
        """Remember how many imports drains have settled in all, and Redis's memory."""
        if self._samples and settled < self._samples[-1].settled:
            # The counter began anew: another Redis, or an emptied one.
            self._samples.clear()
        self._samples.append(_Sample(now, settled))
        while now - self._samples[0].at > _WINDOW_SECONDS:
            self._samples.popleft()
        self._room_bytes = _find_room(memory, self._memory_ratio)

    def retry_after_seconds(self) -> int:
        """Return when a caller who is refused had better come back."""
        due_seconds = self.due_seconds()
        if due_seconds is None:
            return _UNKNOWN_RETRY_SECONDS
        return max(1, min(_MAX_RETRY_SECONDS, round(due_seconds)))

    def due_seconds(self) -> float | None:
        """Return when the waiting work should be done, at the rate it is being done.

        None while nothing is seen to move.
        """
        if len(self._samples) < 2:
            return None
        first, last = self._samples[0], self._samples[-1]
        return time_to_drain(
            self._waiting, last.settled - first.settled, last.at - first.at
        )


def _find_room(memory: Mapping[str, object], ratio: float) -> float | None:
    """Return the bytes that Redis may take until `ratio` of its memory is used."""
    limit, used, uncounted = (
        int(str(memory.get(name, 0)))
        for name in ("maxmemory", "used_memory", "mem_not_counted_for_evict")
    )
    return limit * ratio - (used - uncounted) if limit else None
