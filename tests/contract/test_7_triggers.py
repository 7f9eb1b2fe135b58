"""Contract section 7 and section 14, points 54, 56, 57, 72: what imports fire."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.domain.batches import AppliedImport, Prepared, apply_import
from ingest.domain.catalog import Catalog, Channel, EventKind, Novelty, Trigger
from ingest.domain.imports import Start, State
from ingest.domain.profiles import Profile
from ingest.domain.reads import Scans
from ingest.domain.workspace import Workspace
from ingest.wire.profile_schemas import ProfileSchemas
from tests.declared import make_trigger
from tests.factories import make_catalog, make_import

ID = "5" * 24


def listening(*triggers: Trigger) -> Catalog:
    return replace(make_catalog(), triggers={each.id: each for each in triggers})


def to_all(**changes: Any) -> tuple[Trigger, ...]:
    """A trigger for each kind of event, all to one endpoint."""
    return tuple(
        make_trigger(id=number, event=event, **changes)
        for number, event in enumerate(EventKind, start=1)
    )


class Story:
    """One profile's imports, one after another."""

    def __init__(self, *triggers: Trigger) -> None:
        self.catalog = listening(*triggers)
        self._schemas = ProfileSchemas(self.catalog)
        self._workspace = Workspace(self.catalog, [], Scans())

    def step(self, data: dict[str, Any] | None = None, **changes: Any) -> AppliedImport:
        import_ = make_import(
            "email", data or {}, key={"email": "a@example.com"}, **changes
        )
        prepared: Prepared = self._schemas.prepare(import_)
        return apply_import(self._workspace, prepared, self.catalog, ID)

    def kinds(self, data: dict[str, Any] | None = None, **changes: Any) -> list[str]:
        return [event.kind.value for event in self.step(data, **changes).events]

    @property
    def profile(self) -> Profile:
        return self._workspace.current[1, ID]


def by_email(address: str = "a@example.com", **changes: Any) -> dict[str, Any]:
    subscription = {"channel": "email", "email": address, "resource_id": 1, **changes}
    return {"subscriptions": [subscription]}


def test_nothing_is_written_where_nobody_listens() -> None:
    other = make_trigger(database_id=2)

    assert Story(other).kinds(by_email(), add_to_segments=(1,)) == []


@pytest.mark.fact("7.1-events", "14.56-events")
def test_events_come_as_import_then_subscription_then_segment() -> None:
    story = Story(*to_all())

    created = story.kinds(by_email(), add_to_segments=(1, 2))
    updated = story.kinds({"tier": "gold"}, remove_from_segments=(1,))

    assert created == [
        "import",
        "profile_created",
        "subscription",
        "segment_entered",
        "segment_entered",
    ]
    assert updated == ["import", "profile_updated", "segment_left"]


@pytest.mark.fact("14.57-unchanged")
def test_an_import_without_a_change_is_still_an_import() -> None:
    story = Story(*to_all())
    story.step(by_email())

    step = story.step(by_email())

    assert step.outcome.state is State.UNCHANGED
    assert [(event.kind, event.detail) for event in step.events] == [
        (EventKind.IMPORT, {"state": "unchanged"})
    ]


@pytest.mark.fact("7.1-rejected")
def test_a_rejected_import_fires_nothing() -> None:
    step = Story(*to_all()).step({"points": "many"})

    assert step.outcome.state is State.REJECTED
    assert step.events == ()


@pytest.mark.fact("7.2-skip")
def test_skip_triggers_suppresses_all_but_the_explicit_start() -> None:
    story = Story(*to_all())
    start = Start(trigger_id=7, payload={"custom_data": {"a": 1}})

    assert story.kinds(by_email(), add_to_segments=(1,), skip_triggers=True) == []
    step = story.step({"tier": "gold"}, skip_triggers=True, start=start)

    (event,) = step.events
    assert event.kind is EventKind.API_CALL
    assert event.detail == {"custom_data": {"a": 1}}
    assert event.listeners == {1: (7,)}


@pytest.mark.fact("14.72-saved")
@pytest.mark.parametrize(
    ("trigger_id", "code"),
    [
        pytest.param(99, 404, id="unknown"),
        pytest.param(1, 400, id="not started by api call"),
    ],
)
def test_a_start_that_fails_leaves_the_profile_saved(
    trigger_id: int, code: int
) -> None:
    story = Story(*to_all())

    step = story.step({"tier": "gold"}, start=Start(trigger_id=trigger_id, payload={}))

    assert (step.outcome.error, step.outcome.profile_id) == (code, ID)
    assert step.outcome.state is State.CREATED
    assert story.profile.fields["tier"] == "gold"


@pytest.mark.fact("14.54-repeat")
def test_a_repeated_add_or_remove_fires_nothing() -> None:
    story = Story(*to_all())
    story.step(add_to_segments=(1,))

    assert story.kinds(add_to_segments=(1,)) == ["import"]
    assert story.kinds(remove_from_segments=(2,)) == ["import"]


