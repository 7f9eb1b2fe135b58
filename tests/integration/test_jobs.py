"""Jobs over HTTP: files that are sent, watched, cancelled, and read back."""

import csv
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ingest.domain.tokens import Action
from ingest.settings import Settings
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until

PATH = "/api/v1.1/jobs/import"
PEOPLE = b"email,_fname\nada@example.com,Ada\nbob@example.com,Bob\nbad,Zed\n"


@pytest.fixture
def intake(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as one:
        yield one


@pytest.fixture
def drained(intake: ServedIntake) -> Iterator[ServedIntake]:
    with draining(intake.settings):
        yield intake


def send(
    intake: ServedIntake,
    token: str,
    content: Any,
    content_type: str = "text/csv",
    headers: dict[str, str] | None = None,
    **query: Any,
) -> httpx.Response:
    return intake.client.post(
        PATH,
        params={"db_id": 1, **query},
        content=content,
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": content_type,
            **(headers or {}),
        },
        timeout=60,
    )


def ask(intake: ServedIntake, token: str, job_id: str, more: str = "") -> Any:
    return intake.client.get(
        f"/api/v1.1/jobs/{job_id}{more}", headers={"Authorization": f"Bearer {token}"}
    )


def emails(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT email FROM profiles ORDER BY email")
    return [email for (email,) in rows]


def documents(count: int) -> bytes:
    one = {"action": "incr", "value": 1}
    return b"".join(
        json.dumps({"email": f"p{number}@example.com", "points": one}).encode() + b"\n"
        for number in range(count)
    )


def test_an_upload_is_a_job_whose_rows_are_imported(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    answer = send(drained, token, PEOPLE, name="people")

    said = answer.json()
    assert (answer.status_code, said["error"], said["state"]) == (200, 0, "done")
    assert answer.headers["Location"] == f"/api/v1.1/jobs/{said['job_id']}"
    assert (said["rows"], said["created"], said["rejected"]) == (3, 2, 1)
    assert (said["name"], said["bytes"]) == ("people", len(PEOPLE))
    assert emails(connection) == ["ada@example.com", "bob@example.com"]
    again = ask(drained, token, said["job_id"]).json()
    assert {**again, "error": 0} == {**said, "error_text": again["error_text"]}


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"email": "ada@example.com"}\n', "application/x-ndjson"),
        (b'[{"email": "ada@example.com"}]', "application/json; charset=utf-8"),
        (gzip.compress(b"email\nada@example.com\n"), "text/csv"),
        (iter([b"email\nada@exam", b"ple.com\n"]), "text/csv"),
    ],
    ids=["ndjson", "json", "gzip", "chunked"],
)
def test_an_upload_may_be_of_any_kind(
    drained: ServedIntake,
    connection: Connection,
    token: str,
    content: Any,
    content_type: str,
) -> None:
    assert send(drained, token, content, content_type).json()["created"] == 1
    assert emails(connection) == ["ada@example.com"]


