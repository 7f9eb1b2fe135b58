"""Receipts as callers read them, and the health of an intake."""

from dataclasses import replace

import pytest
from lxml import etree

from ingest.domain.errors import Fault
from ingest.domain.tokens import Action
from ingest.settings import Settings
from ingest.store.tokens import create_token
from tests import said
from tests.conftest import Connection
from tests.intakes import PROFILE_ID, ServedIntake, make_document, served, wait_until

AT_ONCE = {"Prefer": "respond-async"}
NOWHERE = "postgresql://nobody@127.0.0.1:9/nowhere"


@pytest.mark.fact("14.5-wait")
def test_an_applied_import_leaves_a_receipt(intake: ServedIntake, token: str) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    taken = intake.worker.take()
    intake.worker.write_receipt(taken, changes={"data.points": (1, 2)})

    response = intake.get(location, headers={"Authorization": f"Bearer {token}"})

    receipt = response.json()
    assert response.status_code == 200
    assert receipt["import_id"] == str(taken.import_.import_id)
    assert (receipt["state"], receipt["error"]) == ("created", 0)
    assert receipt["profile_id"] == PROFILE_ID
    assert (receipt["db_id"], receipt["door"]) == (1, "http")
    assert receipt["changes"] == [{"path": "data.points", "old": 1, "new": 2}]
    assert receipt["accepted_at"].endswith("Z")


def test_a_refused_import_s_receipt_holds_every_fault(
    intake: ServedIntake, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.apply(
        Fault(code=400, message="Incorrect phone", path="data.phones[0]"),
        Fault(code=404, message="Unknown segment", path="add_to_segments[0]"),
    )

    receipt = intake.get(location, params={"token": token}).json()

    assert receipt["state"] == "rejected"
    assert receipt["error_text"] == "Incorrect phone: data.phones[0]"
    assert [fault["text"] for fault in receipt["faults"]] == [
        "Incorrect phone: data.phones[0]",
        "Unknown segment: add_to_segments[0]",
    ]


@pytest.mark.parametrize(
    ("params", "headers"),
    [
        pytest.param({}, {"Accept": "application/xml"}, id="by Accept"),
        pytest.param({"format": "xml"}, {}, id="by the query"),
    ],
)
def test_a_receipt_is_told_in_xml_when_preferred(
    intake: ServedIntake, token: str, params: dict[str, str], headers: dict[str, str]
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.write_receipt(
        intake.worker.take(), changes={"data.tags[1]": (None, "<b>")}
    )

    response = intake.get(location, params={"token": token, **params}, headers=headers)

    document = etree.fromstring(response.content)
    assert document.findtext("state") == "created"
    assert document.findtext("changes/path") == "data.tags[1]"
    assert document.findtext("changes/new") == "<b>"


def test_a_receipt_in_an_unknown_format_is_refused(
    intake: ServedIntake, token: str
) -> None:
    response = intake.get(
        "/api/v1.1/imports/any", params={"token": token, "format": "yaml"}
    )

    assert response.status_code == 400
    assert response.json() == {"error": 400, "error_text": f"{said.FORMAT}: format"}


def test_an_import_that_waits_has_no_receipt_yet(
    intake: ServedIntake, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]

    response = intake.get(location, params={"token": token})

    assert response.status_code == 404
    assert response.json() == {
        "error": 404,
        "error_text": "No receipt yet: either it still waits or the id is unknown",
    }


@pytest.mark.parametrize(
    ("params", "status"),
    [
        pytest.param({}, 401, id="without a token"),
        pytest.param({"token": "wrong"}, 403, id="with an unknown token"),
        pytest.param({"token": "abcdefghijklmnqrstuvwxyz"}, 404, id="with a token"),
    ],
)
def test_a_receipt_that_is_not_there_is_told_to_those_who_may_know(
    intake: ServedIntake, params: dict[str, str], status: int
) -> None:
    response = intake.get("/api/v1.1/imports/not-an-id", params=params)

    assert response.status_code == status
    assert response.json()["error"] == status
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


def test_a_receipt_is_for_tokens_of_its_database(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    location = intake.post(make_document(token), AT_ONCE).headers["Location"]
    intake.worker.apply()
    secrets = {
        name: create_token(
            connection, name=name, database_ids=[database], actions=[action]
        )[1]
        for name, database, action in [
            ("reader", 1, Action.READ),
            ("deleter", 1, Action.DELETE),
            ("elsewhere", 2, Action.READ),
        ]
    }
    wait_until(
        lambda: intake.get(location, params={"token": secrets["reader"]}).is_success
    )

    statuses = {
        name: intake.get(location, params={"token": secret}).status_code
        for name, secret in secrets.items()
    }

    assert statuses == {"reader": 200, "deleter": 403, "elsewhere": 403}


def test_a_ready_intake_says_so(intake: ServedIntake) -> None:
    assert intake.get("/health/live").status_code == 200
    assert intake.get("/health/ready").status_code == 200


def test_an_intake_that_lacks_something_lives_but_is_not_ready(
    settings: Settings, token: str
) -> None:
    without_redis = replace(settings, redis_url="redis://127.0.0.1:9/0")
    with served(without_redis) as intake:
        live = intake.get("/health/live")
        ready = intake.get("/health/ready")
        refused = intake.post(make_document(token))

    assert live.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["error_text"] == "Not ready: redis"
    assert refused.status_code == 503
    assert refused.json() == {"error": 503, "error_text": "The queue cannot be reached"}
    assert "Retry-After" in refused.headers


def test_an_intake_without_postgres_waits_for_its_catalogue(
    settings: Settings, token: str
) -> None:
    with served(replace(settings, database_url=NOWHERE)) as intake:
        ready = intake.get("/health/ready")
        refused = intake.post(make_document(token))

    assert ready.json() == {"error": 503, "error_text": "Not ready: catalogue"}
    assert (refused.status_code, refused.json()["error"]) == (503, 503)
