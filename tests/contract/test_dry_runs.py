"""Dry runs over HTTP: what would come of imports, and nothing is written (R1 to R7)."""

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import redis

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.streams.queues import DRY_RUNS_KEY, dry_run_key, stream_key
from ingest.wire.bodies import Format
from tests.conftest import Connection
from tests.documents import write
from tests.drains import draining, trying
from tests.intakes import ServedIntake, served, wait_until
from tests.uploads import PEOPLE, ask, emails, send

IMPORT = "/api/v1.1/profiles/import"
QUICK = "/api/integrations/any/profile_import"
EMAIL = "ann@example.com"
#: What a dry run might leave something in.
TABLES = (
    *("profiles", "match_keys", "segment_members", "imports", "events", "ledger"),
    *("dead_letters", "jobs", "job_rows"),
)


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    """An intake with a worker that applies, and one that answers dry runs."""
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


def request(token: str, /, **more: Any) -> dict[str, Any]:
    return {
        "token": token,
        "db_id": 1,
        "matching": "email",
        "email": EMAIL,
        "data": {"_fname": "Ann"},
        **more,
    }


def read_all(connection: Connection) -> list[Any]:
    return [
        sorted(map(str, connection.execute(f"SELECT * FROM {table}").fetchall()))
        for table in TABLES
    ]


@pytest.mark.fact("R.1-endpoints", "R.2-same")
@pytest.mark.parametrize("sent_as", [Format.JSON, Format.XML])
def test_it_says_what_the_import_then_does(
    penstock: ServedIntake, connection: Connection, token: str, sent_as: Format
) -> None:
    headers = {"Content-Type": f"application/{sent_as.value}"}
    created = penstock.post(request(token)).json()["profile_id"]
    before = read_all(connection)
    asked = request(token, data={"_fname": "Anne", "points": 7}, format="json")
    tried = penstock.post(write({**asked, "dry_run": True}, sent_as), headers).json()

    assert read_all(connection) == before
    applied = penstock.post(write(asked, sent_as), headers)
    receipt = penstock.get(
        f"/api/v1.1/imports/{applied.headers['Import-Id']}?token={token}"
    ).json()
    assert tried == {
        "error": 0,
        "error_text": "Successful operation",
        "dry_run": True,
        "profile_id": created,
        "behind": 0,
        "receipt": {
            name: receipt[name]
            for name in (
                *("state", "matched_by", "changes", "faults", "skipped", "warnings"),
            )
        },
    }
    assert tried["receipt"]["state"] == "updated"


@pytest.mark.fact("R.1-endpoints")
def test_an_answer_may_be_xml(penstock: ServedIntake, token: str) -> None:
    answer = penstock.post(request(token, dry_run="1", format="xml")).text

    assert "<dry_run>true</dry_run>" in answer
    assert "<receipt>" in answer
    assert "<state>created</state>" in answer


@pytest.mark.fact("R.1-endpoints")
@pytest.mark.parametrize("query", ["dry_run", "dry_run=1", "dry_run=true"])
def test_the_query_may_ask_for_it(
    penstock: ServedIntake, connection: Connection, token: str, query: str
) -> None:
    answer = penstock.post(request(token), path=f"{IMPORT}?{query}").json()

    assert answer["dry_run"] is True
    assert connection.execute("SELECT * FROM imports").fetchall() == []


@pytest.mark.fact("R.1-endpoints")
@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/v1.1/profiles/update", {}),
        ("/api/v1.1/profiles/add", {"data": {"_fname": "Ann"}}),
        ("/api/v1.1/profiles/segstatic/add", {"segment_id": 1}),
        ("/api/v1.1/profiles/segstatic/remove", {"segment_id": 1}),
        (
            "/api/v1.1/subscriptions/set",
            {"resource_id": 1, "channel": "email", "status": "unsubscribed"},
        ),
        ("/api/v1.1/subscriptions/suspend_all", {}),
        ("/api/v1.1/campaigns/triggers/start", {"trigger_id": 7}),
        ("/api/v1.1/campaigns/triggers/import_and_start", {"trigger_id": 7}),
        ("/api/v1.1/workflows/import_and_start", {"workflow_id": 3}),
    ],
)
def test_every_endpoint_of_imports_takes_it(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    path: str,
    more: dict[str, Any],
) -> None:
    known = penstock.post(request(token)).json()["profile_id"]
    before = read_all(connection)
    asked = request(token, profile_id=known, dry_run=True, **more)
    answer = penstock.post(asked, path=path).json()

    assert answer["dry_run"] is True
    assert answer["receipt"]["state"] in {
        *("created", "updated", "unchanged", "rejected")
    }
    assert read_all(connection) == before


