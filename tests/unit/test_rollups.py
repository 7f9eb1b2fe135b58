"""What charts make of counts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.console import charts
from ingest.domain.rollups import (
    BOUNDS,
    HOUR,
    MINUTE,
    Quantile,
    Range,
    StreamSample,
    begin_of,
    count_accepted,
    find_bucket,
    find_quantile,
    is_growing,
    list_points,
    spread,
)

NOW = datetime(2026, 11, 27, 14, 32, 7, tzinfo=UTC)
NUMBERS = st.lists(st.floats(0, 1e6), min_size=1, max_size=170)


def sample(minute: int, accepted: int | None, waiting: int = 0) -> StreamSample:
    return StreamSample(
        at=begin_of(NOW, MINUTE) + minute * MINUTE,
        accepted=accepted,
        waiting=waiting,
        oldest_seconds=None,
    )


@pytest.mark.parametrize(
    ("range_", "first", "last", "count"),
    [
        (Range.HOUR, "11-27 13:32", "11-27 14:31", 60),
        (Range.DAY, "11-26 14:40", "11-27 14:30", 144),
        (Range.WEEK, "11-20 15:00", "11-27 14:00", 168),
    ],
)
def test_a_range_has_at_most_170_points(
    range_: Range, first: str, last: str, count: int
) -> None:
    points = list_points(range_, NOW)

    assert len(points) == count <= 170
    assert (f"{points[0]:%m-%d %H:%M}", f"{points[-1]:%m-%d %H:%M}") == (first, last)


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(-1.0, 0), (0.0, 0), (0.0099, 0), (0.01, 1), (21_600.0, 16), (1e9, 16)],
)
def test_a_duration_has_a_bucket(seconds: float, bucket: int) -> None:
    assert find_bucket(seconds) == bucket


@given(st.lists(st.floats(0, 30_000), min_size=1), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_bounds_its_share(seconds: list[float], share: float) -> None:
    counts: dict[int, int] = {}
    for each in seconds:
        counts[find_bucket(each)] = counts.get(find_bucket(each), 0) + 1

    found = find_quantile(counts, share)

    assert found is not None
    below = sum(1 for each in seconds if each < found.seconds)
    assert found.is_open or below >= share * len(seconds)
    # No bound below it does.
    lower = [bound for bound in BOUNDS if bound < found.seconds or found.is_open]
    if lower:
        assert sum(1 for each in seconds if each < lower[-1]) < share * len(seconds)


def test_nothing_has_no_quantile() -> None:
    assert find_quantile({}, 0.5) is None
    assert find_quantile({99: 1}, 0.5) == Quantile(BOUNDS[-1], is_open=True)


def test_accepted_imports_are_the_differences_of_a_total() -> None:
    samples = [sample(0, 10), sample(1, 25), sample(4, 55), sample(5, 3), sample(6, 4)]

    counted = count_accepted(samples)

    assert [number for _, number in counted] == [15, 10, 10, 10, 1]
    assert counted[-1][0] == sample(5, 0).at
    assert count_accepted([sample(0, None), sample(1, 3)]) == []


@pytest.mark.parametrize(
    ("waiting", "grows"),
    [
        ((1, 2, 3, 4), True),
        ((9, 1, 2, 3, 4), True),
        ((1, 2, 2, 3), False),
        ((1, 2), False),
    ],
)
def test_a_backlog_grows_if_it_did_in_each_of_three_minutes(
    waiting: tuple[int, ...], grows: bool
) -> None:
    samples = [sample(place, 0, number) for place, number in enumerate(waiting)]

    assert is_growing(samples) is grows


@given(st.lists(st.tuples(st.integers(-100, 300), st.integers(0, 9))))
def test_a_chart_has_what_is_in_its_range(counts: list[tuple[int, int]]) -> None:
    points = list_points(Range.WEEK, NOW)
    moments = [(points[0] + minutes * HOUR, float(n)) for minutes, n in counts]

    sums = spread(points, HOUR, moments)

    end = points[-1] + HOUR
    assert sum(sums) == sum(n for at, n in moments if points[0] <= at < end)


@given(st.lists(NUMBERS.map(lambda values: values[:1] * 30), min_size=1, max_size=5))
def test_areas_are_drawn_in_whole_pixels_inside_the_chart(
    layers: list[list[float]],
) -> None:
    top, grid = charts.find_top(
        max(sum(values) for values in zip(*layers, strict=True))
    )

    for area in charts.draw_areas(layers, top):
        for pair in area.strip("MZ").split("L") if area else ():
            x, y = (int(number) for number in pair.split(" "))
            assert 0 <= x <= charts.WIDTH
            assert 0 <= y <= charts.HEIGHT
    assert grid[0] == top
    assert grid[-1] == 0


@given(st.floats(1e-3, 1e9))
def test_the_top_of_a_chart_is_round_and_near(highest: float) -> None:
    top, grid = charts.find_top(highest)

    assert highest <= top * (1 + 1e-9)
    assert top <= 5 * highest
    assert 2 <= len(grid) <= 5


def test_a_line_has_a_point_for_each_value() -> None:
    assert charts.draw_line([], 1) == ""
    assert charts.draw_small([0, 0]) == "M0 31L144 31"
    assert charts.draw_small([0, 5, 10]) == "M0 31L72 16L144 1"


def test_days_do_not_matter_to_the_begin_of_an_hour() -> None:
    assert begin_of(NOW, HOUR) == NOW.replace(minute=0, second=0)
    assert begin_of(NOW, timedelta(minutes=10)) == NOW.replace(minute=30, second=0)
