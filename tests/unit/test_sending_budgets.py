"""The budget of requests to an endpoint, on a clock of its own: T5."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.sending_budgets import SendingBudget

START = datetime(2026, 11, 28, tzinfo=UTC)
#: How long a courier leaves the budget alone, in seconds, and what it asks for.
STEPS = st.lists(
    st.tuples(st.floats(0, 5), st.integers(1, 400)), min_size=1, max_size=60
)


@pytest.mark.fact("TR.5-rate")
@pytest.mark.parametrize("rate", [0.1, 1, 7.5, 50, 10_000])
def test_over_a_minute_no_more_is_sent_than_the_rate(rate: float) -> None:
    budget, now, sent = SendingBudget(rate=rate, empty_at=None), START, 0
    while now < START + timedelta(seconds=60):
        taken, budget = budget.take(1000, now)
        sent += taken
        # As soon as there is another.
        now += budget.find_wait(now)

    assert 0.95 * 60 * rate <= sent <= max(1.1 * 60 * rate, 1)


@pytest.mark.fact("TR.5-rate")
@given(st.floats(0.1, 1000), STEPS)
def test_of_any_time_no_more_is_taken_than_its_share_and_one_second(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    budget, now = SendingBudget(rate=rate, empty_at=None), START
    taken_at: list[tuple[datetime, int]] = []
    for pause, wanted in steps:
        now += timedelta(seconds=pause)
        taken, budget = budget.take(wanted, now)
        assert 0 <= taken <= wanted
        taken_at.append((now, taken))

    for index, (begins, _) in enumerate(taken_at):
        for ends, _ in taken_at[index:]:
            seconds = (ends - begins).total_seconds()
            taken = sum(one for at, one in taken_at if begins <= at <= ends)
            assert taken <= seconds * rate + max(rate, 1) + 0.01


@pytest.mark.fact("TR.5-rate")
def test_what_was_taken_and_not_used_is_there_again() -> None:
    taken, budget = SendingBudget(rate=10, empty_at=None).take(10, START)
    assert taken == 10
    assert budget.take(1, START)[0] == 0
    budget = budget.give_back(4, START)
    assert budget.take(10, START)[0] == 4
    # It is never more than full.
    full = SendingBudget(rate=10, empty_at=None).give_back(4, START)
    assert full.take(100, START)[0] == 10


@pytest.mark.fact("TR.5-rate")
def test_a_clock_that_is_put_back_gives_nothing() -> None:
    _, budget = SendingBudget(rate=10, empty_at=None).take(10, START)
    earlier = START - timedelta(seconds=30)

    assert budget.take(5, earlier)[0] == 0
    assert budget.find_wait(earlier) > timedelta(seconds=30)
