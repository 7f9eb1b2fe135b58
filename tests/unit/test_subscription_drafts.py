"""What an import may say of subscriptions (contract 6; 14, points 44-50, 73, 74)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from ingest.domain.catalog import Channel, Database, FieldType
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.profiles import SubscriptionKey
from ingest.domain.subscriptions import (
    SYSTEM_SUBSCRIPTION_FIELDS,
    SubscriptionDraft,
    parse,
)
from ingest.domain.updates import Action, Update
from tests import said
from tests.subscribing import CATALOG, DATABASE, EMAIL, JSON, SMS, SUBSCRIPTIONS


def read(**sent: object) -> SubscriptionDraft:
    return parse({**EMAIL, **sent}, DATABASE, CATALOG)


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
        pytest.param("email", ["Must be an object"], id="text"),
        pytest.param(None, ["Must be an object"], id="null"),
        pytest.param([EMAIL], ["Must be an object"], id="a list"),
        pytest.param(
            {"resource_id": 1, "email": "john@example.com"},
            ["Missing parameter: channel"],
            id="no channel",
        ),
        pytest.param(
            {**EMAIL, "channel": "pager"}, [f"{said.CHANNEL}: channel"], id="a pager"
        ),
        pytest.param(
            {**EMAIL, "channel": ["email"]},
            [f"{said.CHANNEL}: channel"],
            id="channel a list",
        ),
        pytest.param(
            {"channel": "email"}, ["Missing parameter: email"], id="no contact"
        ),
        pytest.param(
            {**EMAIL, "resource_id": 99}, ["Resource not found: resource_id"], id="99"
        ),
        pytest.param(
            {**EMAIL, "resource_id": "site"},
            ["Must be an integer: resource_id"],
            id="resource by name",
        ),
        pytest.param(
            {**EMAIL, "resource_id": 3},
            ["The resource does not belong to this database: resource_id"],
            id="resource of another database",
        ),
        pytest.param(
            {**SMS, "resource_id": 2},
            ["The resource does not have this channel: resource_id"],
            id="channel the resource lacks",
        ),
        pytest.param(
            {**EMAIL, "status": 7}, [f"{said.STATUS}: status"], id="unknown status"
        ),
        pytest.param(
            {**EMAIL, "priority": "high"}, ["Must be an integer: priority"], id="a word"
        ),
        pytest.param(
            {**EMAIL, "priority": 1.5},
            ["Must be an integer: priority"],
            id="a fraction",
        ),
        pytest.param(
            {**EMAIL, "priority": -2},
            ["Out of range (from -1 to 2147483647): priority"],
            id="priority -2",
        ),
        pytest.param(
            {**EMAIL, "priority": 2**31},
            ["Out of range (from -1 to 2147483647): priority"],
            id="priority 2^31",
        ),
        pytest.param(
            {**EMAIL, "cats": ["news", "gossip", 5]},
            [
                "Unknown category (one of news, sales): cats[1]",
                "Unknown category (one of news, sales): cats[2]",
            ],
            id="unknown categories",
        ),
        pytest.param(
            {**EMAIL, "cats": {"action": "delete", "value": ["news"]}},
            ["Unknown category (one of news, sales): cats[0]"],
            id="categories as a function",
        ),
        pytest.param(
            {**EMAIL, "custom_fields": ["visits"]},
            ["Must be an object: custom_fields"],
            id="custom fields a list",
        ),
        pytest.param(
            {**EMAIL, "custom_fields": {"visits": "many", "nobody": 1}},
            [
                "Must be an integer: custom_fields.visits",
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
            [f"{said.INT_ACTION}: custom_fields.visits"],
            id="an unknown function",
        ),
        pytest.param(
            {**EMAIL, "is_delete": True},
            ["Imports cannot delete subscriptions: is_delete"],
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
                f"{said.STATUS}: status",
                "Must be an integer: priority",
                "Must be true or false: custom_fields._ad_track",
                "Unknown category (one of news, sales): cats[0]",
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


def read_or_refuse(raw: object) -> SubscriptionDraft | tuple[Fault, ...]:
    try:
        return parse(raw, DATABASE, CATALOG)
    except InvalidRequest as refused:
        return refused.faults


@given(raw=SUBSCRIPTIONS | JSON)
@settings(max_examples=200)
def test_whatever_is_sent_is_read_or_refused(raw: object) -> None:
    outcome = read_or_refuse(raw)

    if isinstance(outcome, SubscriptionDraft):
        assert outcome.key.contact
        assert outcome.key.resource_id in CATALOG.resources
    else:
        # What cannot be taken as a whole is found to have a fault.
        assert outcome
