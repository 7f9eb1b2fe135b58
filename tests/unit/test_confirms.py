"""Publisher confirms: single or for many, in any order."""

import pytest
from amqp.exceptions import MessageNacked
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.doors.broker.confirms import Confirms


@settings(max_examples=100)
@given(st.permutations(range(1, 9)))
def test_everything_confirmed_one_by_one_is_confirmed(order: list[int]) -> None:
    confirms = Confirms()

    for position, number in enumerate(order):
        assert confirms.count <= position
        confirms.acknowledge(number, multiple=False)

    assert confirms.count == 8


def test_one_confirmation_may_stand_for_all_before_it() -> None:
    confirms = Confirms()
    confirms.acknowledge(6, multiple=False)
    confirms.acknowledge(5, multiple=True)

    assert confirms.count == 6


def test_a_gap_is_not_confirmed() -> None:
    confirms = Confirms()
    confirms.acknowledge(1, multiple=False)
    confirms.acknowledge(3, multiple=False)

    assert confirms.count == 1


def test_a_refusal_is_an_error() -> None:
    with pytest.raises(MessageNacked, match="4"):
        Confirms().refuse(4, multiple=False)
