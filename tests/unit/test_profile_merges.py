"""Merges of profiles, and their undo, on profiles of every kind: M4 to M6, X2 to X5."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.batches import AppliedImport, Past, apply_import
from ingest.domain.catalog import Channel, Field, FieldType
from ingest.domain.errors import InvalidRequest
from ingest.domain.histories import PastImport
from ingest.domain.imports import Import
from ingest.domain.limits import DEFAULT_LIMITS
from ingest.domain.lookups import search_keys
from ingest.domain.merging import StoredMerge
from ingest.domain.profile_merges import (
    MergedProfiles,
    check_rules,
    choose_survivor,
    list_rules,
    merge_profiles,
)
from ingest.domain.profiles import (
    Profile,
    Stamp,
    Stamps,
    Subscription,
    SubscriptionKey,
)
from ingest.domain.reads import Scans
from ingest.domain.stamps import name_members, to_microseconds
from ingest.domain.statuses import PROHIBITION, STATUSES, rank_prohibition
from ingest.domain.undoing import list_restored, remember
from ingest.domain.workspace import Workspace
from ingest.wire.profile_schemas import ProfileSchemas
from tests.factories import make_catalog, make_import, make_merge, make_undo

CATALOG = make_catalog(
    Field(name="extra", type=FieldType.OBJECT),
    Field(name="orders", type=FieldType.ARR_OBJECT),
    Field(name="vip", type=FieldType.BOOL),
    Field(name="score", type=FieldType.FLOAT, merge="max"),
)
DATABASE = CATALOG.databases[1]
A, B, C = (f"{number:024x}" for number in (10, 11, 12))


def make(profile_id: str = A, **changes: Any) -> Profile:
    return Profile(id=profile_id, database_id=1, **changes)


def subscribe(contact: str = "a@x.ru", **changes: Any) -> Subscription:
    key = SubscriptionKey(1, Channel.EMAIL, contact)
    default: dict[str, Any] = {"status": "subscribed", "priority": 0}
    return Subscription(key=key, contact={"email": contact}, **default | changes)


def merge(
    *profiles: Profile, rules: dict[str, str] | None = None, **more: Any
) -> MergedProfiles:
    changed_at = more.pop("changed_at", {})
    limits = more.pop("limits", DEFAULT_LIMITS)
    return merge_profiles(
        profiles[0], profiles[1:], rules or {}, DATABASE, limits, changed_at
    )


@pytest.mark.fact("M.4-rules")
@pytest.mark.parametrize(
    ("name", "rule", "values", "merged"),
    [
        ("note", "", ["a", "b"], "a"),
        ("note", "", [None, "b"], "b"),
        ("note", "keep", ["a", "b"], "a"),
        ("note", "longest", ["a", "bb"], "bb"),
        ("note", B, ["a", "b"], "b"),
        ("note", B, ["a", None], None),
        ("points", "", [1, 2], 1),
        ("points", "sum", [1, 2], 3),
        ("points", "max", [1, 2], 2),
        ("points", "min", [1, 2], 1),
        ("score", "", [0.5, 0.7], 0.7),
        ("score", "sum", [0.5, None], 0.5),
        ("vip", "", [False, True], False),
        ("vip", "any", [False, True], True),
        ("vip", "any", [False, False], False),
        ("interests", "", [["x"], ["y", "x"]], ["x", "y"]),
        ("interests", "keep", [["x"], ["y"]], ["x"]),
        ("orders", "", [[{"n": 1}], [{"n": 1}, {"n": 2}]], [{"n": 1}, {"n": 2}]),
        ("extra", "", [{"a": 1}, {"a": 2, "b": 3}], {"a": 1, "b": 3}),
        ("extra", B, [{"a": 1}, {"b": 3}], {"b": 3}),
    ],
)
def test_a_field_goes_by_its_rule(
    name: str, rule: str, values: Sequence[object], merged: object
) -> None:
    first, second = (
        make(id_, fields={} if value is None else {name: value})
        for id_, value in zip((A, B), values, strict=True)
    )
    rules = {name: rule} if rule else {}
    made = merge(first, second, rules=rules).survivor

    assert made.fields.get(name) == merged
    assert type(made.fields.get(name)) is type(merged)


@pytest.mark.fact("M.4-rules")
def test_the_first_value_by_age_is_kept_where_the_survivor_has_none() -> None:
    made = merge(make(C), make(B, fields={"note": "b"}), make(A, fields={"note": "a"}))

    assert made.survivor.fields["note"] == "a"
    assert [one.id for one in made.absorbed] == [A, B]


@pytest.mark.fact("M.4-latest")
@pytest.mark.parametrize(
    ("rule", "turns", "merged"),
    [
        ("latest", {(A, "note"): 5, (B, "note"): 7}, "b"),
        ("latest", {(A, "note"): 9, (B, "note"): 7}, "a"),
        ("earliest", {(A, "note"): 5, (B, "note"): 7}, "a"),
        # Of a value that no receipt tells of, its profile's last update counts.
        ("latest", {}, "b"),
        ("earliest", {}, "a"),
    ],
)
def test_the_latest_value_is_told_by_receipts(
    rule: str, turns: dict[tuple[str, str], int], merged: str
) -> None:
    first = make(fields={"note": "a"}, updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    second = make(B, fields={"note": "b"}, updated_at=datetime(2026, 2, 1, tzinfo=UTC))
    made = merge(first, second, rules={"note": rule}, changed_at=turns)

    assert made.survivor.fields["note"] == merged


@pytest.mark.fact("M.4-refused")
@pytest.mark.parametrize(
    ("path", "rule", "message"),
    [
        ("nothing", "keep", "Unknown field"),
        ("note", "sum", "Unknown rule (keep, latest, earliest, longest, the ID of one"),
        ("vip", "max", "Unknown rule (keep, latest, earliest, any, the ID of one"),
        ("note", C, "Unknown rule (keep"),
        ("_status", "keep", "The status that forbids most is kept"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(
    path: str, rule: str, message: str
) -> None:
    (fault,) = check_rules({path: rule}, [A, B], DATABASE)

    assert fault.path == f"fields.{path}"
    assert fault.message.startswith(message)


def test_every_rule_that_is_allowed_decides() -> None:
    for field in DATABASE.fields.values():
        for rule in list_rules(field):
            assert check_rules({field.name: rule}, [A], DATABASE) == []


@pytest.mark.fact("M.1-survivor")
@pytest.mark.parametrize(
    ("told", "chosen"),
    [("oldest", A), ("newest", C), ("latest", B), (B, B), ("0" * 24, None)],
)
def test_the_survivor_is_chosen(told: str, chosen: str | None) -> None:
    profiles = [
        make(C, updated_at=datetime(2026, 1, 1, tzinfo=UTC)),
        make(A, updated_at=datetime(2026, 1, 2, tzinfo=UTC)),
        make(B, updated_at=datetime(2026, 1, 3, tzinfo=UTC)),
    ]
    found = choose_survivor(profiles, told)

    assert (found.id if found else None) == chosen


@pytest.mark.fact("M.5-consent")
@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("strict", sorted(PROHIBITION))
def test_the_status_that_forbids_most_wins(strict: str, deleted: bool) -> None:
    for one, other in (("subscribed", strict), (strict, "subscribed")):
        first = subscribe(status=one)
        second = subscribe(status=other, deleted=deleted)
        profiles = [
            make(fields={"_status": STATUSES[one]}, subscriptions={first.key: first}),
            make(
                B,
                fields={"_status": STATUSES[other]},
                subscriptions={first.key: second},
            ),
        ]
        made = merge(*profiles).survivor

        (subscription,) = made.subscriptions.values()
        assert PROHIBITION[subscription.status] == PROHIBITION[strict]
        assert rank_prohibition(made.fields["_status"]) == PROHIBITION[strict]
        assert subscription.deleted is False


#: Of a database that keeps times.
TIMED = make_catalog(times=True).databases[1]
EARLY, LATE = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 20))


@pytest.mark.fact("M.5-times")
@pytest.mark.parametrize("survives", [False, True])
def test_a_status_that_forbids_less_never_wins_by_being_newer(survives: bool) -> None:
    key = subscribe().key
    path = name_members(key).status
    said = {}
    for status, at in (("unsubscribed", EARLY), ("subscribed", LATE)):
        one = subscribe(status=status, status_at=at)
        stamp = Stamp(rank=0, at=to_microseconds(at))
        said[status] = make(
            A if (status == "unsubscribed") is survives else B,
            fields={"_status": STATUSES[status]},
            subscriptions={key: one},
            stamps=Stamps(default=stamp, paths={path: stamp}),
        )
    first, second = sorted(said.values(), key=lambda one: one.id)
    made = merge_profiles(first, [second], {}, TIMED, DEFAULT_LIMITS, {})

    (kept,) = made.survivor.subscriptions.values()
    assert (kept.status, kept.status_at) == ("unsubscribed", EARLY)
    assert made.survivor.fields["_status"] == STATUSES["unsubscribed"]
    # What the survivor became is in `changes`; what another had been is not.
    yielding = {one.path: (one.reason, one.stored, one.since) for one in made.kept}
    expected = {
        "_status": ("consent", STATUSES["unsubscribed"], None),
        path: ("consent", "unsubscribed", EARLY),
    }
    assert yielding == (expected if survives else {})


@pytest.mark.fact("M.5-subscriptions")
def test_subscriptions_gather_behind_those_of_the_survivor() -> None:
    shared = subscribe(
        "s@x.ru", priority=3, categories=("news",), custom_fields={"a": 1}
    )
    again = replace(shared, priority=0, categories=("sales",), custom_fields={"b": 2})
    own, other = subscribe("a@x.ru", priority=1), subscribe("b@x.ru", priority=0)
    gone = subscribe("g@x.ru", deleted=True)
    made = merge(
        make(subscriptions={one.key: one for one in (shared, own)}),
        make(B, subscriptions={one.key: one for one in (again, other, gone)}),
    ).survivor
    found = {key.contact: one for key, one in made.subscriptions.items()}

    assert found["s@x.ru"].categories == ("news", "sales")
    assert found["s@x.ru"].custom_fields == {"a": 1, "b": 2}
    assert [found[name].priority for name in ("s@x.ru", "a@x.ru", "b@x.ru")] == [
        3,
        1,
        4,
    ]
    assert found["g@x.ru"].deleted


@pytest.mark.fact("M.6-former-keys")
def test_what_loses_becomes_a_former_key() -> None:
    made = merge(
        make(email="a@x.ru", fields={"code": 1, "tier": "gold"}),
        make(B, email="b@x.ru", fields={"code": 2, "tier": "gold", "note": "b"}),
    ).survivor

    assert made.email == "a@x.ru"
    assert made.former_keys == {"email": ["b@x.ru"], "code": [2]}


@pytest.mark.fact("M.6-former-keys")
@pytest.mark.parametrize(
    ("data", "former"),
    [
        ({"email": "B@x.ru"}, {"code": [2]}),
        ({"code": 2}, {"email": ["b@x.ru"]}),
        ({"note": "x"}, {"email": ["b@x.ru"], "code": [2]}),
    ],
)
def test_a_former_key_that_is_set_again_is_one_no_more(
    data: dict[str, Any], former: dict[str, Any]
) -> None:
    world = World(
        make(email="a@x.ru", former_keys={"email": ["b@x.ru"], "code": [2]}),
    )
    step = world.apply(make_import("email", data, key={"email": "a@x.ru"}))

    assert world.profile(A).former_keys == former
    changed = {path for path in step.outcome.changes if path.startswith("former_keys[")}
    assert len(changed) == 2 - len(former)


@pytest.mark.fact("M.1-limits")
def test_a_profile_is_not_merged_beyond_its_limits() -> None:
    limits = replace_limits(phones=2)
    with pytest.raises(
        InvalidRequest, match="At most 2 phones in a profile are allowed"
    ):
        merge(
            make(phones=("+79160000001", "+79160000002")),
            make(B, phones=("+79160000003",)),
            limits=limits,
        )


@pytest.mark.fact("M.1-limits")
def test_what_a_profile_has_already_is_not_too_much() -> None:
    phones = tuple(f"+7916000000{number}" for number in range(3))
    made = merge(make(phones=phones), make(B), limits=replace_limits(phones=2))

    assert made.survivor.phones == phones


def replace_limits(**changes: Any) -> Any:
    return type(DEFAULT_LIMITS)(**changes)


class World:
    """Profiles that are merged and parted, as a batch does."""

    def __init__(self, *profiles: Profile) -> None:
        self.workspace = Workspace(CATALOG, profiles, Scans())
        self.history: dict[str, list[PastImport]] = {}
        self.merges: dict[UUID, StoredMerge] = {}
        self._schemas = ProfileSchemas(CATALOG)

    def apply(self, import_: Import) -> AppliedImport:
        prepared = self._schemas.prepare(import_)
        past = Past()
        if import_.undo is not None:
            history = self.history.get(import_.key.profile_id or "", [])
            merge = self.merges.get(import_.undo.import_id)
            past = Past(history=tuple(history), merge=merge)
            restored = list_restored(history, DATABASE, merge)
            prepared = replace(prepared, restored=restored)
        step = apply_import(self.workspace, prepared, CATALOG, C, past)
        outcome = step.outcome
        if outcome.profile_id is not None:
            told = remember(import_, outcome)
            self.history.setdefault(outcome.profile_id, []).append(told)
        if step.merge is not None and outcome.undoes is None:
            self.merges[step.merge.merge_id] = step.merge
        return step

    def merge(self, *ids: str, **more: Any) -> AppliedImport:
        return self.apply(make_merge(*ids, **more))

    def undo(self, step: AppliedImport, **more: Any) -> AppliedImport:
        return self.apply(make_undo(step.outcome, **more))

    def profile(self, profile_id: str) -> Profile:
        return self.workspace.current[1, profile_id]

    @property
    def stored(self) -> dict[str, Profile]:
        return {id_: one for (_, id_), one in self.workspace.current.items()}


EMAILS = ["a@x.ru", "b@x.ru", "c@x.ru"]
SUBSCRIPTIONS = st.lists(
    st.builds(
        subscribe,
        st.sampled_from(EMAILS),
        status=st.sampled_from(sorted(STATUSES)),
        priority=st.integers(0, 3),
        categories=st.sampled_from([(), ("news",), ("news", "sales")]),
        custom_fields=st.sampled_from([{}, {"plan_code": "x"}]),
        deleted=st.booleans(),
    ),
    max_size=3,
).map(lambda ones: {one.key: one for one in ones})
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "note": st.sampled_from(["a", "b"]),
        "tier": st.sampled_from(["gold", "silver"]),
        "points": st.integers(-3, 3),
        "score": st.sampled_from([0.5, 0.25]),
        "vip": st.booleans(),
        "interests": st.lists(st.sampled_from("xyz"), min_size=1, unique=True),
        "extra": st.sampled_from([{"a": 1}, {"b": 2}]),
        "orders": st.just([{"n": 1}]) | st.just([{"n": 2}, {"n": 3}]),
        "_status": st.sampled_from(sorted(STATUSES.values())),
    },
)
PHONES = st.lists(
    st.sampled_from(["+79160000001", "+79160000002", "+79160000003"]),
    max_size=2,
    unique=True,
).map(tuple)
SEGMENTS = st.frozensets(st.sampled_from([1, 2]))


@st.composite
def several(draw: st.DrawFn) -> list[Profile]:
    """Return profiles of every kind, no two with one unique value."""
    emails = draw(st.permutations([*EMAILS, None]))
    codes = draw(st.permutations([1, 2, None]))
    made = []
    for number, id_ in enumerate((A, B, C)):
        fields = dict(draw(FIELDS))
        if codes[number] is not None:
            fields["code"] = codes[number]
        made.append(
            make(
                id_,
                email=emails[number],
                phones=draw(PHONES),
                fields=fields,
                subscriptions=draw(SUBSCRIPTIONS),
                segments=draw(SEGMENTS),
            )
        )
    return made[: draw(st.integers(2, 3))]


RULES = st.dictionaries(
    st.sampled_from(["note", "points", "interests", "email", "phones", "tier"]),
    st.sampled_from(["keep", A, B]),
    max_size=2,
)


@pytest.mark.fact("M.6-former-keys")
@given(several(), RULES)
def test_every_key_of_any_finds_the_survivor(
    profiles: list[Profile], rules: dict[str, str]
) -> None:
    keys = set().union(*(search_keys(one, DATABASE) for one in profiles))
    world = World(*profiles)
    step = world.merge(*(one.id for one in profiles), fields=rules)

    assert step.outcome.error == 0
    (survivor,) = world.stored.values()
    assert keys <= search_keys(survivor, DATABASE)
    for one in profiles:
        found = world.workspace.resolve(1, one.id)
        assert found is survivor


@pytest.mark.fact("X.2-parted")
@given(several(), RULES, st.sampled_from(["oldest", "newest"]))
def test_a_merge_and_its_undo_change_nothing(
    profiles: list[Profile], rules: dict[str, str], survivor: str
) -> None:
    world = World(*profiles)
    step = world.merge(*(one.id for one in profiles), fields=rules, survivor=survivor)
    undone = world.undo(step, restore_consent=True, reason="a mistake")

    assert undone.outcome.faults == ()
    assert plain(world.stored) == plain({one.id: one for one in profiles})


def without_facts(one: Subscription) -> Subscription:
    """Return a subscription without what is known of its status."""
    return replace(one, status_at=None, status_by=None, consent=None)


def plain(stored: dict[str, Profile]) -> dict[str, Any]:
    """Return what matters: a subscription that a merge brought is marked as deleted."""
    return {
        id_: (
            one.email,
            one.phones,
            dict(one.fields),
            {
                key: without_facts(it)
                for key, it in one.subscriptions.items()
                if not it.deleted
            },
            one.segments,
            dict(one.former_keys),
        )
        for id_, one in stored.items()
    }


@pytest.mark.fact("X.4-consent")
@given(several())
def test_without_the_flag_no_undo_of_a_merge_raises_a_status(
    profiles: list[Profile],
) -> None:
    world = World(*profiles)
    step = world.merge(*(one.id for one in profiles))
    together = world.profile(step.outcome.profile_id or "")
    world.undo(step)

    for profile in world.stored.values():
        for key, one in profile.subscriptions.items():
            if key in together.subscriptions:
                merged = together.subscriptions[key]
                assert PROHIBITION[one.status] >= PROHIBITION[merged.status]


@pytest.mark.fact("M.4-order")
@given(several())
def test_merging_two_by_two_is_merging_all(profiles: list[Profile]) -> None:
    # Numbers of subscriptions depend on who came first; so they are left out.
    at_once, stepwise = World(*profiles), World(*profiles)
    at_once.merge(*(one.id for one in profiles))
    for one in profiles[1:]:
        stepwise.merge(A, one.id)

    def shown(world: World) -> tuple[object, ...]:
        (one,) = world.stored.values()
        subscriptions = {
            key: replace(without_facts(it), priority=0)
            for key, it in one.subscriptions.items()
        }
        former = {
            path: sorted(map(str, listed)) for path, listed in one.former_keys.items()
        }
        return one.email, one.phones, one.fields, subscriptions, one.segments, former

    assert shown(at_once) == shown(stepwise)
