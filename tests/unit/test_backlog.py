"""Back-pressure: how much waits, how much room there is, and when to come back."""

from collections.abc import Mapping

import pytest

from ingest.domain.errors import Overloaded, Unavailable
from ingest.streams.backlog import FRESH_SECONDS, Backlog


def make(max_waiting: int = 10) -> Backlog:
    return Backlog(max_waiting=max_waiting, memory_ratio=0.9)


def survey(
    backlog: Backlog,
    now: float,
    settled: int = 0,
    memory: Mapping[str, object] | None = None,
) -> None:
    backlog.survey(now, settled=settled, memory=memory or {})


def test_nothing_waits_before_the_first_look() -> None:
    backlog = make()

    assert backlog.waiting == 0
    assert not backlog.is_fresh(0)
    assert not backlog.is_surveyed(0)


def test_a_look_is_good_for_a_moment_only() -> None:
    backlog = make()
    backlog.note(100, waiting=7)
    survey(backlog, 100)

    assert backlog.waiting == 7
    for is_good in (backlog.is_fresh, backlog.is_surveyed):
        assert is_good(100 + FRESH_SECONDS / 2)
        assert not is_good(100 + FRESH_SECONDS)


def test_imports_are_let_in_up_to_the_bound() -> None:
    backlog = make(max_waiting=10)
    backlog.note(0, waiting=8)

    backlog.check(2)
    with pytest.raises(Overloaded):
        backlog.check(3)
    backlog.note(1, waiting=10)
    with pytest.raises(Overloaded):
        backlog.check()


def test_what_is_let_in_but_not_yet_appended_counts() -> None:
    backlog = make(max_waiting=10)
    backlog.promise(9)

    backlog.check(1)
    with pytest.raises(Overloaded):
        backlog.check(2)
    backlog.keep(5)
    backlog.check(6)


def test_a_batch_longer_than_the_bound_is_let_in_when_nothing_waits() -> None:
    backlog = make(max_waiting=10)

    backlog.check(11)
    backlog.note(0, waiting=1)
    with pytest.raises(Overloaded):
        backlog.check(11)


def test_memory_past_the_ratio_is_no_room() -> None:
    backlog = make()
    survey(backlog, 0, memory={"maxmemory": 1_000_000, "used_memory": 899_000})

    backlog.check()
    with pytest.raises(Unavailable, match="nearly full"):
        backlog.check(1, size_bytes=600)
    with pytest.raises(Unavailable, match="nearly full"):
        backlog.check(2)


def test_what_was_added_since_the_survey_takes_room() -> None:
    backlog = make()
    survey(backlog, 0, memory={"maxmemory": 1_000_000, "used_memory": 800_000})

    backlog.note(1, waiting=1, added_bytes=99_000)
    backlog.check()
    backlog.note(2, waiting=2, added_bytes=1000)
    with pytest.raises(Unavailable):
        backlog.check()


def test_memory_that_redis_does_not_count_is_room() -> None:
    backlog = make()
    memory = {"maxmemory": 1000_000, "used_memory": 950_000}
    survey(backlog, 0, memory=memory | {"mem_not_counted_for_evict": 100_000})

    backlog.check()


@pytest.mark.parametrize("memory", [{}, {"maxmemory": 0, "used_memory": 10**12}])
def test_memory_without_a_limit_is_room(memory: Mapping[str, object]) -> None:
    backlog = make()
    survey(backlog, 0, memory=memory)

    backlog.check(10, size_bytes=10**9)


def test_retry_after_is_the_waiting_work_over_its_rate() -> None:
    backlog = make()
    survey(backlog, 0, settled=5000)
    survey(backlog, 2, settled=6000)
    backlog.note(2, waiting=2000)

    assert backlog.retry_after_seconds() == 4


def test_what_other_intakes_accept_does_not_slow_the_rate() -> None:
    backlog = make()
    for second in range(5):
        survey(backlog, second, settled=250 * second)
        backlog.note(second, waiting=1000 + 5000 * second)
    backlog.note(5, waiting=1000)

    assert backlog.retry_after_seconds() == 4


def test_retry_after_is_a_second_at_least_and_a_minute_at_most() -> None:
    fast, slow = make(), make()
    for backlog, settled, waiting in ((fast, 100_000, 10), (slow, 1, 100_000)):
        survey(backlog, 0)
        survey(backlog, 1, settled=settled)
        backlog.note(1, waiting=waiting)

    assert fast.retry_after_seconds() == 1
    assert slow.retry_after_seconds() == 60


def test_retry_after_is_a_guess_while_nothing_moves() -> None:
    backlog = make()
    first = backlog.retry_after_seconds()
    backlog.note(0, waiting=10)
    survey(backlog, 0, settled=7)
    survey(backlog, 1, settled=7)

    assert first == backlog.retry_after_seconds() == 5


def test_a_rate_of_long_ago_is_forgotten() -> None:
    backlog = make()
    survey(backlog, 0)
    survey(backlog, 1, settled=99_000)
    survey(backlog, 12, settled=99_000)
    survey(backlog, 13, settled=99_100)
    backlog.note(13, waiting=900)

    assert backlog.retry_after_seconds() == 9


def test_a_counter_that_begins_anew_is_no_rate() -> None:
    backlog = make()
    survey(backlog, 0, settled=1_000_000)
    survey(backlog, 1, settled=0)
    survey(backlog, 2, settled=100)
    backlog.note(2, waiting=300)

    assert backlog.retry_after_seconds() == 3