def test_rows_are_asked_what_the_query_asks(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    said = send(
        drained,
        token,
        "E-mail;Notes\nada@example.com;x\n",
        map=["E-mail=email", "Notes="],
        operation="add",
        add_to_segments="1",
        skip_triggers="true",
    ).json()

    assert said["created"] == 1, said
    row = connection.execute(
        "SELECT door, operation, skip_triggers, token_id FROM imports"
    )
    assert row.fetchall() == [("file", "add", True, 1)]
    members = connection.execute("SELECT segment_id FROM segment_members")
    assert members.fetchall() == [(1,)]


def test_results_and_rejects_are_read_back(drained: ServedIntake, token: str) -> None:
    job_id = send(drained, token, PEOPLE).json()["job_id"]

    lines = ask(drained, token, job_id, "/results").text.splitlines()
    results = [json.loads(line) for line in lines]
    table = ask(drained, token, job_id, "/results?as=csv")
    rejects = ask(drained, token, job_id, "/rejects")

    assert [(one["row"], one["state"]) for one in results] == [
        (1, "created"),
        (2, "created"),
        (3, "rejected"),
    ]
    assert results[2]["error_text"] == "Incorrect email: data.email"
    assert results[0]["profile_id"]
    rows = list(csv.DictReader(table.text.splitlines()))
    assert [row["import_id"] for row in rows] == [one["import_id"] for one in results]
    assert table.headers["Content-Type"].startswith("text/csv")
    (reject,) = csv.DictReader(rejects.text.splitlines())
    assert (reject["penstock_row"], reject["email"]) == ("3", "bad")
    assert reject["penstock_why"] == "Incorrect email"

    corrected = rejects.text.replace("bad,Zed", "zed@example.com,Zed")
    said = send(drained, token, corrected).json()
    assert (said["created"], said["rejected"]) == (1, 0)


def test_results_of_many_pages_are_all_there(drained: ServedIntake, token: str) -> None:
    rows = "".join(f"p{number % 7}@example.com\n" for number in range(2500))
    said = send(drained, token, f"email\n{rows}").json()

    lines = ask(drained, token, said["job_id"], "/results").text.splitlines()

    assert [json.loads(line)["row"] for line in lines] == list(range(1, 2501))


def test_an_upload_sent_again_under_its_key_is_the_same_job(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    content, key = documents(20), {"Idempotency-Key": "one"}
    first = send(drained, token, content, "application/x-ndjson", key)
    again = send(drained, token, content, "application/x-ndjson", key)

    assert again.json()["job_id"] == first.json()["job_id"]
    assert again.json()["created"] == 20
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    rows = connection.execute("SELECT DISTINCT fields -> 'points' FROM profiles")
    assert rows.fetchall() == [(1,)]


@pytest.mark.parametrize("change", ["other rows", "more rows", "fewer rows", "query"])
def test_another_upload_under_a_key_is_refused(
    drained: ServedIntake, connection: Connection, token: str, change: str
) -> None:
    key = {"Idempotency-Key": "one"}
    send(drained, token, PEOPLE, headers=key)
    content = {
        "other rows": PEOPLE.replace(b"Bob", b"Rob"),
        "more rows": PEOPLE + b"eve@example.com,Eve\n",
        "fewer rows": b"\n".join(PEOPLE.splitlines()[:2]),
    }.get(change, PEOPLE)
    query = {"skip_triggers": "1"} if change == "query" else {}

    said = send(drained, token, content, headers=key, **query).json()

    assert said["error"] == 409
    assert emails(connection) == ["ada@example.com", "bob@example.com"]
    (job,) = connection.execute("SELECT state, rows FROM jobs").fetchall()
    assert job == ("done", 3)


def test_an_upload_that_breaks_off_goes_on_where_it_stopped(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    content = documents(3000)
    where = urlsplit(drained.url)
    with socket.create_connection((where.hostname, where.port)) as caller:
        caller.sendall(
            f"POST {PATH}?db_id=1 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nIdempotency-Key: one\r\n"
            "Content-Type: application/x-ndjson\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        # In the middle of a row, which is no row.
        piece = content[: len(content) // 2 - 5]
        caller.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        wait_until(
            lambda: connection.execute(
                "SELECT 1 FROM jobs WHERE settled > 100"
            ).fetchone()
        )
    wait_until(
        lambda: connection.execute(
            "SELECT 1 FROM jobs WHERE state = 'interrupted'"
        ).fetchone()
    )

    said = send(
        drained, token, content, "application/x-ndjson", {"Idempotency-Key": "one"}
    ).json()

    assert (said["state"], said["created"]) == ("done", 3000)
    rows = connection.execute(
        "SELECT fields -> 'points', count(*) FROM profiles GROUP BY 1"
    )
    assert rows.fetchall() == [(1, 3000)]


def test_a_row_is_accepted_though_the_next_is_long_in_coming(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    arrived = threading.Event()

    def rows() -> Iterator[bytes]:
        yield b"email\nada@example.com\n"
        wait_until(lambda: emails(connection) == ["ada@example.com"])
        arrived.set()
        yield b"bob@example.com\n"

    said = send(drained, token, rows()).json()

    assert arrived.is_set()
    assert said["created"] == 2


def test_a_job_is_cancelled_and_what_was_accepted_is_applied(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    cancelled: list[httpx.Response] = []

    def rows() -> Iterator[bytes]:
        yield b"email\nada@example.com\n"
        wait_until(lambda: emails(connection))
        (job_id,) = connection.execute("SELECT id FROM jobs").fetchall()[0]
        cancelled.append(
            httpx.post(
                f"{drained.url}/api/v1.1/jobs/{job_id}/cancel",
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        while True:
            yield b"eve@example.com\n"
            threading.Event().wait(0.05)

    # It is answered before its end, which a client may take for a fault.
    said = answered(partial(send, drained, token, rows()))

    assert said is None or said["error_text"] == "The job was cancelled"
    (answer,) = cancelled
    assert answer.json()["error"] == 0
    job_id = answer.json()["job_id"]
    said = wait_until(
        lambda: (
            (told := ask(drained, token, job_id).json())
            and told["state"] == "cancelled"
            and told
        )
    )
    assert said["waiting"] == 0
    late = drained.client.post(
        f"/api/v1.1/jobs/{send(drained, token, PEOPLE).json()['job_id']}/cancel",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert late.json()["error"] == 409


def test_rows_that_are_not_applied_in_time_are_applied_later(
    intake: ServedIntake, connection: Connection, token: str
) -> None:
    answer = send(intake, token, PEOPLE, headers={"Prefer": "respond-async"})

    said = answer.json()
    assert (answer.status_code, said["error_text"]) == (202, "Accepted")
    assert (said["state"], said["rejected"], said["waiting"]) == ("applying", 1, 2)
    with draining(intake.settings):
        wait_until(lambda: ask(intake, token, said["job_id"]).json()["state"] == "done")
    told = ask(intake, token, said["job_id"]).json()
    assert (told["created"], told["rejected"], told["eta_seconds"]) == (2, 1, None)
    assert "bad,Zed" in ask(intake, token, said["job_id"], "/rejects").text


@pytest.mark.parametrize(
    ("query", "content_type", "status", "text"),
    [
        ({"db_id": ""}, "text/csv", 400, "Missing parameter: db_id"),
        ({"db_id": 77}, "text/csv", 404, "Unknown database: db_id"),
        ({"matching": "x"}, "text/csv", 400, "Unknown matching mode: matching"),
        ({"map": "x"}, "text/csv", 400, "Not COLUMN=FIELD: map"),
        ({"operation": "x"}, "text/csv", 400, "Unknown operation: operation"),
        ({"delimiter": "xy"}, "text/csv", 400, "Not one character: delimiter"),
        ({}, "application/xml", 415, "Not one of"),
    ],
)
def test_an_upload_that_asks_what_cannot_be_is_refused_unread(
    intake: ServedIntake,
    token: str,
    query: dict[str, Any],
    content_type: str,
    status: int,
    text: str,
) -> None:
    answer = send(intake, token, PEOPLE, content_type, **query)

    assert answer.status_code == status
    assert text in answer.text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "The file is empty"),
        (b"Emial\na\n", "No field is called 'Emial'; is it 'email'?"),
        (b"PK\x03\x04 and so on", "A zip file is not taken"),
    ],
)
def test_a_body_that_cannot_be_read_begins_no_job(
    intake: ServedIntake, connection: Connection, token: str, content: bytes, text: str
) -> None:
    answer = send(intake, token, content)

    assert (answer.status_code, answer.json()["error"]) == (200, 400)
    assert text in answer.json()["error_text"]
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_body_that_cannot_be_read_to_its_end_is_imported_as_far_as_it_goes(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    said = send(drained, token, b'email\nada@example.com\n"bob').json()

    assert (said["error"], said["state"], said["created"]) == (400, "failed", 1)
    assert "line 3" in said["error_text"]
    assert emails(connection) == ["ada@example.com"]


def test_an_upload_that_is_too_long_is_stopped(
    settings: Settings, connection: Connection, token: str
) -> None:
    small = replace(settings, max_file_bytes=1_000_000)
    unread = 0

    def rows() -> Iterator[bytes]:
        nonlocal unread
        yield b"email\n"
        for _ in range(400):
            yield b"ada@example.com\n" * 4096
            unread += 1

    with served(small) as intake, draining(small):
        said = answered(partial(send, intake, token, rows()))

    job = connection.execute("SELECT state, error_text FROM jobs").fetchone()
    assert job is not None
    assert job[0] == "failed"
    assert "PENSTOCK_MAX_FILE_BYTES" in job[1]
    assert said is None or said["error"] == 400
    assert unread < 400


def answered(send_it: Callable[[], httpx.Response]) -> Any:
    """Return the answer, or None if the connection ended before all was sent."""
    try:
        return send_it().json()
    except httpx.TransportError:
        return None


def test_no_more_uploads_are_read_than_may_be(
    settings: Settings, connection: Connection, token: str
) -> None:
    refused: list[httpx.Response] = []
    serving: list[ServedIntake] = []

    def rows() -> Iterator[bytes]:
        yield b"email\nada@example.com\n"
        wait_until(lambda: emails(connection))
        refused.append(send(serving[0], token, PEOPLE))

    one = replace(settings, max_uploads=1)
    with served(one) as busy, draining(one):
        serving.append(busy)
        said = send(busy, token, rows()).json()

    assert said["created"] == 1
    assert refused[0].status_code == 429
    assert int(refused[0].headers["Retry-After"]) > 0


def test_jobs_are_for_those_who_may_import_in_their_database(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    _, reader = create_token(
        connection, name="reader", database_ids=(1,), actions=(Action.READ,)
    )
    _, other = create_token(
        connection, name="other", database_ids=(2,), actions=tuple(Action)
    )
    job_id = send(drained, token, PEOPLE).json()["job_id"]

    def status(secret: str) -> int:
        return int(ask(drained, secret, job_id).status_code)

    wait_until(lambda: status(reader) == 200)
    assert send(drained, reader, PEOPLE).status_code == 403
    assert send(drained, other, PEOPLE).status_code == 403
    for more in ("", "/results", "/rejects"):
        assert ask(drained, other, job_id, more).status_code == 403
        assert ask(drained, "unknown", job_id, more).status_code == 403
        assert ask(drained, reader, job_id, more).status_code == 200
    unknown = "01a2106d-5055-73bc-9858-630000000000"
    for nowhere in ("x", unknown):
        assert ask(drained, token, nowhere).status_code == 404
    cancel = drained.client.post(
        f"/api/v1.1/jobs/{job_id}/cancel",
        headers={"Authorization": f"Bearer {reader}"},
    )
    assert cancel.json()["error"] == 403
