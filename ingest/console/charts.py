"""Charts as paths of an SVG: whole pixels, no more points than a range has.

They are stretched to the width of the page; what is written about them stands outside.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil, log10

from msgspec import Struct

from ingest.domain.durations import describe_seconds
from ingest.domain.imports import State
from ingest.domain.rollups import (
    HOUR,
    MINUTE,
    Quantile,
    Range,
    count_accepted,
    find_quantile,
    spread,
)
from ingest.status.glance import Glance

#: The size of the chart, and of the line of a figure.
WIDTH, HEIGHT = 720, 160
LINE_WIDTH, LINE_HEIGHT = 144, 32
#: Lines across the chart, at most.
_GRID = 4
#: What is drawn, from the bottom up, and the states that are in it.
LAYERS: Mapping[str, tuple[State, ...]] = {
    "unchanged": (State.UNCHANGED,),
    "updated": (State.UPDATED, State.REMOVED),
    "created": (State.CREATED,),
    "held": (State.HELD,),
    "rejected": (State.REJECTED, State.DEAD),
}
#: Less a minute is nothing: a week has 10,080 minutes.
_LOWEST = 1e-5
_RANGE_NAMES = {Range.HOUR: "hour", Range.DAY: "day", Range.WEEK: "week"}


class Series(Struct, frozen=True, kw_only=True):
    """Values of a range, one a point."""

    range: Range
    points: Sequence[datetime]
    #: Imports a minute, by layer.
    layers: Mapping[str, Sequence[float]]
    #: Accepted a minute; empty where nothing is known of it.
    accepted: Sequence[float]
    #: The most that waited at once.
    waiting: Sequence[float]
    #: The median time to be applied, in seconds, and the bound of 99 of 100.
    medians: Sequence[Quantile | None]
    slowest: Sequence[Quantile | None]
    #: The same of the whole range.
    median: Quantile | None
    bound: Quantile | None
    #: Imports of the range, by layer.
    totals: Mapping[str, int]

    @property
    def processed(self) -> list[float]:
        """Imports a minute that were processed, whatever came of them."""
        return [sum(values) for values in zip(*self.layers.values(), strict=True)]

    @property
    def shares(self) -> list[float]:
        """The share of rejected imports, in percent."""
        return [
            100 * bad / total if total else 0.0
            for bad, total in zip(self.layers["rejected"], self.processed, strict=True)
        ]

    @property
    def total(self) -> int:
        """Imports of the range."""
        return sum(self.totals.values())

    @property
    def rejected_share(self) -> float:
        """The share of rejected imports of the range."""
        return self.totals["rejected"] / self.total if self.total else 0.0


def make_series(glance: Glance) -> Series:
    """Return the values of `glance` as charts show them."""
    points, step = glance.points, glance.range.step
    minutes = _count_minutes(glance)
    layers, totals = {}, {}
    for name, states in LAYERS.items():
        told = [(each.at, each.imports) for each in glance.outcomes]
        kept = [
            pair
            for pair, each in zip(told, glance.outcomes, strict=True)
            if each.state in states
        ]
        sums = spread(points, step, kept)
        totals[name] = round(sum(sums))
        layers[name] = [
            number / span for number, span in zip(sums, minutes, strict=True)
        ]
    counted = _count_accepted(glance)
    accepted = [
        number / span
        for number, span in zip(spread(points, step, counted), minutes, strict=True)
    ]
    buckets: dict[datetime, dict[int, int]] = defaultdict(dict)
    whole: dict[int, int] = defaultdict(int)
    for each in glance.latencies:
        buckets[each.at][each.bucket] = each.imports
        whole[each.bucket] += each.imports
    waiting = [0.0] * len(points)
    for sample in glance.samples:
        place = (sample.at - points[0]) // step
        if 0 <= place < len(waiting):
            waiting[place] = max(waiting[place], sample.waiting)
    return Series(
        range=glance.range,
        points=points,
        layers=layers,
        totals=totals,
        accepted=accepted if counted else [],
        waiting=waiting,
        medians=[find_quantile(buckets[at], 0.5) for at in points],
        slowest=[find_quantile(buckets[at], 0.99) for at in points],
        median=find_quantile(whole, 0.5),
        bound=find_quantile(whole, 0.99),
    )


def _count_accepted(glance: Glance) -> list[tuple[datetime, float]]:
    """Return the accepted imports by the time in which they were."""
    if not glance.range.is_by_hour:
        return count_accepted(glance.samples)
    counted = count_accepted(glance.samples, HOUR)
    # What is left since the last hour began.
    if glance.samples and glance.last_samples:
        begin, last = glance.samples[-1], glance.last_samples[-1]
        rest = count_accepted([begin, last], max(last.at - begin.at, MINUTE))
        counted += rest
    return counted


def _count_minutes(glance: Glance) -> list[float]:
    """Return how many minutes of each point are counted: the last may be cut short."""
    step = glance.range.step
    until = glance.marks.counted_until if glance.marks else None
    if until is None:
        return [step / MINUTE] * len(glance.points)
    return [
        max(1.0, (min(until, at + step) - at) / MINUTE) if until > at else step / MINUTE
        for at in glance.points
    ]


def draw_areas(layers: Iterable[Sequence[float]], top: float) -> list[str]:
    """Return the areas of `layers`, one upon the other, in a chart as high as `top`."""
    areas = []
    below: list[float] = []
    for values in layers:
        below = below or [0.0] * len(values)
        above = [low + value for low, value in zip(below, values, strict=True)]
        there = _place(above, WIDTH, HEIGHT, top)
        back = _place(below, WIDTH, HEIGHT, top)[::-1]
        areas.append(f"M{'L'.join([*there, *back])}Z" if any(values) else "")
        below = above
    return areas


def draw_line(
    values: Sequence[float], top: float, width: int = WIDTH, height: int = HEIGHT
) -> str:
    """Return `values` as a line; empty for none."""
    return f"M{'L'.join(_place(values, width, height, top))}" if values else ""


def draw_small(values: Sequence[float]) -> str:
    """Return `values` as the line of a figure, as high as the highest of them."""
    return draw_line(values, max(values, default=0.0), LINE_WIDTH, LINE_HEIGHT)


def _place(values: Sequence[float], width: int, height: int, top: float) -> list[str]:
    """Return where `values` are: a pixel is left at the upper and the lower edge."""
    last = max(1, len(values) - 1)
    room = height - 2
    return [
        f"{round(place * width / last)} "
        f"{height - 1 - round(min(1.0, value / top) * room) if top > 0 else height - 1}"
        for place, value in enumerate(values)
    ]


def find_top(highest: float) -> tuple[float, list[float]]:
    """Return a round number not below `highest`, and those between it and 0."""
    if highest < _LOWEST:
        return 1.0, [1.0, 0.0]
    size = 10 ** (ceil(log10(highest / _GRID)) - 1)
    step = next(
        size * times for times in (1, 2, 2.5, 5, 10) if size * times * _GRID >= highest
    )
    lines = ceil(highest / step)
    return step * lines, [step * number for number in range(lines, -1, -1)]


def describe_point(at: datetime, range_: Range) -> str:
    """Write a moment of a range."""
    return f"{at:%a %H:%M}" if range_ is Range.WEEK else f"{at:%H:%M}"


def describe_imports(series: Series) -> str:
    """Say what the chart of imports shows."""
    name = _RANGE_NAMES[series.range]
    if not series.total:
        return f"No imports were processed in the last {name}."
    processed = series.processed
    highest = max(range(len(processed)), key=processed.__getitem__)
    text = (
        f"{series.total:,} imports were processed in the last {name}, at most "
        f"{processed[highest]:,.0f} per minute at "
        f"{describe_point(series.points[highest], series.range)}."
    )
    if not series.totals["rejected"]:
        return f"{text} None was rejected."
    shares = series.layers["rejected"]
    worst = max(range(len(shares)), key=shares.__getitem__)
    return (
        f"{text} {series.rejected_share:.1%} were rejected, most at "
        f"{describe_point(series.points[worst], series.range)}."
    )


def describe_line(
    name: str, values: Sequence[float], series: Series, unit: str = ""
) -> str:
    """Say what the line of a figure shows."""
    if not any(values):
        return f"{name}: none in the last {_RANGE_NAMES[series.range]}."
    highest = max(range(len(values)), key=values.__getitem__)
    when = describe_point(series.points[highest], series.range)
    return f"{name}: at most {values[highest]:,.0f}{unit}, at {when}."


def describe_times(series: Series) -> str:
    """Say what the line of the time to be applied shows."""
    known = [
        (each.seconds, at)
        for each, at in zip(series.slowest, series.points, strict=True)
        if each is not None
    ]
    if not known:
        return f"Time to apply: no imports in the last {_RANGE_NAMES[series.range]}."
    seconds, at = max(known)
    when = describe_point(at, series.range)
    return f"Time to apply: slowest at {when}, 99% under {describe_seconds(seconds)}."


def describe_quantile(quantile: Quantile | None) -> str:
    """Write a bound of durations."""
    if quantile is None:
        return "none"
    text = describe_seconds(quantile.seconds)
    return f"over {text}" if quantile.is_open else f"under {text}"


def list_labels(series: Series) -> list[str]:
    """Return the moments that are written under a chart, at equal distances."""
    last = len(series.points) - 1
    places = [round(last * part / 6) for part in range(7)]
    return [describe_point(series.points[place], series.range) for place in places]
