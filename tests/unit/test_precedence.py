"""Times and sources: older values replace no newer ones (T1 to T11)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace as derive
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.batches import apply_import
from ingest.domain.catalog import Catalog, Field, FieldType
from ingest.domain.imports import Import, Kept, Outcome, State, SubscriptionChange
from ingest.domain.profiles import Profile
from ingest.domain.reads import Scans
from ingest.domain.stamps import dump_stamps, load_stamps
from ingest.domain.workspace import Workspace
from ingest.wire.profile_schemas import ProfileSchemas
from tests.factories import make_catalog, make_import

EMAIL = "ann@example.com"
ID = "6b04f28ad691ecc2e1a166f2"
CRM, WEB = 1, 2
EXTRA = (
    Field(name="extra", type=FieldType.OBJECT),
    Field(name="orders", type=FieldType.ARR_OBJECT),
    Field(name="score", type=FieldType.FLOAT),
)
CATALOG = derive(
    make_catalog(*EXTRA, times=True, sources={"crm": 20, "web": 10, "file": 5}),
    sources={CRM: "crm", WEB: "web"},
)
UNTIMED = make_catalog(*EXTRA)
START = datetime(2026, 11, 20, 10, tzinfo=UTC)
UNSET = {"action": "unset"}
SHOP = {"channel": "email", "email": EMAIL}
SHOP_PATH = f"subscriptions[1/email/{EMAIL}]"


def moment(hours: int) -> datetime:
    return START + timedelta(hours=hours)


class World:
    """One profile, matched by its email, in a database that keeps times."""

    def __init__(self, catalog: Catalog = CATALOG) -> None:
        self.catalog = catalog
        self.workspace = Workspace(catalog, [], Scans())
        self._schemas = ProfileSchemas(catalog)

    def apply(self, import_: Import) -> Outcome:
        prepared = self._schemas.prepare(import_)
        return apply_import(self.workspace, prepared, self.catalog, ID).outcome

    def send(
        self, data: Mapping[str, Any], hours: int | None = None, **more: Any
    ) -> Outcome:
        as_of = None if hours is None else moment(hours)
        given: dict[str, Any] = {
            "token_id": None,
            "door": "http",
            "as_of": as_of,
            **more,
        }
        import_ = make_import("email", {"email": EMAIL, **data})
        return self.apply(replace(import_, **given))

    @property
    def profile(self) -> Profile:
        return self.workspace.current[1, ID]

    def get(self, name: str) -> object:
        return self.profile.fields.get(name)

    def show(self) -> dict[str, object]:
        profile = self.profile
        return {
            "phones": profile.phones,
            "segments": profile.segments,
            "fields": profile.fields,
            "subscriptions": {
                key: (one.status, one.priority, one.custom_fields, one.deleted)
                for key, one in profile.subscriptions.items()
            },
        }


@pytest.fixture
def world() -> World:
    return World()


def reasons(outcome: Outcome) -> dict[str, str]:
    return {one.path: one.reason for one in outcome.kept}


@pytest.mark.fact("T.1-off")
@pytest.mark.parametrize(
    ("data", "more", "path"),
    [
        ({}, {"as_of": START}, "as_of"),
        (
            {"note": {"action": "set", "value": "x", "as_of": "2026-11-20T10:00:00Z"}},
            {},
            "data.note.as_of",
        ),
        (
            {"phones": {"action": "unset", "as_of": 1763632800}},
            {},
            "data.phones.as_of",
        ),
        (
            {
                "subscriptions": [
                    SHOP
                    | {
                        "custom_fields": {
                            "plan_code": {"action": "unset", "as_of": 1763632800}
                        }
                    }
                ]
            },
            {},
            "data.subscriptions[0].custom_fields.plan_code.as_of",
        ),
    ],
)
def test_a_moment_is_refused_where_none_are_kept(
    data: dict[str, Any], more: dict[str, Any], path: str
) -> None:
    outcome = World(UNTIMED).send(data, **more)

    assert [(one.code, one.path) for one in outcome.faults] == [(400, path)]
    assert "does not keep times" in outcome.error_text


@pytest.mark.fact("T.3-future")
@pytest.mark.parametrize(("ahead", "error"), [(299, 0), (301, 400)])
def test_a_moment_is_at_most_five_minutes_ahead(
    world: World, ahead: int, error: int
) -> None:
    later = datetime.now(UTC) + timedelta(seconds=ahead)
    value = {"action": "set", "value": "x", "as_of": later.isoformat()}
    for outcome in (
        world.send({"note": "x"}, as_of=later),
        world.send({"note": value}),
    ):
        assert outcome.error == error, outcome.error_text
        assert (error == 0) or "In the future" in outcome.error_text


@pytest.mark.fact("T.3-future")
def test_a_moment_is_after_1970(world: World) -> None:
    outcome = world.send({"note": "x"}, as_of=datetime(1970, 1, 1, tzinfo=UTC))
    assert outcome.error_text == "Out of range (after 1970-01-01): as_of"


@pytest.mark.fact("T.5-newer")
def test_what_is_skipped_is_not_dated() -> None:
    limits = derive(CATALOG.limits, tags=1)
    world = World(derive(CATALOG, limits=limits))
    world.send({"interests": ["x"]}, 1)
    outcome = world.send({"interests": ["y", "z"]}, 5, skip_invalid_fields=True)
    assert [one.path for one in outcome.skipped] == ["data.interests"]
    # So that this is not older than anything.
    assert world.send({"interests": ["y"]}, 3).kept == ()
    assert world.get("interests") == ["y"]


@pytest.mark.fact("T.5-newer")
@pytest.mark.fact("T.6-kept")
def test_an_older_value_is_kept_out_and_said(world: World) -> None:
    world.send({"note": "new", "tier": "gold"}, 5)
    outcome = world.send({"note": "old", "points": 7}, 3)

    assert (world.get("note"), world.get("points")) == ("new", 7)
    assert outcome.state is State.UPDATED
    assert outcome.kept == (
        Kept(path="note", reason="newer", sent="old", since=moment(5)),
    )
    assert set(outcome.changes) == {"points"}
    # What is so already was not kept out of anything.
    again = world.send({"note": "new"}, 2)
    assert (again.state, again.kept) == (State.UNCHANGED, ())


@pytest.mark.fact("T.5-newer")
def test_a_confirmation_is_dated_though_it_changes_nothing(world: World) -> None:
    world.send({"note": "x"}, 1)
    confirmed = world.send({"note": "x"}, 5)
    late = world.send({"note": "y"}, 3)

    assert confirmed.state is State.UNCHANGED
    assert (late.state, reasons(late)) == (State.UNCHANGED, {"note": "newer"})
    assert world.get("note") == "x"


@pytest.mark.fact("T.5-newer")
def test_a_tie_goes_to_the_later_accepted(world: World) -> None:
    world.send({"note": "x"}, 1)
    world.send({"note": "y"}, 1)

    assert world.get("note") == "y"


@pytest.mark.fact("T.5-newer")
def test_what_was_unset_stays_so_for_older_values(world: World) -> None:
    world.send({"note": UNSET, "points": 1}, 5)

    assert reasons(world.send({"note": "x"}, 3)) == {"note": "newer"}
    assert world.get("note") is None
    world.send({"note": "y"}, 6)
    assert world.get("note") == "y"


@pytest.mark.fact("T.2-as-of")
def test_a_function_may_be_of_another_moment(world: World) -> None:
    world.send({"note": "new", "tier": "new"}, 5)
    outcome = world.send(
        {
            "note": {
                "action": "set",
                "value": "old",
                "as_of": moment(4).isoformat(),
            },
            "tier": "newest",
        },
        6,
    )

    assert (world.get("note"), world.get("tier")) == ("new", "newest")
    assert reasons(outcome) == {"note": "newer"}


@pytest.mark.fact("T.2-as-of")
def test_without_a_moment_an_import_is_of_when_it_was_queued(world: World) -> None:
    schemas = ProfileSchemas(CATALOG)
    for value, hours in (("late", 5), ("early", 3)):
        import_ = make_import("email", {"email": EMAIL, "note": value})
        prepared = replace(schemas.prepare(import_), queued_at=moment(hours))
        apply_import(world.workspace, prepared, CATALOG, ID)

    assert world.get("note") == "late"


@pytest.mark.fact("T.4-sources")
def test_a_source_of_higher_rank_wins(world: World) -> None:
    world.send({"note": "crm", "tier": "web"}, 1, token_id=CRM)
    later = world.send({"note": "web", "tier": "web 2"}, 5, token_id=WEB)
    unnamed = world.send({"tier": "other"}, 6, token_id=3)
    file = world.send({"points": 1}, 6, door="file")

    assert reasons(later) == {"note": "ranked", "tier": "ranked"}
    assert reasons(unnamed) == {"tier": "ranked"}
    assert reasons(file) == {}
    assert reasons(world.send({"points": 2}, 7, token_id=3)) == {"points": "ranked"}
    # Higher and older: the rank decides first.
    world.send({"points": 3}, 0, token_id=WEB)
    assert world.show()["fields"] == {
        "note": "crm",
        "tier": "web",
        "points": 3,
        "plan": "Basic",
    }


#: The web is asked first for what people type there, and for nothing else.
OWN_RANKS = derive(
    make_catalog(
        *EXTRA,
        times=True,
        sources={"crm": 20, "web": 10, "file": 5},
        field_sources={
            **{name: {"web": 30} for name in ("email", "phones", "points", "tier")},
            "extra": {"crm": 0},
        },
    ),
    sources={CRM: "crm", WEB: "web"},
)


@pytest.mark.fact("T.4-fields")
def test_a_field_ranks_sources_otherwise_than_its_database() -> None:
    world = World(OWN_RANKS)
    phones, others = ["+442079460011"], ["+442079460012"]
    web = {"note": "web", "points": 1, "phones": phones, "extra": {"a": 1}}
    crm = {"note": "crm", "points": 2, "phones": others, "extra": {"a": 2}}
    world.send(web, 1, token_id=WEB)
    later = world.send(crm, 2, token_id=CRM)

    assert reasons(later) == dict.fromkeys(("points", "phones", "extra"), "ranked")
    assert (world.get("note"), world.get("points")) == ("crm", 1)
    assert world.profile.phones == tuple(phones)
    # What the field does not name has the rank that it has elsewhere.
    assert reasons(world.send({"points": 3}, 3, door="file")) == {"points": "ranked"}
    assert reasons(world.send({"points": 4}, 0, token_id=WEB)) == {"points": "newer"}
    step = {"action": "upsert", "value": 5, "submatch": "a"}
    assert reasons(world.send({"extra": step}, 4, token_id=CRM)) == {"extra": "ranked"}


@pytest.mark.fact("T.4-fields")
def test_the_email_that_a_profile_is_created_by_has_the_rank_of_its_field() -> None:
    world = World(OWN_RANKS)
    world.send({"note": "web"}, 1, token_id=WEB)
    sent = make_import(
        "profile_id", {"email": "bob@example.com"}, key={"profile_id": ID}
    )
    late = world.apply(replace(sent, token_id=CRM, as_of=moment(2)))

    assert reasons(late) == {"email": "ranked"}
    assert world.profile.email == EMAIL
    own = world.profile.stamps
    assert own is not None
    # A value that is not there has no stamp.
    assert "phones" not in own.paths


@pytest.mark.fact("T.7-counters")
@pytest.mark.parametrize(
    ("sent", "hours", "points", "kept"),
    [
        (100, 1, 103, {}),  # before all increments: they come on top
        (100, 3, 3, {"points": "between"}),
        (100, 5, 100, {}),
        (UNSET, 1, 3, {}),
        (UNSET, 5, None, {}),
    ],
)
def test_a_set_counts_what_was_added_since(
    world: World, sent: object, hours: int, points: object, kept: dict[str, str]
) -> None:
    for at, value in ((2, 1), (4, 2)):
        world.send({"points": {"action": "incr", "value": value}}, at)
    outcome = world.send({"points": sent}, hours)

    assert (world.get("points"), reasons(outcome)) == (points, kept)


@pytest.mark.fact("T.7-counters")
def test_what_a_set_has_counted_is_not_added_again(world: World) -> None:
    world.send({"points": 10}, 5)
    late = world.send({"points": {"action": "incr", "value": 1}}, 3)
    world.send({"points": {"action": "incr", "value": 2}}, 6)

    assert reasons(late) == {"points": "newer"}
    assert world.get("points") == 12


@pytest.mark.fact("T.7-counters")
def test_a_number_that_leaves_its_range_is_refused(world: World) -> None:
    world.send({"points": {"action": "incr", "value": 9}}, 5)
    outcome = world.send({"points": 2**63 - 1}, 1)

    assert (outcome.error, outcome.faults[0].path) == (400, "data.points")
    assert world.get("points") == 9


@pytest.mark.fact("T.8-collections")
def test_elements_are_not_added_to_a_newer_list(world: World) -> None:
    world.send({"interests": ["x"], "phones": ["+442079460011"]}, 5)
    late = world.send(
        {
            "interests": {"action": "add", "value": ["y"]},
            "phones": {"action": "delete", "value": ["+442079460011"]},
        },
        3,
    )
    assert reasons(late) == {"interests": "newer", "phones": "newer"}
    world.send({"interests": {"action": "add", "value": ["z"]}}, 7)
    # A list of before the last addition would lose it.
    between = world.send({"interests": ["w"]}, 6)

    assert reasons(between) == {"interests": "newer"}
    assert world.get("interests") == ["x", "z"]
    world.send({"interests": ["w"]}, 8)
    assert world.get("interests") == ["w"]


@pytest.mark.fact("T.9-objects")
def test_each_property_has_its_moment(world: World) -> None:
    def put(path: str, value: object) -> dict[str, object]:
        return {"extra": {"action": "upsert", "submatch": path, "value": value}}

    world.send({"extra": {"a": 1, "b": 1}}, 1)
    world.send(put("a", 5), 5)
    assert reasons(world.send(put("a", 4), 4)) == {"extra.a": "newer"}
    whole = world.send({"extra": {"a": 3, "b": 3, "c": 3}}, 3)

    assert reasons(whole) == {"extra.a": "newer"}
    assert world.get("extra") == {"a": 5, "b": 3, "c": 3}
    # One that stays as it was cannot be part of what is older.
    assert reasons(world.send(put("a.deep", 1), 4)) == {"extra.a": "newer"}
    world.send({"extra": UNSET}, 4)
    assert world.get("extra") == {"a": 5}
    world.send({"extra": UNSET}, 6)
    assert world.get("extra") is None
    assert reasons(world.send(put("b", 1), 5)) == {"extra": "newer"}


@pytest.mark.fact("T.10-subscriptions")
def test_members_of_subscriptions_are_dated(world: World) -> None:
    def send(hours: int, **members: object) -> Outcome:
        return world.send({"subscriptions": [SHOP | members]}, hours)

    def state() -> tuple[object, ...]:
        (one,) = world.profile.subscriptions.values()
        return one.status, one.priority, dict(one.custom_fields), one.deleted

    send(5)
    # Implied, so that whatever is said wins, however old.
    send(1, status="unsubscribed", priority=7)
    assert state() == ("unsubscribed", 7, {}, False)
    late = send(0, status="subscribed", custom_fields={"plan_code": "x"})
    assert reasons(late) == {f"{SHOP_PATH}.status": "newer"}
    assert state() == ("unsubscribed", 7, {"plan_code": "x"}, False)
    late = send(-1, custom_fields={"plan_code": "y"})
    assert reasons(late) == {f"{SHOP_PATH}.custom_fields.plan_code": "newer"}

    def change(kind: SubscriptionChange, hours: int) -> Outcome:
        one = make_import("email", SHOP | {"resource_id": 1}, key={"email": EMAIL})
        dated = {"as_of": moment(hours), "subscription_change": kind}
        return world.apply(replace(one, **dated))

    older = change(SubscriptionChange.DELETE, 4)
    assert (older.error, reasons(older)) == (0, {f"{SHOP_PATH}.is_delete": "newer"})
    assert change(SubscriptionChange.DELETE, 6).state is State.UPDATED
    # Who lists it says that it is there: not if it was deleted since.
    assert reasons(send(5, status="subscribed"))[f"{SHOP_PATH}.is_delete"] == "newer"
    assert state()[3] is True
    send(7, status="subscribed")
    assert state() == ("subscribed", 7, {"plan_code": "x"}, False)


@pytest.mark.fact("T.10-subscriptions")
def test_memberships_are_dated(world: World) -> None:
    world.send({}, 5, add_to_segments=(1,))
    assert reasons(world.send({}, 4, remove_from_segments=(1,))) == {
        "segments[1]": "newer"
    }
    world.send({}, 6, remove_from_segments=(1,))
    assert reasons(world.send({}, 5, remove_from_segments=(1,))) == {}
    assert reasons(world.send({}, 5, add_to_segments=(1, 2))) == {
        "segments[1]": "newer"
    }
    assert world.profile.segments == {2}


@pytest.mark.fact("T.11-email")
def test_an_email_is_dated_as_any_value(world: World) -> None:
    world.send({}, 5)
    sent = {"email": "new@example.com"}
    import_ = make_import("profile_id", sent, key={"profile_id": ID})
    kept = world.apply(replace(import_, as_of=moment(4)))
    assert reasons(kept) == {"email": "newer"}
    assert world.profile.email == EMAIL
    world.apply(replace(import_, as_of=moment(6)))
    assert world.profile.email == "new@example.com"


@pytest.mark.fact("T.11-email")
def test_the_moment_of_an_email_is_its_imports(world: World) -> None:
    sent = {"action": "set", "value": EMAIL, "as_of": "2026-11-20T10:00:00Z"}
    outcome = world.apply(make_import("email", {"email": sent}, key={"email": EMAIL}))

    assert (outcome.error, outcome.faults[0].path) == (400, "data.email")
    assert "as_of of its import" in outcome.error_text


@pytest.mark.fact("T.12-short")
def test_stamps_are_short_where_values_are_of_one_moment(world: World) -> None:
    people = {"note": "a", "tier": "b", "points": 1, "interests": ["x"]}
    world.send(people | {"subscriptions": [SHOP]}, 1)
    stamps = world.profile.stamps
    assert stamps is not None
    # Implied are the plan, and what the subscription does not say.
    assert set(stamps.paths) == {"plan", f"{SHOP_PATH}.status", f"{SHOP_PATH}.priority"}
    # A later import of the same fields is the new default.
    world.send(people | {"plan": "Pro", "subscriptions": [SHOP]}, 2)
    assert world.profile.stamps is not None
    assert world.profile.stamps.default != stamps.default
    assert set(world.profile.stamps.paths) == set(stamps.paths) - {"plan"}


MOMENTS = st.integers(0, 40)
SCALARS = st.fixed_dictionaries(
    {},
    optional={
        "note": st.sampled_from(["a", "b", UNSET]),
        "tier": st.sampled_from(["a", "b", UNSET]),
        "plan": st.sampled_from(["Basic", "Pro", UNSET]),
        "extra": st.sampled_from(
            [
                {"a": 1},
                {"a": 2, "c": 1},
                UNSET,
                {"action": "upsert", "submatch": "a", "value": 3},
                {"action": "upsert", "submatch": "c", "value": 4},
            ]
        ),
        "subscriptions": st.builds(
            lambda status, priority: [SHOP | {"status": status, "priority": priority}],
            st.sampled_from(["subscribed", "unsubscribed"]),
            st.integers(1, 3),
        ),
    },
)
COUNTS = st.sampled_from(
    [5, UNSET, *({"action": "incr", "value": one} for one in (1, 2, 4))]
)
Sent = tuple[int, Mapping[str, Any], int | None, bool | None]


def send_all(
    sent: Sequence[Sent], catalog: Catalog = CATALOG
) -> tuple[World, list[Outcome]]:
    world = World(catalog)
    outcomes = []
    for hours, data, token_id, joins in sent:
        segments = {} if joins is None else {
            "add_to_segments" if joins else "remove_from_segments": (1,)
        }  # fmt: skip
        outcome = world.send(data, hours, token_id=token_id, **segments)
        assert outcome.error == 0, outcome.error_text
        outcomes.append(outcome)
    return world, outcomes


def dated(data: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Sent]]:
    """Imports of different moments, by sources of different ranks."""
    one = st.tuples(
        MOMENTS,
        data,
        st.sampled_from([CRM, WEB, None]),
        st.sampled_from([None, True, False]),
    )
    return st.lists(one, min_size=1, max_size=8, unique_by=lambda one: one[0])


@pytest.mark.fact("T.5-shuffled", "T.4-fields")
@given(st.data(), st.sampled_from([CATALOG, OWN_RANKS]))
def test_the_order_of_arrival_makes_no_difference(
    data: st.DataObject, catalog: Catalog
) -> None:
    sent = data.draw(dated(SCALARS))
    shuffled = data.draw(st.permutations(sent))

    one, other = send_all(sent, catalog)[0], send_all(shuffled, catalog)[0]
    assert one.show() == other.show()


@pytest.mark.fact("T.7-counters")
@given(
    st.lists(
        st.tuples(MOMENTS, COUNTS), min_size=1, max_size=8, unique_by=lambda t: t[0]
    )
)
def test_numbers_are_exact_or_it_is_said(sent: list[tuple[int, Any]]) -> None:
    imports = [(hours, {"points": one}, None, None) for hours, one in sent]
    world, outcomes = send_all(imports)

    sets = [(at, one) for at, one in sent if one in (5, UNSET)]
    since, last = max(sets, key=lambda one: one[0], default=(-1, UNSET))
    added = [
        one["value"]
        for at, one in sent
        if at > since and "value" in (one if isinstance(one, dict) else {})
    ]
    expected = (5 if last == 5 else 0) + sum(added)
    if any("between" in reasons(one).values() for one in outcomes):
        return
    assert (world.get("points") or 0) == expected


@pytest.mark.fact("T.1-off")
@given(st.lists(SCALARS | st.builds(lambda one: {"points": one}, COUNTS), max_size=8))
def test_in_order_it_is_as_without_times(sent: list[Mapping[str, Any]]) -> None:
    dated, undated = World(), World(UNTIMED)
    for data in sent:
        one, other = dated.send(data), undated.send(data)
        assert (one.changes, one.state, one.kept) == (other.changes, other.state, ())
    if sent:
        assert dated.show() == undated.show()


@pytest.mark.fact("T.12-short")
@given(dated(SCALARS | st.builds(lambda one: {"points": one}, COUNTS)))
def test_stamps_are_stored_as_they_are(sent: list[Sent]) -> None:
    stamps = send_all(sent)[0].profile.stamps
    assert stamps is not None
    assert load_stamps(dump_stamps(stamps)) == stamps
