"""Held imports as their callers see them: H2, and the ledger: H1."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.lookups import PROFILE_ID, Lookup, Search
from ingest.domain.releases import Decision
from ingest.domain.tokens import Scope
from ingest.ledger.audit import audit
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.held import list_cases
from ingest.store.profiles.deletions import delete_profile
from ingest.streams.acceptance_log import Journal
from tests.conftest import Connection
from tests.drains import draining, trying
from tests.intakes import ServedIntake, served, wait_until
from tests.uploads import ask
from tests.uploads import send as upload
from workers.held import HeldCases

ANN, PHONE = "ann@example.com", "+442079460011"
HELD = "Held until an operator decides"


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


@pytest.fixture
def two(penstock: ServedIntake, token: str) -> list[str]:
    return [penstock.add(token, email=ANN), penstock.add(token, phones=[PHONE])]


def hold(token: str, **more: Any) -> dict[str, Any]:
    key = {"matching": "email_phone", "email": ANN, "phone": PHONE}
    return {
        "token": token,
        "db_id": 1,
        **key,
        "on_ambiguous": "hold",
        "data": {"points": 5},
        **more,
    }


@pytest.mark.fact("H.2-callers")
def test_a_caller_is_told_that_its_import_is_held(
    penstock: ServedIntake, two: list[str], token: str
) -> None:
    response = penstock.post(hold(token))
    answer = response.json()

    assert response.status_code == 202
    assert (answer["error"], answer["error_text"], answer["state"]) == (0, HELD, "held")
    assert {one["profile_id"] for one in answer["candidates"]} == set(two)
    assert response.headers["Location"].endswith(answer["import_id"])
    receipt = penstock.get(f"/api/v1.1/imports/{answer['import_id']}?token={token}")
    shown = receipt.json()
    assert (shown["state"], shown["error"], shown["profile_id"]) == ("held", 0, None)
    xml = penstock.post(hold(token, format="xml"))
    assert (xml.status_code, "<state>held</state>" in xml.text) == (202, True)
    tried = penstock.post(hold(token, dry_run=True)).json()
    assert (tried["error"], tried["receipt"]["state"]) == (0, "held")


@pytest.mark.fact("H.2-callers")
def test_a_repeated_request_hears_the_same(
    penstock: ServedIntake, connection: Connection, two: list[str], token: str
) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = (penstock.post(hold(token), headers) for _ in range(2))
    assert first.json() == second.json()
    (case,) = list_cases(connection)
    assert case.imports == 1
    HeldCases(connection).decide(case.case_id, Decision(profile_id=two[0]))
    third = penstock.post(hold(token), headers).json()
    receipt = penstock.get(
        f"/api/v1.1/imports/{first.json()['import_id']}?token={token}"
    ).json()
    assert (receipt["state"], receipt["profile_id"]) == ("updated", two[0])
    assert third["error"] == 0


@pytest.mark.fact("H.2-callers")
def test_elements_forms_and_files_are_held_too(
    penstock: ServedIntake, connection: Connection, two: list[str], token: str
) -> None:
    element = {name: it for name, it in hold(token).items() if name != "token"}
    batch = penstock.post(
        {"token": token, "db_id": 1, "data": [element, {"email": ANN, "data": {}}]},
        path="/api/v1.1/profiles/import_batch",
    ).json()
    assert [one["error_text"] for one in batch["result"]] == [
        *(HELD, "Successful operation")
    ]
    line = f"email,phone,points\n{ANN},{PHONE},5\n".encode()
    job = upload(
        penstock, token, line, matching="email_phone", on_ambiguous="hold"
    ).json()
    told: dict[str, Any] = wait_until(
        lambda: (
            (it := ask(penstock, token, job["job_id"]).json())["state"] == "done" and it
        )
    )
    assert (told["held"], told["updated"], told["waiting"]) == (1, 0, 0)
    (case,) = list_cases(connection)
    assert case.imports == 2


@pytest.mark.fact("H.1-ledger")
def test_the_ledger_balances_before_and_after_a_decision(
    settings: Settings,
    penstock: ServedIntake,
    connection: Connection,
    two: list[str],
    token: str,
) -> None:
    for _ in range(3):
        penstock.post(hold(token))

    def balance() -> Any:
        journal = Journal(settings.redis_url, settings.partitions)
        try:
            found = audit(connection, journal, settings_now(connection))
        finally:
            journal.close()
        assert found.is_balanced, found
        (one,) = found.balances
        assert one.imbalance == 0
        return one

    before = balance()
    assert (before.accepted, before.created, before.held) == (5, 2, 3)
    (case,) = list_cases(connection)
    HeldCases(connection).decide(case.case_id, Decision(profile_id=two[0]))
    after = balance()
    assert (after.held, after.updated, after.unchanged) == (0, 1, 2)


def settings_now(connection: Connection) -> Any:
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.fact("H.2-callers")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_one_who_may_not_read_is_not_told_whom_it_matches(
    narrow: str, penstock: ServedIntake, two: list[str]
) -> None:
    answer = penstock.post(hold(narrow)).json()

    assert answer["state"] == "held"
    assert "candidates" not in answer


def resolve(
    penstock: ServedIntake, token: str, import_id: str, **told: Any
) -> dict[str, Any]:
    path = f"/api/v1.1/imports/{import_id}/resolve"
    answer: dict[str, Any] = penstock.post({"token": token, **told}, {}, path).json()
    return answer


@pytest.mark.fact("H.8-http", "H.4-preview", "H.4-pick")
def test_a_case_is_listed_and_decided_over_http(
    penstock: ServedIntake, two: list[str], token: str
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    listed = penstock.post(
        {"token": token, "db_id": 1}, path="/api/v1.1/imports/held"
    ).json()
    (case,) = listed["data"]
    assert (case["imports"], case["first_import_id"]) == (1, held)
    assert case["candidates"] == sorted(two)

    picked = {"action": "pick", "profile_id": two[0]}
    tried = resolve(penstock, token, held, **picked, dry_run=True)
    assert (tried["error"], tried["dry_run"]) == (0, True)
    done = resolve(penstock, token, case["case_id"], **picked)
    assert tried["result"] == done["result"]
    (one,) = done["result"]
    assert (one["import_id"], one["state"], one["profile_id"]) == (
        *(held, "updated"),
        two[0],
    )
    assert one["changes"] == [{"path": "points", "old": None, "new": 5}]
    again = resolve(penstock, token, held, **picked)
    assert (again["error"], again["error_text"]) == (
        404,
        "No imports are held under this ID (they were decided)",
    )


@pytest.mark.fact("H.8-http", "H.4-reject")
@pytest.mark.parametrize(
    ("told", "error", "text"),
    [
        ({}, 400, "Missing parameter: action"),
        ({"action": "x"}, 400, "Unknown action (one of pick, merge, retry, reject)"),
        ({"action": "pick"}, 400, "Missing parameter: profile_id"),
        (
            {"action": "pick", "profile_id": "0" * 24},
            400,
            "Must be one of the candidates (6b",
        ),
        ({"action": "reject"}, 400, "Missing parameter: reason"),
        # Without a reason it would be no rejection, but another search.
        ({"action": "reject", "reason": "  "}, 400, "Missing parameter: reason"),
        ({"action": "reject", "reason": "x" * 201}, 400, "Too long (at most 200"),
    ],
)
def test_a_decision_that_is_none_is_refused(
    penstock: ServedIntake,
    two: list[str],
    token: str,
    told: dict[str, Any],
    error: int,
    text: str,
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    refused = resolve(penstock, token, held, **told)

    assert (refused["error"], refused["error_text"][: len(text)]) == (error, text)
    assert resolve(penstock, token, "nothing", action="retry")["error"] == 404
    done = resolve(penstock, token, held, action="reject", reason="a test")
    assert [(one["state"], one["error_text"]) for one in done["result"]] == [
        ("rejected", "Rejected by an operator (a test)")
    ]


@pytest.mark.fact("H.8-http", "H.4-merge", "H.4-preview")
def test_the_candidates_are_merged_over_http(
    penstock: ServedIntake, connection: Connection, two: list[str], token: str
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    merge = {"action": "merge", "reason": "same person"}
    tried = resolve(penstock, token, held, **merge, dry_run=True)
    assert (tried.pop("dry_run"), "merge_id" in tried) == (True, False)
    assert count_profiles(connection) == 2
    done = resolve(penstock, token, held, **merge)

    merged = read_receipt(penstock, token, done.pop("merge_id"))
    assert (merged["operation"], merged["profiles"]) == ("merge", [two[1]])
    assert done == tried
    (one,) = done["result"]
    assert (one["import_id"], one["state"], one["profile_id"]) == (
        *(held, "updated"),
        two[0],
    )
    assert count_profiles(connection) == 1
    assert list_cases(connection) == []
    # A merge like any other: counted, and undone by its id.
    assert undo(penstock, token, held)["error"] == 0
    assert undo(penstock, token, merged["import_id"])["profiles"] == [two[1]]


def count_profiles(connection: Connection) -> int:
    row = connection.execute("SELECT count(*) FROM profiles").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.fact("H.4-merge")
def test_a_merge_that_fails_decides_nothing(
    settings: Settings, connection: Connection, token: str
) -> None:
    few = replace(settings, max_phones=1)
    with served(few) as penstock, draining(few), trying(few):
        penstock.add(token, email=ANN, phones=["+442079460022"])
        penstock.add(token, phones=[PHONE])
        held = penstock.post(hold(token)).json()["import_id"]
        for dry_run in (True, False):
            refused = resolve(penstock, token, held, action="merge", dry_run=dry_run)
            assert (refused["error"], refused["error_text"]) == (
                400,
                "At most 1 phones in a profile are allowed: profiles",
            )
    (case,) = list_cases(connection)
    assert (case.imports, len(case.candidates)) == (1, 2)


@pytest.mark.fact("H.4-receipt")
@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"action": "pick", "reason": "her phone"}, {"reason": "her phone"}),
        ({"action": "pick"}, {}),
        ({"action": "merge", "reason": "one person"}, {"reason": "one person"}),
        ({"action": "reject", "reason": "a test"}, {"reason": "a test"}),
    ],
)
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_the_receipt_keeps_who_decided_and_why(
    narrow: str,
    penstock: ServedIntake,
    two: list[str],
    token: str,
    told: dict[str, str],
    reason: dict[str, str],
) -> None:
    held = penstock.post(hold(narrow)).json()["import_id"]
    assert "decision" not in read_receipt(penstock, token, held)
    resolve(penstock, token, held, action="retry")
    assert "decision" not in read_receipt(penstock, token, held)
    done = resolve(penstock, token, held, **told, profile_id=two[0])
    assert done["error"] == 0
    receipt = read_receipt(penstock, token, held)
    decision = receipt["decision"]

    assert receipt["accepted_at"] < decision.pop("at") <= receipt["applied_at"]
    assert decision == {"action": told["action"], "by": "token 1 (demo)", **reason}
    # Who may not read is told the outcome only.
    own = read_receipt(penstock, narrow, held)
    assert (own["state"], "decision" in own) == (receipt["state"], False)
    path = f"/api/v1.1/imports/{held}?token={token}&format=xml"
    assert "<by>token 1 (demo)</by>" in penstock.get(path).text


@pytest.mark.fact("H.4-receipt", "H.5-newer")
def test_the_receipt_of_a_released_import_says_what_it_left(
    penstock: ServedIntake, two: list[str], token: str
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    newer = penstock.post(
        {"token": token, "db_id": 1, "email": ANN, "data": {"points": 9}}
    ).headers["Import-Id"]
    resolve(penstock, token, held, action="pick", profile_id=two[0])

    receipt = read_receipt(penstock, token, held)
    assert receipt["kept"] == [{"path": "points", "reason": "newer", "by": newer}]


@pytest.mark.fact("H.4-receipt")
def test_a_deletion_leaves_no_reason(
    penstock: ServedIntake, connection: Connection, two: list[str], token: str
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    told = {"action": "pick", "profile_id": two[0], "reason": "it is Ann Smith"}
    resolve(penstock, token, held, **told)
    search = Search(lookups=(Lookup(PROFILE_ID, two[0]),))
    with connection.transaction():
        delete_profile(connection, load_catalog(connection), 1, search)

    decision = read_receipt(penstock, token, held)["decision"]
    assert (decision["action"], "reason" in decision) == ("pick", False)


@pytest.mark.fact("H.6-merged", "H.8-http")
@pytest.mark.parametrize("action", ["pick", "merge"])
def test_a_candidate_that_was_merged_is_its_survivor(
    penstock: ServedIntake, two: list[str], token: str, action: str
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    other = penstock.add(token, email="cleo@example.com")
    told = {"token": token, "db_id": 1, "survivor": other}
    path = "/api/v1.1/profiles/merge"
    for one in two:
        done = penstock.post({**told, "profiles": [other, one]}, {}, path).json()
        assert done["profile_id"] == other
    listed = penstock.post(
        {"token": token, "db_id": 1}, path="/api/v1.1/imports/held"
    ).json()
    assert listed["data"][0]["candidates"] == [other]
    refused = resolve(penstock, token, held, action="pick", profile_id="0" * 24)
    assert refused["error_text"] == (
        f"Must be one of the candidates ({other}): profile_id"
    )
    # By an id that it had before.
    done = resolve(penstock, token, held, action=action, profile_id=two[1])

    assert "merge_id" not in done
    assert [one["profile_id"] for one in done["result"]] == [other]


@pytest.mark.fact("D.4-merge")
@pytest.mark.parametrize(
    ("narrow", "error"),
    [(Scope.MERGE, 0), (Scope.IMPORT, 403), (Scope.READ, 403)],
    indirect=["narrow"],
)
def test_a_decision_needs_the_right_to_merge(
    narrow: str, penstock: ServedIntake, two: list[str], token: str, error: int
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    answer = resolve(penstock, narrow, held, action="pick", profile_id=two[0])

    assert answer["error"] == error
    if not error:
        assert answer["result"][0]["changes"] == [{"path": "points"}]


def undo(
    penstock: ServedIntake, token: str, import_id: str, **told: Any
) -> dict[str, Any]:
    path = f"/api/v1.1/imports/{import_id}/undo"
    answer: dict[str, Any] = penstock.post({"token": token, **told}, {}, path).json()
    return answer


def read_receipt(penstock: ServedIntake, token: str, import_id: str) -> dict[str, Any]:
    path = f"/api/v1.1/imports/{import_id}?token={token}"
    receipt: dict[str, Any] = penstock.get(path).json()
    return receipt


@pytest.mark.fact("U.11-held")
def test_the_undo_of_a_held_import_rejects_it_and_no_other(
    penstock: ServedIntake, connection: Connection, two: list[str], token: str
) -> None:
    one, other = (penstock.post(hold(token)).json()["import_id"] for _ in range(2))
    tried = undo(penstock, token, one, reason="a test", dry_run=True)
    assert tried.pop("dry_run")
    assert read_receipt(penstock, token, one)["state"] == "held"
    done = undo(penstock, token, one, reason="a test")

    assert done == tried
    assert (done["error"], done["state"], done["undoes"]) == (0, "rejected", one)
    receipt = read_receipt(penstock, token, one)
    assert (receipt["state"], receipt["error"], receipt["error_text"]) == (
        *("rejected", 409),
        "Undone (a test)",
    )
    assert receipt["faults"][0]["reason"] == "undone_while_held"
    assert receipt["decision"]["action"] == "undo"
    assert read_receipt(penstock, token, other)["state"] == "held"
    (case,) = list_cases(connection)
    assert case.imports == 1
    # There is nothing left to undo.
    again = undo(penstock, token, one)
    assert (again["error"], again["error_text"]) == (
        410,
        "The import changed nothing (it is rejected)",
    )
    assert undo(penstock, token, other)["state"] == "rejected"
    assert read_receipt(penstock, token, other)["error_text"] == "Undone"


@pytest.mark.fact("U.11-held")
@pytest.mark.parametrize(
    ("narrow", "error"),
    [(Scope.MERGE, 403), (Scope.IMPORT, 403), (Scope.ADMIN, 0)],
    indirect=["narrow"],
)
def test_a_held_import_is_undone_by_its_token_or_an_admin(
    narrow: str, penstock: ServedIntake, two: list[str], token: str, error: int
) -> None:
    held = penstock.post(hold(token)).json()["import_id"]
    assert undo(penstock, narrow, held)["error"] == error
    assert undo(penstock, token, held)["error"] == (0 if error else 410)


@pytest.mark.fact("U.11-held")
def test_the_undo_of_a_job_rejects_its_held_rows(
    penstock: ServedIntake, connection: Connection, two: list[str], token: str
) -> None:
    rows = f"email,phone,points\n{ANN},{PHONE},5\n{ANN},,7\n".encode()
    job = upload(
        penstock, token, rows, matching="email_phone", on_ambiguous="hold"
    ).json()["job_id"]
    wait_until(lambda: ask(penstock, token, job).json()["state"] == "done")
    penstock.post(hold(token))
    path = f"/api/v1.1/jobs/{job}/undo"
    done = penstock.post({"token": token, "reason": "wrong file"}, {}, path).json()
    wait_until(lambda: ask(penstock, token, done["job_id"]).json()["state"] == "done")

    (rejected,) = connection.execute(
        "SELECT error_text FROM imports WHERE state = 'rejected'"
    ).fetchall()
    assert rejected == ("Undone (wrong file)",)
    # One that is of no job waits on.
    (case,) = list_cases(connection)
    assert case.imports == 1