@pytest.mark.fact("R.1-values")
@pytest.mark.parametrize("value", ["yes", "All", 2, [], {}], ids=repr)
def test_what_is_neither_yes_nor_no_is_refused(
    penstock: ServedIntake, connection: Connection, token: str, value: object
) -> None:
    answer = penstock.post(request(token, dry_run=value)).json()

    assert answer["error"] == 400
    assert answer["error_text"].startswith("Must be true or false")
    assert answer["error_text"].endswith(": dry_run")
    assert connection.execute("SELECT * FROM imports").fetchall() == []


@pytest.mark.fact("R.1-values")
@pytest.mark.parametrize("value", [False, 0, "false", "0", None], ids=repr)
def test_a_no_is_an_import(penstock: ServedIntake, token: str, value: object) -> None:
    answer = penstock.post(request(token, dry_run=value)).json()

    assert set(answer) == {"error", "error_text", "profile_id"}


@pytest.mark.fact("R.1-endpoints")
def test_a_form_says_so_in_words(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    sent = {"token": token, "db_id": 1, "email": EMAIL, "_fname": "Ann"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    plain = urlencode(sent).encode()
    for answer in (
        penstock.post(plain + b"&dry_run=on", form, path=QUICK),
        penstock.post(plain + b"&dry_run=1", form, path=QUICK),
        penstock.post(plain, form, path=f"{QUICK}?dry_run"),
    ):
        assert (answer.status_code, answer.text) == (
            200,
            "Successful operation (dry run, nothing was written: created)",
        )
    refused = plain + b"&points=many&dry_run=1"
    assert penstock.post(refused, form, path=QUICK).status_code == 400
    assert connection.execute("SELECT * FROM imports").fetchall() == []


@pytest.mark.fact("R.2-same")
def test_it_is_rejected_as_the_import_would_be(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    asked = request(token, data={"points": "many", "nofield": 1})
    tried = penstock.post({**asked, "dry_run": True}).json()
    told = penstock.post(asked).json()

    assert (tried["error"], tried["error_text"]) == (told["error"], told["error_text"])
    assert tried["dry_run"] is True
    assert tried["receipt"]["state"] == "rejected"
    assert {fault["path"] for fault in tried["receipt"]["faults"]} == {
        *("data.nofield", "data.points")
    }
    assert "profile_id" not in tried


@pytest.mark.fact("R.4-order")
def test_it_counts_what_waits_in_front(settings: Settings, token: str) -> None:
    with served(settings) as intake, trying(settings):
        for _ in range(3):
            intake.post(request(token, sync=False))
        answer = intake.post(request(token, dry_run=True)).json()

    assert answer["behind"] == 3
    # It does not see them.
    assert answer["receipt"]["state"] == "created"


@pytest.mark.fact("R.4-order")
def test_elements_see_those_before_them(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    points = {"action": "incr", "value": 2}
    elements = [
        {"email": EMAIL, "points": 1},
        {"email": EMAIL, "points": points},
        {"email": EMAIL, "points": points},
        {"points": points},
    ]
    answer = penstock.post(
        {"token": token, "db_id": 1, "data": elements, "dry_run": True},
        path=f"{IMPORT}_batch",
    ).json()

    assert (answer["dry_run"], answer["behind"]) == (True, 0)
    *tried, refused = answer["result"]
    assert [one["receipt"]["state"] for one in tried] == [
        *("created", "updated", "updated")
    ]
    assert [one["receipt"]["changes"][-1]["new"] for one in tried] == [1, 3, 5]
    # Whose profile would be new has no id to tell (R7).
    assert all("profile_id" not in one for one in tried)
    assert refused["error"] == 400
    assert connection.execute("SELECT * FROM profiles").fetchall() == []


@pytest.mark.fact("R.5-idempotency")
def test_it_uses_up_no_idempotency_key(penstock: ServedIntake, token: str) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    tried = penstock.post(request(token, dry_run=True), headers)
    applied = penstock.post(request(token), headers)
    again = penstock.post(request(token, dry_run=True), headers)

    assert "Import-Id" not in tried.headers
    assert applied.json()["error"] == 0
    assert "Idempotent-Replayed" not in applied.headers
    assert again.json()["receipt"]["state"] == "unchanged"


@pytest.mark.fact("R.5-bounds")
def test_a_thousand_elements_are_tried_and_more_are_refused(
    penstock: ServedIntake, token: str
) -> None:
    elements = [{"email": f"{n}@example.com"} for n in range(1001)]
    asked = {"token": token, "db_id": 1, "dry_run": True}
    path = f"{IMPORT}_batch"
    tried = penstock.post({**asked, "data": elements[:1000]}, path=path).json()
    refused = penstock.post({**asked, "data": elements}, path=path).json()

    assert len(tried["result"]) == 1000
    assert {one["receipt"]["state"] for one in tried["result"]} == {"created"}
    assert refused == {
        "error": 400,
        "error_text": "Too many elements (at most 1000 in a dry run): data",
    }


@pytest.mark.fact("R.5-bounds")
def test_when_many_wait_others_are_told_to_come_later(
    settings: Settings, redis_url: str, token: str
) -> None:
    with redis.Redis.from_url(redis_url) as client, served(settings) as intake:
        client.rpush(DRY_RUNS_KEY, *[f"other-{n}" for n in range(200)])
        refused = intake.post(request(token, dry_run=True))
        assert refused.json()["error"] == 429
        assert "Retry-After" in refused.headers
        # Those whose callers have gone are passed over.
        with trying(settings):
            wait_until(lambda: not client.exists(DRY_RUNS_KEY))
            answer = intake.post(request(token, dry_run=True)).json()

    assert answer["receipt"]["state"] == "created"


@pytest.mark.fact("R.5-bounds")
def test_a_request_is_forgotten_with_its_caller(
    settings: Settings, redis_url: str, token: str
) -> None:
    with redis.Redis.from_url(redis_url) as client, served(settings) as intake:
        ask = threading.Thread(
            target=lambda: intake.post(request(token, dry_run=True)), daemon=True
        )
        ask.start()
        (request_id,) = wait_until(lambda: client.lrange(DRY_RUNS_KEY, 0, -1))
        held = dry_run_key(request_id.decode())

        assert 0 < client.ttl(held) <= 30
        assert 0 < client.ttl(DRY_RUNS_KEY) <= 30
        with trying(settings):
            ask.join()
        assert not client.exists(held, DRY_RUNS_KEY)


@pytest.mark.fact("R.6-rights")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_one_who_may_only_import_reads_nothing_by_it(
    narrow: str, penstock: ServedIntake, token: str
) -> None:
    penstock.post(request(token))
    asked = request(narrow, data={"_fname": "Anne"}, dry_run=True)

    one = penstock.post(asked).json()
    many = penstock.post(
        {**asked, "data": [{"email": EMAIL, "_fname": "Anne"}]},
        path=f"{IMPORT}_batch",
    ).json()

    assert one["receipt"]["changes"] == [{"path": "_fname"}]
    assert many["result"][0]["receipt"]["changes"] == [{"path": "_fname"}]


@pytest.mark.fact("R.6-rights")
@pytest.mark.parametrize("narrow", [Scope.READ], indirect=True)
def test_one_who_may_not_import_may_not_try(
    narrow: str, penstock: ServedIntake
) -> None:
    answer = penstock.post(request(narrow, dry_run=True)).json()

    assert answer["error"] == 403


@pytest.mark.fact("R.7-silent")
def test_nothing_tells_of_it_but_its_own_metric(
    penstock: ServedIntake, redis_url: str, token: str
) -> None:
    answer = penstock.post(request(token, dry_run=True)).json()

    assert "profile_id" not in answer
    with redis.Redis.from_url(redis_url) as client:
        assert not any(client.exists(stream_key(n)) for n in range(64))


@pytest.mark.fact("R.3-lost")
def test_without_a_worker_it_is_503(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr("ingest.doors.dry_runs.PATIENCE_SECONDS", 1)
    with served(settings) as intake:
        answer = intake.post(request(token, dry_run=True))

    assert answer.status_code == 503
    assert answer.json() == {
        "error": 503,
        "error_text": "No worker did the dry run in time; nothing was written",
    }
    assert "Retry-After" in answer.headers


@pytest.mark.fact("R.3-locks")
def test_a_profile_that_is_locked_is_not_waited_for(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    penstock.post(request(token))
    asked = request(token, dry_run=True, data={"_fname": "Anne"})
    with connection.transaction():
        connection.execute("SELECT 1 FROM profiles FOR UPDATE")
        answer = penstock.post(asked)

    assert answer.json()["error_text"] == (
        "The dry run could not be done now; nothing was written"
    )
    assert penstock.post(asked).json()["receipt"]["state"] == "updated"


@pytest.mark.fact("R.5-jobs")
def test_a_job_may_be_a_dry_run(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    known = penstock.post(request(token, email="ada@example.com", data={})).json()
    before = read_all(connection)[:-2]
    headers = {"Idempotency-Key": uuid4().hex}
    told = send(penstock, token, PEOPLE, headers=headers, dry_run="1").json()

    assert read_all(connection)[:-2] == before
    assert (told["error"], told["state"], told["dry_run"]) == (0, "done", True)
    assert [told[name] for name in ("rows", "created", "updated", "rejected")] == [
        *(3, 1, 1, 1)
    ]
    job = ask(penstock, token, told["job_id"]).json()
    assert (job["dry_run"], job["waiting"]) == (True, 0)
    lines = ask(penstock, token, told["job_id"], "/results").text.splitlines()
    results = [json.loads(line) for line in lines]
    assert [
        (one["row"], one["state"], one["error"], one["profile_id"]) for one in results
    ] == [
        (1, "updated", 0, known["profile_id"]),
        (2, "created", 0, None),
        (3, "rejected", 400, None),
    ]
    assert results[0]["error_text"] == "Successful operation"
    assert results[2]["error_text"] == "Incorrect email: data.email"
    # The key is as good as new, and what was wrong can be corrected and imported.
    applied = send(penstock, token, PEOPLE, headers=headers).json()
    assert applied["job_id"] != told["job_id"]
    assert "dry_run" not in applied
    rejects = ask(penstock, token, told["job_id"], "/rejects").text
    assert "bad,Zed" in rejects
    corrected = rejects.replace("bad,Zed", "zed@example.com,Zed")
    again = send(penstock, token, corrected.encode()).json()
    assert "dry_run" not in again
    assert "zed@example.com" in emails(connection)


@pytest.mark.fact("R.5-jobs")
def test_a_dry_job_shows_what_would_be_skipped(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    rows = b"email,points\nada@example.com,many\n"
    told = send(penstock, token, rows, dry_run="1", skip_invalid_fields="true").json()
    result = ask(penstock, token, told["job_id"], "/results").json()

    assert (told["created"], told["rejected"]) == (1, 0)
    assert (result["state"], result["error"]) == ("created", 0)
    assert "many" in ask(penstock, token, told["job_id"], "/rejects").text
    assert emails(connection) == []


@pytest.mark.fact("R.5-jobs")
def test_a_dry_job_without_workers_is_interrupted(
    settings: Settings,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
) -> None:
    monkeypatch.setattr("ingest.doors.dry_runs.PATIENCE_SECONDS", 1)
    monkeypatch.setattr("ingest.doors.dry_runs._ATTEMPTS", 1)
    with served(settings) as intake:
        answer = send(intake, token, PEOPLE, dry_run="1")

    assert answer.status_code == 503
    assert answer.json()["state"] == "interrupted"
    assert answer.json()["reason"] == (
        "No worker did the dry run in time; nothing was written"
    )
    assert connection.execute("SELECT * FROM job_rows").fetchall() == []
