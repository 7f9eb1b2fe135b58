"""`profiles/get`: contract 12.1, with 3.1, 4.2, 4.3 and 14, points 8, 27 and 47a."""

from hashlib import md5
from typing import Any

import httpx
import pytest
from lxml import etree

from ingest.domain.tokens import Scope
from ingest.store.tokens import create_token
from tests import said
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import ServedIntake, says
from tests.pipeline import Pipeline

GET = "/api/v1.1/profiles/get"
DATA: dict[str, Any] = {
    "email": "John@Gmail.com",
    "phones": ["+79001234567"],
    "_fname": "John",
    "_bdate": "1990-02-22T21:00:00.500Z",
    "_status": 0,
    "code": 7,
    "custom_field": "x",
    "interests": ["yoga", "dance"],
    "address": {"city": "Ryazan"},
    "subscriptions": [
        {"resource_id": 1, "channel": "email", "email": "sub@example.com"},
        {"resource_id": 28, "channel": "sms", "phone": "+79007654321", "priority": 3},
        {
            "resource_id": 1,
            "channel": "push",
            "provider": "ios-apns",
            "subscription_id": "abc",
            "custom_fields": {"custom_field_1": "y"},
            "cats": ["category_1"],
        },
        {"resource_id": 1, "channel": "telegram_bot", "cc_data": {"id": 5}},
        {"resource_id": 1, "channel": "viber", "cc_data": {"phone": "+79000000001"}},
    ],
}


@pytest.fixture
def profile_id(connection: Connection) -> str:
    return Pipeline(connection).create(DATA)


@pytest.fixture
def secret(request: pytest.FixtureRequest, connection: Connection) -> str:
    """A limited token; made before the intake looks for tokens."""
    actions, database_ids = request.param
    _, secret = create_token(
        connection, name="limited", database_ids=database_ids, actions=actions
    )
    return secret


def ask(
    penstock: ServedIntake, token: str, path: str = GET, /, **asked: object
) -> httpx.Response:
    return penstock.post({"token": token, "db_id": 1, **asked}, path=path)


@pytest.mark.fact("12.1-modes")
@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"email": "john@gmail.COM"}, id="email by default"),
        pytest.param({"email": "sub@example.com"}, id="email, of a subscription"),
        pytest.param(
            {"matching": "email_profile", "email": "john@gmail.com"}, id="email_profile"
        ),
        pytest.param(
            {"matching": "email_sub", "email": "sub@example.com"}, id="email_sub"
        ),
        pytest.param({"matching": "phone", "phone": "7 900 1234567"}, id="phone"),
        pytest.param(
            {"matching": "phone_sub", "phone": "+79007654321"}, id="phone_sub"
        ),
        pytest.param(
            {"matching": "phone_sub", "phone": "+79007654321", "resource_id": 28},
            id="phone_sub of the resource",
        ),
        pytest.param(
            {"matching": "push_sub", "provider": "ios-apns", "subscription_id": "abc"},
            id="push_sub",
        ),
        pytest.param(
            {"matching": "custom", "field_name": "code", "field_value": "7"},
            id="custom, indexed",
        ),
        pytest.param(
            {"matching": "custom", "field_name": "custom_field", "field_value": "x"},
            id="custom, scanned",
        ),
        pytest.param(
            {
                "matching": "custom",
                "field_name": "interests",
                "field_value": "dance, yoga",
            },
            id="custom, several tags",
        ),
        pytest.param(
            {
                "matching": "custom_sub",
                "field_name": "custom_field_1",
                "field_value": "y",
            },
            id="custom_sub",
        ),
        pytest.param(
            {"matching": "email_phone", "phone": "+79001234567"}, id="email_phone"
        ),
        pytest.param(
            {"matching": "email_phone_sub", "email": "sub@example.com"},
            id="email_phone_sub",
        ),
    ],
)
def test_every_matching_mode_finds_the_profile(
    penstock: ServedIntake, token: str, profile_id: str, key: dict[str, object]
) -> None:
    response = ask(penstock, token, **key)

    assert says(response) == (200, 0, "Successful operation")
    assert response.json()["data"]["id"] == profile_id


@pytest.mark.fact("4.2-derived", "12.1-flat")
def test_data_is_flat_with_what_is_set_and_what_is_derived(
    penstock: ServedIntake, token: str, profile_id: str
) -> None:
    data = ask(penstock, token, matching="profile_id", profile_id=profile_id).json()[
        "data"
    ]
    created = data.pop("_createtime")
    del data["subscriptions"]

    assert created.endswith("Z")
    assert data == {
        "id": profile_id,
        "db_id": 1,
        "email": "John@gmail.com",
        "phones": ["+79001234567"],
        "_emaildomain": "gmail.com",
        "_domaingroup": "gmail",
        "_md5": md5(b"john@gmail.com").hexdigest(),
        "_fname": "John",
        "_bdate": "1990-02-22T21:00:00.5Z",
        "_status": 0,
        "code": 7,
        "custom_field": "x",
        "interests": ["yoga", "dance"],
        "address": {"city": "Ryazan"},
    }


