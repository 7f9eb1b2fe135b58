"""`profiles/import` from the wire to the profile: contract 1, 1.1, 2.2, 9 and 11."""

import httpx
import orjson
import pytest
from lxml import etree

from ingest.wire.bodies import Format
from tests import said
from tests.conftest import Connection
from tests.documents import write
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)
FUNCTIONS = {
    "checks": {"action": "incr", "value": 1000},
    "score": {"action": "incr", "value": -0.5},
    "interests": {"action": "add", "value": ["cars", "cats"]},
    "address": {"action": "upsert", "value": "Минск", "submatch": "home.city"},
    "_lname": {"action": "unset"},
}


def post(
    intake: ServedIntake, format_: Format, document: dict[str, object]
) -> httpx.Response:
    headers = {"Content-Type": f"application/{format_.value}"}
    return intake.post(write(document, format_), headers)


def members(response: httpx.Response, format_: Format) -> dict[str, str]:
    """Return the members of an answer as text."""
    if format_ is Format.JSON:
        return {name: str(value) for name, value in response.json().items()}
    root = etree.fromstring(response.content)
    assert root.tag == "xml"
    return {str(child.tag): str(child.text) for child in root}


@pytest.mark.fact(
    "2.2-success", "2.2-xml", "11-mirror", "1-utf8", "9-xml", "9.1-update"
)
@FORMATS
def test_creating_and_updating_are_answered_alike(
    penstock: ServedIntake, connection: Connection, token: str, format_: Format
) -> None:
    request = {"token": token, "db_id": 1, "email": "ann@example.com"}
    first = {"_fname": "Аня", "_lname": "Lee", "checks": 5, "score": 1.5}

    created = post(penstock, format_, {**request, "data": first})
    updated = post(penstock, format_, {**request, "data": FUNCTIONS})

    answer = members(created, format_)
    assert {**answer, "profile_id": ""} == {
        "error": "0",
        "error_text": "Successful operation",
        "profile_id": "",
    }
    assert members(updated, format_) == answer
    stored = Pipeline(connection).profile(answer["profile_id"])
    assert (stored["email"], stored["fields"]) == (
        "ann@example.com",
        {
            "_fname": "Аня",
            "checks": 1005,
            "score": 1.0,
            "interests": ["cars", "cats"],
            "address": {"home": {"city": "Минск"}},
        },
    )


@pytest.mark.fact("13.1-body", "14.4-no-id", "11-mirror", "14.34-action", "14.21-whole")
@FORMATS
def test_a_bad_function_is_answered_with_its_path_and_writes_nothing(
    penstock: ServedIntake, connection: Connection, token: str, format_: Format
) -> None:
    data = {"_fname": "Ann", "checks": {"action": "grow", "value": 1}}
    request = {"token": token, "db_id": 1, "email": "ann@example.com", "data": data}

    response = post(penstock, format_, request)

    assert response.status_code == 200
    assert members(response, format_) == {
        "error": "400",
        "error_text": f"{said.INT_ACTION}: data.checks",
    }
    assert Pipeline(connection).count("profiles") == 0


@pytest.mark.fact("1-unknown-parameters", "14.63-flags", "14.64-numbers", "11-text")
@FORMATS
def test_parameters_may_be_text_and_unknown_ones_are_ignored(
    penstock: ServedIntake, connection: Connection, token: str, format_: Format
) -> None:
    request: dict[str, object] = {
        "token": token,
        "db_id": "1",
        "email": "ann@example.com",
        "skip_triggers": "1",
        "skip_invalid_subscriptions": "true",
        "_bdate": "1990-07-06",
        "data": {"subscriptions": [{"channel": "fax"}]},
    }

    response = post(penstock, format_, request)

    assert members(response, format_)["error"] == "0"
    skipped = connection.execute("SELECT skip_triggers, skipped FROM imports")
    flag, dropped = skipped.fetchone() or (None, [])
    assert (flag, [one["path"] for one in dropped]) == (
        True,
        ["data.subscriptions[0].channel"],
    )
    assert Pipeline(connection).count("subscriptions") == 0


@pytest.mark.fact("1.1-body", "1.1-header", "1.1-query")
@pytest.mark.parametrize("way", ["body", "header", "query"])
def test_a_token_is_as_good_in_body_header_and_query(
    penstock: ServedIntake, token: str, way: str
) -> None:
    request = {"db_id": 1, "email": "ann@example.com", "data": {}}
    body = orjson.dumps(request | ({"token": token} if way == "body" else {}))
    headers = {"Authorization": f"Bearer {token}"} if way == "header" else {}
    query = f"?token={token}" if way == "query" else ""

    response = penstock.post(body, headers, path=f"/api/v1.1/profiles/import/{query}")

    assert response.json()["error"] == 0
