"""Laying subscriptions over stored ones (contract 6.2; 14, points 44-48)."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from ingest.domain.catalog import Catalog, Channel, Database, Field, FieldType, Resource
from ingest.domain.consent_guard import Guard
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.profiles import Subscription, SubscriptionKey
from ingest.domain.subscriptions import merge, parse_all
from tests.factories import make_import

DATABASE = Database(id=1, name="Customers", account_id=1, default_resource_id=1)
SITE = Resource(
    id=1,
    name="Site",
    account_id=1,
    database_ids=frozenset({1}),
    channels=frozenset(Channel),
    categories=frozenset({"news", "sales", "travel"}),
    fields={
        "visits": Field(name="visits", type=FieldType.INT),
        "topics": Field(name="topics", type=FieldType.TAGS),
        "note": Field(name="note", type=FieldType.UNICODE),
        "extra": Field(name="extra", type=FieldType.OBJECT),
    },
)
RAISING = replace(SITE, id=2, raise_new_priority=True)
DEMANDING = replace(
    SITE,
    id=3,
    fields={
        **SITE.fields,
        "source": Field(name="source", type=FieldType.UNICODE, required=True),
        "device": Field(
            name="device",
            type=FieldType.UNICODE,
            required=True,
            channels=frozenset({Channel.PUSH}),
        ),
    },
)
CATALOG = Catalog(
    version=1,
    databases={1: DATABASE},
    resources={1: SITE, 2: RAISING, 3: DEMANDING},
    segments={},
)
Stored = Mapping[SubscriptionKey, Subscription]

KEY = SubscriptionKey(resource_id=1, channel=Channel.EMAIL, contact="john@example.com")
STORED = Subscription(
    key=KEY,
    contact={"email": "john@example.com"},
    status="unsubscribed",
    priority=2,
    custom_fields={"visits": 5, "note": "first"},
    categories=("news",),
)
IMPORT = make_import()
EMAIL = {"channel": "email", "email": "john@example.com", "resource_id": 1}
SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}


def lay(
    sent: object, stored: Stored | None = None, *, skip_invalid: bool = False
) -> tuple[dict[SubscriptionKey, Subscription], tuple[Fault, ...]]:
    """Merge what was `sent` into what is `stored`, as the apply step does."""
    drafts, _ = parse_all(sent, DATABASE, CATALOG, skip_invalid=False)
    guard = Guard(IMPORT, DATABASE)
    return merge(stored or {}, drafts, CATALOG, guard, skip_invalid=skip_invalid)


def inserted(sent: Mapping[str, object], stored: Stored | None = None) -> Subscription:
    """Return what a new SMS subscription becomes."""
    merged, _ = lay({**SMS, **sent}, stored)
    return next(one for one in merged.values() if one.key.channel is Channel.SMS)


def updated(sent: Mapping[str, object], stored: Subscription = STORED) -> Subscription:
    """Return what `stored` becomes."""
    merged, _ = lay({**EMAIL, **sent}, {KEY: stored})
    return merged[KEY]


def test_a_new_subscription_is_stored_as_sent() -> None:
    merged, faults = lay(
        {
            **EMAIL,
            "status": 4,
            "priority": 7,
            "cats": ["sales", "news"],
            "custom_fields": {"visits": 1},
        }
    )

    assert faults == ()
    assert merged == {
        KEY: Subscription(
            key=KEY,
            contact={"email": "john@example.com"},
            status="unconfirmed",
            status_at=IMPORT.accepted_at,
            priority=7,
            custom_fields={"visits": 1},
            categories=("news", "sales"),
        )
    }


@pytest.mark.fact("6.3-default")
@pytest.mark.parametrize("sent", [{}, {"status": -1}], ids=["absent", "-1"])
def test_a_new_subscription_is_subscribed_by_default(sent: dict[str, object]) -> None:
    assert inserted(sent).status == "subscribed"


@pytest.mark.fact("14.44-priority")
@pytest.mark.parametrize("sent", [{}, {"priority": -1}], ids=["absent", "-1"])
def test_a_new_subscription_comes_after_all_of_the_profile(
    sent: dict[str, object],
) -> None:
    elsewhere = structs.replace(
        STORED, key=structs.replace(KEY, resource_id=2), priority=6
    )

    assert inserted(sent).priority == 0
    assert inserted(sent, {KEY: STORED}).priority == 3
    both = {KEY: STORED, elsewhere.key: elsewhere}
    assert inserted(sent, both).priority == 7


def test_deleted_subscriptions_do_not_count_for_the_next_priority() -> None:
    assert inserted({}, {KEY: structs.replace(STORED, deleted=True)}).priority == 0


def test_new_subscriptions_of_one_request_come_in_its_order() -> None:
    push = {"channel": "push", "provider": "p", "subscription_id": "s"}

    merged, _ = lay([SMS, {**push, "priority": 4}, EMAIL])

    assert [(key.channel, one.priority) for key, one in merged.items()] == [
        (Channel.SMS, 0),
        (Channel.PUSH, 4),
        (Channel.EMAIL, 5),
    ]


def test_the_next_priority_stops_at_the_lowest_that_can_be_stored() -> None:
    last = structs.replace(STORED, priority=2**31 - 1)

    assert inserted({}, {KEY: last}).priority == 2**31 - 1


@pytest.mark.fact("14.44-priority")
def test_a_resource_may_raise_new_subscriptions() -> None:
    assert inserted({"resource_id": 2}, {KEY: STORED}).priority == 0


@pytest.mark.fact("14.44-priority")
def test_a_priority_that_is_sent_is_not_raised() -> None:
    assert inserted({"resource_id": 2, "priority": 5}).priority == 5


def test_functions_on_a_new_subscription_start_from_nothing() -> None:
    functions = {
        "visits": {"action": "incr", "value": 3},
        "topics": {"action": "add", "value": "yoga"},
        "note": {"action": "unset"},
    }

    assert inserted({"custom_fields": functions}).custom_fields == {
        "visits": 3,
        "topics": ["yoga"],
    }


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"status": -1, "priority": -1}, id="-1"),
        pytest.param({"cats": [], "custom_fields": {}}, id="empty"),
        pytest.param(
            {
                "status": 1,
                "priority": "2",
                "cats": "news",
                "custom_fields": {"visits": "5", "note": "first"},
            },
            id="the same again",
        ),
        pytest.param(
            {"custom_fields": {"extra": {"action": "unset"}}},
            id="clearing what is not there",
        ),
    ],
)
def test_an_unchanged_subscription_is_the_identical_one(
    sent: dict[str, object],
) -> None:
    assert updated(sent) is STORED


@pytest.mark.fact("14.48-cats")
@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        pytest.param(
            {"status": 0},
            {"status": "subscribed", "status_at": IMPORT.accepted_at},
            id="status 0 is a value",
        ),
        pytest.param({"priority": 0}, {"priority": 0}, id="priority 0 is a value"),
        pytest.param(
            {"cats": ["travel"]},
            {"categories": ("news", "travel")},
            id="categories gather",
        ),
        pytest.param(
            {"email": "JOHN@example.com"},
            {"contact": {"email": "JOHN@example.com"}},
            id="the contact is read back as last sent",
        ),
        pytest.param(
            {"custom_fields": {"visits": 6}},
            {"custom_fields": {"visits": 6, "note": "first"}},
            id="fields that are not sent stay",
        ),
        pytest.param(
            {"custom_fields": {"visits": {"action": "incr", "value": -2}}},
            {"custom_fields": {"visits": 3, "note": "first"}},
            id="incr",
        ),
        pytest.param(
            {"custom_fields": {"note": {"action": "unset"}}},
            {"custom_fields": {"visits": 5}},
            id="unset",
        ),
        pytest.param(
            {"custom_fields": {"note": ""}},
            {"custom_fields": {"visits": 5}},
            id="empty text clears",
        ),
    ],
)
def test_what_is_sent_changes_and_the_rest_stays(
    sent: dict[str, object], changed: dict[str, object]
) -> None:
    after = updated(sent)

    expected = {name: getattr(STORED, name) for name in Subscription.__struct_fields__}
    assert after == Subscription(**{**expected, **changed})


def test_true_in_place_of_1_is_a_change() -> None:
    stored = structs.replace(STORED, custom_fields={"extra": {"vip": 1}})

    after = updated({"custom_fields": {"extra": {"vip": True}}}, stored)

    assert after.custom_fields["extra"] == {"vip": True}
    assert after is not stored


@pytest.mark.fact("6.2-restored")
def test_a_deleted_subscription_is_restored_with_its_data() -> None:
    after = updated({"status": 0}, structs.replace(STORED, deleted=True))

    assert after == structs.replace(
        STORED, status="subscribed", status_at=IMPORT.accepted_at
    )


@pytest.mark.fact("6.2-unlisted")
def test_subscriptions_that_are_not_listed_stay() -> None:
    other = structs.replace(
        STORED, key=structs.replace(KEY, contact="jane@example.com")
    )

    merged, _ = lay(SMS, {KEY: STORED, other.key: other})

    assert len(merged) == 3
    assert merged[KEY] is STORED
    assert merged[other.key] is other


@pytest.mark.fact("6.7-required")
def test_a_required_field_must_come_with_a_new_subscription() -> None:
    with pytest.raises(InvalidRequest) as refused:
        lay([SMS, {**EMAIL, "resource_id": 3}])

    assert [fault.text for fault in refused.value.faults] == [
        "Missing required field: subscriptions[1].custom_fields.source"
    ]


def test_a_required_field_of_another_channel_is_not_asked_for() -> None:
    sent = {**EMAIL, "resource_id": 3, "custom_fields": {"source": "form"}}

    merged, _ = lay(sent)

    assert len(merged) == 1


@pytest.mark.fact("6.7-required")
def test_a_required_field_is_not_asked_for_again_on_update() -> None:
    key = structs.replace(KEY, resource_id=3)
    stored = structs.replace(STORED, key=key, custom_fields={})

    merged, _ = lay({**EMAIL, "resource_id": 3}, {key: stored})

    assert merged[key] is stored


#: One that overflows, one without its required field, and one that is right.
FAULTY = [
    {**EMAIL, "custom_fields": {"visits": {"action": "incr", "value": 2**63 - 1}}},
    {**EMAIL, "resource_id": 3},
    SMS,
]
FAULTS = [
    "Out of range (from -2^63 to 2^63-1): subscriptions[0].custom_fields.visits",
    "Missing required field: subscriptions[1].custom_fields.source",
]


def test_faults_of_merging_are_raised_together() -> None:
    with pytest.raises(InvalidRequest) as refused:
        lay(FAULTY, {KEY: STORED})

    assert [fault.text for fault in refused.value.faults] == FAULTS


def test_subscriptions_that_cannot_be_merged_are_dropped_when_asked() -> None:
    merged, faults = lay(FAULTY, {KEY: STORED}, skip_invalid=True)

    assert [fault.text for fault in faults] == FAULTS
    assert [key.channel for key in merged] == [Channel.EMAIL, Channel.SMS]
    assert merged[KEY] is STORED


def test_merging_leaves_its_arguments_alone() -> None:
    stored = {KEY: STORED}

    lay([{**EMAIL, "status": 0, "cats": ["sales"]}, SMS], stored)

    assert stored == {KEY: STORED}
    assert STORED.categories == ("news",)


CONTACTS = (
    st.sampled_from(["a@example.com", "A@example.com", "b@example.com"]).map(
        lambda email: {"channel": "email", "email": email}
    )
    | st.sampled_from(["+79000000000", "+79000000001"]).map(
        lambda phone: {"channel": "sms", "phone": phone}
    )
    | st.integers(1, 2).map(
        lambda chat: {"channel": "telegram_bot", "cc_data": {"id": chat}}
    )
)
VALUES = st.fixed_dictionaries(
    {"resource_id": st.sampled_from([1, 2])},
    optional={
        "status": st.integers(-1, 6),
        "priority": st.integers(-1, 5),
        "cats": st.lists(st.sampled_from(sorted(SITE.categories)), max_size=3),
        "custom_fields": st.fixed_dictionaries(
            {},
            optional={
                "visits": st.integers(0, 9),
                "note": st.text(alphabet="ab", max_size=2),
                "topics": st.sampled_from(["yoga", "dance,yoga"]).map(
                    lambda tags: {"action": "add", "value": tags}
                ),
                "extra": st.dictionaries(
                    st.sampled_from("xy"), st.booleans() | st.integers(0, 1)
                ),
            },
        ),
    },
)
LISTED = st.lists(
    st.builds(lambda contact, sent: {**contact, **sent}, CONTACTS, VALUES), max_size=6
)


@given(before=LISTED, sent=LISTED)
@settings(max_examples=150)
def test_merging_the_same_again_changes_nothing(
    before: list[object], sent: list[object]
) -> None:
    once, _ = lay(sent, lay(before)[0])
    twice, _ = lay(sent, once)

    assert twice.keys() == once.keys()
    assert all(twice[key] is once[key] for key in once)


@given(before=LISTED, sent=LISTED)
@settings(max_examples=150)
def test_only_listed_subscriptions_are_touched(
    before: list[object], sent: list[object]
) -> None:
    stored, _ = lay(before)
    drafts, _ = parse_all(sent, DATABASE, CATALOG, skip_invalid=False)
    listed = {draft.key for draft in drafts}

    merged, _ = lay(sent, stored)

    assert merged.keys() == stored.keys() | listed
    assert all(merged[key] is stored[key] for key in stored.keys() - listed)


@given(sent=LISTED, data=st.data())
@settings(max_examples=100)
def test_the_order_does_not_decide_which_subscriptions_there_are(
    sent: list[object], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(sent))

    assert lay(shuffled)[0].keys() == lay(sent)[0].keys()
