"""Errors: contract 13, and section 14, points 1 and 2.

Each code of the table is met here, in the way that the table says.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from markupsafe import escape

from ingest.domain import errors
from ingest.domain.errors import PenstockError
from ingest.domain.remedies.codes import ERRORS
from ingest.domain.remedies.page import write_page
from ingest.domain.remedies.table import SECTIONS
from ingest.doors.http.openapi.document import build_document
from ingest.doors.http.pages import render_reference
from ingest.settings import Settings
from tests.conftest import Connection
from tests.half_requests import open_request, read_answer
from tests.intakes import ServedIntake, make_document, served

PAGE = (Path(__file__).parents[2] / "docs/errors.md").read_text()
#: Reserved by the contract (14, point 2).
NEVER_SENT = {402, 440}
RECEIPT = "/api/v1.1/imports/01a20b4f-1cd3-744b-9db7-53600be31cb2"

#: Sends what is answered with a code; takes the token.
Provoke = Callable[[ServedIntake, str], httpx.Response]


@pytest.mark.fact("13.2-codes")
def test_every_error_of_the_code_is_in_the_table() -> None:
    raised = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, PenstockError)
    }

    assert raised <= {row.code for row in ERRORS}
    assert [row.code for row in ERRORS] == sorted({row.code for row in ERRORS})


def test_the_documented_table_is_the_table() -> None:
    assert write_page() == PAGE, "run `make docs`"


def test_the_page_shows_the_table() -> None:
    table = render_reference(build_document()).partition('id="errors"')[2]

    assert [row.code for row in ERRORS if escape(row.meaning) not in table] == []
    reasons = [kind.reason for kinds in SECTIONS.values() for kind in kinds]
    assert [each for each in reasons if f"<code>{each}</code>" not in table] == []


def import_one(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(make_document(token))


def ask_for_no_outcome(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(make_document(token), {"Prefer": "respond-async"})


def send_no_db_id(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post({"token": token, "data": {}})


def send_half(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(b'{"db_id"')


def send_no_token(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post({"db_id": 1, "data": {}})


def read_without_token(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.get(RECEIPT)


def send_unknown_token(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(make_document("unknown"))


def read_with_unknown_token(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.get(RECEIPT, params={"token": "unknown"})


def name_unknown_database(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(make_document(token, db_id=99))


def update_nobody(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(make_document(token), path="/api/v1.1/profiles/update")


def read_unknown_receipt(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.get(RECEIPT, params={"token": token})


def go_astray(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post({}, path="/api/v1.1/profiles/nowhere")


def use_another_method(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.get("/api/v1.1/profiles/import")


def match_two(intake: ServedIntake, token: str) -> httpx.Response:
    for email in ("a@example.com", "b@example.com"):
        data = {"email": email, "phones": ["+442079460018"]}
        intake.post(make_document(token, email=email, data=data))
    by_phone = {"matching": "phone", "phone": "+442079460018"}
    return intake.post(make_document(token, **by_phone))


def take_an_email(intake: ServedIntake, token: str) -> httpx.Response:
    for email in ("a@example.com", "b@example.com"):
        intake.post(make_document(token, email=email))
    data = {"email": "b@example.com"}
    return intake.post(make_document(token, email="a@example.com", data=data))


def undo_a_rejected_import(intake: ServedIntake, token: str) -> httpx.Response:
    refused = intake.post(make_document(token, data={"points": "many"}))
    path = f"/api/v1.1/imports/{refused.headers['Import-Id']}/undo"
    return intake.post({"token": token}, path=path)


def send_too_much(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(b" " * (intake.settings.max_body_bytes + 1))


def send_a_long_head(intake: ServedIntake, token: str) -> httpx.Response:
    long = {"X-Long": "x" * intake.settings.max_head_bytes}
    return intake.post(make_document(token), long)


def send_prose(intake: ServedIntake, token: str) -> httpx.Response:
    return intake.post(b"Dear sirs", {"Content-Type": "text/plain"})


CASES = [
    pytest.param(0, 200, import_one, id="0 when applied"),
    pytest.param(0, 202, ask_for_no_outcome, id="0 when accepted"),
    pytest.param(400, 200, send_no_db_id, id="400 for a missing parameter"),
    pytest.param(400, 400, send_half, id="400 for a malformed body"),
    pytest.param(401, 200, send_no_token, id="401 for a body without token"),
    pytest.param(401, 401, read_without_token, id="401 without a body"),
    pytest.param(403, 200, send_unknown_token, id="403 for an unknown token"),
    pytest.param(403, 403, read_with_unknown_token, id="403 without a body"),
    pytest.param(404, 200, name_unknown_database, id="404 for a database"),
    pytest.param(404, 200, update_nobody, id="404 for a profile"),
    pytest.param(404, 404, read_unknown_receipt, id="404 for a receipt"),
    pytest.param(404, 404, go_astray, id="404 for a path"),
    pytest.param(405, 405, use_another_method, id="405"),
    pytest.param(409, 200, match_two, id="409 for several matches"),
    pytest.param(409, 200, take_an_email, id="409 for a taken value"),
    pytest.param(410, 200, undo_a_rejected_import, id="410 for an undo of nothing"),
    pytest.param(413, 413, send_too_much, id="413"),
    pytest.param(415, 415, send_prose, id="415"),
    pytest.param(431, 431, send_a_long_head, id="431"),
]


@pytest.mark.fact("13.2-codes")
@pytest.mark.parametrize(("code", "status", "provoke"), CASES)
def test_a_code_is_met_as_the_table_says(
    penstock: ServedIntake, token: str, code: int, status: int, provoke: Provoke
) -> None:
    response = provoke(penstock, token)

    assert (response.json()["error"], response.status_code) == (code, status)
    check_row(code, status)


def check_row(code: int, status: int) -> None:
    (row,) = [row for row in ERRORS if row.code == code]
    assert str(status) in row.http


#: Met below: they take more than a request.
OF_DISRUPTIONS = {408, 429, 500, 503}


def test_every_code_of_the_table_is_met_here() -> None:
    met = {case.values[0] for case in CASES} | OF_DISRUPTIONS

    assert {row.code for row in ERRORS} == met | NEVER_SENT
    assert {row.code for row in ERRORS if row.http == "never"} == NEVER_SENT


@pytest.mark.fact("13.2-codes")
def test_408_when_a_body_does_not_come(settings: Settings) -> None:
    with (
        served(replace(settings, body_seconds=1.0)) as intake,
        open_request(intake.url, 100) as half,
    ):
        half.sendall(b"{")
        said = read_answer(half)

    assert said.startswith("HTTP/1.1 408 ")
    assert '"error":408' in said
    check_row(408, 408)


@pytest.mark.fact("13.2-codes")
def test_429_while_too_much_waits(settings: Settings, token: str) -> None:
    with served(replace(settings, max_waiting=1)) as intake:
        for _ in range(2):
            intake.post(make_document(token), {"Prefer": "respond-async"})

        response = intake.post(make_document(token))

    assert (response.json()["error"], response.status_code) == (429, 429)
    assert int(response.headers["Retry-After"]) > 0
    check_row(429, 429)


@pytest.mark.fact("13.2-codes")
def test_500_for_a_fault_of_ours(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    connection.execute("DROP TABLE profiles CASCADE")

    response = penstock.post(
        {"token": token, "db_id": 1}, path="/api/v1.1/profiles/list"
    )

    assert (response.json()["error"], response.status_code) == (500, 500)
    assert response.headers["Correlation-Id"]
    assert "profiles" not in response.text
    check_row(500, 500)


@pytest.mark.fact("13.2-codes")
def test_503_while_the_queue_is_away(settings: Settings, token: str) -> None:
    with served(replace(settings, redis_url="redis://127.0.0.1:1/0")) as intake:
        response = intake.post(make_document(token))

    assert (response.json()["error"], response.status_code) == (503, 503)
    assert int(response.headers["Retry-After"]) > 0
    check_row(503, 503)
