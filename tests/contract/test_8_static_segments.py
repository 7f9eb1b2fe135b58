"""`profiles/segstatic/add` and `remove`: contract section 8 and 14, points 52, 54."""

from typing import Any

import pytest

from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

ADD = "/api/v1.1/profiles/segstatic/add"
REMOVE = "/api/v1.1/profiles/segstatic/remove"


@pytest.fixture
def profile_id(connection: Connection) -> str:
    return Pipeline(connection).create(
        {"email": "john@example.com"}, add_to_segments=(2,)
    )


@pytest.fixture
def document(token: str, profile_id: str) -> dict[str, Any]:
    return {"token": token, "db_id": 1, "profile_id": profile_id, "segment_id": 1}


def members(connection: Connection) -> list[int]:
    rows = connection.execute(
        "SELECT segment_id FROM segment_members ORDER BY segment_id"
    )
    return [number for (number,) in rows]


@pytest.mark.fact("8-requests", "14.54-repeat")
@pytest.mark.parametrize(
    ("path", "segment_id", "expected"),
    [
        pytest.param(ADD, 1, [1, 2], id="added"),
        pytest.param(ADD, 2, [2], id="added again"),
        pytest.param(REMOVE, 2, [], id="removed"),
        pytest.param(REMOVE, 1, [2], id="removed though no member"),
    ],
)
def test_a_profile_is_a_member_or_not(
    penstock: ServedIntake,
    connection: Connection,
    document: dict[str, Any],
    path: str,
    segment_id: int,
    expected: list[int],
) -> None:
    response = penstock.post({**document, "segment_id": segment_id}, path=path)

    assert response.json() == {
        "error": 0,
        "error_text": "Successful operation",
        "profile_id": document["profile_id"],
    }
    assert members(connection) == expected


def test_it_takes_xml_and_skip_triggers(
    penstock: ServedIntake, connection: Connection, token: str, profile_id: str
) -> None:
    body = (
        f"<xml><token>{token}</token><db_id>1</db_id><profile_id>{profile_id}"
        "</profile_id><segment_id>3</segment_id><skip_triggers>true</skip_triggers>"
        "</xml>"
    )

    response = penstock.post(body.encode(), path=ADD)

    assert "<error>0</error>" in response.text
    assert members(connection) == [2, 3]
    skipped = connection.execute("SELECT count(*) FROM imports WHERE skip_triggers")
    assert skipped.fetchone() == (1,)


@pytest.mark.fact("14.52-segments")
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        pytest.param(
            {"profile_id": "f" * 24}, 404, "No matching profile", id="unknown profile"
        ),
        pytest.param(
            {"segment_id": 404},
            404,
            "Segment not found: add_to_segments[0]",
            id="unknown segment",
        ),
        pytest.param(
            {"segment_id": 4},
            400,
            "Only a static segment can have members added or removed: "
            "add_to_segments[0]",
            id="a dynamic segment",
        ),
        pytest.param(
            {"segment_id": None}, 400, "Missing parameter: segment_id", id="no segment"
        ),
        pytest.param(
            {"segment_id": "x"}, 400, "Must be an integer: segment_id", id="not an id"
        ),
        pytest.param(
            {"profile_id": ""}, 400, "Missing parameter: profile_id", id="no profile"
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(
    penstock: ServedIntake,
    connection: Connection,
    document: dict[str, Any],
    changes: dict[str, Any],
    error: int,
    text: str,
) -> None:
    response = penstock.post({**document, **changes}, path=ADD)

    assert response.json() == {"error": error, "error_text": text}
    assert members(connection) == [2]
