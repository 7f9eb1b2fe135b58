"""`subscriptions/set`: contract 2.3, 6.1 to 6.3 and 6.7."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests import said
from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

PATH = "/api/v1.1/subscriptions/set"

#: Sends a subscription that is in order but for these changes.
Subscribe = Callable[[dict[str, Any]], httpx.Response]


@pytest.fixture
def profile_id(connection: Connection) -> str:
    return Pipeline(connection).create({"email": "john@example.com"})


@pytest.fixture
def document(token: str, profile_id: str) -> dict[str, Any]:
    """A subscription that is in order."""
    contact = {"channel": "email", "email": "news@example.com"}
    known = {"token": token, "db_id": 1, "profile_id": profile_id, "resource_id": 28}
    return {**known, **contact}


@pytest.fixture
def subscribe(penstock: ServedIntake, document: dict[str, Any]) -> Subscribe:
    return lambda changes: penstock.post({**document, **changes}, path=PATH)


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        """
        SELECT resource_id, channel, contact, status, priority
          FROM subscriptions
         ORDER BY priority
        """
    ).fetchall()


def test_it_adds_a_subscription_and_answers_as_an_import(
    subscribe: Subscribe, connection: Connection, profile_id: str
) -> None:
    response = subscribe({})

    assert response.json() == {
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": profile_id,
    }
    assert stored(connection) == [(28, "email", "news@example.com", "subscribed", 0)]


@pytest.mark.fact("6.2-identity")
def test_the_same_contact_again_changes_the_subscription(
    subscribe: Subscribe, connection: Connection
) -> None:
    subscribe({})

    response = subscribe(
        {"status": "unsubscribed", "priority": 3, "cats": ["category_1"]}
    )

    assert response.json()["error"] == 0
    assert stored(connection) == [(28, "email", "news@example.com", "unsubscribed", 3)]


@pytest.mark.fact("6.1-channels", "6.1-contacts")
@pytest.mark.parametrize(
    "contact",
    [
        pytest.param({"channel": "sms", "phone": "+79001234567"}, id="sms"),
        pytest.param(
            {"channel": "push", "provider": "ios-apns", "subscription_id": "x"},
            id="push",
        ),
        pytest.param({"channel": "telegram_bot", "cc_data": {"id": 7}}, id="telegram"),
        pytest.param(
            {"channel": "email", "email": None, "email_data": {"email": "a@b.io"}},
            id="the nested form",
        ),
    ],
)
def test_each_channel_takes_its_own_contact(
    subscribe: Subscribe, connection: Connection, contact: dict[str, Any]
) -> None:
    response = subscribe(contact)

    assert response.json()["error"] == 0
    assert [row[1] for row in stored(connection)] == [contact["channel"]]


@pytest.mark.fact("6.1-registration")
def test_its_date_ip_and_url_are_accepted(subscribe: Subscribe) -> None:
    response = subscribe(
        {"date": "2024-01-01T00:00:00Z", "ip": "127.0.0.1", "url": "https://a.io"}
    )

    assert response.json()["error"] == 0


def test_it_takes_xml(
    penstock: ServedIntake, connection: Connection, document: dict[str, Any]
) -> None:
    leaves = {**document, "status": 1}.items()
    body = "".join(f"<{name}>{value}</{name}>" for name, value in leaves)

    response = penstock.post(f"<xml>{body}</xml>".encode(), path=PATH)

    assert f"<profile_id>{document['profile_id']}</profile_id>" in response.text
    assert [row[3] for row in stored(connection)] == ["unsubscribed"]


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        pytest.param(
            {"profile_id": None}, 400, "Missing parameter: profile_id", id="no profile"
        ),
        pytest.param({"db_id": ""}, 400, "Missing parameter: db_id", id="no database"),
        pytest.param(
            {"resource_id": None}, 400, "Missing parameter: resource_id", id="no place"
        ),
        pytest.param(
            {"channel": None}, 400, "Missing parameter: channel", id="no channel"
        ),
        pytest.param(
            {"channel": "fax"}, 400, f"{said.CHANNEL}: channel", id="another channel"
        ),
        pytest.param({"email": None}, 400, "Missing parameter: email", id="no contact"),
        pytest.param({"email": "nobody"}, 400, "Incorrect email: email", id="no email"),
        pytest.param(
            {"profile_id": "f" * 24}, 404, "No matching profile", id="unknown profile"
        ),
        pytest.param(
            {"resource_id": 404},
            400,
            "Resource not found: data.subscriptions[0].resource_id",
            id="unknown resource",
        ),
    ],
)
def test_what_is_wrong_is_named(
    subscribe: Subscribe,
    connection: Connection,
    changes: dict[str, Any],
    error: int,
    text: str,
) -> None:
    response = subscribe(changes)

    assert response.json() == {"error": error, "error_text": text}
    assert stored(connection) == []
