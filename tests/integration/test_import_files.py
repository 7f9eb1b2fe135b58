"""`penstock import`: files of every kind, with real servers and a real drain."""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.imports import run, summarize, write_people

ADA = b"email,_fname,phones\nada@example.com,Ada,+442079460018\n"
BOB = b'{"email": "bob@example.com", "_fname": "Bob"}\n'


@pytest.fixture
def drained(settings: Settings) -> Iterator[Settings]:
    with draining(settings):
        yield settings


def profiles(connection: Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT email, fields ->> '_fname' FROM profiles ORDER BY email"
    )
    return rows.fetchall()


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ADA),
        ("a.csv.gz", gzip.compress(ADA)),
        ("a.txt", ADA.replace(b",", b"\t").decode().encode("utf-16")),
        ("a.ndjson", b'{"email": "ada@example.com", "_fname": "Ada"}\n'),
        ("a.json", b'[{"data": {"email": "ada@example.com", "_fname": "Ada"}}]'),
        ("a.zip", zipped(a=ADA)),
    ],
    ids=["csv", "gzip", "UTF-16", "ndjson", "json", "zip"],
)
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_a_file_is_imported_however_it_is_written(
    drained: Settings, connection: Connection, tmp_path: Path, name: str,
    content: bytes, piped: bool,
) -> None:  # fmt: skip
    (tmp_path / name).write_bytes(content)

    status, (told,) = summarize(
        drained,
        "-" if piped else tmp_path / name,
        stdin=content if piped else b"",
    )

    assert status == 0
    assert (told["state"], told["rows"], told["created"]) == ("done", 1, 1)
    assert profiles(connection) == [("ada@example.com", "Ada")]


def test_several_files_and_those_of_an_archive_are_jobs_of_their_own(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(ada=ADA, bob=BOB))
    (tmp_path / "c.csv").write_bytes(b"email\ncleo@example.com\n")

    status, told = summarize(drained, tmp_path / "a.zip", tmp_path / "c.csv")

    assert status == 0
    assert [Path(one["name"]).name for one in told] == ["ada", "bob", "c.csv"]
    rows = connection.execute("SELECT name, state, created FROM jobs ORDER BY id")
    assert rows.fetchall() == [(one["name"], "done", 1) for one in told]
    assert len(profiles(connection)) == 3


def test_rows_are_asked_what_the_options_ask(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"code,Name,email_sub\n7,Ada,ada@example.com\n")
    file = tmp_path / "a.csv"
    options = ["--matching", "custom", "--field", "code", "--map", "Name=_fname"]
    options += ["--resource", "1", "--segment", "1", "--skip-triggers"]

    missed, _ = summarize(drained, file, *options, "--update-only")
    status, (told,) = summarize(drained, file, *options)

    assert (missed, status, told["created"]) == (1, 0, 1)
    assert connection.execute(
        """
        SELECT matching, operation, skip_triggers, door, error
          FROM imports ORDER BY applied_at
        """
    ).fetchall() == [
        ("custom", "update", True, "file", 404),
        ("custom", "import", True, "file", 0),
    ]
    assert connection.execute(
        "SELECT resource_id, channel, contact FROM subscriptions"
    ).fetchall() == [(1, "email", "ada@example.com")]
    assert connection.execute("SELECT segment_id FROM segment_members").fetchall() == [
        (1,)
    ]


def test_rejected_rows_are_corrected_in_their_file_and_imported_again(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "email;points;phones\n"
        "ada@example.com;5;+442079460018\n"
        "bob@example;five;12\n"
        "cleo@example.com;5;\n"
        "no email;1;\n"
    )

    status, (told,) = summarize(drained, file)

    assert status == 1
    assert (told["created"], told["rejected"]) == (2, 2)
    rejects = Path(told["rejects"])
    assert rejects == tmp_path / "people.rejects.csv"
    bob, nobody = csv.DictReader(rejects.read_text().splitlines(), delimiter=";")
    assert bob["penstock_row"] == "2"
    assert set(bob["penstock_field"].split(" | ")) == {
        "data.email",
        "data.points",
        "data.phones[0]",
    }
    assert "Incorrect phone" in bob["penstock_why"]
    assert "whole number" in bob["penstock_fix"]
    assert (nobody["penstock_row"], nobody["penstock_code"]) == ("4", "400")

    corrected = rejects.read_text().replace("bob@example;five;12", "bob@example.com;5;")
    rejects.write_text(corrected.replace("no email;1;", "dan@example.com;1;"))
    status, (told,) = summarize(drained, rejects)

    assert (status, told["created"], told["rejects"]) == (0, 2, None)
    assert [email for email, _ in profiles(connection)] == [
        f"{name}@example.com" for name in ("ada", "bob", "cleo", "dan")
    ]