@pytest.mark.fact("12.1-subscriptions")
def test_subscriptions_have_the_extended_shape(
    penstock: ServedIntake, token: str, profile_id: str
) -> None:
    key = {"matching": "profile_id", "profile_id": profile_id}
    first, again = (ask(penstock, token, **key).json()["data"] for _ in range(2))
    hashes = [each.pop("hash_id") for each in first["subscriptions"]]
    by_channel = {each["channel"]: each for each in first["subscriptions"]}

    assert len(set(hashes)) == 5
    assert hashes == [each["hash_id"] for each in again["subscriptions"]]
    assert by_channel["email"] == {
        "channel": "email",
        "email_data": {
            "email": "sub@example.com",
            "domain": "example.com",
            "domain_group": "other",
            "md5": md5(b"sub@example.com").hexdigest(),
        },
        "is_delete": False,
        "priority": by_channel["email"]["priority"],
        "resource_id": 1,
        "status": "subscribed",
    }
    assert by_channel["sms"]["phone_data"] == {"phone": "+79007654321"}
    assert by_channel["sms"]["priority"] == 3
    assert by_channel["push"]["push_data"] == {
        "provider": "ios-apns",
        "subscription_id": "abc",
    }
    assert by_channel["push"]["custom_fields"] == {"custom_field_1": "y"}
    assert by_channel["push"]["cats"] == ["category_1"]
    assert by_channel["telegram_bot"]["cc_data"] == {"id": 5}
    assert by_channel["viber"]["phone_data"] == {"phone": "+79000000001"}


@pytest.mark.fact("12.1-flat", "14.27-placeholder")
def test_what_is_not_set_is_absent(
    penstock: ServedIntake, token: str, connection: Connection
) -> None:
    Pipeline(connection).create({"phones": ["+79005555555"]})

    response = ask(penstock, token, matching="phone", phone="+79005555555")

    assert set(response.json()["data"]) == {"id", "db_id", "phones", "_createtime"}


@pytest.mark.fact("12.1-read-back")
def test_what_was_read_can_be_imported_and_changes_nothing(
    penstock: ServedIntake, token: str, profile_id: str, connection: Connection
) -> None:
    key = {"matching": "profile_id", "profile_id": profile_id}
    before = ask(penstock, token, **key).json()["data"]

    (outcome,) = Pipeline(connection).apply(
        make_import("profile_id", before, key={"profile_id": profile_id})
    )

    assert (outcome.error_text, outcome.changes) == ("Successful operation", {})
    assert ask(penstock, token, **key).json()["data"] == before


def test_it_reads_what_an_answered_import_wrote(
    penstock: ServedIntake, token: str
) -> None:
    for number in range(5):
        document = {
            "token": token,
            "db_id": 1,
            "email": "ann@example.com",
            "data": {"points": number},
        }
        assert penstock.post(document).json()["error"] == 0

        response = ask(penstock, token, email="ann@example.com")

        assert response.json()["data"]["points"] == number


@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        pytest.param(
            {"email": "nobody@example.com"}, 404, "No matching profile", id="no match"
        ),
        pytest.param(
            {"matching": "profile_id", "profile_id": "f" * 24},
            404,
            "No matching profile",
            id="no such id",
        ),
        pytest.param(
            {"matching": "phone_sub", "phone": "+79007654321", "resource_id": 1},
            404,
            "No matching profile",
            id="a subscription of another resource",
        ),
        pytest.param({}, 400, "Missing matching key: email", id="no key"),
        pytest.param(
            {"matching": "best", "email": "a@example.com"},
            400,
            f"{said.MODE}: matching",
            id="unknown mode",
        ),
        pytest.param(
            {"db_id": 99, "email": "a@example.com"},
            404,
            "Database not found: db_id",
            id="unknown database",
        ),
    ],
)
def test_it_refuses(
    penstock: ServedIntake,
    token: str,
    profile_id: str,
    asked: dict[str, object],
    error: int,
    text: str,
) -> None:
    assert says(ask(penstock, token, **asked)) == (200, error, text)


def test_several_matches_are_ambiguous(
    penstock: ServedIntake, token: str, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    for name in ("one", "two"):
        pipeline.create({"email": f"{name}@example.com", "phones": ["+79005555555"]})

    response = ask(penstock, token, matching="phone", phone="+79005555555")

    assert response.json()["error"] == 409
    assert "data" not in response.json()


@pytest.mark.fact("1.1-rights")
@pytest.mark.parametrize(
    ("secret", "text"),
    [
        pytest.param(
            ([Scope.IMPORT], []),
            "The API token lacks the read scope: token",
            id="right",
        ),
        pytest.param(
            ([Scope.READ], [2]),
            "The API token has no access to this database: db_id",
            id="database",
        ),
    ],
    indirect=["secret"],
)
def test_a_token_needs_the_right_and_the_database(
    secret: str, penstock: ServedIntake, profile_id: str, text: str
) -> None:
    response = ask(penstock, secret, email="john@gmail.com")

    assert says(response) == (200, 403, text)


def test_it_speaks_xml(penstock: ServedIntake, token: str, profile_id: str) -> None:
    body = (
        f"<xml><token>{token}</token><db_id>1</db_id><matching>custom</matching>"
        "<field_name>code</field_name><field_value>7</field_value></xml>"
    )

    response = penstock.post(
        body.encode(), {"Content-Type": "application/xml"}, path=f"{GET}/"
    )
    root = etree.fromstring(response.content)

    assert root.findtext("error") == "0"
    assert root.findtext("data/id") == profile_id
    assert root.findtext("data/_bdate") == "1990-02-22T21:00:00.5Z"
    assert [each.text for each in root.findall("data/interests")] == ["yoga", "dance"]
    assert len(root.findall("data/subscriptions")) == 5
    assert root.findtext("data/subscriptions/is_delete") == "false"
