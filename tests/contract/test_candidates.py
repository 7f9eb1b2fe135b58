"""Conflicts list the profiles that they are about: A2, A6, A8."""

from typing import Any

import pytest

from ingest.domain.tokens import Scope
from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served

IMPORT = "/api/v1.1/profiles/import"


@pytest.fixture
def two(penstock: ServedIntake, token: str) -> tuple[str, str]:
    """One profile with an email and a phone, and one with that phone."""
    ann = penstock.add(token, email="ann@example.com", phones=["+442079460011"])
    bob = penstock.add(token, phones=["+442079460011", "+442079460012"])
    return ann, bob


def ask(token: str, **more: Any) -> dict[str, Any]:
    key = {"matching": "email_phone", "email": "ann@example.com"}
    data = {"phones": ["+442079460012", "+44 20 7946 0011"]}
    return {"token": token, "db_id": 1, **key, "data": data, **more}


def expect(ann: str, bob: str) -> list[dict[str, Any]]:
    first, second = "data.phones[0]", "data.phones[1]"
    return [
        {
            "profile_id": ann,
            "keys": [
                {"kind": "email", "path": "email"},
                {"kind": "phone", "path": second},
            ],
        },
        {
            "profile_id": bob,
            "keys": [
                {"kind": "phone", "path": first},
                {"kind": "phone", "path": second},
            ],
        },
    ]


@pytest.mark.fact("A.2-candidates", "A.8-answer")
def test_an_ambiguous_import_lists_who_matches_and_by_what(
    penstock: ServedIntake, two: tuple[str, str], token: str
) -> None:
    told = sorted(expect(*two), key=lambda one: one["profile_id"])
    answer = penstock.post(ask(token))

    assert answer.json()["error"] == 409
    assert answer.json()["candidates"] == told
    import_id = answer.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={token}").json()
    assert receipt["candidates"] == told
    assert [one["reason"] for one in receipt["faults"]] == ["ambiguous_match"]
    assert "+4420" not in str(receipt["candidates"])
    xml = penstock.post(ask(token, format="xml")).text
    assert xml.count("<candidates>") == 2
    batch = {"token": token, "db_id": 1, "data": [ask(token)]}
    (element,) = penstock.post(batch, path=f"{IMPORT}_batch").json()["result"]
    assert (element["error"], element["candidates"]) == (409, told)


@pytest.mark.fact("A.8-answer")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_one_who_may_not_read_is_told_of_the_conflict_only(
    narrow: str, penstock: ServedIntake, two: tuple[str, str]
) -> None:
    answer = penstock.post(ask(narrow))

    assert set(answer.json()) == {"error", "error_text"}
    import_id = answer.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={narrow}").json()
    assert "candidates" not in receipt
    batch = {"token": narrow, "db_id": 1, "data": [ask(narrow)]}
    (element,) = penstock.post(batch, path=f"{IMPORT}_batch").json()["result"]
    assert (element["error"], set(element)) == (409, {"error", "error_text"})


@pytest.mark.fact("A.6-taken")
def test_a_value_that_is_taken_names_its_holder(
    penstock: ServedIntake, two: tuple[str, str], token: str
) -> None:
    ann, bob = two
    answer = penstock.post(
        {
            "token": token,
            "db_id": 1,
            "matching": "profile_id",
            "profile_id": bob,
            "data": {"email": "ann@example.com"},
        }
    ).json()

    assert answer["error_text"] == "Another profile holds this value: data.email"
    assert answer["candidates"] == [
        {"profile_id": ann, "keys": [{"kind": "email", "path": "data.email"}]}
    ]


@pytest.mark.fact("A.8-answer")
def test_no_other_answer_has_them(penstock: ServedIntake, token: str) -> None:
    applied = penstock.post(
        {"token": token, "db_id": 1, "email": "ann@example.com", "data": {}}
    )
    import_id = applied.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={token}").json()

    assert set(applied.json()) == {"error", "error_text", "profile_id"}
    assert "candidates" not in receipt


@pytest.mark.fact("A.1-policy", "A.3-first")
def test_the_first_kind_of_key_decides_where_that_is_asked_for(
    penstock: ServedIntake, two: tuple[str, str], token: str
) -> None:
    ann, bob = two
    told = sorted(expect(ann, bob), key=lambda one: one["profile_id"])
    answer = penstock.post(ask(token, on_ambiguous="first"))
    element = {**ask(token), "on_ambiguous": "first"}
    batch = penstock.post(
        {
            "token": token,
            "db_id": 1,
            "matching": "email_phone",
            "data": [element, {**element, "on_ambiguous": "reject"}],
        },
        path=f"{IMPORT}_batch",
    ).json()

    assert set(answer.json()) == {"error", "error_text", "profile_id"}
    assert answer.json()["profile_id"] == ann
    import_id = answer.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={token}").json()
    assert (receipt["matched_by"], receipt["candidates"]) == ("email", told)
    assert [one["error"] for one in batch["result"]] == [0, 409]


