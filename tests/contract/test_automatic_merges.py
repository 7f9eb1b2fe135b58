"""Imports that merge the profiles they match: A7, M11, D4."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.catalog import EventKind
from ingest.domain.imports import OnAmbiguous, Otherwise
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from tests.conftest import Connection
from tests.declared import change_database
from tests.drains import draining, trying
from tests.intakes import ServedIntake, served
from tests.receivers import listen
from tests.uploads import ask
from tests.uploads import send as upload

ANN, BOB = "ann@example.com", "bob@example.com"
PHONE = "+442079460011"


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


@pytest.fixture
def two(penstock: ServedIntake, token: str) -> tuple[str, str]:
    """A profile with an email, and one that has it as a subscription only."""
    mail = {"resource_id": 1, "channel": "email", "email": ANN}
    first = penstock.add(
        token, phones=[PHONE], subscriptions=[mail], interests=["x"], points=1
    )
    return first, penstock.add(token, email=ANN, interests=["y"], points=5, code=7)


def send(penstock: ServedIntake, token: str, /, **more: Any) -> dict[str, Any]:
    """Import by email, and return the answer with the id of the import."""
    asked = {"token": token, "db_id": 1, "email": ANN, "data": {}} | more
    asked.setdefault("on_ambiguous", "merge")
    response = penstock.post(asked)
    return {**response.json(), "import_id": response.headers.get("Import-Id")}


def count_profiles(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM profiles").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.fact("A.7-merge")
def test_the_profiles_that_match_become_one(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    first, second = two
    data = {
        "_fname": "Ann",
        "interests": {"action": "add", "value": ["z"]},
        "points": {"action": "incr", "value": 2},
    }
    answer = send(penstock, token, data=data)

    assert (answer["error"], answer["profile_id"]) == (0, first), answer
    receipt = penstock.get(f"/api/v1.1/imports/{answer['import_id']}?token={token}")
    shown = receipt.json()
    assert [shown[name] for name in ("operation", "state", "matched_by")] == [
        *("import", "updated", "email_sub")
    ]
    assert shown["profiles"] == [second]
    assert {one["profile_id"] for one in shown["candidates"]} == {first, second}
    changes = {one["path"]: (one["old"], one["new"]) for one in shown["changes"]}
    assert changes == {
        "_fname": (None, "Ann"),
        "code": (None, 7),
        "email": (None, ANN),
        "interests": (["x"], ["x", "y", "z"]),
        "points": (1, 3),
    }
    assert count_profiles(connection) == 1
    by_id = {"matching": "profile_id", "profile_id": second}
    asked = {"token": token, "db_id": 1, **by_id}
    found = penstock.post(asked, path="/api/v1.1/profiles/get").json()
    assert found["data"]["id"] == first


@pytest.mark.fact("M.5-times", "M.8-merges")
def test_its_receipt_names_the_statuses_that_it_did_not_raise_and_it_is_listed(
    penstock: ServedIntake, token: str
) -> None:
    mail = {"resource_id": 1, "channel": "email", "email": ANN}
    first = penstock.add(token, subscriptions=[{**mail, "status": "unsubscribed"}])
    second = penstock.add(
        token, email=ANN, subscriptions=[{**mail, "status": "subscribed"}]
    )
    answer = send(penstock, token, data={"points": 1})

    assert "kept" not in answer
    receipt = penstock.get(f"/api/v1.1/imports/{answer['import_id']}?token={token}")
    (kept,) = receipt.json()["kept"]
    assert (kept["reason"], kept["stored"]) == ("consent", "unsubscribed")
    asked = {"token": token, "db_id": 1, "email": ANN}
    (line,) = penstock.post(asked, path="/api/v1.1/profiles/merges").json()["data"]
    assert [line[name] for name in ("merge_id", "profile_id", "profiles")] == [
        *(answer["import_id"], first, [second])
    ]
    assert line["operation"] == "import"
    assert line["by"].startswith("token 1 (")


@pytest.mark.fact("A.7-undo")
@pytest.mark.parametrize("path", ["imports/{}/undo", "profiles/unmerge"])
def test_the_undo_parts_them_and_takes_the_import_back(
    penstock: ServedIntake,
    connection: Connection,
    two: tuple[str, str],
    token: str,
    path: str,
) -> None:
    rows = "SELECT id, email, fields, phones FROM profiles ORDER BY id"
    before = connection.execute(rows).fetchall()
    data = {
        "_fname": "Ann",
        "interests": {"action": "add", "value": ["z"]},
        "points": {"action": "incr", "value": 2},
    }
    import_id = send(penstock, token, data=data)["import_id"]
    undone = penstock.post(
        {"token": token, "db_id": 1, "merge_id": import_id},
        path="/api/v1.1/" + path.format(import_id),
    ).json()

    assert (undone["error"], undone["profiles"]) == (0, [two[1]])
    assert connection.execute(rows).fetchall() == before


@pytest.mark.fact("A.7-merge")
def test_an_import_that_is_rejected_merges_nothing(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    penstock.add(token, email=BOB)
    for data in ({"email": BOB}, {"code": 8, "points": "many"}):
        answer = send(penstock, token, data=data)
        assert answer["error"] in (400, 409)
    assert count_profiles(connection) == 3
    assert connection.execute("SELECT * FROM merges").fetchall() == []
    assert send(penstock, token, data={"_fname": "Ann"})["error"] == 0


@pytest.mark.fact("A.7-merge")
def test_a_dry_run_merges_nothing(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    tried = send(penstock, token, data={"_fname": "Ann"}, dry_run=True)

    assert (tried["error"], tried["profile_id"]) == (0, two[0])
    assert count_profiles(connection) == 2


@pytest.mark.fact("A.7-merge")
def test_the_policy_of_the_database_merges_for_every_token(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    change_database(connection, on_ambiguous=OnAmbiguous.MERGE)
    answer = send(penstock, token, on_ambiguous=None)

    assert (answer["error"], answer["profile_id"]) == (0, two[0])
    assert count_profiles(connection) == 1


@pytest.mark.fact("M.11-guards")
@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"merge_keys": ("phone",)}, "email is no proof"),
        ({"merge_blocked": ("x", ANN.upper())}, "the value is blocked"),
    ],
)
def test_what_is_no_proof_merges_nobody(
    penstock: ServedIntake,
    connection: Connection,
    two: tuple[str, str],
    token: str,
    rules: dict[str, Any],
    why: str,
) -> None:
    change_database(connection, **rules)
    answer = send(penstock, token)

    assert answer["error"] == 409
    assert f"2 profiles match (not merged, {why}): " in answer["error_text"]
    assert {one["profile_id"] for one in answer["candidates"]} == set(two)
    path = f"/api/v1.1/imports/{answer['import_id']}?token={token}"
    (fault,) = penstock.get(path).json()["faults"]
    assert fault["reason"] == "ambiguous_match"
    assert count_profiles(connection) == 2


@pytest.mark.fact("M.11-guards", "A.1-otherwise")
@pytest.mark.parametrize("by", ["the import", "the database"])
def test_what_a_guard_stops_is_held_where_that_is_asked_for(
    penstock: ServedIntake,
    connection: Connection,
    two: tuple[str, str],
    token: str,
    by: str,
) -> None:
    rules: dict[str, Any] = {"merge_keys": ("phone",)}
    asked: dict[str, Any] = {"data": {"_fname": "Ann"}}
    if by == "the import":
        asked["otherwise"] = "hold"
    else:
        rules["otherwise"] = Otherwise.HOLD
    change_database(connection, **rules)
    answer = send(penstock, token, **asked)

    assert (answer["error"], answer["state"]) == (0, "held")
    assert {one["profile_id"] for one in answer["candidates"]} == set(two)
    path = f"/api/v1.1/imports/{answer['import_id']}?token={token}"
    receipt = penstock.get(path).json()
    (warning,) = receipt["warnings"]
    assert (receipt["state"], receipt["faults"]) == ("held", [])
    assert (warning["reason"], warning["message"]) == (
        "policy_undecided",
        "Not decided by the policy merge (email is no proof)",
    )
    assert count_profiles(connection) == 2
    # Whoever sends it may want it otherwise than the database.
    rejected = send(penstock, token, **asked | {"otherwise": "reject"})
    assert rejected["error"] == 409
    assert "(not merged, email is no proof)" in rejected["error_text"]


@pytest.mark.fact("M.11-guards", "A.1-otherwise")
def test_what_is_too_large_for_one_profile_is_not_merged(
    settings: Settings, connection: Connection, token: str
) -> None:
    few = replace(settings, max_phones=1)
    with served(few) as penstock, draining(few):
        penstock.add(token, email=ANN, phones=["+442079460022"])
        penstock.add(token, phones=[PHONE])
        change_database(connection, merge_keys=("email", "phone"))
        asked = {"matching": "email_phone", "phone": PHONE}
        refused = send(penstock, token, **asked)
        held = send(penstock, token, **asked, otherwise="hold")

    assert refused["error"] == 409
    assert "(not merged, the profile would be too large)" in refused["error_text"]
    assert held["state"] == "held"
    assert count_profiles(connection) == 2


@pytest.mark.fact("A.1-otherwise", "H.6-again")
def test_what_a_guard_stopped_is_merged_once_it_may_be(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    change_database(connection, merge_keys=("phone",))
    held = send(penstock, token, data={"points": 9}, otherwise="hold")["import_id"]
    path = f"/api/v1.1/imports/{held}/resolve"
    asked = {"token": token, "action": "retry"}
    (again,) = penstock.post(asked, path=path).json()["result"]
    change_database(connection, merge_keys=("email",))
    (done,) = penstock.post(asked, path=path).json()["result"]

    assert (again["state"], count_profiles(connection)) == ("held", 1)
    assert (done["state"], done["profile_id"]) == ("updated", two[0])
    receipt = penstock.get(f"/api/v1.1/imports/{held}?token={token}").json()
    assert (receipt["state"], receipt["warnings"]) == ("updated", [])


@pytest.mark.fact("M.11-guards")
def test_a_phone_proves_nothing_unless_the_catalog_says_so(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    one = penstock.add(token, email=ANN)
    penstock.add(token, phones=[PHONE])
    asked = {"matching": "email_phone", "phone": PHONE}
    refused = send(penstock, token, **asked)
    assert "(not merged, phone is no proof)" in refused["error_text"]
    change_database(connection, merge_keys=("email", "phone"))

    assert send(penstock, token, **asked)["profile_id"] == one


@pytest.mark.fact("M.11-guards")
def test_two_values_of_a_unique_field_are_two_persons(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    by_id = {"matching": "profile_id", "profile_id": two[0]}
    penstock.post({"token": token, "db_id": 1, **by_id, "data": {"code": 8}})
    answer = send(penstock, token)

    assert "(not merged, code differs)" in answer["error_text"]
    assert count_profiles(connection) == 2


@pytest.mark.fact("M.11-guards")
def test_one_profile_does_not_take_over_everybody(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    change_database(connection, merge_limit=2)
    mail = {"resource_id": 1, "channel": "email", "email": ANN}
    first = penstock.add(token, email=ANN)
    answers = []
    for _ in range(3):
        penstock.add(token, subscriptions=[mail])
        answers.append(send(penstock, token))

    assert [one["error"] for one in answers] == [0, 0, 409]
    why = "(not merged, at most 2 profiles in 30 days)"
    assert why in answers[2]["error_text"]
    assert {one["profile_id"] for one in answers[:2]} == {first}
    connection.execute("UPDATE merges SET merged_at = now() - interval '31 days'")
    assert send(penstock, token)["error"] == 0


@pytest.mark.fact("M.11-guards")
def test_of_more_than_can_be_read_nobody_is_merged(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    mail = {"resource_id": 1, "channel": "email", "email": ANN}
    for _ in range(6):
        penstock.add(token, subscriptions=[mail])
    change_database(connection, merge_limit=100)
    answer = send(penstock, token)

    assert "(not merged, there may be more)" in answer["error_text"]
    assert count_profiles(connection) == 6


@pytest.mark.fact("D.4-merge")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_who_asks_for_it_needs_the_right(
    narrow: str,
    penstock: ServedIntake,
    connection: Connection,
    two: tuple[str, str],
    token: str,
) -> None:
    one = send(penstock, narrow)
    assert (one["error"], one["error_text"]) == (
        403,
        "The API token lacks the merge or admin scope: token",
    )
    element = {"email": ANN, "on_ambiguous": "merge", "data": {}}
    batch = penstock.post(
        {"token": narrow, "db_id": 1, "data": [element]},
        path="/api/v1.1/profiles/import_batch",
    ).json()
    assert [each["error"] for each in batch["result"]] == [403]
    whole = upload(penstock, narrow, b'{"email":"x@x.ru"}\n', on_ambiguous="merge")
    assert whole.json()["error"] == 403
    line = b'{"email":"ann@example.com","on_ambiguous":"merge","data":{"points":1}}\n'
    for secret in (narrow, token):
        rows = upload(penstock, secret, line, "application/x-ndjson").json()
        told = ask(penstock, secret, rows["job_id"], "/rejects").text
        assert "A row cannot merge profiles" in told
    assert count_profiles(connection) == 2


@pytest.mark.fact("A.7-merge")
def test_it_tells_of_the_merge_and_of_the_import(
    penstock: ServedIntake, connection: Connection, two: tuple[str, str], token: str
) -> None:
    kinds = (EventKind.PROFILES_MERGED, EventKind.PROFILE_UPDATED, EventKind.IMPORT)
    listen(connection, *kinds)
    send(penstock, token, data={"_fname": "Ann"})

    rows = connection.execute(
        "SELECT kind, detail -> 'changes' ? '_fname' FROM events ORDER BY sequence"
    ).fetchall()
    assert rows == [
        ("profiles_merged", False),
        ("import", None),
        ("profile_updated", True),
    ]
