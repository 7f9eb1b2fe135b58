"""`profiles/find`: people by parts, over HTTP (P4)."""

from typing import Any

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline
from workers.people_keeper import PeopleKeeper

FIND = "/api/v1.1/profiles/find"


@pytest.fixture
def ada(connection: Connection, settings: Settings) -> str:
    pipeline = Pipeline(connection)
    id_ = pipeline.create(
        {"email": "ada@example.com", "_fname": "Ada", "_lname": "Lovelace"},
        add_to_segments=[1],
    )
    pipeline.create({"email": "love@example.com"}, database_id=2)
    keeper = PeopleKeeper(settings)
    while keeper.run():
        pass
    keeper.close()
    return id_


def ask(penstock: ServedIntake, token: str, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = penstock.post(
        {"token": token, "db_id": 1, **asked}, path=FIND
    ).json()
    return answer


@pytest.mark.fact("P.4-http")
def test_profiles_are_found_by_parts(
    ada: str, penstock: ServedIntake, token: str
) -> None:
    found = ask(penstock, token, search="love ADA")
    inside = ask(penstock, token, search="love", segment_id=1)
    outside = ask(penstock, token, search="love", segment_id=2)
    nobody = ask(penstock, token, search="loveless")

    assert found["error"] == 0
    assert [one["id"] for one in found["data"]] == [ada]
    assert found["data"][0]["_lname"] == "Lovelace"
    assert (found["count"], found["more"]) == (1, False)
    assert inside["count"] == 1
    assert outside["count"] == 0
    assert (nobody["data"], nobody["suggestion"]) == ([], "lovelace")


@pytest.mark.fact("P.4-http")
def test_profiles_are_found_in_xml(
    ada: str, penstock: ServedIntake, token: str
) -> None:
    body = f"<xml><token>{token}</token><db_id>1</db_id><search>love</search></xml>"

    text = penstock.post(body.encode(), path=FIND).text

    assert f"<id>{ada}</id>" in text
    assert "<count>1</count>" in text


@pytest.mark.fact("P.4-http")
@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ({}, 400, "Missing parameter: search"),
        ({"search": " "}, 400, "Missing parameter: search"),
        ({"search": "a"}, 400, "Enter at least 2 characters: search"),
        ({"search": "ab " * 9}, 400, "Search for at most 8 words: search"),
        ({"search": "a" * 101}, 400, "Search for at most 100 characters: search"),
        ({"search": 12}, 400, "Must be a string: search"),
        ({"search": "ab", "segment_id": 99}, 404, "Segment not found: segment_id"),
        ({"search": "ab", "db_id": 99}, 404, "Database not found: db_id"),
    ],
)
def test_what_is_no_search_is_refused(
    penstock: ServedIntake, token: str, asked: dict[str, Any], error: int, text: str
) -> None:
    answer = ask(penstock, token, **asked)

    assert (answer["error"], answer["error_text"]) == (error, text)
