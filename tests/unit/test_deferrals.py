"""Which imports of a batch wait, and in which order the others are applied (16.10)."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.deferrals import Beyond, Deferral, Queued, find_deferrals, in_turn
from ingest.domain.ranks import Rank


def row(number: int, *after: tuple[int, int], at: int = 1, of: str = "r") -> Queued:
    """Return row `number` of a request, taken `at` a millisecond."""
    return Queued(at, Rank(of, number, ("email",), after))


SINGLE = Queued(1)


@pytest.mark.parametrize(
    ("waits", "deferred"),
    [
        pytest.param([row(3)], True, id="the row that goes before"),
        pytest.param([row(2)], True, id="one before that"),
        pytest.param([SINGLE, row(3)], True, id="behind others"),
        pytest.param([row(4)], False, id="a later row"),
        pytest.param([row(3, of="q")], False, id="a row of another request"),
        pytest.param([row(3, at=2)], False, id="the row accepted again later"),
        pytest.param([SINGLE], False, id="an import of its own"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_an_import_is_deferred_while_a_row_before_it_waits(
    waits: list[Queued], deferred: bool
) -> None:
    batch = {1: [SINGLE, row(4, (0, 3)), row(5)]}

    deferrals = find_deferrals(batch, {0: Beyond(waits)})

    assert deferrals == ([Deferral(1, 1, 0)] if deferred else [])


@pytest.mark.parametrize(
    ("until", "deferred"), [(1, True), (2, False), (math.inf, False)]
)
def test_what_is_older_than_what_is_known_goes_first(
    until: float, deferred: bool
) -> None:
    deferrals = find_deferrals({1: [row(4, (0, 3))]}, {0: Beyond((), until)})

    assert bool(deferrals) is deferred


def test_what_is_in_the_batch_defers_nothing_unless_it_is_deferred() -> None:
    batch = {0: [row(1), row(3, (2, 2))], 1: [row(4, (0, 3))]}

    assert find_deferrals(batch, {2: Beyond()}) == []
    deferrals = find_deferrals(batch, {2: Beyond([row(2)])})

    assert sorted(deferrals, key=lambda deferral: deferral.partition) == [
        Deferral(0, 1, 2),
        Deferral(1, 0, 0),
    ]


def test_rows_of_a_request_are_applied_in_their_order() -> None:
    batch = {
        0: [SINGLE, row(2), row(3), SINGLE],
        1: [row(1), row(5)],
        2: [row(1, of="q"), row(4), row(2, of="q")],
    }

    order = list(in_turn(batch))

    ranks = [batch[partition][index].rank for partition, index in order]
    rows = [(rank.request, rank.row) for rank in ranks if rank]
    assert [number for name, number in rows if name == "r"] == [1, 2, 3, 4, 5]
    assert [number for name, number in rows if name == "q"] == [1, 2]
    for partition, queue in batch.items():
        of_it = [index for at, index in order if at == partition]
        assert of_it == list(range(len(queue)))


def test_rows_that_were_accepted_again_come_to_an_end() -> None:
    again = [row(1), row(2), row(1, at=2), row(2, at=2)]
    crossed = {0: [row(2), row(1)], 1: [row(1, at=3), row(2)]}

    assert len(list(in_turn({0: again, 1: again}))) == 8
    assert len(list(in_turn(crossed))) == 4


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans()), max_size=40
    ),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_something_can_always_be_applied(
    appended: list[tuple[int, int, bool]], size: int, random: Random
) -> None:
    """Imports of three requests, each after all before it, in any partitions."""
    queues: dict[int, list[Queued]] = {number: [] for number in range(4)}
    last: dict[int, dict[int, int]] = {0: {}, 1: {}, 2: {}}
    rows = [0, 0, 0]
    time = 1
    for partition, request, tick in appended:
        time += tick
        rows[request] += 1
        after = [one for one in last[request].items() if one[0] != partition]
        queued = row(rows[request], *after, at=time, of=str(request))
        queues[partition].append(queued)
        last[request][partition] = rows[request]

    while any(queues.values()):
        left = sum(map(len, queues.values()))
        for partition in random.sample(range(4), 4):
            batch = {partition: queues[partition][:size]}
            beyond = {other: Beyond(queues[other]) for other in range(4)}
            beyond[partition] = Beyond(queues[partition][size:])
            cut = [deferral.index for deferral in find_deferrals(batch, beyond)]
            del queues[partition][: min([size, *cut])]
        assert sum(map(len, queues.values())) < left


def test_rows_accepted_again_in_one_millisecond_defer_nobody() -> None:
    # Rows 1 and 2 were applied; all were appended twice before the clock went on.
    again = [row(number, (1, 5)) for number in (6, 7)]
    first = [*again, row(1), row(2), *again]
    second = [row(number, (0, 2)) for number in (3, 4, 5)] * 2

    assert find_deferrals({0: first, 1: second}, {}) == []
    assert find_deferrals({0: first}, {1: Beyond(second)}) == [Deferral(0, 0, 1)]
    assert find_deferrals({1: second}, {0: Beyond(first)}) == []


def test_a_row_behind_those_accepted_again_holds_what_comes_after_it() -> None:
    batch = {0: [row(5), row(6)], 1: [row(8, (0, 7))]}
    again = [row(4), row(5), row(6)]

    assert find_deferrals(batch, {0: Beyond(again)}) == []
    assert find_deferrals(batch, {0: Beyond([*again, row(7)])}) == [Deferral(1, 0, 0)]
