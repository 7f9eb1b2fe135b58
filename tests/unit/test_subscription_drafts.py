"""What an import may say of subscriptions (contract 6; 14, points 44-50, 73, 74)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.domain.catalog import Catalog, Channel, Database, Field, FieldType, Resource
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.profiles import SubscriptionKey
from ingest.domain.subscriptions import (
    SYSTEM_SUBSCRIPTION_FIELDS,
    SubscriptionDraft,
    parse,
    parse_all,
)
from ingest.domain.updates import Action, Update

DATABASE = Database(id=1, name="Customers", account_id=1, default_resource_id=1)
SITE = Resource(
    id=1,
    name="Site",
    account_id=1,
    database_ids=frozenset({1}),
    channels=frozenset(Channel),
    categories=frozenset({"news", "sales"}),
    fields={
        **SYSTEM_SUBSCRIPTION_FIELDS,
        "custom_field_1": Field(name="custom_field_1", type=FieldType.UNICODE),
        "visits": Field(name="visits", type=FieldType.INT),
        "topics": Field(name="topics", type=FieldType.TAGS),
        "device": Field(
            name="device",
            type=FieldType.UNICODE,
            channels=frozenset({Channel.PUSH}),
        ),
    },
)
EMAIL_ONLY = replace(SITE, id=2, channels=frozenset({Channel.EMAIL}))
UNBOUND = replace(SITE, id=3, database_ids=frozenset({2}))
CATALOG = Catalog(
    version=1,
    databases={1: DATABASE},
    resources={1: SITE, 2: EMAIL_ONLY, 3: UNBOUND},
    segments={},
)
EMAIL = {"channel": "email", "email": "john@example.com", "resource_id": 1}
SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}
#: Invalid in two ways.
BROKEN = {"channel": "sms", "phone": "12345", "resource_id": 1, "status": "lost"}
BROKEN_TEXTS = [
    "Incorrect phone: subscriptions[1].phone",
    "Unknown status: subscriptions[1].status",
]


def read(**sent: object) -> SubscriptionDraft:
    return parse({**EMAIL, **sent}, DATABASE, CATALOG)


def read_all(
    raw: object, *, skip_invalid: bool = False
) -> tuple[tuple[SubscriptionDraft, ...], tuple[Fault, ...]]:
    return parse_all(raw, DATABASE, CATALOG, skip_invalid=skip_invalid)


def refusals(raw: object, database: Database = DATABASE) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        parse(raw, database, CATALOG)
    return [fault.text for fault in refused.value.faults]


@pytest.mark.fact("6.5-system")
def test_system_subscription_fields_are_those_of_the_contract() -> None:
    names = (
        "_device_type _device_model _device_name _os _os_ver _os_tz _os_language "
        "_ad_track _ad_id _app_id _app_iid _app_ver _browser_name"
    )

    assert " ".join(SYSTEM_SUBSCRIPTION_FIELDS) == names
    assert all(
        field.system and field.name == name
        for name, field in SYSTEM_SUBSCRIPTION_FIELDS.items()
    )
    assert SYSTEM_SUBSCRIPTION_FIELDS["_os_ver"].type is FieldType.VERSION
    assert SYSTEM_SUBSCRIPTION_FIELDS["_ad_track"].type is FieldType.BOOL


def test_a_full_subscription_is_read_whole() -> None:
    draft = read(
        status="unconfirmed",
        priority=3,
        cats=["news", "sales"],
        custom_fields={"_browser_name": "Firefox", "visits": "7"},
    )

    assert draft == SubscriptionDraft(
        index=0,
        key=SubscriptionKey(
            resource_id=1, channel=Channel.EMAIL, contact="john@example.com"
        ),
        contact={"email": "john@example.com"},
        status="unconfirmed",
        priority=3,
        custom_fields={
            "_browser_name": Update(action=Action.SET, value="Firefox"),
            "visits": Update(action=Action.SET, value=7),
        },
        categories=("news", "sales"),
    )


def test_what_is_not_sent_is_left_open() -> None:
    draft = read()

    assert (draft.status, draft.priority, draft.categories) == (None, None, None)
    assert draft.custom_fields == {}


def test_null_is_as_good_as_absent() -> None:
    nulls = {
        "status": None,
        "priority": None,
        "cats": None,
        "custom_fields": None,
        "is_delete": None,
        "email_data": None,
    }

    assert read(**nulls) == read()
    assert read(custom_fields={"visits": None, "nobody": None}) == read()


@pytest.mark.fact("6.1-channels")
@pytest.mark.parametrize("channel", Channel)
def test_every_channel_can_be_subscribed_to(channel: Channel) -> None:
    contacts = {
        "email": "john@example.com",
        "phone": "+79000000000",
        "provider": "ios-apns",
        "subscription_id": "a81c264a938b475",
        "cc_data": {"id": 77, "phone": "+79000000000"},
    }

    draft = parse({"channel": channel.value, **contacts}, DATABASE, CATALOG)

    assert draft.key.channel is channel


@pytest.mark.parametrize("sent", [2, "2", 2.0], ids=["int", "digits", "whole float"])
def test_a_resource_is_named_by_its_number(sent: object) -> None:
    assert read(resource_id=sent).key.resource_id == 2


@pytest.mark.fact("14.47-default")
def test_the_resource_is_by_default_that_of_the_database() -> None:
    assert read(resource_id=None).key.resource_id == 1


@pytest.mark.fact("6.3-minus-one")
@pytest.mark.parametrize("sent", [-1, "-1"], ids=["number", "text"])
def test_minus_one_leaves_status_and_priority(sent: object) -> None:
    assert read(status=sent, priority=sent) == read()


@pytest.mark.parametrize(
    ("sent", "priority"),
    [
        pytest.param(0, 0, id="the highest"),
        pytest.param("5", 5, id="digits"),
        pytest.param(2**31 - 1, 2**31 - 1, id="the lowest that can be stored"),
    ],
)
def test_a_priority_is_a_number_from_0(sent: object, priority: int) -> None:
    assert read(priority=sent).priority == priority


@pytest.mark.fact("14.48-cats")
@pytest.mark.parametrize(
    ("sent", "categories"),
    [
        pytest.param([], (), id="none"),
        pytest.param("", (), id="none in XML"),
        pytest.param("news", ("news",), id="one element in XML"),
        pytest.param(
            ["sales", "news", "sales"], ("sales", "news"), id="a repeated one"
        ),
    ],
)
def test_categories_are_named_in_a_list(
    sent: object, categories: tuple[str, ...]
) -> None:
    assert read(cats=sent).categories == categories


def test_custom_fields_may_be_functions() -> None:
    functions = {
        "visits": {"action": "incr", "value": 2},
        "topics": {"action": "add", "value": ["yoga"]},
        "_app_ver": {"action": "unset"},
    }

    assert read(custom_fields=functions).custom_fields == {
        "visits": Update(action=Action.INCR, value=2),
        "topics": Update(action=Action.ADD, value=["yoga"]),
        "_app_ver": Update(action=Action.UNSET),
    }


def test_empty_xml_custom_fields_are_none() -> None:
    assert read(custom_fields="") == read()


def test_a_field_of_one_channel_is_known_on_that_channel() -> None:
    push = {"channel": "push", "provider": "p", "subscription_id": "s"}

    draft = parse({**push, "custom_fields": {"device": "x"}}, DATABASE, CATALOG)

    assert "device" in draft.custom_fields


def test_unknown_fields_are_dropped_where_the_database_says_so() -> None:
    lenient = replace(DATABASE, ignore_unknown_fields=True)
    sent = {**EMAIL, "custom_fields": {"nobody": 1, "device": "x", "visits": 1}}

    assert list(parse(sent, lenient, CATALOG).custom_fields) == ["visits"]


def test_keys_that_are_only_read_back_are_ignored() -> None:
    assert read(hash_id="5f", is_delete=False, date="2020-01-01", extra=[1]) == read()


@pytest.mark.fact("6.4-resource")
@pytest.mark.parametrize(
    ("sent", "texts"),
    [
        pytest.param("email", ["Not an object"], id="text"),
        pytest.param(None, ["Not an object"], id="null"),
        pytest.param([EMAIL], ["Not an object"], id="a list"),
        pytest.param(
            {"resource_id": 1, "email": "john@example.com"},
            ["Missing parameter: channel"],
            id="no channel",
        ),
        pytest.param(
            {**EMAIL, "channel": "pager"}, ["Unknown channel: channel"], id="a pager"
        ),
        pytest.param(
            {**EMAIL, "channel": ["email"]},
            ["Unknown channel: channel"],
            id="channel a list",
        ),
        pytest.param(
            {"channel": "email"}, ["Missing parameter: email"], id="no contact"
        ),
        pytest.param(
            {**EMAIL, "resource_id": 99}, ["Unknown resource: resource_id"], id="99"
        ),
        pytest.param(
            {**EMAIL, "resource_id": "site"},
            ["Not an integer: resource_id"],
            id="resource by name",
        ),
        pytest.param(
            {**EMAIL, "resource_id": 3},
            ["The resource is not bound to the database: resource_id"],
            id="resource of another database",
        ),
        pytest.param(
            {**SMS, "resource_id": 2},
            ["The resource does not have the channel: resource_id"],
            id="channel the resource lacks",
        ),
        pytest.param(
            {**EMAIL, "status": 7}, ["Unknown status: status"], id="unknown status"
        ),
        pytest.param(
            {**EMAIL, "priority": "high"}, ["Not an integer: priority"], id="a word"
        ),
        pytest.param(
            {**EMAIL, "priority": 1.5}, ["Not an integer: priority"], id="a fraction"
        ),
        pytest.param(
            {**EMAIL, "priority": -2}, ["Out of range: priority"], id="priority -2"
        ),
        pytest.param(
            {**EMAIL, "priority": 2**31}, ["Out of range: priority"], id="priority 2^31"
        ),
        pytest.param(
            {**EMAIL, "cats": ["news", "gossip", 5]},
            ["Unknown category: cats[1]", "Unknown category: cats[2]"],
            id="unknown categories",
        ),
        pytest.param(
            {**EMAIL, "cats": {"action": "delete", "value": ["news"]}},
            ["Unknown category: cats[0]"],
            id="categories as a function",
        ),
        pytest.param(
            {**EMAIL, "custom_fields": ["visits"]},
            ["Not an object: custom_fields"],
            id="custom fields a list",
        ),
        pytest.param(
            {**EMAIL, "custom_fields": {"visits": "many", "nobody": 1}},
            [
                "Not an integer: custom_fields.visits",
                "Unknown field: custom_fields.nobody",
            ],
            id="custom fields ill-typed and unknown",
        ),
        pytest.param(
            {**EMAIL, "custom_fields": {"device": "x"}},
            ["Unknown field: custom_fields.device"],
            id="a field of another channel",
        ),
        pytest.param(
            {**EMAIL, "custom_fields": {"visits": {"action": "drop"}}},
            ["Unknown action: custom_fields.visits"],
            id="an unknown function",
        ),
        pytest.param(
            {**EMAIL, "is_delete": True},
            ["An import cannot delete a subscription: is_delete"],
            id="a deletion",
        ),
        pytest.param(
            {
                "channel": "sms",
                "phone": "none",
                "resource_id": 1,
                "status": "lost",
                "priority": [],
                "cats": "gossip",
                "custom_fields": {"_ad_track": "perhaps"},
            },
            [
                "Incorrect phone: phone",
                "Unknown status: status",
                "Not an integer: priority",
                "Not true or false: custom_fields._ad_track",
                "Unknown category: cats[0]",
            ],
            id="everything wrong at once",
        ),
    ],
)
def test_an_invalid_subscription_is_refused_with_every_fault(
    sent: object, texts: list[str]
) -> None:
    assert refusals(sent) == texts


@pytest.mark.fact("14.47-default")
def test_a_resource_is_needed_where_the_database_has_no_default() -> None:
    sent = {"channel": "email", "email": "john@example.com"}

    texts = refusals(sent, replace(DATABASE, default_resource_id=None))

    assert texts == ["Missing parameter: resource_id"]


@pytest.mark.parametrize("raw", [None, "", []], ids=["null", "empty XML", "empty"])
def test_no_subscriptions_are_no_fault(raw: object) -> None:
    assert read_all(raw) == ((), ())


@pytest.mark.fact("14.73-single")
def test_one_object_is_a_list_of_one() -> None:
    assert read_all(EMAIL) == read_all([EMAIL])


def test_drafts_know_where_they_stood() -> None:
    drafts, _ = read_all([EMAIL, SMS])

    assert [(draft.index, draft.key.channel) for draft in drafts] == [
        (0, Channel.EMAIL),
        (1, Channel.SMS),
    ]


@pytest.mark.fact("14.74-functions")
@pytest.mark.parametrize("skip_invalid", [False, True], ids=["strict", "skipping"])
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(
            {"action": "delete", "value": [EMAIL]},
            "Subscriptions take no functions: subscriptions",
            id="a function",
        ),
        pytest.param("email", "Not a list: subscriptions", id="text"),
        pytest.param(5, "Not a list: subscriptions", id="a number"),
    ],
)
def test_what_lists_no_subscriptions_is_always_refused(
    raw: object, text: str, skip_invalid: bool
) -> None:
    with pytest.raises(InvalidRequest, match=text):
        read_all(raw, skip_invalid=skip_invalid)


@pytest.mark.fact("6.7-fail")
def test_one_invalid_subscription_refuses_all_with_every_fault() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_all([EMAIL, BROKEN, "text"])

    texts = [fault.text for fault in refused.value.faults]
    assert texts == [*BROKEN_TEXTS, "Not an object: subscriptions[2]"]
    assert {fault.code for fault in refused.value.faults} == {400}


@pytest.mark.fact("6.7-skip")
def test_invalid_subscriptions_are_dropped_and_told_when_asked() -> None:
    drafts, faults = read_all([EMAIL, BROKEN, SMS], skip_invalid=True)

    assert [draft.index for draft in drafts] == [0, 2]
    assert [fault.text for fault in faults] == BROKEN_TEXTS


@pytest.mark.fact("14.49-last")
def test_of_duplicates_the_last_counts_whole() -> None:
    first = {**EMAIL, "email": "JOHN@example.com", "status": "suspended"}
    last = {**EMAIL, "priority": 4}

    drafts, _ = read_all([first, SMS, last])

    assert [draft.index for draft in drafts] == [1, 2]
    assert drafts[1].contact == {"email": "john@example.com"}
    assert (drafts[1].status, drafts[1].priority) == (None, 4)


def test_an_invalid_duplicate_does_not_replace_a_valid_one() -> None:
    drafts, faults = read_all([EMAIL, {**EMAIL, "status": "lost"}], skip_invalid=True)

    assert [draft.index for draft in drafts] == [0]
    assert [fault.path for fault in faults] == ["subscriptions[1].status"]


@pytest.mark.fact("6.2-identity")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({**EMAIL, "resource_id": 2}, id="another resource"),
        pytest.param({**EMAIL, "email": "jane@example.com"}, id="another contact"),
        pytest.param(SMS, id="another channel"),
    ],
)
def test_resource_channel_and_contact_tell_subscriptions_apart(
    other: dict[str, object],
) -> None:
    drafts, _ = read_all([EMAIL, other])

    assert len({draft.key for draft in drafts}) == 2


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4)
            | st.sampled_from(["action", "value", "id", "phone", "email", "visits"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
SUBSCRIPTIONS = st.fixed_dictionaries(
    {"channel": st.sampled_from([*Channel, "pager"]) | JSON},
    optional=dict.fromkeys(
        (
            "resource_id",
            "status",
            "priority",
            "cats",
            "custom_fields",
            "email",
            "phone",
            "provider",
            "subscription_id",
            "cc_data",
            "push_data",
            "is_delete",
        ),
        JSON,
    ),
)


@given(raw=SUBSCRIPTIONS | JSON)
@settings(max_examples=200)
def test_whatever_is_sent_is_read_or_refused(raw: object) -> None:
    try:
        draft = parse(raw, DATABASE, CATALOG)
    except InvalidRequest:
        return

    assert draft.key.contact
    assert draft.key.resource_id in CATALOG.resources


@given(listed=st.lists(SUBSCRIPTIONS, max_size=4))
@settings(max_examples=100)
def test_skipping_accounts_for_every_subscription(listed: list[object]) -> None:
    drafts, faults = read_all(listed, skip_invalid=True)

    kept = {draft.index for draft in drafts}
    dropped = {int(fault.path.split("[")[1].split("]")[0]) for fault in faults}
    assert kept.isdisjoint(dropped)
    assert kept | dropped <= set(range(len(listed)))
    assert len({draft.key for draft in drafts}) == len(drafts)
