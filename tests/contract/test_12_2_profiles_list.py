"""`profiles/list`: contract 12.2."""

import pytest
from lxml import etree

from ingest.domain.tokens import Scope
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

LIST = "/api/v1.1/profiles/list"


@pytest.fixture
def ids(connection: Connection) -> list[str]:
    """The ids of five profiles, in their order."""
    pipeline = Pipeline(connection)
    created = [
        pipeline.create({"email": f"p{number}@example.com", "code": number})
        for number in range(5)
    ]
    return sorted(created)


@pytest.fixture
def secret(connection: Connection) -> str:
    """A token of database 2; made before the intake looks for tokens."""
    _, secret = create_token(
        connection, name="limited", database_ids=[2], actions=[Scope.READ]
    )
    return secret


@pytest.mark.fact("12.2-cursor")
def test_pages_follow_the_cursor_through_every_profile_once(
    penstock: ServedIntake, token: str, ids: list[str]
) -> None:
    pages: list[list[str]] = []
    asked: dict[str, object] = {"token": token, "db_id": 1, "limit": 2}
    while "from_id" not in asked or asked["from_id"]:
        said = penstock.post(asked, path=LIST).json()
        assert (said["error"], said["error_text"]) == (0, "Successful operation")
        pages.append([each["id"] for each in said["data"]])
        asked["from_id"] = said.get("from_id", "")

    assert pages == [ids[:2], ids[2:4], ids[4:]]


def test_a_page_shows_profiles_as_get_does(
    penstock: ServedIntake, token: str, ids: list[str]
) -> None:
    listed = penstock.post({"token": token, "db_id": 1}, path=LIST).json()
    got = [
        penstock.post(
            {"token": token, "db_id": 1, "matching": "profile_id", "profile_id": id_},
            path="/api/v1.1/profiles/get",
        ).json()["data"]
        for id_ in ids
    ]

    assert listed["data"] == got
    assert "from_id" not in listed


def test_only_the_database_asked_for_is_listed(
    penstock: ServedIntake, token: str, ids: list[str]
) -> None:
    response = penstock.post({"token": token, "db_id": 2}, path=LIST)

    assert response.json() == {
        "data": [],
        "error": 0,
        "error_text": "Successful operation",
    }


@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        pytest.param({"limit": 1001}, 400, "Must be at most 1000: limit", id="limit"),
        pytest.param(
            {"limit": 0},
            400,
            "Out of range (from 1 to 2147483647): limit",
            id="no profiles",
        ),
        pytest.param(
            {"limit": "x"}, 400, "Must be an integer: limit", id="limit of text"
        ),
        pytest.param(
            {"from_id": "0"}, 400, "Must be a profile ID: from_id", id="no cursor"
        ),
        pytest.param({"db_id": None}, 400, "Missing parameter: db_id", id="nowhere"),
        pytest.param({"db_id": 99}, 404, "Database not found: db_id", id="unknown"),
    ],
)
def test_it_refuses(
    penstock: ServedIntake,
    token: str,
    asked: dict[str, object],
    error: int,
    text: str,
) -> None:
    said = penstock.post({"token": token, "db_id": 1, **asked}, path=LIST).json()

    assert said == {"error": error, "error_text": text}


@pytest.mark.fact("1.1-rights")
def test_a_token_lists_its_databases_only(secret: str, penstock: ServedIntake) -> None:
    asked = [{"token": secret, "db_id": number} for number in (1, 2)]

    errors = [penstock.post(each, path=LIST).json()["error"] for each in asked]

    assert errors == [403, 0]


def test_it_speaks_xml(penstock: ServedIntake, token: str, ids: list[str]) -> None:
    body = f"<xml><token>{token}</token><db_id>1</db_id><limit>2</limit></xml>"

    response = penstock.post(
        body.encode(), {"Content-Type": "application/xml"}, path=LIST
    )
    root = etree.fromstring(response.content)

    assert [each.findtext("id") for each in root.findall("data")] == ids[:2]
    assert root.findtext("from_id") == ids[1]
