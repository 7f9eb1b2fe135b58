"""Files that are uploaded in the console: recognised, tried, and imported."""

import io
import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from ingest.domain.jobs import JobState
from ingest.domain.tokens import Scope
from ingest.doors.files.console_spool import ConsoleSpool
from ingest.settings import Settings
from ingest.store.jobs.progress import find_job
from ingest.store.tokens import create_token
from tests.conftest import Connection
from tests.consoles import Console, console, form_token
from tests.drains import draining, trying
from tests.intakes import wait_until
from tests.workbooks import make_xlsx

PEOPLE = (
    b"E-mail;First name;Birthday;VIP;Notes\n"
    b"ada@example.com;Ada;02.09.1963;yes;x\n"
    b"bo@example.com;Bo;17.12.1981;no;\n"
)


@pytest.fixture
def spooling(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, console_dir=str(tmp_path / "spool"))


@pytest.fixture
def served(spooling: Settings) -> Iterator[Console]:
    with console(spooling, scopes=(Scope.ADMIN, Scope.IMPORT)) as opened:
        yield opened


@pytest.fixture
def working(settings: Settings) -> Iterator[None]:
    with trying(settings), draining(settings):
        yield


def upload(
    served: Console, content: bytes, name: str = "people.csv", **inputs: str
) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {served.secret}"}
    return served.client.post(
        "/files/new", data=inputs, files={"file": (name, content)}, headers=bearer
    )


def uploaded(served: Console, content: bytes, name: str = "people.csv") -> str:
    """Upload a file; return the path of its page."""
    said = upload(served, content, name)
    assert said.status_code == 303, said.text
    return said.headers["location"]


def list_files(settings: Settings) -> list[Path]:
    folder = Path(settings.console_dir)
    return sorted(folder.iterdir()) if folder.exists() else []


def read_form(page: str) -> dict[str, str]:
    """Return what a browser would send of the form of the columns."""
    form = dict(
        re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    )
    for name, body in re.findall(
        r'<select id="[^"]*" name="([^"]+)"[^>]*>(.*?)</select>', page, re.DOTALL
    ):
        options = re.findall(r'<option value="([^"]*)"( selected)?>', body)
        chosen = [value for value, selected in options if selected]
        form[name] = (chosen or [options[0][0]])[-1]
    checked = r'<input id="[^"]*" name="([^"]+)" type="checkbox" value="1" checked>'
    form |= dict.fromkeys(re.findall(checked, page), "1")
    form.pop("form_token", None)
    return form


def read_id(said: httpx.Response) -> UUID:
    """Return the job that a form has led to."""
    found = re.fullmatch("/files/([0-9a-f-]+)[?]live=1", said.headers["location"])
    assert found, said.headers["location"]
    return UUID(found[1])


def finished(served: Console, path: str) -> str:
    """Return the page of a dry run that has ended."""

    def read() -> str | None:
        page = served.get(path).text
        return None if "http-equiv" in page else page

    return wait_until(read) or ""


def test_a_file_is_recognised_and_its_columns_are_chosen(served: Console) -> None:
    page = served.get(uploaded(served, PEOPLE)).text

    assert "encoding <b>utf-8</b>" in page
    assert "delimiter <b>semicolon</b>" in page
    form = read_form(page)
    assert form["target.0"] == "email"
    assert form["target.1"] == "_fname"
    assert form["target.2"] == "_bdate"
    assert form["target.4"] == "-"
    assert "ada@example.com" in page
    assert "02.09.1963" in page
    assert "no match:" in page


@pytest.mark.fact("FR.1-console")
def test_a_file_is_tried_and_imported(
    served: Console, working: None, connection: Connection
) -> None:
    place = uploaded(served, PEOPLE)
    form = read_form(served.get(place).text)

    begun = served.post(place, **form, action="dry-run")
    assert begun.headers["location"] == f"{place}/dry-run"
    page = finished(served, f"{place}/dry-run")
    assert "2 rows of 2 would be imported." in page
    assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (0,)

    started = served.post(f"{place}/import")
    job_id = read_id(started)
    wait_until(lambda: (job := find_job(connection, job_id)) and job.counts.total == 2)
    rows = connection.execute(
        "SELECT left(fields ->> '_bdate', 10) FROM profiles ORDER BY 1"
    ).fetchall()
    assert [one for (one,) in rows] == ["1963-09-02", "1981-12-17"]
    # The file belongs to its job now.
    assert served.get(place).headers["location"] == f"/files/{job_id}"
    assert served.post(place, **form).status_code == 400
    # The same again is the same job.
    again = served.post(f"{place}/import")
    assert read_id(again) == job_id


