"""How much an import may bring, and a profile hold (contract 16.14)."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain import fields, merge
from ingest.domain.catalog import Channel, Field, FieldType
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.excess import refuse_excess
from ingest.domain.imports import Import, Start
from ingest.domain.limits import ProfileLimits, shorten
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.wire.profile_schemas import ProfileSchemas
from tests.factories import make_catalog, make_import

ADDRESS = Field(name="address", type=FieldType.OBJECT)
ORDERS = Field(name="orders", type=FieldType.ARR_OBJECT)
LIMITS = ProfileLimits(
    text_bytes=400,
    key_length=300,
    phones=3,
    tags=4,
    subscriptions=2,
    profile_bytes=2000,
)
CATALOG = make_catalog(ADDRESS, ORDERS)
object.__setattr__(CATALOG, "limits", LIMITS)
KEY = {"email": "ann@example.com"}


def phones(count: int) -> list[str]:
    return [f"+4477009{number:05}" for number in range(count)]


def push(number: int, **more: Any) -> dict[str, Any]:
    contact = {"provider": "web", "subscription_id": f"s{number}"}
    return {"channel": "push", "resource_id": 1, **contact, **more}


def faults_of(import_: Import) -> list[tuple[str, str]]:
    try:
        refuse_excess(import_, CATALOG)
    except InvalidRequest as error:
        return [(fault.message, fault.path) for fault in error.faults]
    return []


def brought(data: dict[str, Any]) -> list[tuple[str, str]]:
    return faults_of(make_import("email", data, key=KEY))


TEXT = "A text may be at most 400 bytes"
LENGTH = "At most 300 characters are allowed"
TAGS = "At most 4 tags are allowed"


@pytest.mark.parametrize(
    ("allowed", "refused", "fault"),
    [
        pytest.param(
            {"note": "x" * 400}, {"note": "x" * 401}, (TEXT, "data.note"), id="text"
        ),
        pytest.param(
            {"note": "\u20ac" * 133},
            {"note": "\u20ac" * 134},
            (TEXT, "data.note"),
            id="text in bytes",
        ),
        pytest.param(
            {"note": {"action": "set", "value": "x" * 400}},
            {"note": {"action": "set", "value": "x" * 401}},
            (TEXT, "data.note.value"),
            id="text of a function",
        ),
        pytest.param(
            {"address": {"a": [{"b": "x" * 400}]}},
            {"address": {"a": [{"b": "x" * 401}]}},
            (TEXT, "data.address.a[0].b"),
            id="nested text",
        ),
        pytest.param(
            {"tier": "x" * 300}, {"tier": "x" * 301}, (LENGTH, "data.tier"), id="match"
        ),
        pytest.param(
            {"interests": ["x" * 300]},
            {"interests": ["x" * 301]},
            (LENGTH, "data.interests"),
            id="tag",
        ),
        pytest.param(
            {"interests": "a,b;c|d" + " " * 290},
            {"interests": "a,b;c|d,e" + " " * 290},
            (TAGS, "data.interests"),
            id="tags in a text",
        ),
        pytest.param(
            {"interests": {"action": "add", "value": ["x" * 80] * 4}},
            {"interests": {"action": "add", "value": ["x" * 80] * 5}},
            (TAGS, "data.interests"),
            id="tags of a function",
        ),
        pytest.param(
            {"phones": phones(3)},
            {"phones": phones(4)},
            ("At most 3 phones are allowed", "data.phones"),
            id="phones",
        ),
        pytest.param(
            {"phones": {"action": "add", "value": phones(3)}},
            {"phones": {"action": "add", "value": phones(4)}},
            ("At most 3 phones are allowed", "data.phones"),
            id="phones of a function",
        ),
        pytest.param(
            {"subscriptions": [push(n) for n in range(2)]},
            {"subscriptions": [push(n) for n in range(3)]},
            ("At most 2 subscriptions are allowed", "data.subscriptions"),
            id="subscriptions",
        ),
        pytest.param(
            {"subscriptions": [push(1, custom_fields={"plan_code": "x" * 400})]},
            {"subscriptions": [push(1, custom_fields={"plan_code": "x" * 401})]},
            (TEXT, "data.subscriptions[0].custom_fields.plan_code"),
            id="subscription text",
        ),
        pytest.param(
            {"orders": [{"a": "x" * 390}] * 4},
            {"orders": [{"a": "x" * 390}] * 6},
            ("An import may be at most 2000 bytes", "data"),
            id="all of it",
        ),
    ],
)
def test_what_an_import_brings_is_allowed_up_to_the_limit(
    allowed: dict[str, Any], refused: dict[str, Any], fault: tuple[str, str]
) -> None:
    assert brought(allowed) == []
    assert brought(refused)[0] == fault


@pytest.mark.parametrize(
    ("matching", "key", "path"),
    [
        pytest.param("email", "email", "email", id="email"),
        pytest.param("phone", "phone", "phone", id="phone"),
        pytest.param("profile_id", "profile_id", "profile_id", id="profile_id"),
        pytest.param("custom", "field_name", "field_name", id="field_name"),
        pytest.param("custom", "field_value", "field_value", id="field_value"),
    ],
)
def test_a_matching_key_has_a_length(matching: str, key: str, path: str) -> None:
    allowed, refused = (
        make_import(matching, key={key: "x" * length}) for length in (300, 301)
    )

    assert faults_of(allowed) == []
    assert faults_of(refused) == [(LENGTH, path)]


def test_what_a_trigger_is_started_with_has_a_size() -> None:
    start = Start(trigger_id=1, payload={"content": "x" * 2000})

    (fault,) = faults_of(make_import("email", key=KEY, start=start))

    assert fault == ("The data of a trigger start may be at most 2000 bytes", "")


def test_names_are_quoted_in_part() -> None:
    (fault,) = brought({"n" * 5000: "x" * 401})

    assert fault == (TEXT, f"data.{'n' * 100}…")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_is_sent_is_judged_and_not_stumbled_over(value: object) -> None:
    for name in ("note", "phones", "subscriptions", "interests", "address", "unknown"):
        brought({name: value})


def merged(stored: Profile, data: dict[str, Any]) -> merge.Merged:
    prepared = ProfileSchemas(CATALOG).prepare(make_import("email", data, key=KEY))
    assert not prepared.faults
    return merge.update(stored, prepared.import_, prepared.draft, CATALOG)


def profile(**changes: Any) -> Profile:
    return Profile(id="a" * 24, database_id=1, email="ann@example.com", **changes)


def subscription(number: int, *, deleted: bool = False) -> Subscription:
    key = SubscriptionKey(1, Channel.PUSH, f"web:s{number}")
    contact = {"provider": "web", "subscription_id": f"s{number}"}
    return Subscription(
        key=key, contact=contact, status="subscribed", priority=0, deleted=deleted
    )


def with_subscriptions(*numbers: int, deleted: bool = False) -> Profile:
    held = [subscription(number, deleted=deleted) for number in numbers]
    return profile(subscriptions={one.key: one for one in held})


@pytest.mark.parametrize(
    ("stored", "data", "fault"),
    [
        pytest.param(
            profile(phones=tuple(phones(3))),
            {"phones": {"action": "add", "value": ["+12125550100"]}},
            "At most 3 phones are allowed: data.phones",
            id="phones",
        ),
        pytest.param(
            profile(fields={"interests": ["a", "b", "c"]}),
            {"interests": {"action": "add", "value": ["d", "e"]}},
            "At most 4 tags are allowed: data.interests",
            id="tags",
        ),
        pytest.param(
            with_subscriptions(1, 2),
            {"subscriptions": [push(3)]},
            "At most 2 subscriptions are allowed: data.subscriptions",
            id="subscriptions",
        ),
        pytest.param(
            with_subscriptions(1, 2, deleted=True),
            {"subscriptions": [push(3)]},
            "At most 2 subscriptions are allowed: data.subscriptions",
            id="deleted subscriptions",
        ),
        pytest.param(
            profile(fields={"orders": [{"a": "x" * 1950}]}),
            {"orders": {"action": "add", "value": [{"a": "x" * 100}]}},
            "A profile may be at most 2000 bytes: data",
            id="bytes",
        ),
        pytest.param(
            profile(fields={"orders": [{"a": 1}] * 200}),
            {"orders": {"action": "upsert", "submatch": "a", "value": {"b": "x" * 99}}},
            "A profile may be at most 2000 bytes: data.orders",
            id="one value into many elements",
        ),
    ],
)
def test_what_gathers_in_a_profile_has_a_limit(
    stored: Profile, data: dict[str, Any], fault: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        merged(stored, data)

    assert raised.value.faults[0].text == fault


@pytest.mark.parametrize(
    ("stored", "data"),
    [
        pytest.param(
            profile(phones=tuple(phones(9))),
            {"phones": {"action": "delete", "value": phones(1)}},
            id="fewer phones",
        ),
        pytest.param(
            profile(fields={"interests": list("abcdefgh")}),
            {"interests": {"action": "delete", "value": ["a"]}},
            id="fewer tags",
        ),
        pytest.param(
            with_subscriptions(1, 2, 3, 4),
            {"subscriptions": [push(1, status="unsubscribed")]},
            id="a change of a subscription",
        ),
        pytest.param(
            profile(fields={"orders": [{"a": "x" * 5000}]}),
            {"orders": [{"a": "x" * 300}] * 7},
            id="fewer bytes, and still too many",
        ),
        pytest.param(profile(phones=tuple(phones(9))), {"note": "x"}, id="all else"),
    ],
)
def test_what_was_too_much_before_may_stay_and_shrink(
    stored: Profile, data: dict[str, Any]
) -> None:
    assert merged(stored, data).changes


def test_many_faults_are_told_by_their_number() -> None:
    found = tuple(
        Fault(code=400, message="Incorrect phone", path=f"[{n}]") for n in range(250)
    )

    told = shorten(found)

    assert told[:100] == found[:100]
    assert [fault.text for fault in told[100:]] == ["150 more errors are not listed"]
    assert shorten(found[:100]) == found[:100]


@pytest.mark.parametrize(
    ("value", "is_folded"),
    [
        pytest.param("x" * 2048, False, id="as long as the index takes"),
        pytest.param("x" * 2049, True, id="one too long"),
        pytest.param("\U0001f600" * 512, False, id="long in bytes"),
        pytest.param("\U0001f600" * 512 + "x", True, id="too long in bytes"),
        pytest.param("sha256:" + "0" * 64, True, id="what could be taken for a digest"),
    ],
)
def test_a_text_too_long_for_an_index_is_found_by_its_digest(
    value: str, is_folded: bool
) -> None:
    field = Field(name="tier", type=FieldType.UNICODE, match=True)

    (text,) = fields.match_value(field, value)

    assert (text != value) is is_folded
    assert len(text.encode()) <= 2048
    assert fields.match_value(field, value) == [text]
    assert fields.match_value(field, value + "y") != [text]


@pytest.mark.fact("16.14-settings")
def test_limits_may_be_raised() -> None:
    raised = replace(LIMITS, phones=4)
    catalog = make_catalog()
    object.__setattr__(catalog, "limits", raised)

    refuse_excess(make_import("email", {"phones": phones(4)}, key=KEY), catalog)
