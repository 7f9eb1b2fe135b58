"""A parameter that promises not to write is kept or refused, wherever it stands."""

from typing import Any
from urllib.parse import urlencode

import pytest

from ingest.domain.errors import InvalidRequest
from ingest.wire.bodies import Format
from ingest.wire.messages import load_order
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.promises import refuse_promises
from tests.conftest import Connection
from tests.documents import write
from tests.factories import make_catalog, make_import
from tests.intakes import ServedIntake
from tests.uploads import PEOPLE, send

IMPORT = "/api/v1.1/profiles/import"
QUICK = "/api/integrations/any/profile_import"
ROW = {"email": "ann@example.com", "_fname": "Ann"}


def request(token: str, **more: Any) -> dict[str, Any]:
    return {"token": token, "db_id": 1, "email": ROW["email"], "data": {}, **more}


def count(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM imports").fetchone()
    return int(row[0]) if row else -1


@pytest.mark.fact("16.13-promise")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (IMPORT, "dryRun"),
        (IMPORT, "validate_only"),
        ("/api/v1.1/profiles/import_batch", "validate_only"),
        ("/api/v1.1/profiles/segstatic/add", "dry-run"),
        ("/api/v1.1/subscriptions/set", "dryRun"),
        ("/api/v1.1/campaigns/triggers/import_and_start_batch", "dryRun"),
        ("/api/v1.1/profiles/delete", "dry_run"),
        ("/api/v1.1/profiles/get", "dry_run"),
        ("/api/v1.1/profiles/list", "dry_run"),
    ],
)
@pytest.mark.parametrize("sent_as", [Format.JSON, Format.XML])
def test_no_endpoint_ignores_a_promise_that_it_cannot_keep(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    path: str,
    name: str,
    sent_as: Format,
) -> None:
    headers = {"Content-Type": f"application/{sent_as.value}"}
    body = write(request(token, **{name: True}, format="json"), sent_as)
    answer = penstock.post(body, headers, path=path)
    by_url = penstock.post(
        write(request(token, format="json"), sent_as), headers, f"{path}?{name}=1"
    )

    for one in (answer, by_url):
        assert one.json() == {"error": 400, "error_text": f"Not supported: {name}"}
    assert count(connection) == 0


@pytest.mark.fact("16.13-promise")
@pytest.mark.parametrize("name", ["dry_run", "dryRun", "dry-run", "DRY_RUN"])
@pytest.mark.parametrize(
    "value", [True, 1, "1", "true", "yes", "All", "", [], {}], ids=repr
)
def test_it_is_refused_however_it_is_written(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match=f"^Not supported: {name}$"):
        refuse_promises({"db_id": 1, name: value})


@pytest.mark.fact("16.13-promise")
@pytest.mark.parametrize("value", [False, 0, "false", "0", None], ids=repr)
def test_one_that_says_no_is_honoured(value: object) -> None:
    refuse_promises({"db_id": 1, "dry_run": value, "dry_runs": 1, "test": True})


@pytest.mark.fact("16.13-promise")
def test_a_query_that_says_yes_and_no_writes_nothing(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    answer = penstock.post(request(token), path=f"{IMPORT}?dry_run=0&dry_run=1")

    assert answer.json()["error_text"].startswith("Must be true or false")
    assert count(connection) == 0


@pytest.mark.fact("16.13-promise")
def test_an_element_of_a_batch_is_refused_alone(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    elements = [{"data": ROW, "dry_run": "true"}, {"data": ROW, "dry_run": 0}]
    answer = penstock.post(
        {"token": token, "db_id": 1, "data": elements}, path=f"{IMPORT}_batch"
    ).json()

    refused, applied = answer["result"]
    assert refused == {"error": 400, "error_text": "Not supported: dry_run"}
    assert applied["error"] == 0
    assert count(connection) == 1


@pytest.mark.fact("16.13-promise")
def test_a_form_is_refused_with_a_status(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    sent = urlencode({"token": token, "db_id": 1, **ROW, "dryRun": 1})
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    for answer in (
        penstock.post(sent.encode(), form, path=QUICK),
        penstock.post(b"", path=f"{QUICK}?{sent}"),
    ):
        assert (answer.status_code, answer.text) == (400, "Not supported: dryRun")
    assert count(connection) == 0


@pytest.mark.fact("16.13-promise")
def test_a_job_is_refused_unread(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    answer = send(penstock, token, PEOPLE, validate_only="true")

    assert answer.status_code == 400
    assert answer.json()["error_text"] == "Not supported: validate_only"
    assert connection.execute("SELECT * FROM jobs").fetchall() == []


@pytest.mark.fact("16.13-promise")
def test_it_is_refused_as_a_field_where_unknown_fields_are_ignored() -> None:
    schemas = ProfileSchemas(make_catalog(ignore_unknown_fields=True))
    sent = {"dry_run": True, "validate_only": 1, "x": 1, "dryrun": False}
    faults = schemas.prepare(make_import("email", {**ROW, **sent})).faults

    assert [fault.text for fault in faults] == [
        "Not supported: data.dry_run",
        "Not supported: data.validate_only",
    ]


@pytest.mark.fact("16.13-promise")
def test_a_message_of_the_queue_is_refused() -> None:
    sent = {"account_id": 1, "db_id": 1, **ROW, "data": {}, "dry_run": "1"}
    with pytest.raises(InvalidRequest, match=r"^Not supported: dry_run$"):
        load_order(sent)
