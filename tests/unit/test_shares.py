"""Which partitions are applied together."""

import pytest

from ingest.stream import Waiting
from workers.shares import group


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        pytest.param([], [], id="nothing waits"),
        pytest.param([3, 4, 3], [[3, 4, 3]], id="as many as fit"),
        pytest.param([3, 4, 4], [[3, 4], [4]], id="one too many"),
        pytest.param([10, 1], [[10], [1]], id="a full one stands alone"),
        pytest.param([5000, 1, 2], [[5000], [1, 2]], id="an overfull one too"),
    ],
)
def test_partitions_are_put_together_up_to_the_size(
    lengths: list[int], expected: list[list[int]]
) -> None:
    waiting = [Waiting(partition=n, entries=each) for n, each in enumerate(lengths)]

    groups = list(group(waiting, 10))

    assert [[one.entries for one in each] for each in groups] == expected
    # Who waits longest comes first.
    assert [one for each in groups for one in each] == waiting
