"""`databases/*` and `resources/*`: contract sections 4, 5, 6.4 and 6.5."""

from typing import Any

import pytest
from lxml import etree

from ingest.domain.tokens import Scope
from ingest.store.tokens import create_token
from tests import said
from tests.conftest import Connection
from tests.intakes import ServedIntake

ROOT = "/api/v1.1"
CHANNELS = ["email", "notify", "push", "sms", "telegram_bot", "viber", "whatsapp"]
PATHS = (
    "databases/list",
    "databases/fields_get",
    "resources/list",
    "resources/get",
    "resources/fields_get",
)


@pytest.fixture
def partner(connection: Connection) -> str:
    """A token of database 2; made before the intake looks for tokens."""
    _, secret = create_token(
        connection, name="partner", database_ids=[2], actions=[Scope.READ]
    )
    return secret


@pytest.fixture
def importer(connection: Connection) -> str:
    """A token without the right to read."""
    _, secret = create_token(
        connection, name="importer", database_ids=[], actions=[Scope.IMPORT]
    )
    return secret


def ask(penstock: ServedIntake, token: str, path: str, /, **asked: object) -> Any:
    said = penstock.post({"token": token, **asked}, path=f"{ROOT}/{path}").json()
    assert (said["error"], said["error_text"]) == (0, "Successful operation")
    return said["data"]


def fields(
    penstock: ServedIntake, token: str, path: str, /, **asked: object
) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in ask(penstock, token, path, **asked)}


def test_databases_are_listed(penstock: ServedIntake, token: str) -> None:
    assert ask(penstock, token, "databases/list") == [
        {"id": 1, "name": "Customers"},
        {"id": 2, "name": "Partners"},
    ]


def test_a_token_sees_its_own_databases_and_their_resources(
    partner: str, penstock: ServedIntake
) -> None:
    asked = {"token": partner, "id": 1}
    said = penstock.post(asked, path=f"{ROOT}/resources/get").json()

    assert ask(penstock, partner, "databases/list") == [{"id": 2, "name": "Partners"}]
    assert ask(penstock, partner, "resources/list") == []
    assert said == {"error": 404, "error_text": "Resource not found: id"}


@pytest.mark.parametrize("path", PATHS)
def test_reading_needs_the_right(
    importer: str, penstock: ServedIntake, path: str
) -> None:
    asked = {"token": importer, "db_id": 1, "id": 1}

    said = penstock.post(asked, path=f"{ROOT}/{path}").json()

    assert said == {
        "error": 403,
        "error_text": "The API token lacks the read scope: token",
    }


@pytest.mark.fact("4-list")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("_sex", {"type": "enum", "options": ["male", "female"]}, id="sex"),
        pytest.param("_country", {"type": "unicode"}, id="country"),
        pytest.param("_tz", {"type": "unicode", "dictionary": "tz"}, id="time zone"),
        pytest.param("_ip", {"type": "ip"}, id="ip"),
        pytest.param("_status", {"type": "int"}, id="status"),
        pytest.param("_bdate", {"type": "date"}, id="date"),
        pytest.param("_os", {"type": "unicode"}, id="a profile's system"),
        pytest.param("email", {"type": "unicode"}, id="email"),
        pytest.param("phones", {"type": "tags"}, id="phones"),
    ],
)
def test_a_system_field_has_a_type_of_the_contract(
    penstock: ServedIntake, token: str, name: str, expected: dict[str, object]
) -> None:
    field = fields(penstock, token, "databases/fields_get", db_id=1)[name]
    assert field.pop("title")

    assert field == {
        "category": "system",
        "name": name,
        "required": False,
        **expected,
    }


@pytest.mark.fact("5-declared")
def test_a_custom_field_is_shown_as_declared(
    penstock: ServedIntake, token: str
) -> None:
    listed = ask(penstock, token, "databases/fields_get", db_id=1)
    by_name = {each["name"]: each for each in listed}
    categories = [each["category"] for each in listed]

    assert by_name["plan"] == {
        "category": "custom",
        "name": "plan",
        "options": ["Basic", "Plus", "Pro"],
        "required": False,
        "title": "Plan",
        "type": "enum",
    }
    assert categories == sorted(categories, reverse=True)


@pytest.mark.fact("6.4-get")
def test_a_resource_names_its_channels_and_databases(
    penstock: ServedIntake, token: str
) -> None:
    resource = ask(penstock, token, "resources/get", id=28)
    listed = ask(penstock, token, "resources/list")

    assert resource == {
        "cats": ["category_1", "category_2"],
        "channels": CHANNELS,
        "dbs_ids": [1],
        "id": 28,
        "name": "Shop",
        "url": "https://shop.example.com",
    }
    assert [each["id"] for each in listed] == [1, 2, 28, 29]
    assert resource in listed


@pytest.mark.fact("6.5-list")
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"channel": "push"}, id="of a channel"),
        pytest.param({}, id="of any channel"),
    ],
)
def test_subscription_fields_are_listed(
    penstock: ServedIntake, token: str, asked: dict[str, object]
) -> None:
    listed = fields(penstock, token, "resources/fields_get", id=1, **asked)

    assert listed["_os"] == {
        "category": "system",
        "dictionary": "oses",
        "name": "_os",
        "required": False,
        "title": "_os",
        "type": "unicode",
    }
    assert listed["_os_ver"]["type"] == "version"
    assert listed["_device_type"]["dictionary"] == "devices"
    assert listed["custom_field_1"]["category"] == "custom"


@pytest.mark.parametrize(
    ("path", "asked", "error", "text"),
    [
        pytest.param(
            "databases/fields_get", {}, 400, "Missing parameter: db_id", id="no db"
        ),
        pytest.param(
            "databases/fields_get",
            {"db_id": 99},
            404,
            "Database not found: db_id",
            id="unknown db",
        ),
        pytest.param("resources/get", {}, 400, "Missing parameter: id", id="no id"),
        pytest.param(
            "resources/get", {"id": 99}, 404, "Resource not found: id", id="unknown id"
        ),
        pytest.param(
            "resources/fields_get",
            {"id": 1, "channel": "fax"},
            400,
            f"{said.CHANNEL}: channel",
            id="unknown channel",
        ),
    ],
)
def test_it_refuses(
    penstock: ServedIntake,
    token: str,
    path: str,
    asked: dict[str, object],
    error: int,
    text: str,
) -> None:
    said = penstock.post({"token": token, **asked}, path=f"{ROOT}/{path}").json()

    assert said == {"error": error, "error_text": text}


def test_it_speaks_xml(penstock: ServedIntake, token: str) -> None:
    body = f"<xml><token>{token}</token><id>1</id></xml>"

    response = penstock.post(
        body.encode(),
        {"Content-Type": "application/xml"},
        path=f"{ROOT}/resources/get/",
    )
    root = etree.fromstring(response.content)

    assert [each.text for each in root.findall("data/channels")] == CHANNELS
    assert root.findtext("data/dbs_ids") == "1"