@pytest.mark.fact("7.1-novelty")
@pytest.mark.parametrize(
    ("first", "second", "novelties"),
    [
        pytest.param(
            {},
            by_email(),
            {"new_subscription", "new_channel", "new_contact"},
            id="first on the resource",
        ),
        pytest.param(
            by_email(),
            by_email("b@example.com"),
            {"new_contact"},
            id="another contact of the channel",
        ),
        pytest.param(
            by_email(),
            {
                "subscriptions": [
                    {"channel": "sms", "phone": "+79000000000", "resource_id": 1}
                ]
            },
            {"new_channel", "new_contact"},
            id="another channel",
        ),
        pytest.param(
            by_email(),
            by_email(resource_id=2),
            {"new_subscription", "new_channel", "new_contact"},
            id="another resource",
        ),
        pytest.param(
            by_email(),
            by_email(status="unsubscribed"),
            {"status_changed"},
            id="another status",
        ),
        pytest.param(by_email(), by_email(priority=7), set(), id="another priority"),
    ],
)
def test_subscription_options_tell_what_is_new(
    first: dict[str, Any], second: dict[str, Any], novelties: set[str]
) -> None:
    everything = make_trigger(id=1, event=EventKind.SUBSCRIPTION)
    each = [
        make_trigger(
            id=number, event=EventKind.SUBSCRIPTION, novelties=frozenset({option})
        )
        for number, option in enumerate(Novelty, start=2)
    ]
    story = Story(everything, *each)
    story.step(first)

    (event,) = story.step(second).events

    assert event.detail["novelties"] == sorted(novelties)
    heard = {Novelty(name) for name in novelties}
    assert event.listeners == {
        1: (1, *(one.id for one in each if one.novelties <= heard))
    }


def test_a_subscription_trigger_hears_its_resource_and_channel_only() -> None:
    trigger = make_trigger(
        event=EventKind.SUBSCRIPTION, resource_id=2, channel=Channel.EMAIL
    )
    story = Story(trigger)

    assert story.kinds(by_email()) == []
    assert story.kinds(by_email(resource_id=2)) == ["subscription"]
    sms = {"channel": "sms", "phone": "+79000000000", "resource_id": 2}
    assert story.kinds({"subscriptions": [sms]}) == []


def test_a_segment_trigger_hears_its_segment_only() -> None:
    story = Story(make_trigger(event=EventKind.SEGMENT_ENTERED, segment_id=2))

    assert story.kinds(add_to_segments=(1,)) == []
    assert story.kinds(add_to_segments=(2,)) == ["segment_entered"]


def test_an_update_trigger_hears_its_fields_only() -> None:
    fields = frozenset({"tier"})
    story = Story(make_trigger(event=EventKind.PROFILE_UPDATED, fields=fields))
    story.step()

    assert story.kinds({"note": "x"}) == []
    (event,) = story.step({"tier": "gold", "note": "y"}).events
    changes: Any = event.detail["changes"]
    assert changes["tier"] == {"old": None, "new": "gold"}


def test_triggers_of_one_endpoint_share_one_message() -> None:
    triggers = make_trigger(id=1), make_trigger(id=2), make_trigger(id=3, endpoint_id=2)

    (event,) = Story(*triggers).step().events

    assert event.listeners == {1: (1, 2), 2: (3,)}


def test_the_same_import_makes_the_same_event_ids() -> None:
    import_ = make_import("email", by_email(), key={"email": "a@example.com"})
    catalog = listening(*to_all())
    prepared = ProfileSchemas(catalog).prepare(import_)

    steps = [
        apply_import(Workspace(catalog, [], Scans()), prepared, catalog, ID)
        for _ in range(2)
    ]

    assert steps[0].events == steps[1].events
    assert len({event.id for event in steps[0].events}) == len(steps[0].events)


_datas = st.sampled_from(
    [
        {},
        {"tier": "gold"},
        {"tier": "silver", "note": "x"},
        by_email(),
        by_email(status="unsubscribed"),
        by_email("b@example.com", resource_id=2),
    ]
)
_segments = st.lists(st.sampled_from([1, 2]), unique=True, max_size=2).map(tuple)
_ORDER = {
    kind: rank
    for rank, kinds in enumerate(
        (
            {EventKind.IMPORT},
            {EventKind.PROFILE_CREATED, EventKind.PROFILE_UPDATED},
            {EventKind.SUBSCRIPTION},
            {EventKind.SEGMENT_ENTERED, EventKind.SEGMENT_LEFT},
        )
    )
    for kind in kinds
}


@settings(max_examples=60)
@given(st.lists(st.tuples(_datas, _segments, _segments), max_size=5))
def test_every_import_fires_once_in_order_and_changes_fire_exactly_with_changes(
    history: list[tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]],
) -> None:
    story = Story(*to_all())
    for data, added, removed in history:
        step = story.step(data, add_to_segments=added, remove_from_segments=removed)
        kinds = [event.kind for event in step.events]

        assert kinds.count(EventKind.IMPORT) == 1
        assert [_ORDER[kind] for kind in kinds] == sorted(_ORDER[k] for k in kinds)
        assert [event.sequence for event in step.events] == list(range(len(kinds)))
        moved = {EventKind.SEGMENT_ENTERED, EventKind.SEGMENT_LEFT} & set(kinds)
        assert bool(moved) == ("segments" in step.outcome.changes)
        if step.outcome.state is State.UNCHANGED:
            assert kinds == [EventKind.IMPORT]
