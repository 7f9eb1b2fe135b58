"""Files of other systems: statuses, archives, mappings of earlier files (FR7-FR13)."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.imports import run, summarize

PEOPLE = """E-mail,State,Left at
ada@example.com,active,
ulla@example.com,unsubscribed,2023-05-01T09:00:00Z
bo@example.com,cleaned,
sam@example.com,spam,
ida@example.com,,
eve@example.com,implied,
"""
MAP = ["--map", "E-mail=email+email_sub", "--map", "State=email_sub.status"]
MAP += ["--map", "Left at=email_sub.time"]
STATUSES = {
    "ada@example.com": "subscribed",
    "ulla@example.com": "unsubscribed",
    "bo@example.com": "hardbounced",
    "sam@example.com": "complained",
}


@pytest.fixture
def drained(settings: Settings) -> Iterator[Settings]:
    with draining(settings):
        yield settings


def statuses(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT contact, status FROM subscriptions ORDER BY 1")
    return dict(rows.fetchall())


def emails(connection: Connection) -> list[str | None]:
    rows = connection.execute("SELECT email FROM profiles ORDER BY email")
    return [email for (email,) in rows]


def zipped(path: Path, **files: str) -> Path:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    path.write_bytes(packed.getvalue())
    return path


@pytest.mark.fact(
    "FR.7-status", "FR.7-unknown", "FR.7-basis", "FR.7-negative", "FR.9-before"
)
def test_opt_outs_arrive_and_survive_the_old_list(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    old, file = tmp_path / "old.csv", tmp_path / "people.csv"
    file.write_text(PEOPLE)
    old.write_text(
        "email,email_sub\n"
        + "".join(f"{one},{one}\n" for one in [*STATUSES, "ida@example.com"])
    )
    _, (before,) = summarize(drained, old)

    status, output, errors = run(drained, file, *MAP)
    after = statuses(connection)
    _, (again,) = summarize(drained, old)

    assert (before["created"], status) == (5, 0), errors
    counts = (
        "1 subscribe · 1 complained · 1 unsubscribe · 1 bounced · "
        "1 not agreed: no subscription · 1 unknown: no subscription"
    )
    assert f"people.csv: {counts}" in errors
    assert f"Statuses: {counts}" in output
    # Of Ida the file has nothing new, and Eve never agreed.
    assert after == {**STATUSES, "ida@example.com": "subscribed"}
    assert "eve@example.com" in emails(connection)
    assert (again["unchanged"], again["rejected"]) == (5, 0)
    assert statuses(connection) == after
    ((basis,),) = connection.execute(
        "SELECT consent FROM consents WHERE contact = 'ulla@example.com'"
    )
    assert basis == {"source": "file", "date": "2023-05-01T09:00:00Z"}


@pytest.mark.fact("FR.7-merge", "FR.9-dry-run")
def test_a_status_that_was_taken_back_is_protected_and_a_dry_run_says_so(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file, mapped = tmp_path / "people.csv", tmp_path / "crm.map.toml"
    file.write_text(PEOPLE)
    mapped.write_text(
        '[columns]\n"E-mail" = "email+email_sub"\nState = "email_sub.status"\n'
        '"Left at" = "email_sub.time"\n[words.State]\nactive = "subscribed"\n'
        '"*" = "unsubscribed"\n'
    )
    summarize(drained, file, *MAP)
    file.write_text(PEOPLE.replace("unsubscribed,2023", "active,2023"))

    status, output, _ = run(drained, file, "--map-file", mapped, "--dry-run")
    _, (dry,) = summarize(drained, file, "--map-file", mapped, "--dry-run")
    _, (told,) = summarize(
        *(drained, file, "--map-file", mapped, "--words", "State: implied=none")
    )

    assert status == 0
    assert "Protected: 1 (kept unsubscribed: 1)" in output
    assert (dry["protected"], dry["kept"]) == (1, {"unsubscribed": 1})
    assert dry["statuses"]["email"] == {
        "subscribed": 2,
        "complained": 1,
        "unsubscribed": 2,
        "unknown": 1,
    }
    assert told["protected"] == 1
    # A word that is known to forbid more is not weakened, and bounces are opt-outs now.
    assert statuses(connection) == {**STATUSES, "bo@example.com": "unsubscribed"}


@pytest.mark.fact("FR.7-words")
def test_an_unknown_word_stops_the_import_before_its_first_row(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(PEOPLE.replace("implied", "VIP-only"))

    status, _, errors = run(drained, file, *MAP)
    rejects = str(tmp_path / "rejects.csv")
    options = [*MAP, "--rejects", rejects]
    piped, (told,) = summarize(drained, "-", *options, stdin=file.read_bytes())

    assert status == 2
    assert "No status is known by words of the column 'State': 'VIP-only' (1)" in errors
    assert '--words "State: VIP-only=subscribed|' in errors
    assert (piped, told["rejected"]) == (1, 1)
    assert statuses(connection) == STATUSES


@pytest.mark.fact("FR.7-rejects")
def test_rejects_keep_words_and_statuses(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("E-mail,State\nada@example,gone\nbo@example.com,gone\n")
    words = ["--words", "State: gone=unsubscribed", *MAP[:4]]

    _, (told,) = summarize(drained, file, *words)
    rejects = Path(told["rejects"])
    rejects.write_text(rejects.read_text().replace("ada@example,", "ada@example.com,"))
    _, (again,) = summarize(drained, rejects)

    assert (told["created"], again["created"]) == (1, 1)
    assert statuses(connection) == dict.fromkeys(
        ["ada@example.com", "bo@example.com"], "unsubscribed"
    )


@pytest.mark.fact("FR.13-else-phone")
def test_rows_are_matched_by_their_email_and_otherwise_by_their_phone(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(
        "email,phones,_fname\nada@example.com,+442079460018,Ada\n,+442079460019,Bo\n"
        ",,Nobody\nnonsense,+442079460020,Cy\n"
    )
    options = ["--matching", "email_else_phone"]

    _, (told,) = summarize(drained, file, *options)
    _, (again,) = summarize(drained, file, *options, "--restart")

    assert (told["created"], told["rejected"]) == (2, 2)
    assert (again["unchanged"], again["rejected"]) == (2, 2)
    rejects = Path(told["rejects"]).read_text()
    assert "Missing matching key" in rejects
    assert "email or phone" in rejects
    modes = connection.execute("SELECT DISTINCT matching FROM imports ORDER BY 1")
    assert modes.fetchall() == [("email",), ("phone",)]


ARCHIVE = {
    "cleaned_1a": "Email,CLEAN_TIME\nbo@example.com,2024-01-01\n",
    "unsubscribed_1a": "Email,UNSUB_TIME\nulla@example.com,2024-01-01\n",
    "subscribed_1a": "Email\nada@example.com\nulla@example.com\n",
}
OF_ARCHIVE = """
[columns]
Email = "email+email_sub"
[files."subscribed_*"]
status = "subscribed"
[files."unsubscribed_*"]
status = "unsubscribed"
columns = {UNSUB_TIME = "email_sub.time"}
"""


@pytest.mark.fact("FR.12-members", "FR.12-order")
def test_each_file_of_an_archive_has_its_status_and_opt_outs_come_last(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    mapped = tmp_path / "mc.map.toml"
    mapped.write_text(OF_ARCHIVE)
    archive = zipped(tmp_path / "mc.zip", **ARCHIVE)
    options = ["--map-file", str(mapped), "--status", "cleaned_*=hardbounced"]
    options += ["--map", "CLEAN_TIME="]

    status, output, errors = run(drained, archive, *options)

    assert status == 0, errors
    assert statuses(connection) == {
        "ada@example.com": "subscribed",
        "bo@example.com": "hardbounced",
        "ulla@example.com": "unsubscribed",
    }
    lines = [line for line in errors.splitlines() if ": " in line]
    assert lines == [
        "subscribed_1a.csv: 2 subscribe",
        "cleaned_1a.csv: 1 bounced",
        "unsubscribed_1a.csv: 1 unsubscribe",
        "3 files: 2 subscribe · 1 unsubscribe · 1 bounced",
    ]
    names = re.findall(r"(\w+)_1a.csv: done", output)
    assert names == ["subscribed", "cleaned", "unsubscribed"]


@pytest.mark.fact("FR.12-members")
def test_a_column_that_no_file_of_an_archive_has_is_unknown(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    archive = zipped(tmp_path / "mc.zip", **ARCHIVE)

    told = ["Email=email", "CLEAN_TIME=", "UNSUB_TIME=", "Emial=email_sub"]
    mapped = [option for one in told for option in ("--map", one)]

    status, _, errors = run(drained, archive, *mapped)

    assert status == 2
    assert "Unknown column 'Emial'" in errors
    assert emails(connection) == []


@pytest.mark.fact("FR.12-members")
def test_nothing_of_an_archive_is_imported_while_one_file_is_not_mapped(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    archive = zipped(tmp_path / "mc.zip", **ARCHIVE)

    status, _, errors = run(
        *(drained, archive, "--map", "Email=email+email_sub", "--map", "CLEAN_TIME=")
    )

    assert status == 2
    assert "unsubscribed_1a.csv: No field is called 'UNSUB_TIME'" in errors
    assert emails(connection) == []


@pytest.mark.fact("FR.11-same")
def test_the_same_file_next_week_needs_no_word(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file, later = tmp_path / "people-2026-11.csv", tmp_path / "people-2026-12.csv"
    file.write_bytes("Адрес;State;Note\nada@example.com;gone;x\n".encode("cp1251"))
    later.write_bytes("Адрес;State;Note\nbo@example.com;gone;x\n".encode("cp1251"))
    options = ["--map", "Адрес=email+email_sub", "--map", "State=email_sub.status"]
    options += ["--map", "Note=", "--words", "State: gone=unsubscribed"]
    _, (first,) = summarize(drained, file, *options, "--encoding", "cp1251")

    _, (dry,) = summarize(drained, later, "--dry-run")
    status, output, errors = run(drained, later)
    refused, _, _ = run(
        drained, later, "--new-map", "--encoding", "cp1251", "--restart"
    )

    assert (status, dry["map_of"]) == (0, first["job_id"]), errors
    assert re.search(rf"As on \d{{4}}-\d\d-\d\d \(job {first['job_id']}\)", output)
    assert statuses(connection) == dict.fromkeys(
        ["ada@example.com", "bo@example.com"], "unsubscribed"
    )
    assert refused == 2


@pytest.mark.fact("FR.11-changed")
def test_of_a_changed_header_only_the_difference_is_asked(
    drained: Settings, connection: Connection, tmp_path: Path
) -> None:
    file, later = tmp_path / "people-1.csv", tmp_path / "people-2.csv"
    file.write_text("Mail,Vorname,Old\nada@example.com,Ada,x\n")
    later.write_text("Mail,Vorname,Fresh\nbo@example.com,Bo,x\n")
    told = ["--map", "Mail=email", "--map", "Vorname=_fname", "--map", "Old="]
    summarize(drained, file, *told)

    refused, _, errors = run(drained, later)
    status, output, _ = run(drained, later, "--map", "Fresh=")

    assert refused == 2
    assert "'Fresh'" in errors
    table = errors.partition("Error:")[0]
    assert "Fresh" in table
    assert "Vorname" not in table
    assert not {"'Mail'", "'Vorname'", "'Old'"} & set(re.findall("'[A-Za-z]+'", errors))
    assert status == 0
    assert "; new columns: Fresh; missing columns: Old" in output
    assert emails(connection) == ["ada@example.com", "bo@example.com"]


@pytest.mark.fact("FR.11-statuses")
@pytest.mark.parametrize(
    ("options", "name", "columns"),
    [
        (["--map", "State=", "--status", "subscribed"], "nonsubscribed_2", "State,x"),
        (["--map", "State="], "nonsubscribed_2", "State,x"),
        (["--map", "State=email_sub.status"], "subscribed_2", "x,y"),
    ],
    ids=["constant", "all", "column"],
)
def test_an_earlier_mapping_subscribes_nobody_else(
    drained: Settings,
    connection: Connection,
    tmp_path: Path,
    options: list[str],
    name: str,
    columns: str,
) -> None:
    file, later = tmp_path / "subscribed_1.csv", tmp_path / f"{name}.csv"
    file.write_text("Mail,Vorname,State,x\nada@example.com,Ada,active,\n")
    later.write_text(f"Mail,Vorname,{columns}\nbo@example.com,Bo,active,\n")
    told = ["--map", "Mail=email+email_sub", "--map", "Vorname=_fname", "--map", "x="]
    _, (first,) = summarize(drained, file, *told, *options)
    added = ["--map", "y="] if "y" in columns else []

    refused, _, errors = run(drained, later, *added)
    status, _, more = run(drained, later, *added, "--status", "none")

    assert (first["created"], refused, status) == (1, 2, 0), more
    assert "--status" in errors
    assert statuses(connection) == {"ada@example.com": "subscribed"}
    assert emails(connection) == ["ada@example.com", "bo@example.com"]
