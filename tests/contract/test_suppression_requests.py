"""Suppression lists over HTTP, in JSON and XML, and deletion: L6, L7."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from ingest.domain.catalog import SuppressionAction
from ingest.domain.contact_hashes import read_contact
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.suppressions.erased import drop_erased, find_erased
from ingest.store.suppressions.key import find_hasher
from tests.conftest import Connection
from tests.declared import change_database, change_resource
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until
from tests.stored import count
from tests.suppressions import SECRET, declare_list, keeping, statuses

ROOT = "/api/v1.1"
ANN, BOB = "ann@example.com", "bob@example.com"
DIGEST = sha256(ANN.encode()).hexdigest()


@pytest.fixture
def listed(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServedIntake]:
    """An intake with lists 3 and, which refuses, 4; deleted ones go on that."""
    monkeypatch.setenv("PENSTOCK_SECRET", SECRET)
    declare_list(connection)
    refuse = SuppressionAction.REFUSE
    declare_list(connection, id=4, name="Forgotten", action=refuse)
    change_database(connection, forget_list_id=4)
    with served(settings) as intake, draining(settings):
        yield intake


def ask(intake: ServedIntake, token: str, path: str, /, **asked: object) -> Any:
    return intake.post({"token": token, **asked}, path=f"{ROOT}/{path}").json()


def subscribe(intake: ServedIntake, token: str, email: str, **more: object) -> Any:
    one = {"channel": "email", "email": email, "resource_id": 1, "status": "subscribed"}
    data = {"email": email, "subscriptions": [one]}
    sent = {"token": token, "db_id": 1, "email": email, "data": data, **more}
    return intake.post(sent).json()


@pytest.mark.fact("L.7-lists")
def test_contacts_are_added_checked_and_removed(
    listed: ServedIntake, token: str
) -> None:
    added = ask(
        listed,
        token,
        "suppressions/add",
        list_id=3,
        contacts=[ANN, "+44 20 7946 0018"],
        sha256=[DIGEST],
        reason="by phone",
        source="support",
    )
    assert added["data"] == {"added": 2, "known": 1}
    (plain,) = ask(listed, token, "suppressions/check", sha256=[DIGEST])["data"]
    (entry,) = plain["lists"]
    assert (plain["contact"], entry["list_id"]) == ("sha256[0]", 3)
    assert (entry["reason"], entry["source"]) == ("by phone", "support")
    assert "expires_at" not in entry
    checked = ask(
        listed,
        token,
        "suppressions/check",
        contacts=[BOB, {"channel": "viber", "cc_data": {"phone": "+442079460018"}}],
    )["data"]
    assert [len(one["lists"]) for one in checked] == [0, 1]

    removed = ask(
        listed, token, "suppressions/remove", list_id=3, contacts=["ANN@example.com"]
    )
    assert removed["data"] == {"removed": 1}
    again = ask(listed, token, "suppressions/check", list_id=3, contacts=[ANN])
    assert again["data"][0]["lists"] == []


@pytest.mark.fact("L.7-lists")
def test_lists_are_listed(listed: ServedIntake, token: str) -> None:
    data = ask(listed, token, "suppressions/list")["data"]
    assert [(one["id"], one["action"]) for one in data] == [(3, "store"), (4, "refuse")]
    assert data[0] == {
        "id": 3,
        "name": "Opted out",
        "action": "store",
        "status": "unsubscribed",
        "resource_ids": [],
        "channels": [],
        "entries": 0,
    }


@pytest.mark.fact("L.7-lists")
def test_xml_is_read_alike(listed: ServedIntake, token: str) -> None:
    body = (
        f"<xml><token>{token}</token><list_id>3</list_id>"
        f"<contacts array='true'>{ANN}</contacts><expires_at>1893456000</expires_at>"
        "</xml>"
    )
    text = listed.post(body.encode(), path=f"{ROOT}/suppressions/add").text
    assert "<added>1</added>" in text
    (one,) = ask(listed, token, "suppressions/check", contacts=ANN)["data"]
    assert one["lists"][0]["expires_at"] == "2030-01-01T00:00:00Z"


@pytest.mark.fact("L.7-lists")
@pytest.mark.parametrize(
    ("sent", "path", "message"),
    [
        ({}, "contacts", "Missing parameter"),
        ({"contacts": []}, "contacts", "Missing parameter"),
        ({"contacts": ["ann"]}, "contacts[0]", "Incorrect phone"),
        ({"contacts": [ANN, "a@b"]}, "contacts[1]", "Incorrect email"),
        ({"contacts": [7]}, "contacts[0]", "Must be an email or a phone"),
        (
            {"contacts": [{"channel": "fax"}]},
            "contacts[0].channel",
            "Unknown channel",
        ),
        ({"sha256": ["zz"]}, "sha256[0]", "Must be 64 hexadecimal digits"),
        ({"contacts": [ANN] * 1001}, "contacts", "At most 1,000 contacts are allowed"),
        ({"contacts": [ANN], "reason": "x" * 201}, "reason", "At most 200 characters"),
        ({"contacts": [ANN], "expires_at": "soon"}, "expires_at", "Incorrect date"),
        ({"contacts": [ANN], "list_id": 9}, "list_id", "Suppression list not found"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_added(
    listed: ServedIntake,
    token: str,
    connection: Connection,
    sent: dict[str, object],
    path: str,
    message: str,
) -> None:
    answer = ask(listed, token, "suppressions/add", **({"list_id": 3} | sent))
    assert answer["error"] in (400, 404)
    assert answer["error_text"].startswith(message)
    assert path in answer["error_text"]
    assert count(connection, "suppressed") == 0


@pytest.mark.fact("L.7-lists")
@pytest.mark.parametrize("narrow", [Scope.IMPORT, Scope.READ], indirect=True)
def test_changing_a_list_takes_the_scope_consent(
    narrow: str, listed: ServedIntake
) -> None:
    for path in ("suppressions/add", "suppressions/remove"):
        answer = ask(listed, narrow, path, list_id=3, contacts=[ANN])
        assert answer["error"] == 403


@pytest.mark.fact("L.6-forgotten")
def test_a_deleted_person_stays_out(
    listed: ServedIntake, token: str, connection: Connection, settings: Settings
) -> None:
    assert subscribe(listed, token, ANN)["error"] == 0
    # Another has the same contact.
    one = {"channel": "email", "email": ANN, "resource_id": 1, "status": "subscribed"}
    shared = {"email": BOB, "subscriptions": [one]}
    assert subscribe(listed, token, BOB, data=shared)["error"] == 0
    by_profile = {"matching": "email", "email": BOB}
    own = ask(listed, token, "profiles/get", db_id=1, **by_profile)["data"]["id"]

    deleted = ask(
        listed, token, "profiles/delete", db_id=1, matching="email", email=BOB
    )
    assert deleted["data"]["profile_id"] == own
    for _ in range(3):
        again = subscribe(listed, token, BOB)
        assert again["error"] == 403
        assert again["error_text"].startswith("The contact is suppressed (list 4)")
    assert count(connection, "profiles") == 1
    # The subscription of the other who has the contact is lowered.
    with keeping(settings) as keeper:
        keeper.run(10)
    wait_until(lambda: statuses(connection, ANN) == ["unsubscribed"])
    row = connection.execute("SELECT DISTINCT source FROM suppressed").fetchall()
    assert row == [("deletion",)]


@pytest.mark.fact("L.6-proved")
def test_what_a_deleted_person_had_said_is_known_by_the_contact(
    listed: ServedIntake, token: str, connection: Connection
) -> None:
    change_resource(connection, consent_history=True)
    subscribe(listed, token, ANN)
    opted_out = {"channel": "email", "email": ANN, "resource_id": 1}
    opted_out["status"] = "unsubscribed"
    subscribe(listed, token, ANN, data={"subscriptions": [opted_out]})
    gone = {"db_id": 1, "matching": "email", "email": ANN}
    assert ask(listed, token, "profiles/delete", **gone)["error"] == 0

    hash_ = read_contact("ANN@example.com").find_hash(find_hasher())
    latest, first = find_erased(connection, [hash_])
    assert (latest.status, latest.until) == ("unsubscribed", None)
    assert (first.status, first.until) == ("subscribed", latest.since)
    text = connection.execute("SELECT string_agg(e::text, '') FROM erased_statuses e")
    assert "ann" not in str(text.fetchone())
    assert count(connection, "consent_history") == 0

    assert drop_erased(connection, latest.erased_at) == 0
    assert drop_erased(connection, latest.erased_at + timedelta(seconds=1)) == 2


@pytest.mark.fact("L.6-forgotten")
def test_a_deletion_may_leave_the_contacts_free(
    listed: ServedIntake, token: str, connection: Connection
) -> None:
    subscribe(listed, token, ANN)
    gone = {"db_id": 1, "matching": "email", "email": ANN, "suppress": False}
    assert ask(listed, token, "profiles/delete", **gone)["error"] == 0
    assert subscribe(listed, token, ANN)["error"] == 0
    assert count(connection, "suppressed") == 0


@pytest.mark.fact("L.4-raced")
def test_nobody_is_left_subscribed_whatever_comes_meanwhile(
    listed: ServedIntake, token: str, connection: Connection, settings: Settings
) -> None:
    """Imports of fifty people come while half of them go on the list."""
    people = [f"{number}@example.com" for number in range(50)]
    chosen = people[::2]
    with keeping(settings) as keeper:
        for first in range(0, 50, 10):
            for email in people[first : first + 10]:
                queued = subscribe_later(listed, token, email)
                assert queued in (200, 202)
            ask(
                listed,
                token,
                "suppressions/add",
                list_id=3,
                contacts=[one for one in chosen if one in people[first : first + 10]],
            )
            for email in people[first : first + 10]:
                subscribe_later(listed, token, email)
            keeper.run(5)
        wait_until(lambda: count(connection, "imports") >= 100)
        keeper.run(5)

    def all_lowered() -> bool:
        return all(statuses(connection, one) == ["unsubscribed"] for one in chosen)

    wait_until(all_lowered)
    assert all(statuses(connection, one) == ["subscribed"] for one in people[1::2])


def subscribe_later(intake: ServedIntake, token: str, email: str) -> int:
    one = {"channel": "email", "email": email, "resource_id": 1, "status": "subscribed"}
    data = {"email": email, "subscriptions": [one]}
    sent = {"token": token, "db_id": 1, "email": email, "data": data}
    return intake.post(sent, {"Prefer": "respond-async"}).status_code
