"""`penstock suppression`: lists, entries, and files of them (L7)."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.settings import Settings
from tests.conftest import Connection
from tests.stored import count
from tests.suppressions import SECRET, declare_list

ANN, BOB = "ann@example.com", "bob@example.com"

Run = Callable[..., Result]

pytestmark = pytest.mark.fact("L.7-lists")


@pytest.fixture
def run(settings: Settings, connection: Connection) -> Run:
    declare_list(connection)
    declare_list(connection, id=4, name="Copy")

    def invoke(
        *arguments: str, code: int = 0, sent: str | bytes | None = None
    ) -> Result:
        environ = {
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "PENSTOCK_SECRET": SECRET,
        }
        done = CliRunner().invoke(
            main, ["suppression", *arguments], env=environ, input=sent
        )
        assert done.exit_code == code, done.output
        return done

    return invoke


def test_contacts_are_added_checked_listed_and_removed(run: Run) -> None:
    added = run("add", "--list", "3", ANN, "+442079460018", "--reason", "letter")
    assert added.output == "Added 2 contacts; 0 already there.\n"
    again = json.loads(run("add", "--list", "3", ANN, BOB, "--json").output)
    assert again == {"added": 1, "known": 1}

    (line, _) = json.loads(run("list", "--json").output)
    assert (line["id"], line["entries"], line["scanned"]) == (3, 3, None)
    assert "Opted out" in run("list").output

    checked = run("check", "ANN@example.com", "cat@example.com").output
    assert "3 Opted out" in checked
    assert "on no list" in checked

    removed = run("remove", "--list", "3", ANN).output
    assert removed == "Removed 1 contact.\n"
    assert "on no list" in run("check", ANN).output


def test_what_an_export_writes_is_the_same_list_when_imported(
    run: Run, tmp_path: Path, connection: Connection
) -> None:
    people = tmp_path / "people.txt"
    lines = ["email", ANN, "", BOB.upper(), "+44 20 7946 0018"]
    people.write_text("\n".join(lines), "utf-8-sig")
    run("import", str(people), "--list", "3", "--source", "CRM")
    exported = run("export", "--list", "3").output
    assert len(exported.splitlines()) == 3
    assert "ann" not in exported

    run("import", "-", "--list", "4", sent=exported)
    rows = connection.execute(
        "SELECT hash, source FROM suppressed WHERE list_id = 3"
        " EXCEPT SELECT hash, source FROM suppressed WHERE list_id = 4"
    ).fetchall()
    assert rows == []
    assert count(connection, "suppressed") == 6


def test_partners_send_hashes(run: Run) -> None:
    digest = sha256(ANN.encode()).hexdigest()
    run("import", "-", "--list", "3", "--hashed", sent=f"sha256\n{digest.upper()}\n")
    (found,) = json.loads(run("check", ANN, "--json").output)
    assert [one["list_id"] for one in found["lists"]] == [3]


def test_wrong_lines_are_named_and_the_others_added(
    run: Run, connection: Connection
) -> None:
    hashless = '{"hash": "00"}'
    lines = [ANN, "ann", "x" * 10_000, hashless, "a@\xff", BOB]
    sent = "\n".join(lines).encode("latin-1")
    done = run("import", "-", "--list", "3", sent=sent, code=1)
    assert "Read 2 contacts: 2 added, 0 already there, 4 invalid." in done.output
    for fault in (
        "line 2: Incorrect phone",
        "line 3: Too long (at most 4,096 bytes)",
        "line 4: Not a line of an export",
        "line 5: Not UTF-8",
    ):
        assert fault in done.output
    assert count(connection, "suppressed") == 2


def test_what_is_wrong_is_said(run: Run, connection: Connection) -> None:
    assert "no suppression list 9 (declared: 3, 4)" in run(
        "add", "--list", "9", ANN, code=1
    ).output.replace("\n", " ")
    assert "ann: Incorrect phone" in run("add", "--list", "3", "ann", code=2).output
    assert (
        "at most 200"
        in run("add", "--list", "3", ANN, "--reason", "x" * 201, code=2).output
    )
    assert count(connection, "suppressed") == 0


def test_another_secret_adds_nothing(
    run: Run, settings: Settings, connection: Connection
) -> None:
    run("add", "--list", "3", ANN)
    environ = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "PENSTOCK_SECRET": "22" * 32,
    }
    arguments = ["suppression", "add", "--list", "3", BOB]
    done = CliRunner().invoke(main, arguments, env=environ)
    assert done.exit_code == 1
    assert "PENSTOCK_SECRET is not the one" in done.output
    assert count(connection, "suppressed") == 1
