"""Who is in which dynamic segment, followed change by change (G1 to G4, G7)."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.domain.catalog import Segment, SegmentKind
from ingest.domain.dynamic_segments import DynamicSegments
from ingest.domain.local_days import Instant
from ingest.domain.merge import compare
from ingest.domain.paths import list_changes
from ingest.domain.profiles import Profile
from tests.conditions import (
    SCOPE,
    SEGMENTS,
    ZONES,
    make_condition,
    make_profile,
    make_test,
)
from tests.factories import make_database

SEED = int(os.environ.get("TEST_CONDITION_SEED", "1"))
STEPS = int(os.environ.get("TEST_SEGMENT_STEPS", "1500"))
NOW = Instant(datetime(2026, 12, 1, 12, tzinfo=UTC))


def make_segments(
    filters: Mapping[int, Any], zone: str = "UTC", **more: Any
) -> DynamicSegments:
    """Return dynamic segments by id, beside the static ones 1, 2 and 3."""
    segments = [
        Segment(id=id_, name="Static", database_id=1, kind=SegmentKind.STATIC)
        for id_ in SEGMENTS
    ]
    segments += [
        Segment(
            id=id_,
            name="Dynamic",
            database_id=1,
            kind=SegmentKind.DYNAMIC,
            filter=tree,
            building=id_ in more.get("building", ()),
            announce=id_ in more.get("announce", ()),
        )
        for id_, tree in filters.items()
    ]
    database = make_database(*SCOPE.fields.values(), timezone=zone)
    return DynamicSegments(segments, database, SCOPE.resources)


def put(**changes: Any) -> Profile:
    return Profile(id="0" * 24, database_id=1, **changes)


def test_a_change_is_compared_with_the_filters_that_read_it() -> None:
    dynamic = make_segments({12: {"field": "f_int", "ge": 100}})
    before, after = put(fields={"f_int": 1}), put(fields={"f_int": 100})

    entered = dynamic.follow(before, after, ["f_int"], NOW).after
    # Nobody reads that: what is wrong stays so until it is audited.
    other = dynamic.follow(before, after, ["f_float"], NOW).after

    assert entered.segments == {12}
    assert other.segments == set()
    left = dynamic.follow(
        entered, replace(before, segments=entered.segments), ["f_int"], NOW
    )
    assert left.after.segments == set()


def test_a_segment_moves_those_that_name_it() -> None:
    dynamic = make_segments(
        {
            # In an order in which none comes after what it names.
            11: {"not": {"segment": 12}},
            12: {"all": [{"segment": 13}, {"segment": 14}]},
            13: {"any": [{"segment": 15}, {"segment": 1}]},
            14: {"segment": 15},
            15: {"field": "f_int", "ge": 100},
        }
    )
    new = dynamic.follow(None, put(), [], NOW).after
    rich = dynamic.follow(
        new, replace(new, fields={"f_int": 100}), ["f_int"], NOW
    ).after
    named = dynamic.follow(
        new, replace(new, segments=new.segments | {1}), ["segments"], NOW
    ).after

    assert new.segments == {11}
    assert rich.segments == {12, 13, 14, 15}
    assert named.segments == {1, 11, 13}


def test_a_new_profile_is_in_those_that_nothing_is_needed_for() -> None:
    dynamic = make_segments(
        {
            12: {"not": {"field": "email", "exists": True}},
            13: {"field": "_createtime", "past": "1d"},
            14: {"field": "f_int", "ge": 1},
        }
    )
    made = dynamic.follow(None, put(phones=("+1",)), ["phones"], NOW)

    assert made.after.segments == {12, 13}
    assert made.after.created_at == NOW.at
    assert made.due == {13: Instant(NOW.at + timedelta(days=1)).microseconds}


@pytest.mark.parametrize(
    ("was", "becomes", "segments"),
    [
        pytest.param(None, {"f_unicode": "a"}, {11, 12}, id="one text of several"),
        pytest.param(None, {"f_int": 1}, set(), id="another field"),
        pytest.param({"f_unicode": "a"}, {"f_unicode": "b"}, {12, 14}, id="another"),
        pytest.param({"f_unicode": "a"}, {"f_unicode": "c"}, {13}, id="it or a number"),
        pytest.param({"f_unicode": "b"}, {}, set(), id="none any more"),
        pytest.param({}, {"f_unicode": ["a"]}, set(), id="no text"),
        pytest.param({"f_unicode": "b"}, {"f_unicode": "b"}, {12, 14}, id="as it was"),
    ],
)
def test_segments_of_texts_are_found_as_others_are(
    was: Mapping[str, Any] | None, becomes: Mapping[str, Any], segments: set[int]
) -> None:
    dynamic = make_segments(
        {
            11: {"field": "f_unicode", "eq": "a"},
            12: {
                "any": [
                    {"field": "f_unicode", "in": ["a", "b"]},
                    {"field": "f_unicode", "eq": "b"},
                ]
            },
            13: {
                "any": [{"field": "f_unicode", "eq": "c"}, {"field": "f_int", "eq": 7}]
            },
            # Which is one of those of texts only.
            14: {"all": [{"segment": 12}, {"not": {"field": "f_unicode", "eq": "a"}}]},
        }
    )
    before = None
    if was is not None:
        before = dynamic.follow(None, put(fields=was), list(was), NOW).after
    after = put(fields=becomes, segments=before.segments if before else frozenset())

    followed = dynamic.follow(before, after, ["f_unicode", "f_int"], NOW)

    assert followed.after.segments == segments
    assert dynamic.evaluate_all(after, NOW) == segments


def test_what_an_import_says_of_dynamic_segments_does_not_count() -> None:
    dynamic = make_segments({12: {"field": "f_int", "ge": 100}, 13: {"segment": 1}})
    before = put(segments=frozenset({2, 12}), fields={"f_int": 100})
    after = replace(before, segments=frozenset({1, 13}))

    followed = dynamic.follow(before, after, ["segments"], NOW)

    assert followed.after.segments == {1, 12, 13}


@pytest.mark.fact("G.7-building")
def test_nobody_enters_a_segment_that_is_built_who_always_belonged_there() -> None:
    dynamic = make_segments(
        {12: {"field": "f_int", "ge": 100}, 13: {"segment": 12}}, building={12, 13}
    )
    # Not put in yet.
    before = put(fields={"f_int": 100})
    more = dynamic.follow(before, put(fields={"f_int": 200}), ["f_int"], NOW)
    less = dynamic.follow(before, put(fields={"f_int": 1}), ["f_int"], NOW)
    put_in = put(fields={"f_int": 1})
    enters = dynamic.follow(put_in, put(fields={"f_int": 200}), ["f_int"], NOW)

    assert more.before is not None
    assert more.before.segments == more.after.segments == {12, 13}
    assert less.before is not None
    assert less.before.segments == {12, 13}
    assert less.after.segments == set()
    assert enters.before is not None
    assert enters.before.segments == set()
    assert enters.after.segments == {12, 13}


@pytest.mark.fact("G.7-building")
def test_a_segment_that_announces_its_build_is_entered_as_that_goes_on() -> None:
    dynamic = make_segments(
        {12: {"field": "f_int", "ge": 100}}, building={12}, announce={12}
    )
    before = put(fields={"f_int": 100})
    more = dynamic.follow(before, put(fields={"f_int": 200}), ["f_int"], NOW)

    assert more.before is not None
    assert more.before.segments == set()
    assert more.after.segments == {12}


def make_random(random: Random, count: int = 30) -> DynamicSegments:
    """Return random segments, of which many name others."""
    filters: dict[int, Any] = {}
    for id_ in range(10, 10 + count):
        tree, _ = make_condition(random)
        if random.random() < 0.3:
            tree = {"any": [tree, make_test(random, SCOPE.fields["f_date"])]}
        if filters and random.random() < 0.6:
            other = {"segment": random.choice([*filters, *SEGMENTS])}
            named = {"not": other} if random.random() < 0.3 else other
            tree = {random.choice(("all", "any")): [tree, named]}
        filters[id_] = tree
    shuffled = list(filters.items())
    random.shuffle(shuffled)
    return make_segments(dict(shuffled), random.choice(ZONES))


def change(random: Random, profile: Profile) -> Profile:
    """Return a profile of which some parts are those of another."""
    other = make_profile(random, 1)
    fields = random.sample(sorted(other.fields.items()), min(3, len(other.fields)))
    parts: dict[str, Any] = {
        "email": other.email,
        "phones": other.phones,
        "fields": {**profile.fields, **dict(fields)},
        "subscriptions": {**profile.subscriptions, **other.subscriptions},
        "segments": profile.segments - set(SEGMENTS) | other.segments,
    }
    chosen = random.sample(sorted(parts), random.choice((1, 1, 2)))
    return replace(profile, **{name: parts[name] for name in chosen})


class Store:
    """Profiles, kept in segments by changes and by time."""

    def __init__(self, dynamic: DynamicSegments) -> None:
        self.dynamic = dynamic
        self.profiles: dict[str, Profile] = {}
        self.due: dict[tuple[str, int], int] = {}

    def put(self, before: Profile | None, after: Profile, now: Instant) -> None:
        changes: Iterable[str] = (
            list_changes(None, after) if before is None else compare(before, after)
        )
        followed = self.dynamic.follow(before, after, changes, now)
        self.keep(followed.after, followed.due)

    def keep(self, profile: Profile, due: Mapping[int, int]) -> None:
        self.profiles[profile.id] = profile
        self.due |= {(profile.id, id_): moment for id_, moment in due.items()}

    def sweep(self, now: Instant) -> int:
        due = [at for at, moment in self.due.items() if moment <= now.microseconds]
        for profile_id, segment_id in due:
            judged = self.dynamic.judge(self.profiles[profile_id], [segment_id], now)
            assert judged.due[segment_id] > now.microseconds
            self.keep(judged.after, judged.due)
        return len(due)

    def check(self, now: Instant) -> None:
        for profile in self.profiles.values():
            kept = profile.segments & self.dynamic.ids
            assert kept == self.dynamic.evaluate_all(profile, now), (profile, now.at)


@pytest.mark.fact("G.1-followed", "G.4-next-change")
@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_whatever_happens_members_are_those_that_the_filters_name(seed: int) -> None:
    random = Random(seed)
    store = Store(make_random(random))
    at, swept = datetime(1993, 1, 1, tzinfo=UTC), 0
    for number in range(STEPS // 4):
        at += timedelta(hours=random.choice((0, 0, 1, 30, 24 * 40)))
        now = Instant(at)
        swept += store.sweep(now)
        profile = make_profile(random, number % 30)
        before = store.profiles.get(profile.id)
        if before is None:
            store.put(None, replace(profile, created_at=None), now)
        else:
            store.put(before, change(random, before), now)
        if not number % 10:
            store.check(now)

    assert swept
    assert len({len(one.segments) for one in store.profiles.values()}) > 3