def test_a_workbook_names_its_sheet_and_its_yes_and_no(served: Console) -> None:
    book = make_xlsx(
        Contacts=[["E-mail", "VIP"], ["ada@example.com", "yes"]],
        Other=[["Phone"], ["+44 20 7946 0018"]],
    )
    place = uploaded(served, book, "people.xlsx")
    page = served.get(place).text

    assert "sheet <b>Contacts</b> (of 2 sheets)" in page
    assert '<option value="yes/no">yes is true, no is false</option>' in page

    served.post(place, sheet="Other", action="save")
    page = served.get(place).text
    assert "sheet <b>Other</b>" in page
    assert read_form(page)["target.0"] == "phones"


def test_a_missing_answer_stands_at_its_column(served: Console) -> None:
    content = b"E-mail,Last visit,Plan\nada@example.com,03/04/2020,Gold\n"
    place = uploaded(served, content)
    page = served.get(place).text
    assert "is the day or the month first in 03/04/2020?" in page
    form = read_form(page)
    assert (form["target.2"], form["dates.1"]) == ("", "")

    said = served.post(place, **form, action="dry-run")
    assert said.status_code == 400
    assert "2 answers are missing or wrong." in said.text
    assert "Choose a target, or leave the column out." in said.text

    row = said.text[said.text.index("Last visit</th>") :]
    told = "Choose whether the day or the month comes first."
    assert told in row[: row.index("</tr>")]
    answered = form | {"target.2": "-", "dates.1": "day-first"}
    assert served.post(place, **answered, action="dry-run").status_code == 303


def test_two_columns_of_one_field_are_refused(served: Console) -> None:
    place = uploaded(served, b"E-mail,Other\nada@example.com,bo@example.com\n")
    form = {**read_form(served.get(place).text), "target.1": "email"}

    said = served.post(place, **form, action="dry-run")

    assert said.status_code == 400
    assert "Several columns contain email (keep one of them)" in said.text


def test_errors_are_grouped_and_cured(
    served: Console, working: None, connection: Connection
) -> None:
    rows = [f"p{n}@example.com;3101202{n}" for n in range(5)]
    place = uploaded(served, "\n".join(["E-mail;Seen", *rows]).encode())
    form = read_form(served.get(place).text) | {"target.1": "last_visit"}
    form.pop("skip_invalid_fields", None)
    served.post(place, **form, action="dry-run")
    page = finished(served, f"{place}/dry-run")

    assert "Nothing would be imported: 5 rows would be rejected." in page
    assert "Import 5 rows" not in page
    assert 'name="cure" value="dates=DDMMYYYY"' in page

    said = served.post(f"{place}/dry-run", cure="dates=DDMMYYYY", column="Seen")
    assert said.headers["location"] == f"{place}/dry-run"
    assert "5 rows of 5 would be imported." in finished(served, f"{place}/dry-run")
    assert read_form(served.get(place).text)["dates.1"] == "DDMMYYYY"
    assert served.post(f"{place}/dry-run", cure="sheet=2").status_code == 400


def test_each_file_of_an_archive_is_imported_by_itself(
    served: Console, working: None, spooling: Settings
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", PEOPLE)
        archive.writestr("b.csv", b"E-mail\ncy@example.com\n")
        archive.writestr("__MACOSX/x", b"x")
    assert uploaded(served, packed.getvalue(), "people.zip") == "/files/new"
    page = served.get("/files/new").text
    assert "people.zip/a.csv" in page
    (place,) = re.findall('href="([^"]+)">people.zip/b.csv', page)

    form = read_form(served.get(place).text)
    served.post(place, **form, action="dry-run")

    assert "1 row of 1 would be imported." in finished(served, f"{place}/dry-run")
    # Both are one file.
    files = [one for one in list_files(spooling) if not one.suffix]
    assert len({one.stat().st_ino for one in files}) == 1
    served.post(f"{place}/discard")
    assert served.get(place).status_code == 404
    assert "people.zip/a.csv" in served.get("/files/new").text


def test_documents_name_their_fields(served: Console, working: None) -> None:
    content = b'{"email": "ada@example.com", "_fname": "Ada"}\n'
    place = uploaded(served, content, "people.ndjson")
    page = served.get(place).text
    assert "Recognized:</strong> NDJSON" in page
    assert "The documents name their fields themselves." in page

    served.post(place, **read_form(page), action="dry-run")

    assert "1 row of 1 would be imported." in finished(served, f"{place}/dry-run")


def test_the_next_file_with_these_columns_is_read_alike(
    served: Console, working: None, connection: Connection
) -> None:
    content = b"E-mail,Remark\nada@example.com,x\n"
    place = uploaded(served, content)
    form = read_form(served.get(place).text) | {"target.1": "custom_field"}
    served.post(place, **form, action="dry-run")
    finished(served, f"{place}/dry-run")
    job_id = read_id(served.post(f"{place}/import"))
    kept = "SELECT count(*) FROM column_maps"
    wait_until(lambda: connection.execute(kept).fetchone() == (1,))

    page = served.get(uploaded(served, b"E-mail,Remark\nbo@example.com,y\n")).text

    assert read_form(page)["target.1"] == "custom_field"
    assert str(job_id) in page


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty."),
        (b"%PDF-1.4\n1 0 obj", "PDF"),
        (b"PK\x03\x04 no zip at all", "damaged"),
    ],
    ids=["empty", "pdf", "damaged"],
)
def test_a_file_that_cannot_be_read_is_refused_and_not_kept(
    served: Console, spooling: Settings, content: bytes, told: str
) -> None:
    said = upload(served, content)

    assert said.status_code == 400
    assert "The file was not uploaded." in said.text
    assert told in said.text
    assert list_files(spooling) == []
    assert "Uploaded files" not in said.text


