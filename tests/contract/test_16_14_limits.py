"""How much an import may bring and a profile hold, by default: contract 16.14."""

from typing import Any

import pytest

from ingest.domain.catalog import Channel
from ingest.domain.errors import InvalidRequest
from ingest.domain.excess import refuse_excess
from ingest.domain.imports import Import
from ingest.domain.limits import DEFAULT_LIMITS
from ingest.domain.merge import update
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.wire.profile_schemas import ProfileSchemas
from tests.conftest import Connection
from tests.factories import make_catalog, make_import
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

CATALOG = make_catalog()
KEY = {"email": "ann@example.com"}
LENGTH = "At most 1024 characters are allowed"
TEXT = "A text may be at most 65536 bytes"


def phones(count: int) -> list[str]:
    return [f"+4477009{number:05}" for number in range(count)]


def tags(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


def pushes(count: int) -> list[dict[str, Any]]:
    return [
        {"channel": "push", "resource_id": 1, "provider": "web", "subscription_id": n}
        for n in range(count)
    ]


def find_excess(import_: Import) -> list[str]:
    """Return what a door says of an import."""
    try:
        refuse_excess(import_, CATALOG)
    except InvalidRequest as error:
        return [fault.text for fault in error.faults]
    return []


LIMITS = [
    pytest.param(
        {"note": "\u20ac" * 21845 + "x"},
        {"note": "\u20ac" * 21845 + "xy"},
        f"{TEXT}: data.note",
        marks=pytest.mark.fact("16.14-text"),
        id="64 KiB of text",
    ),
    pytest.param(
        {"phones": phones(100)},
        {"phones": phones(101)},
        "At most 100 phones are allowed: data.phones",
        marks=pytest.mark.fact("16.14-phones"),
        id="100 phones",
    ),
    pytest.param(
        {"interests": tags(1000)},
        {"interests": ";".join(tags(1001))},
        "At most 1000 tags are allowed: data.interests",
        marks=pytest.mark.fact("16.14-tags"),
        id="1,000 tags",
    ),
    pytest.param(
        {"subscriptions": pushes(500)},
        {"subscriptions": pushes(501)},
        "At most 500 subscriptions are allowed: data.subscriptions",
        marks=pytest.mark.fact("16.14-subscriptions"),
        id="500 subscriptions",
    ),
    pytest.param(
        {"interests": ["x" * 1024]},
        {"interests": ["x" * 1025]},
        f"{LENGTH}: data.interests",
        marks=pytest.mark.fact("16.14-key"),
        id="a tag of 1,024",
    ),
    pytest.param(
        {"tier": "\u20ac" * 1024},
        {"tier": "\u20ac" * 1025},
        f"{LENGTH}: data.tier",
        marks=pytest.mark.fact("16.14-key"),
        id="a matched value of 1,024",
    ),
]


@pytest.mark.parametrize(("most", "more", "text"), LIMITS)
def test_a_limit_is_allowed_and_more_is_named_with_its_path(
    most: dict[str, Any], more: dict[str, Any], text: str
) -> None:
    assert find_excess(make_import("email", most, key=KEY)) == []
    assert find_excess(make_import("email", more, key=KEY)) == [text]


def make_subscription(number: int) -> Subscription:
    return Subscription(
        key=SubscriptionKey(1, Channel.PUSH, f"web:{number}"),
        contact={"provider": "web", "subscription_id": str(number)},
        status="subscribed",
        priority=0,
        # Deleted ones count, for they can be restored.
        deleted=number % 2 == 0,
    )


FULL = Profile(
    id="a" * 24,
    database_id=1,
    email=KEY["email"],
    phones=tuple(phones(100)),
    fields={"interests": tags(1000)},
    subscriptions={
        one.key: one for one in (make_subscription(number) for number in range(500))
    },
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(
            {"phones": {"action": "add", "value": ["+12125550100"]}},
            "At most 100 phones are allowed: data.phones",
            marks=pytest.mark.fact("16.14-phones"),
            id="phones",
        ),
        pytest.param(
            {"interests": {"action": "add", "value": ["one more"]}},
            "At most 1000 tags are allowed: data.interests",
            marks=pytest.mark.fact("16.14-tags"),
            id="tags",
        ),
        pytest.param(
            {"subscriptions": pushes(501)[500:]},
            "At most 500 subscriptions are allowed: data.subscriptions",
            marks=pytest.mark.fact("16.14-subscriptions"),
            id="subscriptions",
        ),
    ],
)
def test_a_profile_that_is_full_takes_no_more(data: dict[str, Any], text: str) -> None:
    prepared = ProfileSchemas(CATALOG).prepare(make_import("email", data, key=KEY))
    assert not prepared.faults

    with pytest.raises(InvalidRequest) as raised:
        update(FULL, prepared.import_, prepared.draft, CATALOG)

    assert [fault.text for fault in raised.value.faults] == [text]


@pytest.mark.fact("16.14-key")
def test_a_matching_key_is_a_matched_value() -> None:
    most, more = (
        make_import("custom", key={"field_name": "tier", "field_value": "x" * length})
        for length in (1024, 1025)
    )

    assert find_excess(most) == []
    assert find_excess(more) == [f"{LENGTH}: field_value"]


@pytest.mark.fact("16.14-refused")
def test_what_is_too_much_is_a_400_and_nothing_is_written(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    assert penstock.settings.profile_limits == DEFAULT_LIMITS
    sent = {"token": token, "db_id": 1, **KEY}

    answers = [
        penstock.post({**sent, "data": data}).json()
        for data in ({"phones": phones(101)}, {"subscriptions": pushes(501)})
    ]

    assert answers == [
        {"error": 400, "error_text": f"At most {count} {what} are allowed: data.{what}"}
        for count, what in ((100, "phones"), (500, "subscriptions"))
    ]
    assert Pipeline(connection).count("profiles") == 0
    assert Pipeline(connection).count("imports") == 0
