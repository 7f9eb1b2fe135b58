"""Jobs over HTTP: files that are sent, watched, cancelled, and read back."""

import csv
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from ingest.doors.files.jobs import feeder
from ingest.doors.http import protocol
from ingest.settings import Settings
from ingest.store.database import connect
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until
from tests.uploads import PATH, PEOPLE, answered, ask, emails, send


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


def break_off(intake: ServedIntake, token: str, content: bytes) -> None:
    """Send an upload under the key `one` that ends in the middle of a chunk."""
    where = urlsplit(intake.url)
    with socket.create_connection((where.hostname, where.port)) as caller:
        caller.sendall(
            f"POST {PATH}?db_id=1 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nIdempotency-Key: one\r\n"
            "Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + b"%x\r\n%s\r\n" % (len(content), content)
        )
        with connect(intake.settings.database_url) as connection:
            wait_until(
                lambda: connection.execute(
                    "SELECT 1 FROM jobs WHERE rows >= %s",
                    [content.count(b"\n") - 1],
                ).fetchone()
            )


@pytest.fixture
def hurried(settings: Settings) -> Iterator[ServedIntake]:
    """An intake that hardly waits for the rows of an upload that broke off."""
    with served(replace(settings, wait_seconds=0.2)) as running:
        yield running


def is_interrupted(connection: Connection) -> bool:
    found = connection.execute("SELECT 1 FROM jobs WHERE state = 'interrupted'")
    return found.fetchone() is not None


def people(prefix: str, count: int, header: str = "email,_fname") -> bytes:
    rows = (f"{prefix}{number}@example.com,{prefix}\n" for number in range(count))
    return f"{header}\n{''.join(rows)}".encode()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param(people("b", 900), "Row 1 differs from", id="all rows"),
        pytest.param(
            people("a", 100) + people("b", 500).partition(b"\n")[2],
            "Row 101 differs from",
            id="rows at the end",
        ),
        pytest.param(
            people("a", 100).replace(b"a99@", b"a@99@") + people("a", 500)[13:],
            "Row 100 differs from",
            id="a row that is rejected",
        ),
        pytest.param(
            people("a", 400, "email,_lname"), "its columns differ", id="a header"
        ),
    ],
)
def test_another_body_under_a_key_of_a_job_that_stopped_fails_it_and_loses_nothing(
    hurried: ServedIntake, connection: Connection, token: str, other: bytes, said: str
) -> None:
    key = {"Idempotency-Key": "one", "Prefer": "wait=60"}
    # None of its rows is applied when the other comes, so that none is settled.
    break_off(hurried, token, people("a", 252))
    wait_until(lambda: is_interrupted(connection))
    with draining(hurried.settings):
        answer = send(hurried, token, other, headers=key).json()
        (job,) = connection.execute("SELECT state, error_text FROM jobs").fetchall()
        whole = send(hurried, token, people("a", 400), headers=key).json()
        names = connection.execute("SELECT DISTINCT fields ->> '_fname' FROM profiles")

    assert answer["error"] == 409
    assert said in answer["error_text"]
    assert names.fetchall() == [("a",)]
    assert whole["state"] == "done"
    assert (whole["created"], whole["rejected"]) == (400, 0)
    if "Row" in said:
        assert job[0] == "failed"
        assert said in job[1]


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        pytest.param(b"ada@", b"eve@", 1, id="somebody else"),
        pytest.param(b"Ada", b"Eve", 1, id="something else"),
        pytest.param(b"bad", b"eve@example.com", 3, id="one that was rejected"),
        pytest.param(b"bob@example.com", b"bob", 2, id="one that is rejected"),
    ],
)
def test_another_body_is_refused_while_nothing_of_the_first_is_applied(
    intake: ServedIntake,
    connection: Connection,
    token: str,
    old: bytes,
    new: bytes,
    row: int,
) -> None:
    """Its row may be in another partition, which would apply it before the first."""
    headers = {"Idempotency-Key": "one", "Prefer": "respond-async"}
    first = send(intake, token, PEOPLE, headers=headers)
    other = send(intake, token, PEOPLE.replace(old, new), headers=headers).json()
    again = send(intake, token, PEOPLE, headers=headers)

    assert first.status_code == again.status_code == 202
    assert again.json()["job_id"] == first.json()["job_id"]
    assert other["error"] == 409
    assert f"Row {row} differs from the row that was imported" in other["error_text"]
    assert connection.execute("SELECT state FROM jobs").fetchall() == [("applying",)]
    job_id = first.json()["job_id"]
    with draining(intake.settings):
        wait_until(lambda: ask(intake, token, job_id).json()["state"] == "done")
    said = ask(intake, token, job_id).json()
    assert (said["created"], said["rejected"]) == (2, 1)
    names = connection.execute("SELECT fields ->> '_fname' FROM profiles ORDER BY 1")
    assert names.fetchall() == [("Ada",), ("Bob",)]
    assert emails(connection) == ["ada@example.com", "bob@example.com"]


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
    drained: ServedIntake,
    connection: Connection,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The caller does not stop sending until the connection ends.
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.5)
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

    assert said is None or said["error_text"] == "The job was canceled"
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


def test_rows_that_redis_has_lost_are_accepted_again(
    intake: ServedIntake,
    connection: Connection,
    client: redis.Redis,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feeder, "LOST_SECONDS", 1.0)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(
            send,
            intake,
            token,
            documents(100),
            "application/x-ndjson",
            {"Prefer": "wait=60"},
        )
        wait_until(
            lambda: connection.execute("SELECT 1 FROM jobs WHERE rows = 100").fetchone()
        )
        client.flushdb()
        with draining(intake.settings):
            said = sending.result().json()

    assert (said["state"], said["created"]) == ("done", 100)
    rows = connection.execute(
        "SELECT fields -> 'points', count(*) FROM profiles GROUP BY 1"
    )
    assert rows.fetchall() == [(1, 100)]


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