@pytest.mark.fact("A.3-first")
def test_a_kind_that_finds_several_does_not_decide(
    penstock: ServedIntake, two: tuple[str, str], token: str
) -> None:
    asked = {"token": token, "db_id": 1, "matching": "phone", "phone": "+442079460011"}
    answer = penstock.post({**asked, "on_ambiguous": "first", "data": {}}).json()

    assert answer["error"] == 409
    assert [one["profile_id"] for one in answer["candidates"]] == sorted(two)


@pytest.mark.fact("A.1-otherwise")
@pytest.mark.parametrize("policy", ["first", "reject"])
def test_what_a_policy_does_not_decide_is_held_where_that_is_asked_for(
    penstock: ServedIntake, two: tuple[str, str], token: str, policy: str
) -> None:
    asked = {"token": token, "db_id": 1, "matching": "phone", "otherwise": "hold"}
    element = {"phone": "+442079460011", "on_ambiguous": policy, "data": {}}
    answer = penstock.post({**asked, **element})
    batch = penstock.post(
        {**asked, "data": [element, {**element, "otherwise": "reject"}]},
        path=f"{IMPORT}_batch",
    ).json()

    if policy == "reject":
        # That is a decision.
        assert answer.json()["error"] == 409
        assert [one["error"] for one in batch["result"]] == [409, 409]
        return
    assert (answer.status_code, answer.json()["state"]) == (202, "held")
    assert [one["error"] for one in batch["result"]] == [0, 409]
    import_id = answer.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={token}").json()
    assert [one["message"] for one in receipt["warnings"]] == [
        "Not decided by the policy first"
    ]
    unknown = penstock.post({**asked, **element, "otherwise": "guess"}).json()
    assert unknown["error_text"] == "Unknown policy (one of reject, hold): otherwise"


@pytest.mark.fact("A.4-oldest", "A.4-newest")
@pytest.mark.parametrize("policy", ["oldest", "newest"])
def test_the_oldest_or_newest_of_many_is_chosen_where_that_is_asked_for(
    penstock: ServedIntake, token: str, policy: str
) -> None:
    phone = "+442079460013"
    ids = sorted(penstock.add(token, phones=[phone]) for _ in range(7))
    key = {"matching": "phone", "phone": phone}
    asked = {"token": token, "db_id": 1, **key, "on_ambiguous": policy}
    answer = penstock.post({**asked, "data": {"_fname": "Ann"}})

    assert answer.json()["profile_id"] == ids[0 if policy == "oldest" else -1]
    import_id = answer.headers["Import-Id"]
    receipt = penstock.get(f"/api/v1.1/imports/{import_id}?token={token}").json()
    assert receipt["matched_by"] == "phone"
    read = ids[:5] if policy == "oldest" else ids[-5:]
    assert [one["profile_id"] for one in receipt["candidates"]] == read


@pytest.mark.fact("A.4-oldest", "A.4-newest")
@pytest.mark.parametrize(("count", "error"), [(4, 0), (5, 409)])
@pytest.mark.parametrize("policy", ["oldest", "newest"])
def test_a_scan_that_ends_at_its_limit_does_not_decide(
    penstock: ServedIntake, token: str, policy: str, count: int, error: int
) -> None:
    ids = [penstock.add(token, _lname="Smith") for _ in range(count)]
    key = {"matching": "custom", "field_name": "_lname", "field_value": "Smith"}
    asked = {"token": token, "db_id": 1, **key, "on_ambiguous": policy}
    answer = penstock.post({**asked, "data": {"_fname": "Ann"}}).json()

    chosen = min(ids) if policy == "oldest" else max(ids)
    assert answer["error"] == error
    assert answer.get("profile_id") == (None if error else chosen)


@pytest.mark.fact("A.1-policy")
def test_a_database_may_set_the_policy_and_an_import_another(
    connection: Connection, token: str, settings: Settings
) -> None:
    connection.execute("UPDATE databases SET on_ambiguous = 'first' WHERE id = 1")
    with served(settings) as intake, draining(settings):
        ann = intake.add(token, email="ann@example.com", phones=["+442079460011"])
        intake.add(token, phones=["+442079460011", "+442079460012"])
        chosen = intake.post(ask(token)).json()
        rejected = intake.post(ask(token, on_ambiguous="reject")).json()
        reading = intake.post(
            ask(token, phone="+442079460012"), path="/api/v1.1/profiles/get"
        ).json()
        unknown = intake.post(ask(token, on_ambiguous="guess")).json()

    assert chosen["profile_id"] == ann
    assert rejected["error"] == 409
    # Reading never guesses.
    assert reading["error"] == 409
    assert unknown["error_text"] == (
        "Unknown policy (one of reject, first, oldest, newest, merge, hold):"
        " on_ambiguous"
    )
