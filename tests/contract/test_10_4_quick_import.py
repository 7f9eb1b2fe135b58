"""Quick import: contract 10.4, 4.1 and 3.2."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

PATH = "/api/integrations/any/profile_import"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)


def in_url(intake: ServedIntake, parameters: dict[str, Any]) -> httpx.Response:
    return intake.post(b"", path=f"{PATH}?{urlencode(parameters)}")


def as_form(intake: ServedIntake, parameters: dict[str, Any]) -> httpx.Response:
    return intake.post(urlencode(parameters).encode(), FORM, path=PATH)


def as_json(intake: ServedIntake, parameters: dict[str, Any]) -> httpx.Response:
    return intake.post(parameters, path=PATH)


def as_xml(intake: ServedIntake, parameters: dict[str, Any]) -> httpx.Response:
    leaves = "".join(f"<{name}>{text}</{name}>" for name, text in parameters.items())
    return intake.post(f"<xml>{leaves}</xml>".encode(), path=f"{PATH}/")


def profile(connection: Connection) -> dict[str, Any]:
    rows = connection.execute("SELECT email, phones, fields FROM profiles").fetchall()
    assert len(rows) == 1
    return dict(zip(("email", "phones", "fields"), rows[0], strict=True))


@pytest.mark.fact("10.4-flat")
@pytest.mark.parametrize(
    "send",
    [
        pytest.param(in_url, id="in the URL"),
        pytest.param(as_form, id="a form"),
        pytest.param(as_json, id="JSON"),
        pytest.param(as_xml, id="XML"),
    ],
)
def test_flat_parameters_make_a_profile(
    penstock: ServedIntake, connection: Connection, token: str, send: Any
) -> None:
    known = {"token": token, "db_id": 1, "email": "a@example.com"}
    fields = {"_fname": "Jo & Co", "points": "5", "_lname": ""}
    if send is as_xml:
        fields["_fname"] = "Jo &amp; Co"

    response = send(penstock, {**known, **fields})

    assert (response.status_code, response.text) == (200, "Successful operation")
    assert response.headers["Content-Type"].startswith("text/plain")
    assert profile(connection) == {
        "email": "a@example.com",
        "phones": [],
        "fields": {"_fname": "Jo & Co", "points": 5},
    }


@pytest.mark.fact("10.4-flat")
def test_the_body_goes_before_the_url(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    url = f"{PATH}?{urlencode({'token': token, 'db_id': 1, '_fname': 'Url'})}"

    response = penstock.post({"email": "a@example.com", "_fname": "Body"}, path=url)

    assert response.status_code == 200
    assert profile(connection)["fields"] == {"_fname": "Body"}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"email": "a@example.com"}, id="by email, the default"),
        pytest.param(
            {"matching": "email_profile", "email": "a@example.com"}, id="profile email"
        ),
        pytest.param({"matching": "phone", "phone": "+79001234567"}, id="by phone"),
        pytest.param(
            {"matching": "field_name", "field_name": "code", "code": 7},
            id="by the field named",
        ),
        pytest.param(
            {"matching": "custom", "field_name": "code", "field_value": 7},
            id="by the field's value",
        ),
        pytest.param({"matching": "code", "code": 7}, id="by the field's own name"),
    ],
)
def test_each_matching_finds_the_profile(
    penstock: ServedIntake, pipeline: Pipeline, token: str, key: dict[str, Any]
) -> None:
    known = pipeline.create(
        {"email": "a@example.com", "phones": ["+79001234567"], "code": 7}
    )

    response = in_url(penstock, {"token": token, "db_id": 1, "_fname": "A", **key})

    assert response.status_code == 200
    assert pipeline.profile(known)["fields"] == {"code": 7, "_fname": "A"}
    assert pipeline.profile(known)["phones"] == ["+79001234567"]


def test_a_contact_that_is_not_the_key_is_stored(
    penstock: ServedIntake, pipeline: Pipeline, connection: Connection, token: str
) -> None:
    pipeline.create({"email": "a@example.com", "phones": ["+79001234567"]})
    contacts = {"email": "a@example.com", "phone": "+79007654321"}

    in_url(penstock, {"token": token, "db_id": 1, **contacts})

    assert profile(connection)["phones"] == ["+79001234567", "+79007654321"]


@pytest.mark.fact("10.4-subscriptions")
def test_a_resource_makes_subscriptions_of_the_contacts(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    contacts = {"email": "a@example.com", "phone": "+79001234567"}

    in_url(penstock, {"token": token, "db_id": 1, "resource_id": 28, **contacts})

    rows = connection.execute(
        "SELECT resource_id, channel, contact FROM subscriptions ORDER BY channel"
    ).fetchall()
    assert rows == [(28, "email", "a@example.com"), (28, "sms", "+79001234567")]


@pytest.mark.fact("4.1-regurl")
@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param({}, "https://shop.example.com/", id="not sent"),
        pytest.param({"_regurl": "https://a.io"}, "https://a.io", id="sent"),
    ],
)
def test_regurl_falls_back_to_the_referer(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    sent: dict[str, str],
    stored: str,
) -> None:
    form = {"token": token, "db_id": 1, "email": "a@example.com", **sent}
    headers = {**FORM, "Referer": "https://shop.example.com/"}

    penstock.post(urlencode(form).encode(), headers, path=PATH)

    assert profile(connection)["fields"] == {"_regurl": stored}


@pytest.mark.fact("10.4-status")
@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        pytest.param({"token": ""}, 403, "API token required: token", id="no token"),
        pytest.param({"token": "x"}, 403, "Unknown API token: token", id="bad token"),
        pytest.param({"db_id": ""}, 400, "Missing parameter: db_id", id="no db_id"),
        pytest.param({"db_id": 9}, 404, "Database not found: db_id", id="no database"),
        pytest.param(
            {"email": ""}, 400, "Missing field (send at least one)", id="empty"
        ),
        pytest.param(
            {"email": "", "_fname": "A"}, 400, "Missing matching key: email", id="key"
        ),
        pytest.param(
            {"points": "many"}, 400, "Must be an integer: data.points", id="bad value"
        ),
        pytest.param(
            {"resource_id": 404}, 404, "Resource not found: resource_id", id="resource"
        ),
        pytest.param(
            {"resource_id": "x"},
            400,
            "Must be an integer: resource_id",
            id="no resource",
        ),
        pytest.param(
            {"matching": "magic"},
            400,
            "Unknown field 'magic': field_name",
            id="no such field",
        ),
        pytest.param(
            {"_fname": "a\0b"},
            400,
            "Must not contain the NUL character: _fname",
            id="a NUL",
        ),
    ],
)
def test_a_fault_is_an_http_status_with_a_description(
    penstock: ServedIntake, token: str, changes: dict[str, Any], status: int, text: str
) -> None:
    known = {"token": token, "db_id": 1, "email": "a@example.com"}

    response = as_form(penstock, {**known, **changes})

    assert (response.status_code, response.text) == (status, text)


@pytest.mark.fact("10.4-status")
def test_more_than_one_match_is_409(
    penstock: ServedIntake, pipeline: Pipeline, token: str
) -> None:
    for email in ("a@example.com", "b@example.com"):
        pipeline.create({"email": email, "phones": ["+79001234567"]})
    key = {"matching": "phone", "phone": "+79001234567"}

    response = in_url(penstock, {"token": token, "db_id": 1, **key})

    assert response.status_code == 409
    assert response.text.startswith("2 profiles match: ")


def test_a_trigger_that_cannot_be_started_is_told_of_the_saved_profile(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    known = {"token": token, "db_id": 1, "email": "a@example.com", "workflow_id": 7}

    response = in_url(penstock, {**known, "trigger_id": 404})

    assert response.status_code == 404
    assert "trigger" in response.text
    assert profile(connection)["email"] == "a@example.com"
