"""Which events one request has together: T6."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.event_batches import (
    LARGEST_BODY,
    count_fitting,
    find_linger,
    name_batch,
    parse_linger,
)

SECOND = timedelta(seconds=1)


@pytest.mark.fact("TR.6-size")
@given(st.lists(st.integers(1, LARGEST_BODY + 1), min_size=1, max_size=50))
def test_as_many_events_are_sent_together_as_fit(sizes: list[int]) -> None:
    count = count_fitting(sizes)

    assert 1 <= count <= len(sizes)
    assert count == 1 or sum(sizes[:count]) + count <= LARGEST_BODY
    if count < len(sizes):
        assert sum(sizes[: count + 1]) + count + 1 > LARGEST_BODY


@pytest.mark.fact("TR.6-retry")
def test_a_batch_is_named_by_its_events_in_their_order() -> None:
    first, second = uuid4(), uuid4()

    assert name_batch([first, second]) == name_batch([first, second])
    assert len({name_batch(ids) for ids in ([first], [first, second])}) == 2
    assert name_batch([first, second]) != name_batch([second, first])
    assert name_batch([first]) != first


@pytest.mark.fact("TR.6-batch")
@pytest.mark.parametrize(
    ("count", "waited", "wait"),
    [
        (3, 0 * SECOND, 2 * SECOND),
        (3, 1.5 * SECOND, 0.5 * SECOND),
        (3, 2 * SECOND, None),
        (10, 0 * SECOND, None),
        (0, None, None),
    ],
)
def test_a_batch_waits_until_it_is_full_or_its_time_is_over(
    count: int, waited: timedelta | None, wait: timedelta | None
) -> None:
    assert find_linger(count, waited, 10, 2 * SECOND) == wait


@pytest.mark.fact("TR.6-keys")
def test_a_batch_waits_for_a_second_unless_it_says() -> None:
    assert parse_linger("") == SECOND
    assert parse_linger("60s") == 60 * SECOND