@pytest.mark.fact("FR.1-spool")
def test_the_spool_is_bounded(settings: Settings, tmp_path: Path) -> None:
    small = replace(
        settings, console_dir=str(tmp_path), max_console_bytes=5000, max_console_files=2
    )
    scopes = (Scope.ADMIN, Scope.IMPORT)
    line = b"ada@example.com\n"
    with console(small, scopes=scopes) as served:
        large = upload(served, b"E-mail\n" + line * 1000)
        assert large.status_code == 413
        assert "at most 5,000 bytes, set by PENSTOCK_MAX_CONSOLE_BYTES" in large.text
        assert upload(served, b"E-mail\n" + line * 200).status_code == 303
        full = upload(served, b"E-mail\n" + line * 150)
        assert full.status_code == 429
        assert "has no room for the file" in full.text
        assert upload(served, b"E-mail\n" + line).status_code == 303
        many = upload(served, b"E-mail\n" + line)
        assert many.status_code == 429
        assert "set by PENSTOCK_MAX_CONSOLE_FILES" in many.text
    assert len([one for one in list_files(small) if not one.suffix]) == 2


def test_an_upload_of_unknown_length_is_bounded_too(
    settings: Settings, tmp_path: Path
) -> None:
    small = replace(settings, console_dir=str(tmp_path), max_console_bytes=5000)
    head = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
        b"\r\nE-mail\r\n"
    )
    with console(small, scopes=(Scope.ADMIN, Scope.IMPORT)) as served:
        said = served.client.post(
            "/files/new",
            content=(one for one in (head, *[b"x" * 4000] * 3, b"\r\n--b--\r\n")),
            headers={
                "Authorization": f"Bearer {served.secret}",
                "Content-Type": "multipart/form-data; boundary=b",
            },
        )
    assert said.status_code == 413
    assert list_files(small) == []


@pytest.mark.fact("FR.1-spool")
def test_an_upload_that_breaks_off_leaves_nothing(
    served: Console, spooling: Settings
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
        b"\r\nE-mail\r\nada@example.com"
    )
    said = served.client.post(
        "/files/new",
        content=body,
        headers={
            "Authorization": f"Bearer {served.secret}",
            "Content-Type": "multipart/form-data; boundary=b",
        },
    )

    assert said.status_code == 400
    assert "The upload was incomplete." in said.text
    assert list_files(spooling) == []


@pytest.mark.fact("FR.1-spool")
def test_a_file_expires(
    served: Console, spooling: Settings, connection: Connection
) -> None:
    place = uploaded(served, PEOPLE)
    hours = "SELECT extract(epoch FROM expires_at - created_at) / 3600 FROM uploads"
    assert connection.execute(hours).fetchone() == (spooling.console_hours,)
    connection.execute("UPDATE uploads SET expires_at = now()")
    assert served.get(place).status_code == 404

    with console(spooling):
        # It sweeps when it starts.
        wait_until(lambda: list_files(spooling) == [])

    assert connection.execute("SELECT count(*) FROM uploads").fetchone() == (0,)


