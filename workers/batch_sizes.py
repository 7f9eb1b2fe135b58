"""The size of batches while imports of the live lane come."""

import time
from collections.abc import Iterable, Iterator

from ingest.streams.stream import Waiting

#: How long a batch of the bulk lane may hold up an import of the live lane.
_BATCH_SECONDS = 0.04
#: Batches are bounded for so long after an import of the live lane overtook others.
_REMEMBERED_SECONDS = 1.0
_SMALLEST = 16
#: How much the last batch counts in the pace.
_WEIGHT = 0.2


class BatchSizes:
    """The sizes of a drain's batches: bounded while imports of the live lane come."""

    def __init__(self) -> None:
        # Seconds for one import; 0 before the first batch.
        self._seconds = 0.0
        self._live_until = 0.0
        # How much could overtake in a partition when nothing of it did.
        self._stuck: dict[int, int] = {}

    def choose(self, live: Iterable[Waiting]) -> Iterator[Waiting]:
        """Yield those of `live` partitions of which something may overtake.

        Where nothing did, because all of it comes after the bulk lane, nothing will
        before that changes.
        """
        for one in live:
            if self._stuck.get(one.partition) != one.entries:
                yield one

    def note_overtaken(self) -> None:
        """Remember that imports of the live lane went before others."""
        self._live_until = time.monotonic() + _REMEMBERED_SECONDS

    def note_stuck(self, waiting: Iterable[Waiting]) -> None:
        """Remember that nothing of the live lane could go before others."""
        self._stuck.update({one.partition: one.entries for one in waiting})

    def note(self, count: int, seconds: float) -> None:
        """Remember how long a batch of `count` imports took."""
        each = seconds / count
        self._seconds += (each - self._seconds) * (_WEIGHT if self._seconds else 1)
        self._stuck.clear()

    def bound(self, size: int) -> int:
        """Return how many entries a batch may have, `size` at most."""
        if not self._seconds or time.monotonic() > self._live_until:
            return size
        return min(size, max(_SMALLEST, int(_BATCH_SECONDS / self._seconds)))
