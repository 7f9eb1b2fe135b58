"""Jobs are listed, followed, and canceled by who may read them, over HTTP and here."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.commands import outputs
from ingest.domain.errors import Fault
from ingest.domain.jobs import JobCounts, JobState, new_job_id, row_import_id
from ingest.domain.tokens import Scope
from ingest.doors.files.jobs import seen_jobs
from ingest.settings import Settings
from ingest.store.jobs import pages
from ingest.store.jobs.pages import JobFilter, list_jobs
from ingest.store.jobs.progress import (
    Job,
    JobProgress,
    finish_job,
    load_jobs,
    save_progress,
)
from ingest.store.jobs.rows import KeptRow, keep_rows
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.drains import trying
from tests.intakes import ServedIntake, wait_until
from tests.intakes import served as serve
from tests.made_jobs import begin, end
from tests.uploads import PEOPLE, ask, send

NOW = datetime.now(UTC)
LIST = "/api/v1.1/jobs"
Run = Callable[..., Result]


def listed(intake: ServedIntake, token: str, **query: Any) -> Any:
    bearer = {"Authorization": f"Bearer {token}"}
    return intake.client.get(LIST, params=query, headers=bearer).json()


def ids(said: Any) -> list[str]:
    assert said["error"] == 0, said
    return [one["job_id"] for one in said["data"]]


@pytest.fixture
def served(settings: Settings) -> Iterator[ServedIntake]:
    with serve(settings) as intake:
        yield intake


@pytest.fixture
def run(settings: Settings) -> Run:
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=environ)

    return invoke


@pytest.mark.fact("JB.1-list")
def test_jobs_are_listed_the_newest_first_page_by_page(
    served: ServedIntake, connection: Connection, token: str
) -> None:
    jobs = [str(begin(connection, minutes).id) for minutes in (3, 2, 1)]

    first = listed(served, token, limit=2)
    second = listed(served, token, limit=2, from_id=first["from_id"])

    assert ids(first) == [jobs[2], jobs[1]]
    assert ids(second) == [jobs[0]]
    assert "from_id" not in second


@pytest.mark.fact("JB.1-filters")
def test_a_list_is_filtered_by_state_database_and_name(
    served: ServedIntake, connection: Connection, token: str
) -> None:
    done = begin(connection, 3, name="/data/People-1.CSV")
    failed = begin(connection, 2, name="orders.csv", database_id=2)
    running = begin(connection, 0, name="people-2.csv")
    end(connection, done, created=3)
    end(connection, failed, JobState.FAILED, rejected=2)

    assert ids(listed(served, token, state="done")) == [str(done.id)]
    assert ids(listed(served, token, state="running")) == [str(running.id)]
    assert ids(listed(served, token, db_id=1, state="failed")) == []
    assert ids(listed(served, token, name="PEOPLE")) == [str(running.id), str(done.id)]
    assert ids(listed(served, token, name="%")) == []


def test_a_state_is_the_one_that_is_shown(
    served: ServedIntake, connection: Connection, token: str
) -> None:
    """A killed process has written down nothing, and a late receipt neither."""
    killed = begin(connection, 5)
    late = begin(connection, 4)
    progress = JobProgress(
        rows=1, settled=0, digest="", bytes=1, counts=JobCounts(), estimated_rows=1
    )
    save_progress(connection, late.id, progress, datetime.now(UTC))
    keep = [KeptRow(row=1, content=b"[]", faults=(Fault(code=400, message="Bad"),))]
    keep_rows(connection, late.id, keep)
    finish_job(connection, late.id, JobState.APPLYING, NOW)

    assert ids(listed(served, token, state="interrupted")) == [str(killed.id)]
    assert ids(listed(served, token, state="done")) == [str(late.id)]
    assert ids(listed(served, token, state="running")) == []
    assert ids(listed(served, token, state="applying")) == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"state": "finished"}, "state"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"from_id": "x"}, "from_id"),
        ({"db_id": "one"}, "db_id"),
        ({"stat": "done"}, "stat"),
    ],
)
def test_a_wrong_filter_is_refused(
    served: ServedIntake, token: str, query: dict[str, str], path: str
) -> None:
    said = listed(served, token, **query)

    assert said["error"] == 400
    assert said["error_text"].endswith(path)


@pytest.mark.fact("JB.1-rights")
def test_a_token_lists_what_it_may_read(
    settings: Settings, connection: Connection
) -> None:
    importer, own = create_token(
        connection, name="a", database_ids=(), actions=[Scope.IMPORT]
    )
    _, of_two = create_token(
        connection, name="b", database_ids=[2], actions=[Scope.READ]
    )
    _, deleter = create_token(
        connection, name="c", database_ids=(), actions=[Scope.DELETE]
    )
    mine = begin(connection, 3, token_id=importer)
    begin(connection, 2, token_id=importer + 50)
    second = begin(connection, 1, database_id=2)

    with serve(settings) as intake:
        assert ids(listed(intake, own)) == [str(mine.id)]
        assert ids(listed(intake, of_two)) == [str(second.id)]
        assert listed(intake, of_two, db_id=1)["error"] == 403
        assert listed(intake, deleter)["error"] == 403
        assert listed(intake, "x" * 40)["error"] == 403


@pytest.mark.fact("JB.2-key")
def test_an_upload_is_found_by_its_key_before_its_body_ends(
    drained: ServedIntake, token: str
) -> None:
    may_end, key = Event(), {"Idempotency-Key": "people-1"}

    def body() -> Iterator[bytes]:
        yield b"email\n" + b"".join(b"p%d@example.com\n" % n for n in range(700))
        may_end.wait(60)
        yield b"last@example.com\n"

    def look() -> Any:
        found = listed(drained, token, idempotency_key="people-1")["data"]
        # A rate is known after a moment.
        read = (one for one in found if one["created"] >= 600)
        return next((one for one in read if one["rows_per_second"]), None)

    with ThreadPoolExecutor() as threads:
        sending = threads.submit(send, drained, token, body(), headers=key)
        try:
            wait_until(look)
            seen = look()
        finally:
            may_end.set()
        said = sending.result(60).json()

    assert seen["job_id"] == said["job_id"]
    assert (seen["state"], said["state"]) == ("running", "done")
    # The length of a body that comes in chunks is not known.
    assert (seen["percent"], seen["estimated_rows"]) == (None, None)
    assert (said["percent"], said["estimated_rows"]) == (100, 701)
    assert said["rows_per_second"] > 0
    assert ids(listed(drained, token, idempotency_key="people-2")) == []


@pytest.mark.fact("JB.3-percent")
@pytest.mark.parametrize(
    ("settled", "estimated", "percent"),
    [(0, 1000, 0), (299, 1000, 29), (999, 1000, 99), (1000, 1000, 99), (5, None, None)],
)
def test_a_job_is_never_at_its_end_before_it_is(
    served: ServedIntake,
    connection: Connection,
    token: str,
    settled: int,
    estimated: int | None,
    percent: int | None,
) -> None:
    job = begin(connection)
    progress = JobProgress(
        rows=settled,
        settled=settled,
        digest="",
        bytes=1,
        counts=JobCounts(created=settled),
        estimated_rows=estimated,
    )
    save_progress(connection, job.id, progress, datetime.now(UTC))

    said = ask(served, token, str(job.id)).json()

    assert (said["state"], said["percent"]) == ("running", percent)


def test_a_pace_counts_from_where_the_job_was_taken_up_again() -> None:
    started = NOW - timedelta(seconds=10)
    job = Job(
        id=new_job_id(NOW),
        name="a",
        database_id=1,
        created_at=NOW - timedelta(days=1),
        updated_at=NOW,
        started_at=started,
        started_rows=5000,
        rows=5600,
        settled=5500,
        estimated_rows=6000,
    )
    seen = seen_jobs.Seen(job=job, counts=JobCounts(created=5500))

    pace = seen_jobs.tell_pace(seen, NOW)

    assert (pace.percent, pace.rows_per_second, pace.seconds_left) == (91, 50.0, 10)


@pytest.mark.fact("JB.5-receipt")
def test_a_receipt_names_its_job_and_row(
    drained: ServedIntake, token: str, run: Run
) -> None:
    job_id = send(drained, token, PEOPLE, name="people.csv").json()["job_id"]
    import_id = row_import_id(UUID(job_id), 2)
    path = f"/api/v1.1/imports/{import_id}"

    said = drained.client.get(path, headers={"Authorization": f"Bearer {token}"}).json()
    document = json.loads(run("imports", "show", str(import_id), "--json").output)
    shown = run("imports", "show", str(import_id)).output

    assert (said["job_id"], said["row"]) == (job_id, 2)
    assert (document["job_id"], document["row"]) == (job_id, 2)
    assert document["job_name"] == "people.csv"
    assert "row 2 of people.csv" in shown
    assert job_id in shown


@pytest.mark.fact("JB.4-kinds")
def test_faults_are_counted_with_the_job_and_hold_no_value(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    lines = [f"p{n}@example.com,private-{n}" for n in range(1200)]
    body = "\n".join(["email,points", *lines, "bad@,1", ""])

    job_id = send(drained, token, body).json()["job_id"]
    said = ask(drained, token, job_id, "/faults").json()

    assert said["rows"] == 1201
    points, email = said["faults"]
    assert (points["count"], points["column"]) == (1200, "points")
    assert points["samples"] == ["private-0", "private-1", "private-2"]
    assert (email["count"], email["rows"], email["sample"]) == (1, [1201], "bad@")
    (stored,) = connection.execute("SELECT faults FROM jobs").fetchone() or ()
    assert stored["rows"] == 1201
    assert "private" not in json.dumps(stored)
    # Of the rows, only those of the samples are looked at.
    connection.execute("DELETE FROM job_rows")
    again = ask(drained, token, job_id, "/faults").json()
    assert [one["count"] for one in again["faults"]] == [1200, 1]
    assert again["faults"][0]["samples"] == []


def test_faults_of_workers_are_counted_too(drained: ServedIntake, token: str) -> None:
    """Those that only a look at stored profiles finds."""
    send(drained, token, "email,code\nada@example.com,7\n")
    taken = send(drained, token, "email,code\nbob@example.com,7\n").json()

    said = ask(drained, token, taken["job_id"], "/faults").json()

    assert (taken["rejected"], said["rows"]) == (1, 1)
    assert said["faults"][0]["column"] == "code"


def test_the_faults_of_a_dry_run_are_counted(
    drained: ServedIntake, settings: Settings, token: str
) -> None:
    with trying(settings):
        job_id = send(drained, token, PEOPLE, dry_run="true").json()["job_id"]

    said = ask(drained, token, job_id, "/faults").json()

    assert (said["rows"], said["faults"][0]["samples"]) == (1, ["bad"])


def test_a_job_of_an_earlier_release_has_its_rows_looked_at(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    job_id = send(drained, token, PEOPLE).json()["job_id"]
    connection.execute("UPDATE jobs SET faults = NULL, started_at = NULL")

    said = ask(drained, token, job_id, "/faults").json()

    assert (said["rows"], said["faults"][0]["count"]) == (1, 1)


def test_the_command_lists_jobs(run: Run, connection: Connection) -> None:
    name = "/srv/imports/" + "a-very-long-name-" * 15 + "people.csv"
    done = begin(connection, 2, name=name)
    running = begin(connection, 0, name="orders.csv", token_id=1)
    end(connection, done, created=4987, rejected=13)

    shown = run("jobs", "list")
    lines = [
        json.loads(line) for line in run("jobs", "list", "--json").stdout.splitlines()
    ]
    rejected = run("jobs", "list", "--rejected", "--json").stdout

    assert shown.exit_code == 0, shown.output
    # A line for the head and one for each job, whole: nothing is cut in a pipe.
    head, first, second = shown.stdout.splitlines()
    assert head.split()[:3] == ["job", "started", "state"]
    assert first.startswith(str(running.id))
    assert "running" in first
    assert second.rstrip().endswith(name)
    assert "5,000" in second
    assert [one["job_id"] for one in lines] == [str(running.id), str(done.id)]
    assert (lines[1]["state"], lines[1]["percent"]) == ("done", 100)
    assert [json.loads(one)["name"] for one in rejected.splitlines()] == [name]


def test_a_list_fits_a_narrow_terminal(
    run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "_UNBROKEN", 80)
    job = begin(connection, name="/srv/imports/customers-2026-11-30.csv")

    lines = run("jobs", "list").stdout.splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[1].startswith(str(job.id))
    assert "…" not in "".join(lines)


def test_older_jobs_are_told_of(run: Run, connection: Connection) -> None:
    jobs = [begin(connection, minutes) for minutes in (2, 1, 0)]

    shown = run("jobs", "list", "-n", "2")
    older = run("jobs", "list", "--before", str(jobs[1].id), "--json")
    none = run("jobs", "list", "--name", "nothing")

    assert f"For older jobs: --before {jobs[1].id}" in shown.stderr
    assert json.loads(older.stdout)["job_id"] == str(jobs[0].id)
    assert (none.exit_code, none.stdout) == (0, "")


def test_the_command_shows_a_job(drained: ServedIntake, token: str, run: Run) -> None:
    job_id = send(drained, token, PEOPLE, name="people").json()["job_id"]

    shown = run("jobs", "show", job_id, "--follow")
    document = json.loads(run("jobs", "show", job_id, "--json").stdout)

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("done  2 of 3 rows went in")
    assert "not an email" in shown.stdout
    assert f"penstock jobs rejects {job_id}" in shown.stdout
    assert f"penstock undo --job {job_id}" in shown.stdout
    assert "done: 2 of 3 rows went in" in shown.stderr
    assert (document["state"], document["rejected"]) == ("done", 1)
    assert document["faults"][0]["samples"] == ["bad"]


def test_a_job_that_is_followed_and_does_not_get_done_is_told_by_the_status(
    run: Run, connection: Connection
) -> None:
    failed = begin(connection)
    end(connection, failed, JobState.FAILED, created=1)

    followed = run("jobs", "show", str(failed.id), "--follow")

    assert followed.exit_code == 3
    assert run("jobs", "show", str(failed.id)).exit_code == 0


def test_the_command_cancels_a_job_once(run: Run, connection: Connection) -> None:
    job = begin(connection)
    done = begin(connection)
    end(connection, done, created=1)

    cancelled = run("jobs", "cancel", str(job.id))
    refused = run("jobs", "cancel", str(done.id))

    assert cancelled.exit_code == 0, cancelled.output
    (stored,) = load_jobs(connection, [job.id])
    assert stored.cancelled_at is not None
    assert refused.exit_code == 1
    assert "has already ended" in refused.stderr


def test_the_command_writes_the_rejects(
    drained: ServedIntake, token: str, run: Run, tmp_path: Any
) -> None:
    job_id = send(drained, token, PEOPLE).json()["job_id"]
    file = tmp_path / "rejects.csv"

    printed = run("jobs", "rejects", job_id)
    written = run("jobs", "rejects", job_id, "-o", str(file))

    assert printed.exit_code == written.exit_code == 0
    assert printed.stdout == file.read_text()
    assert printed.stdout == ask(drained, token, job_id, "/rejects").text
    assert "bad,Zed" in printed.stdout


@pytest.mark.parametrize("command", ["show", "cancel", "rejects"])
def test_a_job_that_is_not_there_is_said_so(run: Run, command: str) -> None:
    refused = run("jobs", command, str(new_job_id(NOW)))

    assert refused.exit_code == 1
    assert "penstock jobs list" in refused.stderr


def test_a_page_looks_at_so_many_jobs(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOKED_AT", 3)
    jobs = [begin(connection, n, name=f"{n}") for n in range(5)]

    first = list_jobs(connection, JobFilter(name="4"))
    second = list_jobs(connection, JobFilter(name="4"), first.next)

    assert (first.jobs, first.next) == ([], jobs[2].id)
    assert [one.id for one in second.jobs] == [jobs[4].id]
    assert second.next is None
