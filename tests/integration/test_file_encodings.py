"""Encodings of files, forms and XML, through every door that takes them."""

from pathlib import Path

import pytest

from tests.conftest import Connection
from tests.imports import run, summarize
from tests.intakes import ServedIntake
from tests.uploads import ask, send

ROWS = "email;_lname\na@example.com;{}\n"
NAME = "SELECT fields ->> '_lname' FROM profiles"


def stored(connection: Connection) -> list[str | None]:
    return [name for (name,) in connection.execute(NAME)]


def count_jobs(connection: Connection) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM jobs")
    return int(count)


@pytest.mark.parametrize(
    ("content", "content_type", "told", "expected"),
    [
        (
            ROWS.format("Петров").encode("cp1251"),
            "text/csv; charset=windows-1251",
            "",
            ("Петров", "cp1251", "told"),
        ),
        (
            ROWS.format("Петров").encode("koi8-r"),
            "text/csv; charset=windows-1251",
            "koi8-r",
            ("Петров", "koi8-r", "told"),
        ),
        (
            ROWS.format("Петров").encode("utf-8-sig"),
            "text/csv; charset=windows-1251",
            "koi8-r",
            ("Петров", "utf-8-sig", "mark"),
        ),
        (
            ROWS.format("Núñez").encode("cp1252"),
            "text/csv",
            "guess",
            ("Núñez", "cp1252", "guess"),
        ),
        (ROWS.format("Núñez").encode(), "text/csv", "", ("Núñez", "utf-8", "default")),
    ],
    ids=["charset", "query before charset", "mark before both", "guess", "nothing"],
)
def test_an_upload_is_read_as_marked_else_as_told(
    drained: ServedIntake, connection: Connection, token: str, *, content: bytes,
    content_type: str, told: str, expected: tuple[str, str, str],
) -> None:  # fmt: skip
    said = send(drained, token, content, content_type, encoding=told).json()

    name, encoding, source = expected
    assert stored(connection) == [name]
    assert (said["encoding"], said["encoding_source"]) == (encoding, source)
    again = ask(drained, token, said["job_id"]).json()
    assert (again["encoding"], again["encoding_source"]) == (encoding, source)


def test_an_upload_in_an_encoding_that_nobody_names_is_refused(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    said = send(drained, token, ROWS.format("Núñez").encode("cp1252")).json()

    assert said["error"] == 400
    assert "`a@example.com;Núñez` in cp1252" in said["error_text"]
    assert "encoding=cp1252" in said["error_text"]
    assert (stored(connection), count_jobs(connection)) == ([], 0)


def test_a_file_says_in_what_encoding_it_was_read(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes((ROWS.format("Núñez") + "bad;Peña\n").encode("cp1252"))

    refused, _, errors = run(drained.settings, file)
    tried, output, _ = run(drained.settings, file, "--encoding", "guess", "--dry-run")
    status, (told,) = summarize(drained.settings, file, "--encoding", "guess")
    _, shown, _ = run(drained.settings, file, "--encoding", "cp1252")

    assert (refused, tried, status) == (2, 1, 1)
    assert "`a@example.com;Núñez` in cp1252" in errors
    assert "Read as cp1252 (guessed)" in output
    assert (told["encoding"], told["encoding_source"]) == ("cp1252", "guess")
    assert "Read as cp1252 (as requested)" in shown
    assert stored(connection) == ["Núñez"]


@pytest.mark.parametrize("told", ["cp1251", "koi8-r", "utf-16-le"])
def test_a_file_of_rejects_is_read_back_by_the_documented_command(
    drained: ServedIntake, connection: Connection, tmp_path: Path, told: str
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("email;_lname\nbad;Петров\n".encode(told))
    _, (summary,) = summarize(drained.settings, file, "--encoding", told)
    rejects = Path(summary["rejects"])

    text = rejects.read_bytes().decode(told)
    rejects.write_bytes(text.replace("bad;", "a@example.com;").encode(told))
    status, (again,) = summarize(drained.settings, rejects)

    assert (status, again["encoding"]) == (0, told)
    assert f"penstock_encoding={told}" in text.splitlines()[0]
    assert stored(connection) == ["Петров"]


def test_the_whole_file_is_looked_at_before_its_first_row(
    drained: ServedIntake, connection: Connection, tmp_path: Path
) -> None:
    good = "".join(f"p{number}@example.com,{'x' * 80}\n" for number in range(14_000))
    file = tmp_path / "a.csv"
    file.write_bytes(
        f"email,_lname\n{good}".encode() + b"z@example.com,N\xfa\xf1ez\n" * 4
    )

    status, _, errors = run(drained.settings, file)

    assert status == 2
    assert "4 of 4 lines" in errors
    assert "Line 14002" in errors
    assert (stored(connection), count_jobs(connection)) == ([], 0)


FORM = "application/x-www-form-urlencoded"
QUICK = "/api/integrations/any/profile_import"


@pytest.mark.fact("16.6-charset")
@pytest.mark.parametrize(
    ("query", "body", "content_type", "status"),
    [
        ("", b"_lname=%CF%E5%F2%F0", f"{FORM}; charset=windows-1251", 200),
        ("", b"_lname=%CF%E5%F2%F0&_charset_=windows-1251", FORM, 200),
        ("&_lname=%CF%E5%F2%F0&_charset_=windows-1251", b"", None, 200),
        ("&_lname=%D0%9F%D0%B5%D1%82%D1%80", b"", None, 200),
        ("", b"_lname=%CF%E5%F2%F0", FORM, 400),
        ("&_lname=%CF%E5%F2%F0", b"", None, 400),
        ("", b"_lname=%CF%E5%F2%F0", f"{FORM}; charset=klingon", 400),
    ],
)
def test_a_form_is_decoded_by_its_charset_or_refused(
    drained: ServedIntake, connection: Connection, token: str, *, query: str,
    body: bytes, content_type: str | None, status: int,
) -> None:  # fmt: skip
    answer = drained.client.post(
        f"{QUICK}?token={token}&db_id=1&email=a%40example.com{query}",
        content=body,
        headers={"Content-Type": content_type} if content_type else {},
    )

    assert answer.status_code == status, answer.text
    assert stored(connection) == (["Петр"] if status == 200 else [])


def test_a_query_that_is_not_utf_8_is_refused(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    answer = drained.client.post(
        "/api/v1.1/jobs/import?db_id=1&name=%CF%E5",
        content=b"email\na@example.com\n",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/csv"},
    )

    assert answer.json()["error"] == 400
    assert "must be UTF-8" in answer.json()["error_text"]
    assert count_jobs(connection) == 0


def test_an_import_in_xml_may_be_in_windows_1251_and_is_answered_in_utf_8(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    body = (
        "<?xml version='1.0' encoding='windows-1251'?><xml><db_id>1</db_id>"
        "<email>a@example.com</email><data><_lname>\n  Петров\n</_lname>"
        "<Имя>1</Имя></data></xml>"
    )
    good = body.replace("<Имя>1</Имя>", "")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/xml"}
    path = "/api/v1.1/profiles/import"

    refused = drained.client.post(path, content=body.encode("cp1251"), headers=headers)
    answer = drained.client.post(path, content=good.encode("cp1251"), headers=headers)

    assert "data.Имя" in refused.content.decode()
    assert "<error>0</error>" in answer.content.decode()
    assert stored(connection) == ["Петров"]


def test_a_character_that_stands_for_none_is_kept_where_it_was_sent(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    send(drained, token, ROWS.format("a\ufffdb").encode())

    assert stored(connection) == ["a\ufffdb"]