@pytest.mark.fact("16.15-fields")
def test_rows_keep_what_is_right_and_their_rejects_name_profile_and_field(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "email,_fname,phones,code\n"
        "ann@example.com,Ann,unknown,1\n"
        "bob@example.com,Bob,+442079460018,2\n"
        "cleo@example,Cleo,-,3\n"
    )

    status, (told,) = summarize(drained, file, "--skip-invalid-fields")

    assert (status, told["created"], told["rejected"]) == (1, 2, 1)
    rejects = Path(told["rejects"])
    ann, cleo = csv.DictReader(rejects.read_text().splitlines())
    row = connection.execute(
        "SELECT id, fields FROM profiles WHERE email = 'ann@example.com'"
    ).fetchone()
    assert row is not None
    assert row[1] == {"_fname": "Ann", "code": 1}
    assert (ann["penstock_profile_id"], ann["penstock_field"]) == (
        row[0],
        "data.phones[0]",
    )
    assert (ann["penstock_why"], ann["phones"]) == ("Incorrect phone", "unknown")
    assert (cleo["penstock_profile_id"], cleo["penstock_row"]) == ("", "3")

    corrected = rejects.read_text().replace("unknown", "+79001239999")
    rejects.write_text(corrected.replace("cleo@example,", "cleo@example.com,"))
    status, (told,) = summarize(drained, rejects, "--skip-invalid-fields")

    assert (status, told["updated"], told["created"]) == (0, 1, 1)


def test_rejects_stand_where_they_are_told_and_replace_none_in_correction(
    drained: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text('{"email": "bad"}\n')
    (tmp_path / "a.rejects.ndjson").write_text("in correction")

    _, (beside,) = summarize(drained, file)
    _, (told,) = summarize(drained, file, "--rejects", tmp_path / "bad")

    assert beside["rejects"] == str(tmp_path / "a.rejects-2.ndjson")
    assert (tmp_path / "a.rejects.ndjson").read_text() == "in correction"
    (row,) = map(json.loads, Path(told["rejects"]).read_text().splitlines())
    assert row["email"] == "bad"
    assert row["penstock"]["errors"][0]["field"] == "data.email"


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (b"Emial\na@b.c\n", [], "is it 'email'? Map it"),
        (b"email\na@b.c\n", ["--map", "Nome=_fname"], "Unknown column 'Nome'"),
        (b"email\na@b.c\n", ["--encoding", "x"], "Unknown encoding 'x'"),
        (b"email\na@b.c\n", ["--resource", "0"], "Out of range"),
        (b"", [], "The file is empty"),
        (gzip.compress(gzip.compress(b"")), [], "contains another archive"),
    ],
    ids=["column", "mapping", "encoding", "resource", "nothing", "archive in archive"],
)
def test_what_cannot_be_begun_says_why_and_begins_nothing(
    settings: Settings, connection: Connection, tmp_path: Path, content: bytes,
    options: list[str], told: str,
) -> None:  # fmt: skip
    (tmp_path / "a.csv").write_bytes(content)

    status, output, errors = run(settings, tmp_path / "a.csv", *options)

    assert (status, output) == (2, "")
    assert told in errors
    assert "Traceback" not in errors
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_file_that_ends_in_the_middle_is_imported_as_far_as_it_goes(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text('email,_fname\nada@example.com,Ada\nbob@example.com,"Bob\n')

    status, (told,) = summarize(drained, file)

    assert status == 2
    assert (told["state"], told["created"]) == ("failed", 1)
    assert "line 3" in told["error_text"]
    assert len(profiles(connection)) == 1

    file.write_text('email,_fname\nada@example.com,Ada\nbob@example.com,"Bob"\n')
    status, (mended,) = summarize(drained, file, "--resume")

    assert (status, mended["job_id"], mended["created"]) == (0, told["job_id"], 2)


def test_a_dry_run_says_what_would_change_and_changes_nothing(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    summarize(drained, write_people(tmp_path / "a.csv", range(3)))
    file = tmp_path / "b.csv"
    file.write_text("email,_fname\np0@example.com,Zoe\nnew@example.com,\nbad,\n")
    before = profiles(connection)

    status, output, _ = run(drained, file, "--dry-run")
    _, (told,) = summarize(drained, file, "--dry-run", "--show", "1")

    assert status == 1
    assert "_fname: 'P0' → 'Zoe'" in output
    assert "row 2: created" in output
    assert (
        '1 \N{MULTIPLICATION SIGN} email: not an email, found "bad" (row 3)' in output
    )
    assert "1 created, 1 updated, 0 unchanged, 1 rejected, 0 dead" in output
    assert (told["rows"], len(told["shown"])) == (3, 1)
    assert profiles(connection) == before
    assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_the_servers_of_a_running_up_are_used_unless_others_are_named(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(ADA)
    servers = {"database": drained.database_url, "redis": drained.redis_url}
    (tmp_path / "servers.json").write_text(json.dumps(servers))
    nowhere = replace(drained, database_url="", redis_url="")

    refused, _, errors = run(nowhere, tmp_path / "a.csv", "--state-dir", tmp_path / "x")
    status, (told,) = summarize(nowhere, tmp_path / "a.csv", "--state-dir", tmp_path)

    assert refused == 2
    assert "DATABASE_URL is not set" in errors
    assert (status, told["created"]) == (0, 1)


def test_help_has_examples_and_every_exit_status(settings: Settings) -> None:
    _, output, _ = run(settings, "--help")

    assert "penstock import people.csv --database 1 --dry-run" in output
    statuses = re.findall(r"^ +(\d+)  +\w", output, re.MULTILINE)
    assert statuses == ["0", "1", "2", "130"]
