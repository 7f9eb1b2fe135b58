"""Undo of a whole job, of a list, and of a token's imports: U1, U8, U13."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.domain.tokens import Scope
from ingest.doors.files.jobs.undo_jobs import make_job
from ingest.settings import Settings
from ingest.store.jobs.progress import find_job, insert_job
from ingest.store.receipts.undo_totals import load_totals
from ingest.wire.undo import UndoRequest
from tests.conftest import Connection
from tests.drains import draining, trying
from tests.intakes import ServedIntake, served, wait_until
from tests.uploads import ask, emails, send
from workers import undo_previews

#: Two rows of one person, whom the file makes; one whom it changes.
PEOPLE = (
    b"email,_fname,points\n"
    b"ada@example.com,Augusta,7\n"
    b"bob@example.com,Rob,1\n"
    b"bob@example.com,Robert,2\n"
)


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings):
        yield intake


def run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(
        main,
        ["undo", *arguments],
        env={"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url},
    )


def answer(settings: Settings, *arguments: str) -> dict[str, Any]:
    result = run(settings, *arguments, "--json", "--yes")
    assert result.exit_code in (0, 1), (result.output, result.exception)
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def post(penstock: ServedIntake, token: str, email: str, **data: Any) -> str:
    answer = penstock.post({"token": token, "db_id": 1, "email": email, "data": data})
    assert answer.json()["error"] == 0, answer.text
    return answer.headers["Import-Id"]


def read(connection: Connection) -> dict[str, dict[str, Any]]:
    rows = connection.execute("SELECT email, fields FROM profiles").fetchall()
    return {
        email: {name: fields.get(name) for name in ("_fname", "points")}
        for email, fields in rows
    }


@pytest.fixture
def wrong(penstock: ServedIntake, token: str) -> str:
    """A job with the wrong file, over a person who was there before."""
    post(penstock, token, "ada@example.com", _fname="Ada", points=1)
    job = send(penstock, token, PEOPLE, headers={"Prefer": "wait=60"}).json()
    assert (job["state"], job["created"], job["updated"]) == ("done", 1, 2)
    return str(job["job_id"])


@pytest.mark.fact("U.1-job")
def test_a_job_is_undone_by_a_job(
    penstock: ServedIntake, connection: Connection, wrong: str, token: str
) -> None:
    path = f"/api/v1.1/jobs/{wrong}/undo"
    headers = {"Idempotency-Key": uuid4().hex}
    begun = penstock.post({"token": token, "reason": "wrong file"}, headers, path)

    assert begun.status_code == 202
    job_id = begun.json()["job_id"]
    assert begun.headers["Location"] == f"/api/v1.1/jobs/{job_id}"
    done = wait_until(
        lambda: (job := ask(penstock, token, job_id).json())["state"] == "done" and job
    )
    assert [done[name] for name in ("rows", "updated", "removed", "rejected")] == [
        *(3, 2, 1, 0)
    ]
    assert read(connection) == {"ada@example.com": {"_fname": "Ada", "points": 1}}
    # The same request again is the same job.
    again = penstock.post({"token": token, "reason": "wrong file"}, headers, path)
    assert again.json()["job_id"] == job_id
    assert again.headers["Idempotent-Replayed"] == "true"
    taken = penstock.post({"token": token, "reason": "another"}, headers, path)
    assert taken.json()["error"] == 409


@pytest.mark.fact("U.1-job")
@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_an_undo_whose_intake_was_killed_is_resumed(
    penstock: ServedIntake, connection: Connection, wrong: str, token: str, state: str
) -> None:
    left = find_job(connection, UUID(wrong))
    assert left is not None
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    job = make_job(
        UndoRequest(),
        {"undoes": wrong},
        name="undo of upload",
        database_id=1,
        token_id=left.token_id,
    )
    killed = replace(job, idempotency_key="again", created_at=long_ago)
    assert insert_job(connection, killed)
    connection.execute(
        "UPDATE jobs SET state = %s WHERE idempotency_key = 'again'", (state,)
    )

    path, headers = f"/api/v1.1/jobs/{wrong}/undo", {"Idempotency-Key": "again"}
    begun = penstock.post({"token": token}, headers, path)

    assert begun.json()["job_id"] == str(killed.id)
    wait_until(lambda: ask(penstock, token, str(killed.id)).json()["state"] == "done")
    assert read(connection) == {"ada@example.com": {"_fname": "Ada", "points": 1}}


@pytest.mark.fact("U.1-job")
def test_a_job_that_is_not_settled_cannot_be_undone(
    settings: Settings, token: str
) -> None:
    with served(settings) as intake:
        job = send(intake, token, PEOPLE, headers={"Prefer": "wait=0"}).json()
        refused = intake.post(
            {"token": token}, path=f"/api/v1.1/jobs/{job['job_id']}/undo"
        )

    assert refused.json()["error"] == 409
    assert refused.json()["error_text"].startswith("The job is still running")


@pytest.mark.fact("U.13-preview", "U.8-totals")
def test_the_command_previews_and_undoes_a_job(
    settings: Settings, connection: Connection, wrong: str, tmp_path: Path
) -> None:
    before = read(connection)
    foreseen = answer(settings, "--job", wrong, "--dry-run")

    assert read(connection) == before
    done = answer(settings, "--job", wrong, "--reason", "wrong file")
    assert read(connection) == {"ada@example.com": {"_fname": "Ada", "points": 1}}
    totals = ("reversed", "partly", "kept", "cannot", "profiles")
    assert [foreseen[name] for name in totals] == [done[name] for name in totals]
    assert [done[name] for name in totals] == [3, 0, 0, 0, 2]
    assert done["state"] == "done"
    # And back again.
    redone = answer(settings, "--job", done["job_id"])
    assert redone["reversed"] == 3
    assert (done["name"], redone["name"]) == ("undo of upload", "redo of upload")
    assert read(connection) == before


@pytest.mark.fact("U.8-totals")
def test_what_is_not_reversed_is_written_to_a_file(
    settings: Settings,
    penstock: ServedIntake,
    connection: Connection,
    wrong: str,
    token: str,
    tmp_path: Path,
) -> None:
    later = post(penstock, token, "ada@example.com", _fname="Lady Ada")
    told: list[Any] = []
    for number, more in enumerate((["--dry-run"], ["--yes"])):
        file = tmp_path / f"{number}.ndjson"
        result = run(settings, "--job", wrong, "--not-reversed", str(file), *more)
        assert result.exit_code == 1, result.output
        assert "2 reversed, 1 partly, 0 kept, 0 cannot be reversed" in result.output
        told.append([json.loads(line) for line in file.read_text().splitlines()])
    foreseen, done = told

    assert [one["kept"] for one in done] == [one["kept"] for one in foreseen]
    assert done[0]["kept"] == [
        {"path": "_fname", "reason": "changed since", "by": later}
    ]
    assert read(connection)["ada@example.com"] == {"_fname": "Lady Ada", "points": 1}


@pytest.mark.fact("U.1-list")
def test_the_command_undoes_listed_imports(
    settings: Settings, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    post(penstock, token, "ada@example.com", _fname="Ada")
    ids = [post(penstock, token, "ada@example.com", points=n) for n in (1, 2)]
    done = answer(settings, *ids)

    assert (done["reversed"], done["kept"]) == (1, 1)
    assert read(connection) == {"ada@example.com": {"_fname": "Ada", "points": None}}


@pytest.mark.fact("U.1-token")
def test_the_command_undoes_what_a_token_sent_in_a_time(
    settings: Settings, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    post(penstock, token, "ada@example.com", _fname="Ada")
    post(penstock, token, "bob@example.com", _fname="Bob")
    (token_id,) = (
        connection.execute("SELECT min(token_id) FROM imports").fetchone() or ()
    )
    since = datetime.now(UTC) - timedelta(hours=1)
    of_token = ["--token", str(token_id), "--database", "1"]
    moment = f"{since:%Y-%m-%dT%H:%M}"
    nothing = answer(settings, *of_token, "--since", moment, "--until", moment)
    done = answer(settings, *of_token, "--since", moment)

    assert nothing["profiles"] == 0
    assert (done["reversed"], done["profiles"]) == (2, 2)
    assert emails(connection) == []


@pytest.mark.fact("U.1-period")
def test_the_command_undoes_all_that_was_sent_in_a_time(
    settings: Settings, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    post(penstock, token, "ada@example.com", _fname="Ada")
    connection.execute("UPDATE imports SET token_id = NULL")
    post(penstock, token, "bob@example.com", _fname="Bob")
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    tried = answer(settings, "--database", "1", "--since", since, "--dry-run")
    done = answer(settings, "--database", "1", "--since", since)

    assert tried["profiles"] == done["profiles"] == 2
    assert done["name"] == "undo of a period"
    assert emails(connection) == []


MANY = "/api/v1.1/imports/undo"


def undo_many(
    penstock: ServedIntake,
    token: str,
    headers: dict[str, str] | None = None,
    /,
    **asked: Any,
) -> dict[str, Any]:
    """Undo over HTTP, and return the job when it is done; or the refusal."""
    begun = penstock.post({"token": token, **asked}, headers or {}, MANY)
    if begun.status_code != 202:
        refusal: dict[str, Any] = begun.json()
        return refusal
    job_id = begun.json()["job_id"]
    assert begun.headers["Location"] == f"/api/v1.1/jobs/{job_id}"
    done: dict[str, Any] = wait_until(
        lambda: (job := ask(penstock, token, job_id).json())["state"] == "done" and job
    )
    return done


@pytest.mark.fact("U.1-list", "U.1-idempotency")
def test_listed_imports_are_undone_over_http(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    post(penstock, token, "ada@example.com", _fname="Ada")
    ids = [post(penstock, token, "ada@example.com", points=n) for n in (1, 2)]
    headers = {"Idempotency-Key": uuid4().hex}
    done = undo_many(penstock, token, headers, import_ids=ids, reason="a test")

    assert [done[name] for name in ("name", "rows", "rejected")] == [
        *("undo of 2 imports", 2, 0)
    ]
    assert read(connection) == {"ada@example.com": {"_fname": "Ada", "points": None}}
    again = undo_many(penstock, token, headers, import_ids=ids, reason="a test")
    assert again["job_id"] == done["job_id"]
    reason = connection.execute(
        "SELECT DISTINCT reason FROM imports WHERE operation = 'undo'"
    ).fetchall()
    assert reason == [("a test",)]


@pytest.mark.fact("U.1-token", "U.1-period")
@pytest.mark.parametrize("narrow", [Scope.ADMIN], indirect=True)
@pytest.mark.parametrize("of_token", [True, False])
def test_what_was_sent_in_a_time_is_undone_over_http(
    narrow: str,
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    of_token: bool,
) -> None:
    post(penstock, token, "ada@example.com", _fname="Ada")
    connection.execute("UPDATE imports SET token_id = NULL")
    post(penstock, token, "bob@example.com", _fname="Bob")
    now = datetime.now(UTC)
    period = {"db_id": 1, "since": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
    named = {"token_id": 1} if of_token else {}
    headers = {"Idempotency-Key": uuid4().hex}
    done = undo_many(penstock, narrow, headers, **period, **named)

    assert done["rows"] == (1 if of_token else 2)
    assert emails(connection) == (["ada@example.com"] if of_token else [])
    # What came since is of another time, though the period has no end.
    post(penstock, token, "cat@example.com", _fname="Cat")
    again = undo_many(penstock, narrow, headers, **period, **named)
    assert (again["job_id"], again["rows"]) == (done["job_id"], done["rows"])
    empty = undo_many(penstock, narrow, **period, until=period["since"])
    assert empty["error_text"] == "Must be after since: until"
    past = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
    assert undo_many(penstock, narrow, db_id=1, **past)["rows"] == 0


@pytest.mark.fact("U.1-period", "D.4-rights")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_who_is_no_operator_undoes_its_own_imports_only(
    narrow: str, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    others = post(penstock, token, "ada@example.com", _fname="Ada")
    own = post(penstock, narrow, "bob@example.com", _fname="Bob")
    period = {"db_id": 1, "since": "2026-01-01T00:00:00Z"}

    assert undo_many(penstock, narrow, import_ids=[own, others])["error"] == 403
    assert undo_many(penstock, narrow, **period, token_id=1)["error"] == 403
    assert emails(connection) == ["ada@example.com", "bob@example.com"]
    assert undo_many(penstock, narrow, **period)["rows"] == 1
    assert emails(connection) == ["ada@example.com"]


@pytest.mark.fact("U.1-list", "U.1-period")
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({}, "Missing parameter (or send import_ids): db_id"),
        ({"db_id": 1}, "Missing parameter (or send import_ids): since"),
        ({"db_id": 99, "since": "2026-01-01"}, ": db_id"),
        ({"db_id": 1, "since": "soon"}, ": since"),
        ({"import_ids": ["x"]}, "Must be a UUID: import_ids"),
        ({"import_ids": []}, "Must be a list of 1 to 1000 imports: import_ids"),
        (
            {"import_ids": [str(UUID(int=5))]},
            "Import not found, or its receipt has expired: import_ids[0]",
        ),
        ({"import_ids": [str(UUID(int=5))], "dry_run": "soon"}, ": dry_run"),
    ],
)
def test_what_cannot_be_undone_over_http_is_refused(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    asked: dict[str, Any],
    text: str,
) -> None:
    refused = undo_many(penstock, token, **asked)

    assert refused["error"] in {400, 403, 404}
    assert refused["error_text"].endswith(text)
    assert connection.execute("SELECT id FROM jobs").fetchall() == []


@pytest.mark.fact("U.13-many", "U.8-totals", "R.1-endpoints")
@pytest.mark.parametrize("of", ["job", "list", "period"])
@pytest.mark.parametrize("narrow", [Scope.ADMIN], indirect=True)
def test_many_undos_are_previewed_over_http_as_they_then_are(
    narrow: str,
    penstock: ServedIntake,
    connection: Connection,
    wrong: str,
    token: str,
    of: str,
) -> None:
    # Since the wrong file, one has a name of his own.
    own = post(penstock, token, "bob@example.com", _fname="Bobby")
    ids = connection.execute(
        "SELECT import_id FROM imports WHERE door = 'file' ORDER BY import_id"
    ).fetchall()
    named: dict[str, dict[str, Any]] = {
        "job": {},
        "list": {"import_ids": [str(one) for (one,) in ids]},
        "period": {"db_id": 1, "since": "2026-01-01", "token_id": 1},
    }
    asked, path = named[of], f"/api/v1.1/jobs/{wrong}/undo" if of == "job" else MANY
    if of == "period":
        connection.execute("UPDATE imports SET token_id = NULL WHERE door <> 'file'")
    before = read(connection)
    with trying(penstock.settings):
        said = penstock.post({"token": narrow, "dry_run": True, **asked}, path=path)
    told = said.json()

    assert (said.status_code, read(connection)) == (200, before)
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    piles = [told[name] for name in ("reversed", "partly", "kept", "cannot")]
    assert (sum(piles), told["profiles"], told["rejected"]) == (3, 2, 0)
    left = [reason for one in told["not_reversed"] for reason in one["kept"]]
    assert {(one["path"], one.get("by")) for one in left} >= {("_fname", own)}
    penstock.post({"token": narrow, **asked}, path=path)
    wait_until(
        lambda: connection.execute(
            "SELECT 1 FROM jobs WHERE parameters ->> 'operation' = 'undo'"
            " AND state = 'done'"
        ).fetchone()
    )
    (job_id,) = connection.execute(
        "SELECT id FROM jobs WHERE parameters ->> 'operation' = 'undo'"
    ).fetchone() or (None,)
    assert job_id is not None
    done = load_totals(connection, job_id)
    assert piles == [done.reversed, done.partly, done.kept, done.cannot]


def test_more_than_can_be_awaited_is_not_previewed(
    settings: Settings,
    penstock: ServedIntake,
    wrong: str,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undo_previews, "MOST_PREVIEWED", 2)
    path = f"/api/v1.1/jobs/{wrong}/undo"
    with trying(settings):
        told = penstock.post({"token": token, "dry_run": True}, path=path).json()

    assert told["error_text"].startswith("Too many imports for a dry run")


@pytest.fixture
def held(penstock: ServedIntake, token: str) -> str:
    """An import that is held."""
    penstock.add(token, phones=["+442079460011"])
    post(penstock, token, "ada@example.com")
    key = {"matching": "email_phone", "email": "ada@example.com"}
    told = {"token": token, "db_id": 1, **key, "phone": "+442079460011"}
    sent = penstock.post({**told, "on_ambiguous": "hold", "data": {"points": 1}})
    assert sent.json()["state"] == "held"
    return sent.headers["Import-Id"]


@pytest.mark.fact("U.11-held")
@pytest.mark.parametrize("by", ["list", "token", "time"])
def test_the_command_rejects_what_is_held(
    penstock: ServedIntake,
    held: str,
    token: str,
    settings: Settings,
    connection: Connection,
    by: str,
) -> None:
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    named = {
        "list": [held, post(penstock, token, "ada@example.com", points=3)],
        "token": ["--token", "1", "--database", "1", "--since", since],
        "time": ["--database", "1", "--since", since],
    }[by]
    tried = answer(settings, *named, "--dry-run")
    assert tried["rejected"] == 1
    assert count_held(connection) == 1
    done = run(settings, *named, "--reason", "a test", "--yes")

    assert "; 1 held import rejected" in done.stdout
    assert count_held(connection) == 0
    row = connection.execute(
        "SELECT state, error, error_text FROM imports WHERE import_id = %s", (held,)
    ).fetchone()
    assert row == ("rejected", 409, "Undone (a test)")


@pytest.mark.fact("U.11-held")
@pytest.mark.parametrize("by", ["list", "time"])
def test_what_is_held_is_rejected_over_http(
    settings: Settings,
    penstock: ServedIntake,
    held: str,
    token: str,
    connection: Connection,
    by: str,
) -> None:
    more = post(penstock, token, "ada@example.com", points=3)
    named: dict[str, Any] = {"import_ids": [held, more]}
    if by == "time":
        named = {"db_id": 1, "since": "2026-01-01T00:00:00Z"}
    with trying(settings):
        document = {"token": token, **named, "dry_run": True}
        tried = penstock.post(document, path=MANY).json()
        assert (tried["rejected"], count_held(connection)) == (1, 1)
        done = undo_many(penstock, token, **named, reason="a test")

    assert done["state"] == "done"
    assert count_held(connection) == 0
    row = connection.execute(
        "SELECT state, error_text FROM imports WHERE import_id = %s", (held,)
    ).fetchone()
    assert row == ("rejected", "Undone (a test)")


def count_held(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM held_imports").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Pass import IDs, --job, or --since"),
        (["--until", "2026-11-29"], "A period needs --database and --since"),
        (
            ["--database", "1", "--since", "2026-11-29", "--until", "2026-11-28"],
            "--until must be after --since",
        ),
        (["--token", "1"], "--token needs --database and --since"),
        (["--job", str(UUID(int=5)), "--restore-consent"], "needs --reason"),
        (["--job", str(UUID(int=5))], "No job 00000000-0000-0000-0000-000000000005."),
        ([str(UUID(int=5))], "No receipt with a profile for import 00000000"),
    ],
)
def test_a_wrong_command_says_what_is_missing(
    settings: Settings, arguments: list[str], text: str
) -> None:
    result = run(settings, *arguments)

    assert result.exit_code == 2
    assert text in result.output


@pytest.mark.fact("U.1-order")
def test_a_large_job_is_undone_exactly(
    settings: Settings, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    # Many rows of few people, so that a person's rows are spread over pages.
    chosen = random.Random(5)
    before = [
        post(penstock, token, f"{n}@example.com", _fname=f"N{n}") for n in range(5)
    ]
    assert len(before) == 5
    state = read(connection)
    rows = "email,points\n" + "".join(
        f"{chosen.randrange(12)}@example.com,{n}\n" for n in range(1500)
    )
    job = send(penstock, token, rows.encode(), headers={"Prefer": "wait=60"}).json()
    foreseen = answer(settings, "--job", job["job_id"], "--dry-run")
    done = answer(settings, "--job", job["job_id"])

    assert read(connection) == state
    totals = ("reversed", "partly", "kept", "cannot", "profiles")
    assert [foreseen[name] for name in totals] == [done[name] for name in totals]
    assert done["profiles"] == 12
