"""`subscriptions/get` and `list`: contract 6.2, 6.3 and 12.1."""

from typing import Any

import pytest

from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

GET = "/api/v1.1/subscriptions/get"
LIST = "/api/v1.1/subscriptions/list"
SUBSCRIPTIONS: list[dict[str, Any]] = [
    {
        "resource_id": 1,
        "channel": "email",
        "email": "John@example.com",
        "status": 5,
        "priority": 0,
        "custom_fields": {"custom_field_1": "y"},
        "cats": ["category_1"],
    },
    {
        "resource_id": 28,
        "channel": "push",
        "provider": "ios-apns",
        "subscription_id": "abc",
        "priority": 1,
    },
    {
        "resource_id": 1,
        "channel": "viber",
        "cc_data": {"phone": "+79000000001"},
        "priority": 2,
    },
]


@pytest.fixture
def profile_id(connection: Connection) -> str:
    data = {"email": "john@example.com", "subscriptions": SUBSCRIPTIONS}
    return Pipeline(connection).create(data)


@pytest.mark.fact("6.3-read")
def test_list_shows_them_as_they_are_sent_by_priority(
    penstock: ServedIntake, token: str, profile_id: str
) -> None:
    asked = {"token": token, "db_id": 1, "profile_id": profile_id}

    said = penstock.post(asked, path=LIST).json()

    subscribed = {"status": "subscribed"}
    assert said == {
        "data": [
            SUBSCRIPTIONS[0] | {"status": "suspended"},
            SUBSCRIPTIONS[1] | subscribed,
            SUBSCRIPTIONS[2] | subscribed,
        ],
        "error": 0,
        "error_text": "Successful operation",
    }


@pytest.mark.fact("6.2-read")
@pytest.mark.parametrize(
    "key",
    [
        pytest.param(
            {"resource_id": 1, "channel": "email", "email": "john@EXAMPLE.com"},
            id="email in another case",
        ),
        pytest.param(
            {
                "resource_id": "28",
                "channel": "push",
                "provider": "ios-apns",
                "subscription_id": "abc",
            },
            id="push",
        ),
        pytest.param(
            {
                "resource_id": 1,
                "channel": "viber",
                "cc_data": {"user_phone": "7 900 000 00 01"},
            },
            id="viber",
        ),
    ],
)
def test_get_finds_one_by_what_identifies_it(
    penstock: ServedIntake, token: str, profile_id: str, key: dict[str, object]
) -> None:
    asked = {"token": token, "db_id": 1, "profile_id": profile_id}
    profile = penstock.post(
        {**asked, "matching": "profile_id"}, path="/api/v1.1/profiles/get"
    ).json()["data"]

    said = penstock.post({**asked, **key}, path=GET).json()

    assert said["error"] == 0
    assert said["data"]["channel"] == key["channel"]
    assert said["data"] in profile["subscriptions"]


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        pytest.param(
            LIST,
            {"profile_id": None},
            (400, "Missing matching key: profile_id"),
            id="nobody's",
        ),
        pytest.param(
            LIST,
            {"profile_id": "f" * 24},
            (404, "No matching profile"),
            id="an unknown profile's",
        ),
        pytest.param(
            LIST, {"db_id": 2}, (404, "No matching profile"), id="of another database"
        ),
        pytest.param(
            GET, {"channel": None}, (400, "Missing parameter: channel"), id="no channel"
        ),
        pytest.param(
            GET,
            {"resource_id": None},
            (400, "Missing parameter: resource_id"),
            id="no resource",
        ),
        pytest.param(
            GET, {"email": None}, (400, "Missing parameter: email"), id="no contact"
        ),
        pytest.param(
            GET,
            {"resource_id": 2},
            (404, "Subscription not found"),
            id="not subscribed there",
        ),
    ],
)
def test_they_refuse(
    penstock: ServedIntake,
    token: str,
    profile_id: str,
    path: str,
    asked: dict[str, object],
    said: tuple[int, str],
) -> None:
    whole = {
        "token": token,
        "db_id": 1,
        "profile_id": profile_id,
        "resource_id": 1,
        "channel": "email",
        "email": "john@example.com",
    }

    response = penstock.post(whole | asked, path=path)

    assert response.json() == {"error": said[0], "error_text": said[1]}
