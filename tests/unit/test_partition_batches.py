"""Which partitions are applied together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.streams.stream import Entry, Waiting
from ingest.wire.entries import encode
from tests.factories import by_email
from workers.partition_batches import PartitionBatch, cut, group, make_partition_batch


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


def test_those_that_failed_share_with_none() -> None:
    waiting = [Waiting(partition=n, entries=1) for n in range(4)]

    groups = list(group(waiting, 10, {1, 3}))

    assert sorted([one.partition for one in each] for each in groups) == [
        [0, 2],
        [1],
        [3],
    ]


#: Of each entry whether it is an import, a heartbeat, or nothing we know.
KINDS = st.sampled_from(["import", "heartbeat", "letter"])


def part_of(partition: int, kinds: list[str]) -> PartitionBatch:
    entries = [
        Entry(
            id=f"{number}-0",
            payload=encode(by_email("a@example.com")) if kind == "import" else b"?",
            reply_to="",
            is_heartbeat=kind == "heartbeat",
        )
        for number, kind in enumerate(kinds, start=1)
    ]
    return make_partition_batch(partition, "0-0", entries)


@given(st.lists(st.lists(KINDS, min_size=1, max_size=6), max_size=4), st.integers(0, 9))
def test_a_batch_is_cut_behind_what_was_taken_of_it(
    kinds: list[list[str]], taken: int
) -> None:
    parts = [part_of(number, each) for number, each in enumerate(kinds)]
    whole = [one for part in parts for one in part.accepted]
    taken = min(taken, len(whole))

    kept = cut(parts, taken)

    assert [one for part in kept for one in part.accepted] == whole[:taken]
    for part in kept:
        before = parts[part.partition]
        # From the first entry on, without a gap, and no import behind the cut.
        assert part.entries == before.entries[: len(part.entries)]
        left = before.entries[len(part.entries) :]
        assert not left or left[0].id == before.accepted[len(part.accepted)].entry_id
        known = {entry.id for entry in part.entries}
        assert [one.entry_id for one in part.letters] == [
            one.entry_id for one in before.letters if one.entry_id in known
        ]
    if taken == len(whole):
        assert kept == parts
