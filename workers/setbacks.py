"""Partitions whose batches fail, and when each is tried again."""

import time
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass

#: A partition that failed is left alone for so long, then for twice as long, and so on.
_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class _Setback:
    """What became of a partition whose batches fail."""

    #: In a row.
    count: int = 0
    #: When it is tried again (monotonic seconds).
    until: float = 0.0
    #: The last, unless it was raised already.
    error: Exception | None = None


class Setbacks:
    """The partitions that one drain has set back: nobody else is stopped by them."""

    def __init__(self) -> None:
        self._by_partition: dict[int, _Setback] = {}

    @property
    def partitions(self) -> Set[int]:
        """All that are set back, due or not: each is tried alone."""
        return self._by_partition.keys()

    def is_due(self, partition: int) -> bool:
        """Say whether `partition` may be tried now, as one that never failed may."""
        setback = self._by_partition.get(partition)
        return setback is None or setback.until <= time.monotonic()

    def add(self, partitions: Iterable[int], error: Exception) -> None:
        """Leave the partitions of a batch that failed alone for a while."""
        for partition in partitions:
            setback = self._by_partition.setdefault(partition, _Setback())
            pause = min(_PAUSE_SECONDS * 2**setback.count, _LONGEST_PAUSE_SECONDS)
            setback.count += 1
            setback.until, setback.error = time.monotonic() + pause, error

    def set_apart(self, partitions: Iterable[int]) -> None:
        """Let partitions be tried alone that may have failed in other processes."""
        for partition in partitions:
            self._by_partition.setdefault(partition, _Setback())

    def clear(self, partitions: Collection[int]) -> None:
        """Forget the failures of partitions of which a batch was applied."""
        if self._by_partition:
            for partition in partitions:
                self._by_partition.pop(partition, None)

    def forget_errors(self) -> None:
        """Begin anew: what was raised before is not raised again."""
        for setback in self._by_partition.values():
            setback.error = None

    def raise_first(self) -> None:
        """Raise the first error since `forget_errors`, if there is one."""
        for setback in self._by_partition.values():
            if setback.error is not None:
                raise setback.error
