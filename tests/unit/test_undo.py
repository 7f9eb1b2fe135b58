"""Undo is the history without what is undone: U2 to U6, on random histories."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.batches import Past, apply_import
from ingest.domain.catalog import Catalog, Field, FieldType
from ingest.domain.errors import Fault
from ingest.domain.histories import PastImport
from ingest.domain.imports import Import, Kept, Operation, Outcome, State, Undo
from ingest.domain.profiles import Profile
from ingest.domain.reads import Scans
from ingest.domain.statuses import PROHIBITION, STATUSES
from ingest.domain.undoing import list_restored, remember
from ingest.domain.workspace import Workspace
from ingest.wire.profile_schemas import ProfileSchemas
from tests.factories import make_catalog, make_import

EMAIL = "ann@example.com"
ID = "6b04f28ad691ecc2e1a166f2"
CATALOG = make_catalog(
    Field(name="extra", type=FieldType.OBJECT),
    Field(name="orders", type=FieldType.ARR_OBJECT),
    Field(name="score", type=FieldType.FLOAT),
    claims=True,
)


class World:
    """A profile that is imported, and undone, one after another."""

    def __init__(self, catalog: Catalog = CATALOG) -> None:
        self.catalog = catalog
        self.workspace = Workspace(catalog, [], Scans())
        self.history: list[PastImport] = []
        self._schemas = ProfileSchemas(catalog)

    def apply(self, import_: Import) -> Outcome:
        prepared = self._schemas.prepare(import_)
        if import_.undo is not None:
            restored = list_restored(self.history, self.catalog.databases[1])
            prepared = replace(prepared, restored=restored)
        step = apply_import(
            self.workspace,
            prepared,
            self.catalog,
            ID,
            Past(history=tuple(self.history)),
        )
        if step.outcome.state is not State.REJECTED:
            self.history.append(remember(import_, step.outcome))
        return step.outcome

    def send(self, data: Mapping[str, Any], **more: Any) -> Outcome:
        return self.apply(make_import("email", {"email": EMAIL, **data}, **more))

    def undo(self, import_id: UUID, **more: Any) -> Outcome:
        return self.apply(
            make_import(
                "profile_id",
                {},
                key={"profile_id": ID},
                operation=Operation.UNDO,
                undo=Undo(import_id=import_id, **more),
            )
        )

    @property
    def profile(self) -> Profile | None:
        return self.workspace.current.get((1, ID))

    def show(self) -> dict[str, Any]:
        profile = self.profile
        assert profile is not None
        return {
            "email": profile.email,
            "phones": list(profile.phones),
            "segments": sorted(profile.segments),
            **profile.fields,
        }


NUMBERS = st.integers(-3, 3)
TAGS = st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2, unique=True)
PHONES = st.lists(
    st.sampled_from(["+442079460011", "+442079460012", "+442079460013"]),
    min_size=1,
    max_size=2,
    unique=True,
)
OBJECTS = st.lists(
    st.fixed_dictionaries({"n": st.integers(1, 2)}), min_size=1, max_size=2
)
UNSET = st.just({"action": "unset"})


def change(action: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda value: {"action": action, "value": value}, values)


DATA = st.fixed_dictionaries(
    {},
    optional={
        "note": st.sampled_from(["a", "b"]) | UNSET,
        "points": NUMBERS | change("incr", NUMBERS) | UNSET,
        "score": st.sampled_from([0.1, 0.7]) | change("incr", st.just(0.1)),
        "interests": TAGS | change("add", TAGS) | change("delete", TAGS) | UNSET,
        "phones": PHONES | change("add", PHONES) | change("delete", PHONES),
        "orders": OBJECTS | change("add", OBJECTS) | change("delete", OBJECTS),
        "extra": st.fixed_dictionaries({"a": st.integers(1, 2)})
        | st.builds(
            lambda path, value: {"action": "upsert", "submatch": path, "value": value},
            st.sampled_from(["a", "b", "c.d", "c.e"]),
            st.integers(1, 2),
        )
        | UNSET,
    },
)
SEGMENTS = st.lists(st.sampled_from([1, 2]), max_size=1).map(tuple)
SENT = st.tuples(DATA, SEGMENTS, SEGMENTS)


def run(world: World, sent: Iterable[tuple[Any, Any, Any]]) -> list[Outcome]:
    return [
        world.send(data, add_to_segments=added, remove_from_segments=removed)
        for data, added, removed in sent
    ]


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def plain(shown: Mapping[str, Any]) -> dict[str, Any]:
        # A sum of floats may differ in its last digits; nothing is as good as empty.
        return {
            name: round(value, 9) if isinstance(value, float) else value
            for name, value in shown.items()
            if value not in ([], None)
        }

    return plain(one) == plain(other)


@pytest.mark.fact("U.3-without")
@given(st.lists(SENT, max_size=7), st.data())
def test_undo_of_any_imports_is_the_history_without_them(
    sent: list[tuple[Any, Any, Any]], data: st.DataObject
) -> None:
    chosen = data.draw(st.sets(st.integers(0, max(len(sent) - 1, 0))))
    world, other = World(), World()
    run(world, [({}, (), ())])
    outcomes = run(world, sent)
    # What was rejected may be applied where others are missing: that is no history.
    applied = [n for n, one in enumerate(outcomes) if one.state is not State.REJECTED]
    undone = [n for n in applied if n in chosen]
    run(other, [({}, (), ())])
    without = run(other, [sent[n] for n in applied if n not in chosen])
    for number in data.draw(st.permutations(undone)):
        result = world.undo(outcomes[number].import_id)
        assert not result.faults

    if all(one.state is not State.REJECTED for one in without):
        assert alike(world.show(), other.show())


@pytest.mark.fact("U.3-suffix")
@given(st.lists(SENT, min_size=1, max_size=7), st.data())
def test_undo_of_the_last_imports_is_exact(
    sent: list[tuple[Any, Any, Any]], data: st.DataObject
) -> None:
    world = World()
    run(world, [({}, (), ())])
    first = data.draw(st.integers(0, len(sent) - 1))
    run(world, sent[:first])
    before = world.show()
    outcomes = run(world, sent[first:])
    for outcome in reversed(outcomes):
        if outcome.state is not State.REJECTED:
            world.undo(outcome.import_id)

    assert {name: one for name, one in world.show().items() if one != []} == {
        name: one for name, one in before.items() if one != []
    }


@pytest.mark.fact("U.10-redo")
@given(st.lists(SENT, min_size=1, max_size=5), st.data())
def test_undo_of_an_undo_is_as_before(
    sent: list[tuple[Any, Any, Any]], data: st.DataObject
) -> None:
    world = World()
    run(world, [({}, (), ())])
    outcomes = [one for one in run(world, sent) if one.state is not State.REJECTED]
    if not outcomes:
        return
    before = world.show()
    undo = world.undo(data.draw(st.sampled_from(outcomes)).import_id)
    redo = world.undo(undo.import_id)

    assert redo.undoes == undo.import_id
    assert alike(world.show(), before)


@pytest.mark.fact("U.10-redo")
def test_a_second_undo_changes_nothing_and_says_who_did() -> None:
    world = World()
    world.send({})
    sent = world.send({"note": "a"})
    first, second = world.undo(sent.import_id), world.undo(sent.import_id)

    assert first.state is State.UPDATED
    assert second.state is State.UNCHANGED
    assert second.undoes is None
    assert [one.message for one in second.warnings] == [
        f"Already undone by {first.import_id}"
    ]


@pytest.mark.fact("U.3-kept")
def test_what_was_set_since_is_kept_and_says_by_which_import() -> None:
    world = World()
    world.send({})
    wrong = world.send({"note": "a", "points": 5})
    later = world.send({"note": "b"})
    undone = world.undo(wrong.import_id)

    assert undone.changes == {"points": (5, None)}
    assert undone.kept == (
        Kept(path="note", reason="changed since", by=later.import_id),
    )
    assert undone.error == 0


@pytest.mark.fact("U.2-claims")
def test_what_was_confirmed_since_is_kept_where_that_is_recorded() -> None:
    for claims, left in ((True, "a"), (False, None)):
        world = World(make_catalog(claims=claims))
        world.send({})
        wrong = world.send({"note": "a"})
        world.send({"note": "a"})
        world.undo(wrong.import_id)

        assert world.show().get("note") == left


@pytest.mark.fact("U.3-increments")
@pytest.mark.parametrize(
    ("wrong", "left"),
    [({"points": 5}, 3), ({"points": {"action": "incr", "value": 5}}, 4)],
)
def test_increments_since_stay(wrong: dict[str, Any], left: int) -> None:
    world = World()
    world.send({})
    # Where a value was set, nothing of the one before counts.
    world.send({"points": 1} if left == 4 else {})
    sent = world.send(wrong)
    world.send({"points": {"action": "incr", "value": 3}})
    world.undo(sent.import_id)

    assert world.show()["points"] == left


@pytest.mark.fact("U.3-differs")
def test_a_value_that_no_receipt_tells_of_stays_and_is_named() -> None:
    world = World()
    world.send({})
    sent = world.send({"note": "a", "points": 1})
    profile = world.profile
    assert profile is not None
    world.workspace.put(replace(profile, fields={**profile.fields, "note": "by SQL"}))
    undone = world.undo(sent.import_id)

    assert undone.changes == {"points": (1, None)}
    assert undone.faults == (
        Fault(
            code=409,
            message="The value differs from the receipts",
            path="note",
        ),
    )


@pytest.mark.fact("U.6-created")
def test_a_profile_that_nothing_else_touched_is_removed_and_comes_back() -> None:
    world = World()
    sent = world.send({"note": "a", "phones": ["+442079460011"]}, add_to_segments=(1,))
    before = world.show()
    removed = world.undo(sent.import_id)

    assert removed.state is State.REMOVED
    assert removed.profile_id == ID
    assert removed.changes["email"] == (EMAIL, None)
    assert world.profile is None
    again = world.undo(removed.import_id)
    assert again.state is State.CREATED
    assert world.show() == before
    assert world.undo(again.import_id).state is State.REMOVED


@pytest.mark.fact("U.6-touched")
def test_a_profile_that_was_found_since_keeps_the_keys_that_found_it() -> None:
    world = World(make_catalog(claims=False))
    sent = world.send({"note": "a", "phones": ["+442079460011"]})
    later = world.send({"points": 1})
    undone = world.undo(sent.import_id)

    assert undone.state is State.UPDATED
    assert undone.changes == {
        "note": ("a", None),
        "phones": (["+442079460011"], []),
        "plan": ("Basic", None),
    }
    assert undone.kept == (Kept(path="email", reason="needed", by=later.import_id),)


def subscribe(status: str | None = None, **more: Any) -> dict[str, Any]:
    told = {"resource_id": 1, "channel": "email", "email": EMAIL, **more}
    return {"subscriptions": [told | ({"status": status} if status else {})]}


PATH = f"subscriptions[1/email/{EMAIL}]"


@pytest.mark.fact("U.4-subscriptions")
def test_a_subscription_that_it_made_is_marked_as_deleted() -> None:
    world = World()
    world.send({})
    sent = world.send(subscribe())
    undone = world.undo(sent.import_id)
    profile = world.profile
    assert profile is not None

    (subscription,) = profile.subscriptions.values()
    assert subscription.deleted
    assert [*undone.changes] == [PATH]
    world.undo(undone.import_id)
    assert world.profile is not None
    assert not next(iter(world.profile.subscriptions.values())).deleted


@pytest.mark.fact("U.4-subscriptions")
def test_members_of_a_subscription_are_taken_back_one_by_one() -> None:
    world = World()
    world.send(subscribe(custom_fields={"plan_code": "a"}))
    wrong = world.send(
        subscribe("suspended", custom_fields={"plan_code": "b"}, cats=["news"])
    )
    world.send(subscribe(custom_fields={"plan_code": "c"}))
    world.undo(wrong.import_id, restore_consent=True, reason="a test")
    profile = world.profile
    assert profile is not None

    (subscription,) = profile.subscriptions.values()
    assert subscription.custom_fields == {"plan_code": "c"}
    assert subscription.categories == ()


@pytest.mark.fact("U.5-consent")
@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({}, "unsubscribed"),
        ({"restore_consent": True}, "unsubscribed"),
        ({"reason": "wrong file"}, "unsubscribed"),
        ({"restore_consent": True, "reason": "wrong file"}, "subscribed"),
    ],
)
def test_consent_comes_back_only_if_that_is_said(
    more: dict[str, Any], left: str
) -> None:
    world = World()
    world.send(subscribe())
    wrong = world.send(subscribe("unsubscribed"))
    undone = world.undo(wrong.import_id, **more)
    profile = world.profile
    assert profile is not None

    assert [one.status for one in profile.subscriptions.values()] == [left]
    reasons = [one.reason for one in undone.kept]
    assert reasons == ([] if left == "subscribed" else ["consent"])


@pytest.mark.fact("U.3-kept")
def test_what_an_undo_has_left_for_consent_is_named_as_what_keeps_the_status() -> None:
    world = World()
    world.send(subscribe())
    bounce = world.send(subscribe("hardbounced"))
    complaint = world.send(subscribe("complained"))
    assert [one.reason for one in world.undo(complaint.import_id).kept] == ["consent"]
    undone = world.undo(bounce.import_id)

    assert read_status(world) == "complained"
    assert undone.kept == (
        Kept(path=PATH, reason="changed since", by=complaint.import_id),
    )


@pytest.mark.fact("U.3-kept")
def test_so_is_what_it_has_left_of_before() -> None:
    world = World()
    world.send(subscribe())
    first = world.send(subscribe("unsubscribed"))
    world.undo(first.import_id)
    raised = world.send(subscribe("subscribed"))
    second = world.send(subscribe("unsubscribed"))
    world.undo(raised.import_id)
    undone = world.undo(second.import_id)

    assert read_status(world) == "unsubscribed"
    assert undone.kept == (
        Kept(path=f"{PATH}.status", reason="consent", by=first.import_id),
    )


@pytest.mark.fact("U.5-consent")
@given(
    st.lists(st.sampled_from([*STATUSES, None]), min_size=1, max_size=6),
    st.lists(st.integers(0, 9), max_size=8),
)
def test_no_undo_ever_raises_a_status(
    statuses: Sequence[str | None], undone: Sequence[int]
) -> None:
    world = World()
    world.send(subscribe())
    for status in statuses:
        world.send(subscribe(status))
    for number in undone:
        before = read_status(world)
        world.undo(world.history[1 + number % (len(world.history) - 1)].import_id)
        assert PROHIBITION[read_status(world)] >= PROHIBITION[before]


@pytest.mark.fact("U.5-consent")
@pytest.mark.parametrize(
    ("options", "left"), [({}, 1), ({"restore_consent": True, "reason": "a test"}, 0)]
)
def test_the_status_of_a_profile_is_consent_too(
    options: dict[str, Any], left: int
) -> None:
    world = World()
    world.send({"_status": "subscribed"})
    wrong = world.send({"_status": "unsubscribed", "note": "a"})
    undone = world.undo(wrong.import_id, **options)

    assert world.show()["_status"] == left
    reasons = {one.path: one.reason for one in undone.kept}
    assert reasons == ({"_status": "consent"} if left else {})
    assert "note" not in world.show()


def read_status(world: World) -> str:
    assert world.profile is not None
    (subscription,) = world.profile.subscriptions.values()
    return subscription.status


@pytest.mark.fact("U.7-taken")
def test_a_unique_value_that_another_took_does_not_come_back() -> None:
    world = World()
    world.send({"code": 1})
    wrong = world.send({"code": 2, "note": "a"})
    other = make_import("email", {"email": "bob@example.com", "code": 1})
    prepared = ProfileSchemas(CATALOG).prepare(other)
    bob = ID[:-1] + "0"
    apply_import(world.workspace, prepared, CATALOG, bob)
    undone = world.undo(wrong.import_id)

    assert undone.changes == {"note": ("a", None)}
    assert undone.faults == (
        Fault(code=409, message=f"Taken by profile {bob}", path="code"),
    )


@pytest.mark.fact("U.9-gone")
@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "The receipt is no longer kept"),
        (State.DEAD, r"The import changed nothing \(it is dead\)"),
    ],
)
def test_what_cannot_be_undone_is_a_410(state: State | None, text: str) -> None:
    world = World()
    world.send({})
    target = world.send({"note": "a"})
    if state is None:
        del world.history[-1]
    else:
        world.history[-1] = replace(world.history[-1], state=state)
    refused = world.undo(target.import_id)

    assert refused.state is State.REJECTED
    assert refused.error == 410
    assert re.fullmatch(text, refused.error_text)
