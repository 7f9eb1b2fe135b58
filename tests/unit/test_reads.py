"""Reads from one end of the holders of a key: what they prove (A4)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.imports import OnAmbiguous
from ingest.domain.lookups import EMAIL, FIELD_PREFIX, PHONE, Lookup, Search
from ingest.domain.reads import NOTHING_READ, Holders, Reads

KEY, OTHER = Lookup(PHONE, "+79000000000"), Lookup(EMAIL, "ann@example.com")
SEARCH = Search(lookups=(KEY,))
TAGS = Search(
    lookups=(Lookup(f"{FIELD_PREFIX}tags", "a"), Lookup(f"{FIELD_PREFIX}tags", "b")),
    every=True,
)
OLDEST, NEWEST = OnAmbiguous.OLDEST, OnAmbiguous.NEWEST


def read(
    oldest: Sequence[str] = "", newest: Sequence[str] = "", most: int = 3
) -> Reads:
    """Return what was read of KEY in database 1."""
    return Reads(
        Holders({(1, KEY): list(oldest)}, most=most),
        Holders({(1, KEY): list(newest)}, most=most),
    )


@pytest.mark.fact("A.4-oldest", "A.4-newest")
@pytest.mark.parametrize(
    ("reads", "policy", "profile_id", "is_reached"),
    [
        pytest.param(read("bcd"), OLDEST, "b", True, id="first of the oldest"),
        pytest.param(read("bcd"), OLDEST, "d", True, id="last of the oldest"),
        pytest.param(read("bcd"), OLDEST, "e", False, id="behind the oldest"),
        pytest.param(read("bc"), OLDEST, "e", True, id="all were read"),
        pytest.param(read("", "zyx"), NEWEST, "z", True, id="first of the newest"),
        pytest.param(read("", "zyx"), NEWEST, "x", True, id="last of the newest"),
        pytest.param(read("", "zyx"), NEWEST, "w", False, id="behind the newest"),
        pytest.param(read("", "zy"), NEWEST, "a", True, id="all newest were read"),
        pytest.param(read("abc", "zyx"), NEWEST, "c", False, id="one of the oldest"),
        pytest.param(read("abc", "zyx"), OLDEST, "x", False, id="one of the newest"),
        pytest.param(read("abc", "zyx"), OnAmbiguous.FIRST, "m", True, id="no age"),
        pytest.param(NOTHING_READ, NEWEST, "a", True, id="no key"),
    ],
)
def test_a_read_that_ended_reaches_to_its_last_profile(
    reads: Reads, policy: OnAmbiguous, profile_id: str, is_reached: bool
) -> None:
    assert reads.reach(policy, 1, SEARCH, profile_id) is is_reached


@pytest.mark.fact("A.4-newest")
def test_every_key_of_a_search_must_reach_so_far() -> None:
    newest = Holders({(1, KEY): ["z", "y"], (1, OTHER): ["x", "w"]}, most=2)
    both = Search(lookups=(KEY, OTHER))

    assert Reads(newest=newest).reach(NEWEST, 1, both, "y")
    assert not Reads(newest=newest).reach(NEWEST, 1, both, "x")
    assert Reads(newest=newest).reach(NEWEST, 2, both, "x")


@pytest.mark.fact("A.4-oldest", "A.4-newest")
def test_of_several_tags_those_who_have_all_count() -> None:
    group = tuple((1, lookup) for lookup in TAGS.lookups)
    holders = Holders({group[0]: ["a", "b"]}, {group: ["c", "d"]}, most=2)

    assert Reads(oldest=holders).reach(OLDEST, 1, TAGS, "d")
    assert not Reads(oldest=holders).reach(OLDEST, 1, TAGS, "e")
    assert Reads(newest=holders).reach(NEWEST, 1, TAGS, "c")
    assert not Reads(newest=holders).reach(NEWEST, 1, TAGS, "b")


IDS = st.sets(st.sampled_from("abcdefghijklmnop"))


@pytest.mark.fact("A.4-oldest", "A.4-newest")
@given(stored=IDS, lost=IDS, also=IDS, most=st.integers(1, 4))
def test_who_is_reached_is_the_oldest_or_the_newest_of_all(
    stored: set[str], lost: set[str], also: set[str], most: int
) -> None:
    """Of those `stored` as holders some are `lost`: orphans, or changed by the batch.

    Others are known by chance, for `also` they are looked for by another key.
    """
    oldest, newest = sorted(stored)[:most], sorted(stored, reverse=True)[:most]
    reads = read(oldest, newest, most)
    holders = stored - lost
    known = holders & {*oldest, *newest, *also}

    for policy, end, ids in ((OLDEST, min, oldest), (NEWEST, max, newest)):
        if known and reads.reach(policy, 1, SEARCH, end(known)):
            assert end(known) == end(holders)
        elif known:
            # It refuses only where nobody who was read is left, and more there are.
            assert not holders & {*ids}
            assert stored - {*ids}
