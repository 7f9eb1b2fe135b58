"""Rates and the time to drain, out of samples of the streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.flow import WINDOW_SECONDS, Flow, FlowMeter, describe_drain
from ingest.streams.backlog import Backlog


def measure(*samples: tuple[float, int | None, int]) -> Flow:
    meter = FlowMeter()
    for at, accepted, waiting in samples:
        meter.note(at, accepted=accepted, waiting=waiting)
    return meter.flow()


def test_one_sample_tells_no_rate() -> None:
    assert measure((0, 100, 7)) == Flow(waiting=7)
    assert measure((0, 100, 0)).drain_seconds == 0
    assert FlowMeter().flow() == Flow(waiting=0)


def test_what_is_accepted_and_does_not_wait_has_been_applied() -> None:
    flow = measure((0, 1000, 500), (30, 1300, 200))

    assert flow.accepted_per_minute == 600
    assert flow.processed_per_minute == 1200
    assert not flow.is_growing


def test_a_redis_that_does_not_count_still_tells_what_waits_and_how_long() -> None:
    flow = measure((0, None, 500), (30, None, 200))

    assert flow == Flow(waiting=200, drain_seconds=20)
    assert measure((0, None, 0), (30, None, 0)).drain_seconds == 0
    assert measure((0, None, 7), (30, None, 9)).drain_seconds is None


def test_the_time_to_drain_counts_what_still_comes() -> None:
    # 20 a second go, 10 a second come: 200 are gone in 20 seconds.
    assert measure((0, 1000, 500), (30, 1300, 200)).drain_seconds == 20


@pytest.mark.parametrize("waiting", [100, 400])
def test_a_backlog_that_does_not_get_less_has_no_end(waiting: int) -> None:
    flow = measure((0, 0, 100), (10, 300, waiting))

    assert flow.drain_seconds is None
    assert flow.is_growing


def test_what_is_older_than_the_window_says_nothing() -> None:
    flow = measure((0, 0, 0), (100, 6000, 0), (100 + WINDOW_SECONDS, 6060, 0))

    assert flow.accepted_per_minute == 60


def test_another_redis_begins_anew() -> None:
    assert measure((0, 5000, 10), (10, 20, 5)) == Flow(waiting=5)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=20)
)
def test_nothing_is_invented(steps: list[tuple[int, int]]) -> None:
    meter, accepted, waiting = FlowMeter(), 0, 0
    meter.note(0, accepted=0, waiting=0)
    applied = 0
    for second, (come, go) in enumerate(steps, start=1):
        accepted += come
        gone = min(go, waiting + come)
        waiting += come - gone
        applied += gone
        meter.note(second, accepted=accepted, waiting=waiting)
    flow = meter.flow()

    assert flow.accepted_per_minute == pytest.approx(accepted * 60 / len(steps))
    assert flow.processed_per_minute == pytest.approx(applied * 60 / len(steps))
    assert flow.waiting == accepted - applied


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        pytest.param([(0, 9, 0)], "empty", id="empty"),
        pytest.param([(0, 9, 5)], "measuring", id="one sample"),
        pytest.param(
            [(0, 1000, 500), (30, 1300, 200)], "drains in about 20 s", id="falling"
        ),
        pytest.param(
            [(0, 0, 5), (9, 9, 9)], "growing; add workers if it persists", id="growing"
        ),
        pytest.param(
            [(0, 0, 5), (9, 9, 14)],
            "nothing processed in the last minute; check that workers run",
            id="stuck",
        ),
    ],
)
def test_the_end_of_the_backlog_is_said_in_words(
    samples: list[tuple[float, int, int]], text: str
) -> None:
    assert describe_drain(measure(*samples)) == text


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param([], None, id="nothing is known"),
        pytest.param([(0, 100)], None, id="one sample has no rate"),
        pytest.param([(0, 100), (10, 50)], 10.0, id="half in ten seconds"),
        pytest.param([(0, 100), (10, 100)], None, id="it makes no progress"),
        pytest.param([(0, 100), (10, 150)], None, id="it grows"),
        pytest.param([(0, 100), (10, 0)], 0.0, id="it is gone"),
        pytest.param([(0, 0)], 0.0, id="there was none"),
        pytest.param(
            [(0, 9000), (60, 200), (90, 150), (120, 100)], 60.0, id="the last minute"
        ),
        pytest.param([(0, 900), (90, 200), (180, 100)], 90.0, id="rare samples"),
    ],
)
def test_the_time_to_drain_is_the_backlog_by_its_net_rate(
    samples: list[tuple[float, int]], expected: float | None
) -> None:
    meter = FlowMeter()
    for at, waiting in samples:
        meter.note(at, accepted=None, waiting=waiting)

    assert meter.flow().drain_seconds == expected
    assert meter.is_measured is (len(samples) > 1)


@given(
    waiting=st.integers(0, 10**6),
    gone=st.integers(0, 10**6),
    seconds=st.floats(0.01, 9),
)
def test_callers_who_are_refused_and_operators_are_given_one_estimate(
    waiting: int, gone: int, seconds: float
) -> None:
    meter = FlowMeter()
    meter.note(0, accepted=None, waiting=waiting + gone)
    meter.note(seconds, accepted=None, waiting=waiting)
    backlog = Backlog(max_waiting=1, memory_ratio=1.0)
    backlog.survey(0, settled=0, memory={})
    backlog.survey(seconds, settled=gone, memory={})
    backlog.note(seconds, waiting=waiting)

    if gone:
        assert backlog.due_seconds() == meter.flow().drain_seconds
