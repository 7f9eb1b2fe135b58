"""Jobs over HTTP: uploads that are refused, broken, too many, or not one's own."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token
from tests import said
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until
from tests.uploads import PEOPLE, answered, ask, emails, send


@pytest.mark.parametrize(
    ("query", "content_type", "status", "text"),
    [
        ({"db_id": ""}, "text/csv", 400, "Missing parameter: db_id"),
        ({"db_id": 77}, "text/csv", 404, "Database not found: db_id"),
        ({"matching": "x"}, "text/csv", 400, f"{said.MODE}: matching"),
        ({"map": "x"}, "text/csv", 400, "Must be COLUMN=FIELD: map"),
        ({"operation": "x"}, "text/csv", 400, f"{said.OPERATION}: operation"),
        ({"delimiter": "xy"}, "text/csv", 400, "Must be one character, or"),
        (
            {"delimiter": "\n"},
            "text/csv",
            400,
            "Must not be a line end or NUL: delimiter",
        ),
        ({"quote": "\0"}, "text/csv", 400, "Must not contain the NUL character: quote"),
        ({"name": "a\0b"}, "text/csv", 400, "Must not contain the NUL character: name"),
        ({"columns": "email,\0"}, "text/csv", 400, "the NUL character: columns"),
        ({"map": ["a=b", "\0=email"]}, "text/csv", 400, "the NUL character: map"),
        ({"a\0": "b"}, "text/csv", 400, "Must not contain the NUL character: a"),
        (
            {"delimiter": '"'},
            "text/csv",
            400,
            "must be different characters: delimiter",
        ),
        (
            {"quote": ";", "escape": ";"},
            "text/csv",
            400,
            "must be different characters",
        ),
        ({"name": "x" * 256}, "text/csv", 400, "(at most 255 characters): name"),
        (
            {"name": ["a", "b"]},
            "text/csv",
            400,
            "Sent more than once (send it once): name",
        ),
        *(
            ({"encoding": name}, "text/csv", 400, "koi8-r")
            for name in ("idna", "punycode", "undefined", "unicode_escape", "utf-7")
        ),
        *(
            ({"encoding": name}, "text/csv", 400, "koi8-r")
            for name in ("base64", "rot13", "x" * 10_000, "яяя", "../x")
        ),
        ({}, "application/xml", 415, "Must be one of"),
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
        (b"PK\x03\x04 and so on", "A zip file is not accepted"),
        (b"\xff\xfeemail\n\x00\xd8\n\x00", "The file is not in the encoding utf-16"),
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
    small = replace(settings, max_file_bytes=100_000)
    unread = 0

    def rows() -> Iterator[bytes]:
        nonlocal unread
        yield b"email\nada@example.com\n"
        # Too long at its first look it would begin no job.
        wait_until(lambda: emails(connection))
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
        connection, name="reader", database_ids=(1,), actions=(Scope.READ,)
    )
    _, other = create_token(
        connection, name="other", database_ids=(2,), actions=tuple(Scope)
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


@pytest.mark.parametrize("length", [10 * 1024**3 + 1, 2**63, 2**64 - 1])
def test_a_body_that_says_it_is_longer_than_a_file_may_be_is_refused_unread(
    intake: ServedIntake, connection: Connection, token: str, length: int
) -> None:
    url = httpx.URL(intake.url)
    head = (
        f"POST /api/v1.1/jobs/import?db_id=1 HTTP/1.1\r\nHost: {url.host}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {length}\r\n\r\nemail\n"
    )
    with socket.create_connection((url.host, url.port or 80), timeout=30) as opened:
        opened.sendall(head.encode())
        answer = opened.recv(4096)

    assert answer.startswith(b"HTTP/1.1 413")
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
