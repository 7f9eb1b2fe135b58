"""`profiles/delete`: contract 12.3."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lxml import etree

from ingest.domain.tokens import Scope
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

DELETE = "/api/v1.1/profiles/delete"
DATA: dict[str, Any] = {
    "email": "john@example.com",
    "phones": ["+79001234567"],
    "_fname": "John",
    "code": 7,
    "interests": ["yoga"],
    "address": {"city": "Ryazan"},
    "subscriptions": [
        {"resource_id": 1, "channel": "email", "email": "john@example.com"}
    ],
}
TABLES = ("profiles", "match_keys", "subscriptions", "segment_members", "events")


@pytest.fixture
def profile_id(connection: Connection) -> str:
    return Pipeline(connection).create(DATA, add_to_segments=(1,))


@pytest.fixture
def secret(connection: Connection) -> str:
    """A token without the right; made before the intake looks for tokens."""
    actions = [Scope.IMPORT, Scope.READ]
    _, secret = create_token(
        connection, name="limited", database_ids=[], actions=actions
    )
    return secret


@pytest.mark.fact("12.3-delete", "12.3-modes")
@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"email": "john@example.com"}, id="email by default"),
        pytest.param({"matching": "phone", "phone": "+79001234567"}, id="phone"),
        pytest.param(
            {"matching": "custom", "field_name": "code", "field_value": 7}, id="custom"
        ),
        pytest.param(
            {"matching": "custom", "field_name": "_fname", "field_value": "John"},
            id="custom, scanned",
        ),
    ],
)
def test_nothing_of_the_profile_stays(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    profile_id: str,
    key: dict[str, object],
) -> None:
    response = penstock.post({"token": token, "db_id": 1, **key}, path=DELETE)

    assert response.status_code == 200
    assert response.json() == {
        "data": {"profile_id": profile_id},
        "error": 0,
        "error_text": "Successful operation",
    }
    assert [Pipeline(connection).count(table) for table in TABLES] == [0] * len(TABLES)


def test_it_is_deleted_by_its_id_in_xml(
    penstock: ServedIntake, connection: Connection, token: str, profile_id: str
) -> None:
    body = (
        f"<xml><token>{token}</token><db_id>1</db_id><matching>profile_id</matching>"
        f"<profile_id>{profile_id}</profile_id></xml>"
    )

    response = penstock.post(
        body.encode(), {"Content-Type": "application/xml"}, path=DELETE
    )
    root = etree.fromstring(response.content)

    assert (root.findtext("error"), root.findtext("data/profile_id")) == (
        "0",
        profile_id,
    )
    assert Pipeline(connection).count("profiles") == 0


def test_its_receipts_stay_without_what_was_in_them(
    penstock: ServedIntake, connection: Connection, token: str, profile_id: str
) -> None:
    before = Pipeline(connection).count("imports")
    penstock.post(
        {"token": token, "db_id": 1, "email": "john@example.com"}, path=DELETE
    )
    rows = connection.execute(
        "SELECT profile_id, state, changes, skipped FROM imports"
    ).fetchall()

    assert len(rows) == before
    assert rows == [(profile_id, "created", {}, [])]


def test_other_profiles_stay(
    penstock: ServedIntake, connection: Connection, token: str, profile_id: str
) -> None:
    pipeline = Pipeline(connection)
    other = pipeline.create({"email": "ann@example.com", "interests": ["yoga"]})

    penstock.post(
        {"token": token, "db_id": 1, "email": "john@example.com"}, path=DELETE
    )
    (outcome,) = pipeline.apply(
        make_import("custom", key={"field_name": "interests", "field_value": "yoga"})
    )

    assert (outcome.profile_id, outcome.state) == (other, "unchanged")


@pytest.mark.fact("12.3-later")
def test_an_import_that_comes_later_creates_another(
    penstock: ServedIntake, token: str, profile_id: str
) -> None:
    key = {"token": token, "db_id": 1, "email": "john@example.com"}

    penstock.post(key, path=DELETE)
    said = penstock.post({**key, "data": DATA}).json()

    assert said["error"] == 0
    assert said["profile_id"] != profile_id


def test_an_update_that_comes_later_finds_nothing(
    penstock: ServedIntake, token: str, profile_id: str
) -> None:
    key = {"token": token, "db_id": 1, "email": "john@example.com"}

    penstock.post(key, path=DELETE)
    said = penstock.post({**key, "data": {}}, path="/api/v1.1/profiles/update").json()

    assert said["error"] == 404


@pytest.mark.fact("12.3-modes")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(
            {"email": "ann@example.com"}, (404, "No matching profile"), id="no match"
        ),
        pytest.param(
            {"matching": "email_sub", "email": "john@example.com"},
            (
                400,
                "This matching mode does not apply to deletion (one of custom, email, "
                "phone, profile_id): matching",
            ),
            id="mode",
        ),
        pytest.param({}, (400, "Missing matching key: email"), id="no key"),
        pytest.param({"db_id": 99}, (404, "Database not found: db_id"), id="database"),
    ],
)
def test_it_refuses_and_deletes_nothing(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    profile_id: str,
    asked: dict[str, object],
    said: tuple[int, str],
) -> None:
    response = penstock.post({"token": token, "db_id": 1, **asked}, path=DELETE)

    assert response.json() == {"error": said[0], "error_text": said[1]}
    assert Pipeline(connection).count("profiles") == 1


def test_of_several_matches_none_is_deleted(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    pipeline = Pipeline(connection)
    for name in ("one", "two"):
        pipeline.create({"email": f"{name}@example.com", "phones": ["+79005555555"]})
    key = {"matching": "phone", "phone": "+79005555555"}

    said = penstock.post({"token": token, "db_id": 1, **key}, path=DELETE).json()

    assert said["error"] == 409
    assert pipeline.count("profiles") == 2


@pytest.mark.fact("1.1-delete")
def test_it_needs_a_right_of_its_own(
    secret: str, penstock: ServedIntake, connection: Connection, profile_id: str
) -> None:
    key = {"token": secret, "db_id": 1, "email": "john@example.com"}

    said = penstock.post(key, path=DELETE).json()

    assert said == {
        "error": 403,
        "error_text": "The API token lacks the delete scope: token",
    }
    assert Pipeline(connection).count("profiles") == 1


def test_deletions_and_imports_at_once_leave_a_whole_profile_or_none(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    key = {"token": token, "db_id": 1, "email": "john@example.com"}

    def work(number: int) -> int:
        if number % 3 == 2:
            by_phone = {"matching": "phone", "phone": "+79001234567"}
            asked = {"token": token, "db_id": 1, **by_phone}
            return int(penstock.post(asked, path=DELETE).json()["error"])
        return int(penstock.post({**key, "data": DATA}).json()["error"])

    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(work, range(60)))

    pipeline = Pipeline(connection)
    assert set(errors) <= {0, 404}
    stored = [pipeline.count(table) for table in TABLES[:3]]
    assert stored in ([1, 5, 1], [0, 0, 0])
    receipts = connection.execute("SELECT count(*) FROM imports WHERE error = 0")
    assert receipts.fetchone() == (40,)
