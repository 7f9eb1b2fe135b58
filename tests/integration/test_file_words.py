"""Tables of people who write as they do: what is told, what is suggested, and kept."""

import csv
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Connection
from tests.imports import run, summarize
from tests.intakes import ServedIntake
from tests.uploads import ask, send
from tests.workbooks import DAY, make_xlsx

BAD = (
    "E-mail;Birthday;sex;score\n"
    + "".join(f"p{n}@example.com;196301{n:02};boy;1\n" for n in range(1, 6))
    + "no email;19630925;girl;1\n"
)
MAP = ["--map", "E-mail=email", "--map", "Birthday=_bdate", "--map", "sex=_sex"]
MAP += ["--map", "score="]


def stored(connection: Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        """
        SELECT email, fields ->> '_bdate', fields ->> '_sex'
          FROM profiles ORDER BY email
        """
    )
    return rows.fetchall()


def test_a_dry_run_groups_faults_by_kind_and_suggests_what_to_tell(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(BAD)

    status, output, _ = run(drained.settings, file, *MAP, "--dry-run")
    _, (told,) = summarize(drained.settings, file, *MAP, "--dry-run")

    assert status == 1
    assert (
        "6 \xd7 Birthday: not a date (looks like a date without dashes), found "
        '"19630101"; try --dates YYYYMMDD' in output.splitlines()
    )
    assert (
        '6 \xd7 sex: must be male or female, found "boy"; try --sexes boy/girl'
        in output
    )
    assert '1 \xd7 E-mail: not an email, found "no email"' in output
    assert "row 1: rejected" not in output
    first = told["faults"][0]
    assert (first["count"], first["column"], first["try"]) == (
        6,
        "Birthday",
        ["--dates YYYYMMDD"],
    )
    assert stored(connection) == []

    options = re.findall(r"(--dates|--sexes) (\S+)", output)
    words = [word for option in options for word in option]
    status, (imported,) = summarize(drained.settings, file, *MAP, *words)

    assert (status, imported["created"], imported["rejected"]) == (1, 5, 1)
    assert stored(connection)[0] == ("p1@example.com", "1963-01-01T00:00:00Z", "male")


def test_a_dry_run_tells_words_that_would_be_stored_for_nothing(
    drained: ServedIntake, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("email,_fname\na@example.com,NULL\nb@example.com,NULL\n")

    status, output, _ = run(drained.settings, file, "--dry-run")

    assert status == 0
    assert "2 \xd7 _fname: stored as 'NULL'" in output
    assert "try --null NULL" in output


def test_rejects_need_none_of_the_options_again(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file, mapped = tmp_path / "a.csv", tmp_path / "map.txt"
    file.write_text(BAD)
    mapped.write_text("# CRM\nE-mail=email\nBirthday=_bdate\n\nsex=_sex\nscore=\n")
    words = ["--dates", "YYYYMMDD", "--sexes", "boy/girl", "--skip-triggers"]
    _, (told,) = summarize(drained.settings, file, "--map-file", mapped, *words)
    rejects = Path(told["rejects"])

    rejects.write_text(rejects.read_text().replace("no email", "z@example.com"))
    status, (again,) = summarize(drained.settings, rejects)

    assert (status, again["created"]) == (0, 1)
    assert stored(connection)[-1] == ("z@example.com", "1963-09-25T00:00:00Z", "female")
    kept = connection.execute(
        "SELECT parameters FROM jobs ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert kept is not None
    assert kept[0]["dates"] == ["YYYYMMDD"]
    assert kept[0]["skip_triggers"] is True


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_rejects_of_an_upload_need_none_of_its_query_again(
    drained: ServedIntake, connection: Connection, token: str, format_: str
) -> None:
    type_ = {"csv": "text/csv", "ndjson": "application/x-ndjson"}[format_]
    table = "Code;Mail\n7;bad\n8;b@example.com\n"
    lines = '{"code": 7, "email": "bad"}\n{"code": 8, "email": "b@example.com"}\n'
    query: dict[str, Any] = {"matching": "custom", "field_name": "code"}
    if format_ == "csv":
        query |= {"map": ["Code=code", "Mail=email"], "add_to_segments": "1"}
    content = table if format_ == "csv" else lines
    said = send(drained, token, content.encode(), type_, **query).json()
    assert (said["created"], said["rejected"]) == (1, 1), said

    rejects = ask(drained, token, said["job_id"], "/rejects")
    corrected = rejects.text.replace("bad", "a@example.com")
    again = send(drained, token, corrected.encode(), type_).json()

    assert (again["created"], again["rejected"]) == (1, 0), again
    modes = connection.execute("SELECT DISTINCT matching FROM imports").fetchall()
    assert modes == [("custom",)]


def test_rejects_of_a_job_that_is_not_kept_are_refused(
    drained: ServedIntake, token: str
) -> None:
    job = "01890000-0000-7000-8000-000000000000"

    said = send(drained, token, f"penstock_job={job},email\n,a@example.com\n".encode())

    assert said.json()["error"] == 400
    assert "options have expired" in said.json()["error_text"]


def test_an_upload_is_told_how_its_cells_are_written(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    table = (
        "email;_bdate;_sex;points;_fname\n"
        'a@example.com;25.09.1963;F;"1 234";-\nb@example.com;;;;n/a\n'
    )
    said = send(
        drained,
        token,
        table.encode(),
        dates="DD.MM.YYYY",
        sexes="M/F",
        decimal=",",
        null=["-", "n/a"],
    ).json()

    assert said["created"] == 2, said
    fields = connection.execute(
        "SELECT fields - '_regdate' FROM profiles ORDER BY email"
    ).fetchall()
    assert fields[0][0] == {
        **fields[0][0],
        "_bdate": "1963-09-25T00:00:00Z",
        "_sex": "female",
        "points": 1234,
    }
    assert all("_fname" not in one for (one,) in fields)


def test_an_upload_tells_its_faults_by_kind(drained: ServedIntake, token: str) -> None:
    table = "Mail;Birthday;points\n" + "".join(
        f"p{n}@example.com;1963010{n};1\n" for n in range(1, 6)
    )
    job = send(
        drained,
        token,
        f"{table}bad;1963-09-25;1\nz@example.com;1963-09-25;y\n".encode(),
        map=["Mail=email", "Birthday=_bdate"],
        skip_invalid_fields="1",
    ).json()

    told = ask(drained, token, job["job_id"], "/faults").json()

    assert (job["created"], job["rejected"]) == (6, 1)
    assert job["faults"] == f"/api/v1.1/jobs/{job['job_id']}/faults"
    assert (told["error"], told["rows"]) == (0, 7)
    assert [
        (one["count"], one["column"], one["sample"], one["dropped"], one["try"])
        for one in told["faults"]
    ] == [
        (5, "Birthday", "19630101", True, ["dates=YYYYMMDD"]),
        (1, "Mail", "bad", False, []),
        (1, "points", "y", True, []),
    ]


def test_the_faults_of_documents_and_of_no_job(
    drained: ServedIntake, token: str
) -> None:
    lines = b'{"email": "bad"}\n{bad\n'
    job = send(drained, token, lines, "application/x-ndjson").json()

    told = ask(drained, token, job["job_id"], "/faults").json()["faults"]
    unknown = ask(drained, token, "01890000-0000-7000-8000-000000000000", "/faults")
    asked = ask(drained, token, job["job_id"], "/faults?as=csv").json()

    assert [(one["field"], one["sample"]) for one in told] == [
        ("data.email", "bad"),
        ("", None),
    ]
    assert (unknown.json()["error"], asked["error"]) == (404, 400)


def test_a_cell_clears_its_field_and_a_blank_one_does_not(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    send(drained, token, b"email,_fname,_lname\na@example.com,Ann,Lee\n")
    send(drained, token, b"email,_fname,_lname\na@example.com,  ,\\N\n", clear="\\N")

    row = connection.execute(
        "SELECT fields ->> '_fname', fields ->> '_lname' FROM profiles"
    )
    assert row.fetchall() == [("Ann", None)]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"dates": "DD.MM"}, "Must be a date format, such as DD.MM.YYYY"),
        ({"dates": "Birthday=DD.MM.YYYY"}, "Unknown column 'Birthday'"),
        ({"decimal": "x"}, "Must be , or . (the decimal mark)"),
        ({"matching": "custom"}, "Missing field to match by with custom: --field NAME"),
    ],
)
def test_what_is_told_and_means_nothing_begins_no_job(
    drained: ServedIntake, connection: Connection, token: str, *,
    query: dict[str, Any], told: str,
) -> None:  # fmt: skip
    said = send(drained, token, b"email\na@example.com\n", **query).json()

    assert said["error"] == 400
    assert told in said["error_text"]
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


WORKBOOK = make_xlsx(
    People=[
        ["email", "First name", "phones", "_bdate"],
        ["ada@example.com", " Ada ", 442079460018, (DAY, 23256)],
        ["bad", "Bob", None, None],
    ],
    Other=[["email"], ["other@example.com"]],
)


@pytest.mark.parametrize(
    "type_",
    [
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel",
        "application/octet-stream",
        "text/csv",
    ],
)
def test_an_upload_may_be_a_workbook(
    drained: ServedIntake, connection: Connection, token: str, type_: str
) -> None:
    said = send(drained, token, WORKBOOK, type_).json()

    assert (said["created"], said["rejected"], said["sheet"]) == (1, 1, "People"), said
    row = connection.execute("SELECT email, phones, fields ->> '_bdate' FROM profiles")
    assert row.fetchall() == [
        ("ada@example.com", ["+442079460018"], "1963-09-02T00:00:00Z")
    ]
    (reject,) = csv.DictReader(
        ask(drained, token, said["job_id"], "/rejects").text.splitlines()
    )
    assert (reject["email"], reject["First name"]) == ("bad", "Bob")


def test_a_sheet_is_chosen_and_an_upload_may_be_a_table_by_another_name(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    send(drained, token, WORKBOOK, "application/octet-stream", sheet="Other")
    send(
        drained, token, b"email;_fname\nc@example.com;Cy\n", "application/vnd.ms-excel"
    )

    rows = connection.execute("SELECT email FROM profiles ORDER BY email").fetchall()
    assert rows == [("c@example.com",), ("other@example.com",)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"%PDF-1.7\n", "a PDF document"), (b"BEGIN:VCALENDAR\n", "a calendar")],
)
def test_an_upload_that_is_no_table_is_named(
    drained: ServedIntake, token: str, content: bytes, kind: str
) -> None:
    assert kind in send(drained, token, content).json()["error_text"]


def test_an_archive_says_what_became_of_each_file(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "email\ncleo@example.com\n")
        archive.writestr("__MACOSX/._a.csv", b"\0\5\x16\7")
        archive.writestr("photo.png", b"\x89PNG\r\n\x1a\n\0\0\0\r")
        archive.writestr("people.xlsx", WORKBOOK)

    status, output, _ = run(drained.settings, file)
    again, told = summarize(drained.settings, file, "--dry-run")

    assert (status, again) == (2, 2)
    assert re.search(r"a\.csv: done, 1 rows", output)
    assert re.search(r"photo\.png: refused: The file is an image \(PNG\)", output)
    assert re.search(r"\._a\.csv: skipped: hidden file", output)
    assert "Sheet 'People' of 2" in output
    assert [one["state"] for one in told] == [
        *("dry_run", "dry_run", "refused", "skipped")
    ]
    assert len(stored(connection)) == 2


def test_a_workbook_comes_by_a_pipe_too(
    drained: ServedIntake,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The rejected rows of a pipe are written where the command runs.
    monkeypatch.chdir(tmp_path)

    status, (told,) = summarize(drained.settings, "-", stdin=WORKBOOK)

    assert (status, told["created"], told["sheet"]) == (1, 1, "People")
    assert len(stored(connection)) == 1
