"""Triggers and workflows started with a profile: contract 16.5 and 14, point 72."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from ingest.domain.catalog import EventKind
from ingest.domain.tokens import Scope
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.events.read import list_events
from ingest.store.tokens import create_token
from ingest.wire.bodies import Format
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger, make_workflow
from tests.documents import write
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline

ROOT = "/api/v1.1"
QUICK = "/api/integrations/any/profile_import"
ANN = {"email": "ann@example.com", "code": 5}
BY_EMAIL = {"matching": "email", "email": "ann@example.com"}
PAYLOAD = {"custom_data": {"order": "5"}, "content": {"greeting": "Hi"}}
#: By path: the parameter that names what is started.
NAMES = {"campaigns/triggers": "trigger_id", "workflows": "workflow_id"}
PATHS = pytest.mark.parametrize("path", NAMES)
DONE = {"error": 0, "error_text": "Successful operation"}

pytestmark = pytest.mark.usefixtures("catalog")


@pytest.fixture
def catalog(connection: Connection) -> None:
    """Trigger 7 and workflow 7 are started by a call, trigger 8 hears imports.

    Workflow 9 is of another database, and the endpoint of workflow 10 is disabled.
    """
    rules = [
        make_trigger(id=7, event=EventKind.API_CALL),
        make_trigger(id=8, event=EventKind.IMPORT),
    ]
    workflows = [
        make_workflow(id=7, endpoint_id=2),
        make_workflow(id=9, database_id=2),
        make_workflow(id=10, endpoint_id=3),
    ]
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={number: make_endpoint(id=number) for number in (1, 2, 3)},
            triggers={each.id: each for each in rules},
            workflows={each.id: each for each in workflows},
        )
        save_catalog(connection, declared)
        connection.execute("UPDATE endpoints SET disabled_at = now() WHERE id = 3")


@pytest.fixture
def partner(connection: Connection) -> str:
    """A token of database 2; made before the intake looks for tokens."""
    _, secret = create_token(
        connection, name="partner", database_ids=[2], actions=[Scope.IMPORT]
    )
    return secret


def events(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        """
        SELECT kind, detail, endpoint_id, trigger_ids
          FROM events
          JOIN deliveries ON event_id = id
         ORDER BY events.profile_sequence
        """
    ).fetchall()


def started(path: str, payload: Mapping[str, object]) -> tuple[object, ...]:
    """Return the event that a start of number 7 makes."""
    if path == "workflows":
        return ("api_call", {"workflow_id": 7, **payload}, 2, [])
    return ("api_call", payload, 1, [7])


@pytest.mark.fact("16.5-start", "16.5-workflow")
@PATHS
def test_it_is_started_for_the_profile_that_matches_and_nothing_is_imported(
    penstock: ServedIntake, connection: Connection, token: str, path: str
) -> None:
    pipeline = Pipeline(connection)
    profile_id = pipeline.create(ANN, skip_triggers=True)
    before = pipeline.profile(profile_id)
    by_code = {"matching": "custom", "field_name": "code", "field_value": 5}
    by_id = {"profile_id": profile_id}

    def ask(format_: Format, **sent: Any) -> Any:
        body = write({"token": token, "format": "json", **sent}, format_)
        headers = {"Content-Type": f"application/{format_.value}"}
        return penstock.post(body, headers, f"{ROOT}/{path}/start").json()

    answers = [
        ask(Format.JSON, **BY_EMAIL, **PAYLOAD, **{NAMES[path]: 7}),
        ask(Format.XML, **BY_EMAIL, **PAYLOAD, **{NAMES[path]: 7}),
        # As the original calls it.
        ask(Format.JSON, **by_code, id=7),
        # What an import would write is ignored.
        ask(Format.XML, **by_id, id=7, data={"_fname": "Bob"}, add_to_segments=[1]),
    ]

    assert answers == [DONE | {"profile_id": profile_id}] * 4
    assert events(connection) == [
        *[started(path, PAYLOAD)] * 2,
        *[started(path, {})] * 2,
    ]
    assert pipeline.profile(profile_id) == before
    assert pipeline.count("segment_members") == 0


@pytest.mark.fact("16.5-start")
@PATHS
def test_what_cannot_be_started_for_anybody_is_refused(
    penstock: ServedIntake, connection: Connection, token: str, path: str
) -> None:
    name = NAMES[path]
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"email": "b@example.com"}, 404, "No matching profile"),
        ({"email": ""}, 400, "Missing matching key: email"),
        ({"id": None}, 400, f"Missing parameter: {name}"),
        ({"id": "x"}, 400, f"Must be an integer: {name}"),
        ({"id": 99}, 404, f"{name.removesuffix('_id').capitalize()} not found: {name}"),
        ({"timeout": 5}, 400, "Must be an object: timeout"),
        ({"db_id": 99}, 404, "Database not found: db_id"),
    ]

    answers = [
        penstock.post(
            {"token": token, "id": 7, **BY_EMAIL, **changes},
            path=f"{ROOT}/{path}/start",
        ).json()
        for changes, _, _ in cases
    ]

    assert answers == [{"error": error, "error_text": text} for _, error, text in cases]
    assert Pipeline(connection).count("profiles") == 0
    assert events(connection) == []


@pytest.mark.fact("16.5-start", "14.72-saved")
@PATHS
def test_an_unknown_number_is_told_with_the_profile_that_was_found(
    penstock: ServedIntake, connection: Connection, token: str, path: str
) -> None:
    profile_id = Pipeline(connection).create(ANN, skip_triggers=True)
    name = NAMES[path]
    sent = {"token": token, "db_id": 1, name: 99, **BY_EMAIL}

    answer = penstock.post(sent, path=f"{ROOT}/{path}/start").json()

    assert answer == {
        "error": 404,
        "error_text": f"{name.removesuffix('_id').capitalize()} not found: {name}",
        "profile_id": profile_id,
    }
    assert events(connection) == []


@pytest.mark.fact("16.5-workflow", "16.5-workflow-unknown", "14.72-saved")
def test_a_profile_is_imported_and_then_put_into_a_workflow(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    sent = {"token": token, "db_id": 1, **BY_EMAIL, **PAYLOAD, "skip_triggers": True}
    path = f"{ROOT}/workflows/import_and_start"

    # The number of a trigger, of another database, and of a disabled endpoint.
    refused = [
        penstock.post({**sent, "workflow_id": n, "data": {"points": n}}, path=path)
        for n in (8, 9, 10)
    ]
    none = events(connection)
    response = penstock.post({**sent, "workflow_id": 7, "data": ANN}, path=path)

    ((saved, fields),) = connection.execute("SELECT id, fields FROM profiles")
    unknown = {"error": 404, "error_text": "Workflow not found: workflow_id"}
    assert [one.json() for one in refused] == [unknown | {"profile_id": saved}] * 3
    assert none == []
    assert fields == {"points": 10, "code": 5}
    assert response.json() == DONE | {"profile_id": saved}
    assert events(connection) == [started("workflows", PAYLOAD)]
    (written,) = list_events(connection, UUID(response.headers["Import-Id"]))
    assert [delivery.triggers for delivery in written.deliveries] == [["Greet"]]


@pytest.mark.fact("16.5-workflow")
def test_each_element_of_a_batch_is_put_into_it_and_imports_are_heard_of(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    elements = [
        {"data": {"_fname": "Ann"}, "field_value": 5},
        {"data": {"_fname": "Bob"}, "field_value": 6},
    ]
    by_code = {"matching": "custom", "field_name": "code"}
    sent = {"token": token, "workflow_id": 7, **by_code, "data": elements}

    answer = penstock.post(sent, path=f"{ROOT}/workflows/import_and_start_batch").json()

    assert [one["error"] for one in answer["result"]] == [0, 0]
    heard = ("import", {"state": "created"}, 1, [8])
    assert events(connection) == [heard, started("workflows", {})] * 2


@pytest.mark.fact("16.5-quick")
def test_a_quick_import_starts_what_it_names(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    form = {"token": token, "db_id": 1, "email": "a@example.com", "skip_triggers": 1}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    answers = [
        penstock.post(urlencode({**form, **ids}).encode(), headers, QUICK)
        for ids in (
            {"workflow_id": 7},
            {"trigger_id": 7, "workflow_id": 7},
            {"workflow_id": 99},
            {"trigger_id": 99, "workflow_id": 7},
        )
    ]

    assert [(one.status_code, one.text) for one in answers] == [
        (200, "Successful operation"),
        (200, "Successful operation"),
        (404, "Workflow not found: workflow_id"),
        (404, "Trigger not found: trigger_id"),
    ]
    workflow, trigger = started("workflows", {}), started("campaigns/triggers", {})
    assert events(connection) == [workflow, trigger, workflow, workflow]
    assert Pipeline(connection).count("profiles") == 1


@PATHS
def test_a_token_starts_nothing_of_another_database(
    partner: str, penstock: ServedIntake, connection: Connection, path: str
) -> None:
    sent = {"token": partner, NAMES[path]: 7, **BY_EMAIL, "data": ANN}

    answers = [
        penstock.post(sent, path=f"{ROOT}/{path}/{ending}").json()
        for ending in ("start", "import_and_start")
    ]

    refused = "The API token has no access to this database: db_id"
    assert answers == [{"error": 403, "error_text": refused}] * 2
    assert Pipeline(connection).count("profiles") == 0
