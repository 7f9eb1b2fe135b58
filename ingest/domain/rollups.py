"""Counts by the minute and by the hour, and what charts make of them: without I/O."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
#: Minutes are kept for this long. Hours are made with them, and stay.
MINUTES_KEPT = timedelta(days=8)
HOURS_KEPT = timedelta(days=92)

#: The upper ends, in seconds, of the buckets that durations are counted in; what took
#: longer than the last is in one more. Stored counts depend on them: they stay.
BOUNDS: tuple[float, ...] = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
    3600.0, 21_600.0,
)  # fmt: skip


class Range(StrEnum):
    """The time that a page looks back."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def span(self) -> timedelta:
        """Its length."""
        return _SPANS[self]

    @property
    def step(self) -> timedelta:
        """The time of one point of its charts; there are 170 at most."""
        return _STEPS[self]

    @property
    def points(self) -> int:
        """The number of points of its charts."""
        return self.span // self.step

    @property
    def is_by_hour(self) -> bool:
        """Whether it is made of hours, rather than of minutes."""
        return self.step >= HOUR


_SPANS = {
    Range.HOUR: timedelta(hours=1),
    Range.DAY: timedelta(days=1),
    Range.WEEK: timedelta(days=7),
}
_STEPS = {
    Range.HOUR: MINUTE,
    Range.DAY: timedelta(minutes=10),
    Range.WEEK: HOUR,
}


def find_bucket(seconds: float) -> int:
    """Return the bucket of a duration: that of the first bound it is below.

    As width_bucket does in Postgres.
    """
    return bisect_right(BOUNDS, seconds)


def begin_of(at: datetime, step: timedelta) -> datetime:
    """Return the begin of the `step` that `at` is in (UTC)."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def list_points(range_: Range, now: datetime) -> list[datetime]:
    """Return the begins of the points of `range_`, the last of which holds `now`.

    The current minute is not complete: of minutes, the last one is the one before it.
    """
    last = begin_of(now, range_.step)
    if range_.step == MINUTE:
        last -= MINUTE
    return [last - range_.step * back for back in reversed(range(range_.points))]


class Quantile(Struct, frozen=True):
    """A bound of durations: `seconds`, or longer when there is no upper end."""

    seconds: float
    is_open: bool = False


def find_quantile(counts: Mapping[int, int], share: float) -> Quantile | None:
    """Return the bound that `share` of the durations counted by bucket keep.

    None where nothing was counted.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    wanted, seen = share * total, 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted and counts[bucket] > 0:
            if bucket >= len(BOUNDS):
                return Quantile(BOUNDS[-1], is_open=True)
            return Quantile(BOUNDS[max(bucket, 0)])
    return None


class StreamSample(Struct, frozen=True, kw_only=True):
    """The streams at a minute."""

    at: datetime
    #: Ever accepted; None where Redis does not count.
    accepted: int | None
    waiting: int
    oldest_seconds: float | None


def count_accepted(
    samples: Sequence[StreamSample], step: timedelta = MINUTE
) -> list[tuple[datetime, float]]:
    """Return how many imports were accepted in each `step`, at its begin.

    `samples` are in order, a step apart. Where some are missing, what came between is
    spread over the steps that lack one. A total that became smaller is another Redis:
    nothing is known of that time.
    """
    counted: list[tuple[datetime, float]] = []
    for before, after in pairwise(samples):
        steps = round((after.at - before.at) / step)
        if before.accepted is None or after.accepted is None or steps < 1:
            continue
        if after.accepted < before.accepted:
            continue
        each = (after.accepted - before.accepted) / steps
        counted += [(before.at + step * place, each) for place in range(steps)]
    return counted


def is_growing(samples: Sequence[StreamSample], minutes: int = 3) -> bool:
    """Whether more waited after each of the last `minutes` than before it."""
    last = samples[-minutes - 1 :]
    return len(last) == minutes + 1 and all(
        after.waiting > before.waiting for before, after in pairwise(last)
    )


def spread(
    points: Sequence[datetime],
    step: timedelta,
    counts: Iterable[tuple[datetime, float]],
) -> list[float]:
    """Return the sum of `counts` in each of `points`, which are a `step` apart.

    What is before the first or after the last is left out.
    """
    sums = [0.0] * len(points)
    for at, number in counts:
        place = (at - points[0]) // step if points else -1
        if 0 <= place < len(sums):
            sums[place] += number
    return sums
