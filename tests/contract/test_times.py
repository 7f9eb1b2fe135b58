"""Values of other moments, by sources of other ranks: T1 to T6."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token, set_source
from tests.conftest import Connection
from tests.declared import change_database
from tests.drains import draining, trying
from tests.intakes import ServedIntake, served, wait_until
from tests.pages import ROOT
from tests.uploads import ask
from tests.uploads import send as upload

ANN = "ann@example.com"
EARLY, LATE = "2026-11-20T10:00:00Z", "2026-11-20T12:00:00Z"
PAGE = ROOT / "docs" / "identity.md"
IMPORT = "/api/v1.1/profiles/import"


@pytest.fixture
def penstock(settings: Settings, connection: Connection) -> Iterator[ServedIntake]:
    change_database(connection, times=True, sources={"crm": 20})
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


def send(penstock: ServedIntake, token: str, /, **more: Any) -> Any:
    asked = {"token": token, "db_id": 1, "email": ANN, "data": {}} | more
    return penstock.post(asked)


def read(penstock: ServedIntake, token: str, name: str) -> object:
    asked = {"token": token, "db_id": 1, "email": ANN}
    found = penstock.post(asked, path="/api/v1.1/profiles/get").json()["data"]
    return found.get(name)


@pytest.mark.fact("T.2-as-of", "T.5-newer", "T.6-kept")
def test_an_older_value_is_kept_and_told(penstock: ServedIntake, token: str) -> None:
    send(penstock, token, as_of=LATE, data={"_fname": "late", "_lname": "late"})
    late = send(penstock, token, as_of=EARLY, data={"_fname": "early", "points": 1})
    answer = late.json()

    assert (answer["error"], answer["kept"]) == (0, ["_fname"])
    import_id = late.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={token}").json()
    assert receipt["kept"] == [
        {"path": "_fname", "reason": "newer", "sent": "early", "since": LATE}
    ]
    assert [one["path"] for one in receipt["changes"]] == ["points"]
    assert read(penstock, token, "_fname") == "late"
    xml = send(
        penstock,
        token,
        as_of=EARLY,
        data={"_fname": "x", "_lname": "x"},
        format="xml",
    ).text
    assert "<kept>_fname</kept><kept>_lname</kept>" in xml.replace("\n", "")


@pytest.mark.fact("T.2-as-of")
@pytest.mark.parametrize(
    "early",
    ["2026-11-20T10:00:00Z", "2026-11-20T12:00:00+02:00", 1763632800, 1763632800000],
)
def test_a_moment_may_be_written_in_several_ways(
    early: object, penstock: ServedIntake, token: str
) -> None:
    send(penstock, token, as_of="2026-11-20T10:00:01Z", data={"_fname": "late"})
    answer = send(penstock, token, as_of=early, data={"_fname": "early"}).json()
    assert answer.get("kept") == ["_fname"]


@pytest.mark.fact("T.2-as-of")
def test_an_element_has_its_own_moment(penstock: ServedIntake, token: str) -> None:
    send(penstock, token, as_of="2026-11-20T11:00:00Z", data={"_fname": "stored"})
    elements = [
        {"email": ANN, "data": {"_fname": "early"}},
        {"email": ANN, "data": {"_fname": "late"}, "as_of": LATE},
    ]
    batch = {"token": token, "db_id": 1, "as_of": EARLY, "data": elements}
    results = penstock.post(batch, path=f"{IMPORT}_batch").json()["result"]

    assert [one.get("kept") for one in results] == [["_fname"], None]
    assert read(penstock, token, "_fname") == "late"


@pytest.mark.fact("T.2-as-of")
def test_an_xml_request_may_be_of_another_moment(
    penstock: ServedIntake, token: str
) -> None:
    send(penstock, token, as_of=LATE, data={"_fname": "late"})
    body = (
        f"<xml><token>{token}</token><db_id>1</db_id><email>{ANN}</email>"
        f"<as_of>{EARLY}</as_of><data><_fname>early</_fname></data></xml>"
    )
    answer = penstock.client.post(
        IMPORT, content=body, headers={"Content-Type": "application/xml"}
    )
    assert "<kept>_fname</kept>" in answer.text


@pytest.mark.fact("T.2-as-of")
def test_rows_and_files_have_their_moments(penstock: ServedIntake, token: str) -> None:
    send(penstock, token, as_of=LATE, data={"_fname": "stored"})
    rows = f"email,_fname,as_of\n{ANN},early,{EARLY}\nbob@example.com,new,\n".encode()
    job = upload(penstock, token, rows, as_of="2026-11-20T11:00:00Z").json()

    assert (job["error"], job["created"], job["unchanged"]) == (0, 1, 1), job
    assert read(penstock, token, "_fname") == "stored"
    bad = upload(penstock, token, b"email,as_of\nann@example.com,soon\n").json()
    listed = ask(penstock, token, bad["job_id"], "/rejects").text
    assert "as_of" in listed
    assert "Incorrect as_of" in listed


@pytest.mark.fact("T.1-off")
def test_a_moment_is_refused_where_none_are_kept(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    change_database(connection, times=False)
    answer = send(penstock, token, as_of=EARLY, data={"_fname": "x"}).json()
    assert answer["error"] == 400
    assert answer["error_text"] == ("The database does not keep times: as_of")


@pytest.mark.fact("T.2-as-of")
@pytest.mark.parametrize("wrong", ["soon", "", [], {"at": 1}, True, 45000])
def test_what_is_no_moment_is_refused(
    wrong: object, penstock: ServedIntake, token: str
) -> None:
    answer = send(penstock, token, as_of=wrong, data={"_fname": "x"}).json()
    if wrong == "":  # As any empty parameter: it is absent.
        assert answer["error"] == 0
        return
    assert answer["error"] == 400
    assert "as_of" in answer["error_text"]
    assert "RFC 3339" in answer["error_text"]


@pytest.fixture
def crm(connection: Connection) -> str:
    """The secret of a token whose source has a rank."""
    token_id, secret = create_token(
        connection, name="crm", database_ids=[], actions=[Scope.IMPORT]
    )
    assert set_source(connection, token_id, "crm")
    return secret


@pytest.mark.fact("T.4-sources")
def test_a_token_has_a_source_that_is_ranked(
    crm: str, penstock: ServedIntake, token: str
) -> None:
    assert send(penstock, crm, data={"_fname": "crm"}).json()["error"] == 0
    # Nobody chooses a source in a body.
    for more in ({}, {"source": "crm"}):
        answer = send(penstock, token, data={"_fname": "web"}, **more).json()
        assert answer["kept"] == ["_fname"]
    assert read(penstock, token, "_fname") == "crm"


@pytest.mark.fact("T.6-kept")
def test_a_dry_run_shows_what_would_be_kept(penstock: ServedIntake, token: str) -> None:
    send(penstock, token, as_of=LATE, data={"_fname": "late"})
    answer = send(penstock, token, as_of=EARLY, dry_run=True, data={"_fname": "early"})
    (kept,) = answer.json()["receipt"]["kept"]
    assert (kept["path"], kept["reason"], kept["sent"]) == ("_fname", "newer", "early")


@pytest.mark.fact("T.6-kept")
def test_a_retry_hears_the_same(penstock: ServedIntake, token: str) -> None:
    send(penstock, token, as_of=LATE, data={"_fname": "late"})
    asked = {"token": token, "db_id": 1, "email": ANN, "as_of": EARLY}
    answers = [
        penstock.client.post(
            IMPORT,
            json=asked | {"data": {"_fname": "early"}},
            headers={"Idempotency-Key": "k1"},
        ).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["kept"] == ["_fname"]


@pytest.mark.fact("T.6-kept")
def test_the_example_of_the_page_is_true(penstock: ServedIntake, token: str) -> None:
    section = PAGE.read_text().split("## Late data and sources")[1].split("\n## ")[0]
    documents = [
        json.loads(line)
        for line in section.splitlines()
        if line.startswith(('{"db_id"', '{"error"'))
    ]
    first, late, told = documents
    penstock.post(first | {"token": token})
    answer = penstock.post(late | {"token": token}).json()

    assert answer | {"profile_id": told["profile_id"]} == told


@pytest.mark.fact("T.12-shown")
def test_a_profile_tells_when_its_values_were_written(
    penstock: ServedIntake, connection: Connection, token: str, database_url: str
) -> None:
    send(penstock, token, as_of=EARLY, data={"_fname": "Ann", "points": 1})
    send(
        penstock,
        token,
        as_of=LATE,
        data={"points": {"action": "incr", "value": 1}, "_lname": {"action": "unset"}},
    )
    asked = {"token": token, "db_id": 1, "email": ANN, "times": True}
    answer = penstock.post(asked, path="/api/v1.1/profiles/get").json()
    assert answer["times"] == [
        {"path": "_fname", "at": EARLY},
        {"path": "_lname", "at": LATE},
        {"path": "email", "at": EARLY},
        {"path": "points", "at": EARLY, "last": LATE},
    ]
    xml = penstock.post(asked | {"format": "xml"}, path="/api/v1.1/profiles/get").text
    assert xml.count("<times>") == 4
    arguments = ["profiles", "show", ANN, "--json"]
    shown = CliRunner().invoke(main, arguments, env={"DATABASE_URL": database_url})
    assert json.loads(shown.stdout)["profile"]["times"] == answer["times"]
    table = CliRunner().invoke(main, arguments[:-1], env={"DATABASE_URL": database_url})
    assert "Times" in table.stdout
    without = penstock.post(asked | {"times": False}, path="/api/v1.1/profiles/get")
    assert "times" not in without.json()
    change_database(connection, times=False)
    wait_until(
        lambda: (
            penstock.post(asked, path="/api/v1.1/profiles/get").json()["error_text"]
            == "The database does not keep times: times"
        )
    )


@pytest.mark.fact("T.5-newer", "E.3-import")
def test_an_old_export_overwrites_nothing_newer(
    penstock: ServedIntake, token: str
) -> None:
    people = [f"person{number}@example.com" for number in range(20)]
    for email in people:
        assert send(penstock, token, email=email, data={"_fname": "old"}).is_success
    lines = penstock.post(
        {"token": token, "db_id": 1}, path="/api/v1.1/profiles/export"
    ).content
    snapshot_at = json.loads(lines.splitlines()[-1])["penstock"]["snapshot_at"]
    for email in people[:10]:
        send(penstock, token, email=email, data={"_fname": "new", "_lname": "new"})
    job = upload(
        penstock, token, lines, "application/x-ndjson", as_of=snapshot_at
    ).json()

    assert (job["rows"], job["unchanged"]) == (20, 20), job
    asked = {"token": token, "db_id": 1, "limit": 100}
    listed = penstock.post(asked, path="/api/v1.1/profiles/list").json()["data"]
    names = {one["email"]: (one["_fname"], one.get("_lname")) for one in listed}
    assert names == {
        email: ("new", "new") if email in people[:10] else ("old", None)
        for email in people
    }
