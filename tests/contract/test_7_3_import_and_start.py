"""Import and start a trigger: contract 7.3, 7.2 and section 14, point 72."""

from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.catalog import EventKind
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.intakes import ServedIntake

PATH = "/api/v1.1/campaigns/triggers/import_and_start"


@pytest.fixture
def triggers(connection: Connection) -> None:
    """Trigger 7 is started by a call, trigger 8 hears imports."""
    rules = [
        make_trigger(id=7, event=EventKind.API_CALL),
        make_trigger(id=8, event=EventKind.IMPORT),
    ]
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint()},
            triggers={rule.id: rule for rule in rules},
        )
        save_catalog(connection, declared)


def request(token: str, **changes: Any) -> dict[str, Any]:
    sent = {
        "token": token,
        "trigger_id": 7,
        "matching": "custom",
        "field_name": "code",
        "field_value": 5,
        "data": {"_fname": "Ann"},
    }
    return sent | changes


def events(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        """
        SELECT kind, detail, trigger_ids
          FROM events
          JOIN deliveries ON event_id = id
         ORDER BY import_id, sequence
        """
    ).fetchall()


@pytest.mark.fact("7.3-start", "7.3-db-id")
def test_the_profile_is_imported_and_its_trigger_started_without_a_db_id(
    triggers: None, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    payload = {
        "custom_data": {"order": 5},
        "content": {"greeting": "Hi"},
        "timeout": {"hours": 1},
        "attach": [{"name": "a.txt", "data": "data:text/plain;base64,aGk="}],
    }

    answer = penstock.post(request(token, **payload), path=PATH).json()

    assert answer["error"] == 0
    assert set(answer) == {"error", "error_text", "profile_id"}
    assert events(connection) == [
        ("import", {"state": "created"}, [8]),
        ("api_call", payload, [7]),
    ]


@pytest.mark.fact("7.2-skip")
def test_skip_triggers_does_not_suppress_the_explicit_trigger(
    triggers: None, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    answer = penstock.post(request(token, skip_triggers=True), path=PATH).json()

    assert answer["error"] == 0
    assert events(connection) == [("api_call", {}, [7])]


@pytest.mark.fact("14.72-saved")
@pytest.mark.parametrize(
    ("trigger_id", "code"),
    [
        pytest.param(99, 404, id="unknown"),
        pytest.param(8, 400, id="not started by a call"),
    ],
)
def test_a_trigger_that_cannot_be_started_is_an_error_with_the_saved_profile(
    triggers: None,
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    trigger_id: int,
    code: int,
) -> None:
    sent = request(token, trigger_id=trigger_id, db_id=1, skip_triggers=True)

    answer = penstock.post(sent, path=PATH).json()

    saved = connection.execute("SELECT id FROM profiles").fetchall()
    assert answer["error"] == code
    assert [(answer["profile_id"],)] == saved
    assert events(connection) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"trigger_id": None}, "Missing parameter: trigger_id", id="none"),
        pytest.param(
            {"trigger_id": ["7"]}, "Must be an integer: trigger_id", id="list"
        ),
        pytest.param({"timeout": 5}, "Must be an object: timeout", id="timeout"),
        pytest.param({"attach": ["x"]}, "Must be an object: attach", id="attachment"),
        pytest.param({"data": None}, "Missing parameter: data", id="no data"),
    ],
)
def test_a_malformed_start_is_refused_and_nothing_is_saved(
    triggers: None,
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    changes: dict[str, Any],
    text: str,
) -> None:
    answer = penstock.post(request(token, **changes), path=PATH).json()

    assert answer == {"error": 400, "error_text": text}
    assert connection.execute("SELECT FROM profiles").fetchall() == []


@pytest.mark.fact("7.3-batch")
def test_each_element_of_a_batch_starts_the_trigger(
    triggers: None, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    elements = [
        {"data": {"_fname": "Ann"}, "field_value": 5},
        {"data": {"_fname": "Bob"}, "field_value": 6},
    ]
    sent = request(token, data=elements, skip_triggers=True)

    answer = penstock.post(sent, path=f"{PATH}_batch").json()

    assert [one["error"] for one in answer["result"]] == [0, 0]
    assert events(connection) == [("api_call", {}, [7])] * 2
