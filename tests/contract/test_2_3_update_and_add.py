"""`profiles/update` and `profiles/add`: contract 2.3, 3.2 and 14, points 4 and 26."""

from typing import Any

import pytest

from tests.conftest import Connection
from tests.intakes import ServedIntake, make_document
from tests.pipeline import Pipeline

UPDATE = "/api/v1.1/profiles/update"
ADD = "/api/v1.1/profiles/add"


def add(intake: ServedIntake, token: str, data: dict[str, Any]) -> dict[str, Any]:
    document = {"token": token, "db_id": 1, "data": data}
    said: dict[str, Any] = intake.post(document, path=ADD).json()
    return said


@pytest.mark.fact("2.3-update")
def test_update_changes_the_profile_that_matches(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    pipeline = Pipeline(connection)
    known = pipeline.create({"email": "john@example.com", "_fname": "Jack"})

    response = penstock.post(make_document(token), path=UPDATE)

    assert response.json() == {
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": known,
    }
    assert pipeline.profile(known)["fields"]["_fname"] == "John"


@pytest.mark.fact("2.3-update")
@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"matching": "email", "email": "no@example.com"}, id="by email"),
        pytest.param({"matching": "profile_id", "profile_id": "f" * 24}, id="by id"),
    ],
)
def test_update_never_creates_and_says_404_in_the_body(
    penstock: ServedIntake, connection: Connection, token: str, key: dict[str, str]
) -> None:
    response = penstock.post(make_document(token, **key), path=UPDATE)

    assert response.status_code == 200
    assert response.json() == {"error": 404, "error_text": "No matching profile"}
    assert Pipeline(connection).count("profiles") == 0


def test_update_takes_xml(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    known = Pipeline(connection).create({"email": "john@example.com"})
    body = (
        f"<xml><token>{token}</token><db_id>1</db_id><email>john@example.com</email>"
        "<data><_fname>John</_fname></data></xml>"
    )

    response = penstock.post(body.encode(), path=f"{UPDATE}/")

    assert f"<profile_id>{known}</profile_id>" in response.text


@pytest.mark.fact("2.3-add")
def test_add_always_inserts(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    first = add(penstock, token, {"phones": ["+79001234567"]})
    second = add(penstock, token, {"phones": ["+79001234567"]})

    assert (first["error"], second["error"]) == (0, 0)
    assert first["profile_id"] != second["profile_id"]
    assert Pipeline(connection).count("profiles") == 2


@pytest.mark.fact("2.3-add-unique", "3.1-unique")
@pytest.mark.parametrize(
    ("data", "path"),
    [
        pytest.param({"email": "John@Example.com"}, "data.email", id="the email"),
        pytest.param({"code": 7}, "data.code", id="a unique field"),
    ],
)
def test_add_refuses_a_duplicate_of_a_unique_value(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    data: dict[str, Any],
    path: str,
) -> None:
    Pipeline(connection).create({"email": "john@example.com", "code": 7})

    said = add(penstock, token, data)

    (holder,) = said.pop("candidates")
    assert [key["path"] for key in holder["keys"]] == [path]
    assert said == {
        "error": 409,
        "error_text": f"Another profile holds this value: {path}",
    }
    assert Pipeline(connection).count("profiles") == 1


@pytest.mark.fact("2.3-add-empty")
def test_add_of_empty_data_makes_an_empty_profile(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    said = add(penstock, token, {})

    stored = Pipeline(connection).profile(said["profile_id"])
    assert (stored["email"], stored["phones"], stored["fields"]) == (None, [], {})


@pytest.mark.fact("2.3-add")
def test_add_has_no_key_and_stores_none(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    response = penstock.post(make_document(token), path=ADD)

    stored = Pipeline(connection).profile(response.json()["profile_id"])
    assert (stored["email"], stored["fields"]) == (None, {"_fname": "John"})
