"""The console's files: listed, watched, stopped, undone, and their rejects saved."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from ingest.domain.jobs import JobState, new_job_id
from ingest.settings import Settings
from ingest.store.jobs.progress import find_job, finish_job, load_jobs
from tests.conftest import Connection
from tests.consoles import Console, console
from tests.intakes import ServedIntake, wait_until
from tests.made_jobs import begin, end, read_on
from tests.uploads import PEOPLE, send


@pytest.fixture
def served(settings: Settings) -> Iterator[Console]:
    with console(settings) as opened:
        yield opened


def test_files_are_listed_with_how_far_they_are(
    served: Console, connection: Connection
) -> None:
    done = begin(connection, 5, name="/srv/imports/people.csv")
    end(connection, done, created=4987, rejected=13)
    running = begin(connection, 1, name="orders.csv", token_id=1)
    read_on(connection, running, 1000, created=420)

    page = served.get("/files").text

    assert page.index("orders.csv") < page.index("people.csv")
    assert 'value="42"' in page
    assert f'href="/files/{done.id}#errors">13</a>' in page
    assert "command line" in page
    assert 'title="/srv/imports/people.csv">people.csv</a>' in page


def test_a_list_is_filtered_and_a_name_stands_in_no_url(
    served: Console, connection: Connection
) -> None:
    one, two = begin(connection, name="ada.csv"), begin(connection, name="bob.csv")
    end(connection, one, created=1)

    by_name = served.post("/files", name="ADA")
    by_state = served.post("/files", state="done", name="")
    page = served.get(by_state.headers["location"]).text

    assert by_name.status_code == 200
    assert ("ada.csv" in by_name.text, "bob.csv" in by_name.text) == (True, False)
    assert "http-equiv" not in by_name.text
    assert (by_state.status_code, by_state.headers["location"]) == (
        303,
        "/files?state=done",
    )
    assert (str(one.id) in page, str(two.id) in page) == (True, False)
    assert "No files match" in served.get("/files?database=77").text
    assert served.get("/files?state=finished").status_code == 400
    assert served.get("/files?before=x").status_code == 400


def test_pages_of_a_list_go_on_by_links_or_by_forms(
    served: Console, connection: Connection
) -> None:
    jobs = [begin(connection, n) for n in range(60)]

    page = served.get("/files").text
    by_name = served.post("/files", name="people").text
    older = served.post("/files", name="people", before=str(jobs[49].id)).text

    assert f"/files?before={jobs[49].id}" in page
    assert f'name="before" value="{jobs[49].id}"' in by_name
    assert (str(jobs[50].id) in older, str(jobs[49].id) in older) == (True, False)
    assert "Newest" in older


def test_an_empty_list_says_how_a_file_comes(served: Console) -> None:
    assert "penstock import people.csv" in served.get("/files").text


def test_pages_load_themselves_again_where_they_are_asked_to(
    served: Console, connection: Connection
) -> None:
    job = begin(connection)
    read_on(connection, job, 1000, created=420)
    place, refresh = f"/files/{job.id}", 'http-equiv="refresh" content="10"'

    assert refresh in served.get("/files?live=1").text
    assert refresh not in served.get("/files").text
    assert refresh in served.get(f"{place}?live=1").text
    assert refresh not in served.get(place).text
    finish_job(connection, job.id, JobState.DONE, datetime.now(UTC))
    assert refresh not in served.get(f"{place}?live=1").text


def test_a_running_file_shows_how_far_it_is_and_what_is_wrong(
    served: Console, connection: Connection
) -> None:
    job = begin(connection, name="people.csv", token_id=1)
    read_on(connection, job, 1000, created=480, rejected=20)

    page = served.get(f"/files/{job.id}").text

    assert "500 of about 1,000 rows (50%)" in page
    assert "left" in page
    assert "not an email" in page
    assert "bad1" in page
    assert "Stop import" in page
    assert "Preview undo" not in page


def test_a_file_is_stopped_once(served: Console, connection: Connection) -> None:
    job = begin(connection)
    done = begin(connection)
    end(connection, done, created=1)

    stopped = served.post(f"/files/{job.id}", action="cancel")
    late = served.post(f"/files/{done.id}", action="cancel")
    other = served.post(f"/files/{job.id}", action="delete")

    assert (stopped.status_code, stopped.headers["location"]) == (
        303,
        f"/files/{job.id}",
    )
    assert load_jobs(connection, [job.id])[0].cancelled_at is not None
    assert (late.status_code, other.status_code) == (409, 400)


def test_a_file_that_is_done_says_what_went_in(
    served: Console, drained: ServedIntake, token: str
) -> None:
    job_id = send(drained, token, PEOPLE, name="people").json()["job_id"]

    page = served.get(f"/files/{job_id}").text
    rejects = served.get(f"/files/{job_id}/rejects")
    receipt = page.partition('href="/imports/')[2].partition('"')[0]

    assert "2 of 3 rows went in" in page
    assert "Stop import" not in page
    assert rejects.headers["content-type"].startswith("text/csv")
    assert f'filename="{job_id}.rejects.csv"' in rejects.headers["content-disposition"]
    assert "bad,Zed" in rejects.text
    assert f'href="/files/{job_id}"' in served.get(f"/imports/{receipt}").text


def test_the_rows_of_a_file_go_on_page_by_page(
    served: Console, drained: ServedIntake, token: str
) -> None:
    body = "email\n" + "".join(f"p{n}@example.com\n" for n in range(70))
    job_id = send(drained, token, body).json()["job_id"]

    first = served.get(f"/files/{job_id}").text
    second = served.get(f"/files/{job_id}?after=50").text

    assert f"/files/{job_id}?after=50" in first
    assert second.count("/imports/0") == 20
    assert served.get(f"/files/{job_id}?after=x").status_code == 400


def emails(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM profiles").fetchone()
    return int(row[0]) if row else 0


def test_a_file_is_undone_after_a_preview(
    served: Console,
    drained: ServedIntake,
    connection: Connection,
    token: str,
) -> None:
    job_id = send(drained, token, PEOPLE, name="people").json()["job_id"]
    place = f"/files/{job_id}/undo"

    preview = served.get(place).text
    without = served.post(place, imports="2", reason=" ")
    outdated = served.post(place, imports="3", reason="a test")
    assert emails(connection) == 2
    begun = served.post(place, imports="2", reason="a test")

    assert "2 imports would be undone" in preview
    assert "2 of them remove a profile" in preview
    assert (without.status_code, outdated.status_code) == (400, 409)
    assert begun.status_code == 303, begun.text
    undoing = begun.headers["location"]

    def is_done() -> bool:
        return "2 of 2 rows went in" in served.get(undoing).text

    wait_until(is_done)
    assert emails(connection) == 0
    page = served.get(undoing).text
    assert "undo of people" in page
    assert "a test" in page
    assert "Preview redo" in page


def test_a_file_that_is_read_is_not_undone(
    served: Console, connection: Connection
) -> None:
    job = begin(connection)
    read_on(connection, job, 1000, created=420)

    assert served.get(f"/files/{job.id}/undo").status_code == 409
    refused = served.post(f"/files/{job.id}/undo", imports="0", reason="a test")
    assert refused.status_code == 409


def test_an_undo_says_where_it_stopped_when_the_console_ends(
    settings: Settings, drained: ServedIntake, connection: Connection, token: str
) -> None:
    body = "email\n" + "".join(f"p{n}@example.com\n" for n in range(300))
    job_id = send(drained, token, body).json()["job_id"]
    with console(settings) as opened:
        begun = opened.post(f"/files/{job_id}/undo", imports="300", reason="a test")

    undoing = UUID(begun.headers["location"].rpartition("/")[2])
    job = find_job(connection, undoing)
    assert job is not None
    assert job.state in (JobState.DONE, JobState.INTERRUPTED)
    assert job.finished_at is not None


@pytest.mark.parametrize("path", ["", "/rejects", "/undo"])
def test_a_file_that_is_not_there_is_said_so(served: Console, path: str) -> None:
    missing = f"/files/{new_job_id(datetime.now(UTC))}{path}"

    assert served.get(missing).status_code == 404
    assert served.get(f"/files/none{path}").status_code == 404


def test_a_file_without_a_row_has_no_rejects(
    served: Console, connection: Connection
) -> None:
    job = begin(connection)

    assert served.get(f"/files/{job.id}/rejects").status_code == 404
