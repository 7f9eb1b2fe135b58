"""Conflicts list the profiles that they are about: A2, A6, A8."""

from typing import Any

import pytest

from ingest.domain.tokens import Scope
from tests.intakes import ServedIntake

IMPORT = "/api/v1.1/profiles/import"


def add(penstock: ServedIntake, token: str, **data: Any) -> str:
    answer = penstock.post(
        {"token": token, "db_id": 1, "data": data}, path="/api/v1.1/profiles/add"
    ).json()
    assert answer["error"] == 0, answer
    return str(answer["profile_id"])


@pytest.fixture
def two(penstock: ServedIntake, token: str) -> tuple[str, str]:
    """One profile with an email and a phone, and one with that phone."""
    ann = add(penstock, token, email="ann@example.com", phones=["+442079460011"])
    bob = add(penstock, token, phones=["+442079460011", "+442079460012"])
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
    assert "+4420" not in str(receipt["candidates"])
    xml = penstock.post(ask(token, format="xml")).text
    assert xml.count("<candidates>") == 2


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