def test_the_sweep_leaves_the_files_of_others(
    spooling: Settings, tmp_path: Path
) -> None:
    folder = Path(spooling.console_dir)
    folder.mkdir()
    (folder / "notes.txt").write_text("not ours")

    assert ConsoleSpool(spooling).sweep(()) == 0
    assert list_files(spooling) == [folder / "notes.txt"]


def test_only_those_who_may_import_upload(
    spooling: Settings, connection: Connection
) -> None:
    with console(spooling) as served:
        assert "scope import" in served.get("/files/new").text
        said = upload(served, PEOPLE)
        assert said.status_code == 403
        assert "lacks the import scope" in said.text
        connection.execute("UPDATE tokens SET actions = actions")
    assert list_files(spooling) == []


def test_a_file_is_its_own_token_s(served: Console, connection: Connection) -> None:
    place = uploaded(served, PEOPLE)
    _, secret = create_token(
        connection, name="bo", database_ids=(), actions=(Scope.ADMIN, Scope.IMPORT)
    )
    bearer = {"Authorization": f"Bearer {secret}"}

    assert wait_until(
        lambda: served.client.get("/files/new", headers=bearer).status_code == 200
    )
    assert served.client.get(place, headers=bearer).status_code == 404
    assert served.client.post(f"{place}/import", headers=bearer).status_code == 404


def test_a_file_from_another_site_is_refused(
    served: Console, spooling: Settings
) -> None:
    served.log_in()
    for inputs in ({}, {"form_token": "0" * 64}):
        said = served.client.post(
            "/files/new", data=inputs, files={"file": ("a.csv", PEOPLE)}
        )
        assert said.status_code == 403
        assert "has expired" in said.text
    assert list_files(spooling) == []
    page = served.client.get("/files/new").text
    said = served.client.post(
        "/files/new",
        data={"form_token": form_token(page)},
        files={"file": ("a.csv", PEOPLE)},
    )
    assert said.status_code == 303


def test_uploads_are_logged_without_what_is_in_them(
    spooling: Settings, working: None, caplog: pytest.LogCaptureFixture
) -> None:
    scopes = (Scope.ADMIN, Scope.IMPORT)
    with caplog.at_level(logging.DEBUG), console(spooling, scopes=scopes) as served:
        place = uploaded(served, PEOPLE, "ada@example.com.csv")
        form = read_form(served.get(place).text)
        served.post(place, **form, action="dry-run")
        finished(served, f"{place}/dry-run")
        served.post(f"{place}/import")
        served.post(f"{place}/discard")

    ours = [one for one in caplog.records if one.name.startswith(("ingest", "work"))]
    told = "\n".join(f"{vars(one)}" for one in ours)
    for event in (
        "file uploaded",
        "dry run of file started",
        "import of file started",
        "upload discarded",
    ):
        assert event in told
    for secret in ("ada@example.com", "02.09.1963", served.secret):
        assert secret not in told


def test_an_interrupted_import_goes_on_as_the_same_job(
    served: Console, working: None, connection: Connection
) -> None:
    place = uploaded(served, PEOPLE)
    served.post(place, **read_form(served.get(place).text))
    job_id = read_id(served.post(f"{place}/import"))

    def is_done() -> bool:
        job = find_job(connection, job_id)
        return job is not None and job.state is JobState.DONE

    wait_until(is_done)
    connection.execute("UPDATE jobs SET state = 'interrupted'")
    assert "Continue the import" in served.get(place).text
    assert f'href="{place}"' in served.get(f"/files/{job_id}").text

    assert read_id(served.post(f"{place}/import")) == job_id

    wait_until(is_done)
    assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (2,)
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_rejects_are_read_as_their_file_was(
    served: Console, working: None, connection: Connection
) -> None:
    content = b"E-mail,Seen\nada@example.com,31012020\nbo@,31012020\n"
    place = uploaded(served, content)
    form = read_form(served.get(place).text)
    form |= {"target.0": "email", "target.1": "last_visit", "dates.1": "DDMMYYYY"}
    served.post(place, **form)
    job_id = read_id(served.post(f"{place}/import"))

    def read_rejects() -> str | None:
        job = find_job(connection, job_id)
        if job is None or job.state is not JobState.DONE:
            return None
        return served.get(f"/files/{job_id}/rejects").text

    rejects = wait_until(read_rejects) or ""
    corrected = rejects.replace("bo@,", "bo@example.com,")
    page = served.get(uploaded(served, corrected.encode(), "corrected.csv")).text

    assert f"the import whose rejects these are (job {job_id})" in page
    form = read_form(page)
    assert "last_visit" in form.values()
    assert "DDMMYYYY" in form.values()
