"""A token that may only import reads nothing that was stored, at no door."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.intakes import ServedIntake, make_document, served
from tests.uploads import ask, send

#: Stored by somebody else, each in a place of its own.
SECRET = "Zubrowka"
STORED = {
    "_fname": SECRET,
    "points": 417700941355,
    "phones": ["+79005554177"],
    "interests": [SECRET],
    "address": {SECRET: SECRET},
    "orders": [{"sku": SECRET}],
    "subscriptions": [
        {
            "channel": "email",
            "email": "zubrowka@example.com",
            "resource_id": 1,
            "custom_fields": {"custom_field_1": SECRET},
        }
    ],
}
#: The next number gives the stored one away.
SECRETS = (SECRET, "417700941355", "417700941356", "79005554177", "zubrowka")
EMAIL = "john@example.com"
#: What writes over it, or makes something of it.
WRITTEN: dict[str, dict[str, Any]] = {
    "set": {"_fname": "x", "points": 1, "interests": ["x"], "address": {"x": 1}},
    "incr": {"points": {"action": "incr", "value": 1}},
    "add": {"interests": {"action": "add", "value": ["x"]}},
    "delete": {"interests": {"action": "delete", "value": ["x"]}},
    "unset": {"_fname": {"action": "unset"}, "orders": {"action": "unset"}},
    "add objects": {"orders": {"action": "add", "value": [{"sku": "x"}]}},
    "upsert": {"address": {"action": "upsert", "value": "x", "submatch": "y"}},
    "upsert into": {
        "address": {"action": "upsert", "value": "x", "submatch": f"{SECRET}.y"}
    },
    "add phones": {"phones": {"action": "add", "value": ["+79005550000"]}},
    "set phones": {"phones": ["+79005550000"]},
    "a type that does not fit": {"points": {"action": "add", "value": "x"}},
    "too much": {"points": {"action": "incr", "value": 2**63 - 1}},
}


def make_token(connection: Connection, *actions: Scope, name: str = "some") -> str:
    return create_token(connection, name=name, database_ids=[1], actions=actions)[1]


@pytest.fixture
def importer(connection: Connection) -> str:
    return make_token(connection, Scope.IMPORT, name="importer")


@pytest.fixture
def reader(connection: Connection) -> str:
    return make_token(connection, Scope.READ, name="reader")


@pytest.fixture
def both(connection: Connection) -> str:
    return make_token(connection, Scope.IMPORT, Scope.READ, name="both")


@pytest.fixture
def intake(
    settings: Settings, importer: str, reader: str, both: str
) -> Iterator[ServedIntake]:
    """One that knows the tokens from the beginning."""
    with served(settings) as running:
        yield running


def tell(response: httpx.Response) -> str:
    assert response.status_code < 500, response.text
    return f"{response.headers} {response.text}"


def receipt_of(intake: ServedIntake, said: httpx.Response, token: str) -> Any:
    return intake.get(
        f"/api/v1.1/imports/{said.headers['Import-Id']}", params={"token": token}
    )


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("format_", ["json", "xml"])
def test_no_write_reads_what_was_stored(
    drained: ServedIntake, token: str, importer: str, written: str, format_: str
) -> None:
    stored = drained.post(make_document(token, data=STORED))
    assert stored.json()["error"] == 0, stored.text

    said = drained.post(make_document(importer, data=WRITTEN[written], format=format_))
    receipt = drained.get(
        f"/api/v1.1/imports/{said.headers['Import-Id']}",
        params={"token": importer, "format": format_},
    )

    assert receipt.status_code == 200
    for told in (tell(said), tell(receipt)):
        for secret in SECRETS:
            assert secret not in told


def test_whoever_may_read_sees_what_was_there_and_what_is_there_now(
    drained: ServedIntake, importer: str, reader: str
) -> None:
    drained.post(make_document(importer, data={"points": 1}))
    said = drained.post(make_document(importer, data={"points": 2}))

    (own,) = receipt_of(drained, said, importer).json()["changes"]
    (full,) = receipt_of(drained, said, reader).json()["changes"]

    assert own == {"path": "points"}
    assert full == {"path": "points", "old": 1, "new": 2}


def test_a_receipt_of_another_token_needs_the_right_to_read(
    drained: ServedIntake, token: str, importer: str, both: str
) -> None:
    said = drained.post(make_document(token))

    refused = receipt_of(drained, said, importer)

    assert refused.status_code == 403
    assert refused.json()["error_text"].startswith("The API token lacks the read scope")
    assert receipt_of(drained, said, both).status_code == 200


def test_a_receipt_of_no_token_needs_the_right_to_read(
    drained: ServedIntake, connection: Connection, importer: str, reader: str
) -> None:
    """Such as of a message of a queue, whose feedback_id somebody guesses."""
    said = drained.post(make_document(importer))
    connection.execute("UPDATE imports SET token_id = NULL, door = 'broker'")

    assert receipt_of(drained, said, importer).status_code == 403
    assert receipt_of(drained, said, reader).status_code == 200


ROWS = f"email,_fname\nada@example.com,{SECRET}\nbad,{SECRET}\n".encode()


@pytest.mark.parametrize("more", ["", "/results", "/rejects"])
def test_a_job_of_another_token_needs_the_right_to_read(
    drained: ServedIntake, token: str, importer: str, reader: str, more: str
) -> None:
    others = send(drained, token, ROWS).json()["job_id"]
    own = send(drained, importer, ROWS).json()["job_id"]

    statuses = [
        ask(drained, secret, job_id, more).status_code
        for secret, job_id in [(importer, others), (importer, own), (reader, others)]
    ]

    assert statuses == [403, 200, 200]


def test_a_job_of_another_token_is_cancelled_by_none_that_may_not_see_it(
    drained: ServedIntake, token: str, importer: str
) -> None:
    job_id = send(drained, token, ROWS).json()["job_id"]

    def cancel(secret: str) -> Any:
        return drained.client.post(
            f"/api/v1.1/jobs/{job_id}/cancel",
            headers={"Authorization": f"Bearer {secret}"},
        ).json()["error"]

    assert [cancel(importer), cancel(token)] == [403, 409]


ASKED: dict[str, Callable[[str], dict[str, Any]]] = {
    "profiles/get": lambda id_: {"matching": "email", "email": EMAIL},
    "profiles/list": lambda id_: {},
    "profiles/find": lambda id_: {"search": "zubro"},
    "profiles/delete": lambda id_: {"matching": "email", "email": EMAIL},
    "subscriptions/get": lambda id_: {
        "profile_id": id_,
        "resource_id": 1,
        "channel": "email",
        "email": "zubrowka@example.com",
    },
    "subscriptions/history": lambda id_: {"profile_id": id_},
    "subscriptions/list": lambda id_: {"profile_id": id_},
    "profiles/merges": lambda id_: {},
    "profiles/segments": lambda id_: {"matching": "email", "email": EMAIL},
    "segments/list": lambda id_: {},
    "segments/count": lambda id_: {"segment_id": 1},
    "segments/members": lambda id_: {"segment_id": 1},
    "segments/preview": lambda id_: {"filter": {"segment": 1}},
    "databases/list": lambda id_: {},
    "databases/fields_get": lambda id_: {},
    "resources/list": lambda id_: {},
    "resources/get": lambda id_: {"id": 1},
    "resources/fields_get": lambda id_: {"id": 1, "channel": "email"},
}


@pytest.mark.parametrize("path", ASKED)
def test_what_reads_needs_the_right_to_read(
    drained: ServedIntake, token: str, importer: str, path: str
) -> None:
    stored = drained.post(make_document(token, data=STORED)).json()["profile_id"]
    asked = {"token": importer, "db_id": 1, **ASKED[path](stored)}

    said = drained.post(asked, path=f"/api/v1.1/{path}")

    assert said.json()["error"] == 403
    assert SECRET not in said.text


def test_batches_and_forms_answer_nothing_that_was_stored(
    drained: ServedIntake, token: str, importer: str
) -> None:
    drained.post(make_document(token, data=STORED))
    elements = [{"email": EMAIL, **data} for data in WRITTEN.values()]

    batch = drained.post(
        {"token": importer, "db_id": 1, "matching": "email", "data": elements},
        path="/api/v1.1/profiles/import_batch",
    )
    quick = drained.client.post(
        "/api/integrations/any/profile_import",
        data={"token": importer, "db_id": 1, "email": EMAIL, "points": "x"},
    )

    for told in (tell(batch), tell(quick)):
        assert not any(secret in told for secret in SECRETS)
