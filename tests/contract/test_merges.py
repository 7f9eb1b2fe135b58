"""Merges over HTTP, through the real pipeline, and their undo: M1 to M10, X1 to X7."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ingest.domain.catalog import EventKind
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.wire.bodies import Format
from tests.conftest import Connection
from tests.documents import write
from tests.drains import draining, trying
from tests.intakes import ServedIntake, served
from tests.receivers import listen

ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"
NOBODY = "0" * 24
GET = "/api/v1.1/profiles/get"


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


def send(penstock: ServedIntake, token: str, email: str, /, **data: Any) -> str:
    """Import a profile and return its id."""
    more = data.pop("more", {})
    answer = penstock.post(
        {"token": token, "db_id": 1, "email": email, "data": data, **more}
    ).json()
    assert answer["error"] == 0, answer
    profile_id: str = answer["profile_id"]
    return profile_id


def merge(
    penstock: ServedIntake,
    token: str,
    *profiles: object,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:
    document = {"token": token, "db_id": 1, "profiles": list(profiles), **more}
    return penstock.post(document, headers or {}, "/api/v1.1/profiles/merge")


def unmerge(penstock: ServedIntake, token: str, **named: Any) -> dict[str, Any]:
    document = {"token": token, "db_id": 1, **named}
    answer: dict[str, Any] = penstock.post(
        document, {}, "/api/v1.1/profiles/unmerge"
    ).json()
    return answer


def read(penstock: ServedIntake, token: str, **key: Any) -> dict[str, Any]:
    asked = {"token": token, "db_id": 1, **key}
    answer: dict[str, Any] = penstock.post(asked, path=GET).json()
    return answer["data"] if answer["error"] == 0 else answer


def by_id(profile_id: str) -> dict[str, str]:
    return {"matching": "profile_id", "profile_id": profile_id}


TABLES = {
    "profiles": "to_jsonb(it) - '{version,updated_at}'::text[]",
    "match_keys": "to_jsonb(it)",
    "segment_members": "to_jsonb(it) - 'added_at'",
    "profile_aliases": "to_jsonb(it)",
}


def look(connection: Connection) -> dict[str, list[Any]]:
    """Return every row that is about profiles, but when it was written."""
    return {
        table: connection.execute(
            f"SELECT {shown} FROM {table} AS it ORDER BY 1"
        ).fetchall()
        for table, shown in TABLES.items()
    }


@pytest.mark.fact("M.1-merge", "M.2-receipt")
def test_two_profiles_become_one(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann = send(penstock, token, ANN, _fname="Ann", points=1, interests=["x"])
    bob = send(penstock, token, BOB, _lname="Smith", points=5, interests=["y"], code=7)
    answer = merge(penstock, token, bob, ann, reason="same person").json()

    assert [answer[name] for name in ("error", "state", "profile_id", "profiles")] == [
        *(0, "updated", ann, [bob])
    ]
    assert sorted(answer["changes"], key=lambda change: change["path"]) == [
        {"path": "_lname", "old": None, "new": "Smith"},
        {"path": "code", "old": None, "new": 7},
        {"path": "former_keys[email]", "old": None, "new": [BOB]},
        {"path": "interests", "old": ["x"], "new": ["x", "y"]},
    ]
    stored = read(penstock, token, email=ANN)
    assert [stored[name] for name in ("_fname", "_lname", "points")] == [
        *("Ann", "Smith", 1)
    ]
    receipt = penstock.get(f"/api/v1.1/imports/{answer['import_id']}?token={token}")
    shown = receipt.json()
    assert [shown[name] for name in ("operation", "state", "profile_id")] == [
        *("merge", "updated", ann)
    ]
    assert shown["profiles"] == [bob]
    assert connection.execute("SELECT id FROM profiles").fetchall() == [(ann,)]


@pytest.mark.fact("M.6-former-keys", "M.7-aliases")
def test_every_old_key_and_id_finds_the_survivor(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    phone = "+442079460011"
    ann = send(penstock, token, ANN, code=1)
    bob = send(penstock, token, BOB, code=2, phones=[phone], points=1)
    merge(penstock, token, ann, bob)
    code = {"matching": "custom", "field_name": "code"}
    keys = (
        {"email": ANN},
        {"email": BOB},
        {"matching": "phone", "phone": phone},
        {**code, "field_value": 1},
        {**code, "field_value": 2},
        by_id(ann),
        by_id(bob),
    )
    for key in keys:
        assert read(penstock, token, **key)["id"] == ann
        answer = penstock.post(
            {
                "token": token,
                "db_id": 1,
                **key,
                "data": {"points": {"action": "incr", "value": 1}},
            }
        ).json()
        assert (answer["error"], answer.get("profile_id")) == (0, ann)
    # What it had once is no contact of it.
    stored = read(penstock, token, email=ANN)
    assert (stored["email"], stored["code"], stored["points"]) == (ANN, 1, 8)
    assert BOB not in str(stored)
    found = connection.execute(
        "SELECT matched_by FROM imports ORDER BY turn DESC LIMIT 1"
    ).fetchone()
    assert found == ("former_id",)


@pytest.mark.fact("M.6-former-keys")
def test_a_former_key_belongs_to_nobody_else(
    penstock: ServedIntake, token: str
) -> None:
    ann = send(penstock, token, ANN)
    bob = send(penstock, token, BOB)
    cat = send(penstock, token, CAT)
    merge(penstock, token, ann, bob)
    taken = penstock.post(
        {"token": token, "db_id": 1, **by_id(cat), "data": {"email": BOB}}
    ).json()

    assert (taken["error"], taken["candidates"][0]["profile_id"]) == (409, ann)


@pytest.mark.fact("M.7-aliases")
def test_a_chain_of_merges_leads_to_the_last(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann, bob, cat = (send(penstock, token, one) for one in (ANN, BOB, CAT))
    merge(penstock, token, bob, ann, survivor=bob)
    merge(penstock, token, ann, cat, survivor=cat)

    rows = connection.execute(
        "SELECT alias_id, profile_id FROM profile_aliases ORDER BY 1"
    ).fetchall()
    assert sorted(rows) == sorted([(ann, cat), (bob, cat)])
    for email in (ANN, BOB, CAT):
        assert read(penstock, token, email=email)["id"] == cat


@pytest.mark.fact("X.2-parted", "X.7-receipt")
def test_parted_profiles_are_as_they_were(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    subscription = {"resource_id": 1, "channel": "email", "email": ANN}
    ann = send(
        penstock,
        token,
        ANN,
        code=1,
        interests=["x"],
        subscriptions=[subscription],
        more={"add_to_segments": [1]},
    )
    bob = send(
        penstock,
        token,
        BOB,
        code=2,
        phones=["+442079460011"],
        subscriptions=[subscription],
        more={"add_to_segments": [2]},
    )
    before = look(connection)
    merged = merge(penstock, token, ann, bob).json()
    assert look(connection) != before
    answer = unmerge(penstock, token, merge_id=merged["import_id"])

    assert [answer[name] for name in ("error", "state", "profile_id", "profiles")] == [
        *(0, "updated", ann, [bob])
    ]
    assert answer["undoes"] == merged["import_id"]
    assert (answer["kept"], answer["cannot"], answer["warnings"]) == ([], [], [])
    assert look(connection) == before
    for key in (by_id(bob), {"email": BOB}):
        assert read(penstock, token, **key)["id"] == bob


@pytest.mark.fact("X.1-named")
@pytest.mark.parametrize("named_by", ["merge_id", "profile_id", "undo"])
def test_a_merge_is_undone_by_its_id_or_by_a_profile(
    penstock: ServedIntake, token: str, named_by: str
) -> None:
    ann, bob = (send(penstock, token, one) for one in (ANN, BOB))
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    if named_by == "undo":
        path = f"/api/v1.1/imports/{merged}/undo"
        answer = penstock.post({"token": token}, {}, path).json()
    else:
        named = {"merge_id": merged, "profile_id": bob}
        answer = unmerge(penstock, token, **{named_by: named[named_by]})

    assert answer["profiles"] == [bob]
    assert read(penstock, token, email=BOB)["id"] == bob


@pytest.mark.fact("X.1-latest")
def test_the_latest_merge_is_undone_first(penstock: ServedIntake, token: str) -> None:
    ann, bob, cat = (send(penstock, token, one) for one in (ANN, BOB, CAT))
    first = merge(penstock, token, ann, bob).json()["import_id"]
    second = merge(penstock, token, ann, cat).json()["import_id"]
    refused = unmerge(penstock, token, merge_id=first)

    assert (refused["error"], refused["error_text"]) == (
        409,
        f"The profile was merged: undo the merge {second} first",
    )
    assert unmerge(penstock, token, merge_id=second)["error"] == 0
    assert unmerge(penstock, token, merge_id=first)["error"] == 0
    for email, id_ in ((ANN, ann), (BOB, bob), (CAT, cat)):
        assert read(penstock, token, email=email)["id"] == id_


@pytest.mark.fact("X.1-latest", "U.11-merged")
def test_what_was_merged_since_is_parted_first(
    penstock: ServedIntake, token: str
) -> None:
    ann, bob = send(penstock, token, ANN), send(penstock, token, BOB)
    wrong = penstock.post(
        {"token": token, "db_id": 1, "email": BOB, "data": {"_fname": "Bob"}}
    ).headers["Import-Id"]
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    path = f"/api/v1.1/imports/{wrong}/undo"
    refused = penstock.post({"token": token}, {}, path).json()

    assert (refused["error"], refused["error_text"]) == (
        409,
        f"The profile was merged: undo the merge {merged} first",
    )
    unmerge(penstock, token, merge_id=merged)
    assert penstock.post({"token": token}, {}, path).json()["error"] == 0
    assert "_fname" not in read(penstock, token, email=BOB)


@pytest.mark.fact("X.3-kept", "X.6-later")
def test_what_changed_since_the_merge_stays_with_the_survivor(
    penstock: ServedIntake, token: str
) -> None:
    ann = send(penstock, token, ANN, interests=["x"])
    bob = send(penstock, token, BOB, interests=["y"], _lname="Smith", points=5)
    merged = merge(penstock, token, ann, bob).json()
    later = penstock.post(
        {
            "token": token,
            "db_id": 1,
            "email": BOB,
            "data": {
                "_lname": "Smythe",
                "points": {"action": "incr", "value": 2},
                "interests": {"action": "add", "value": ["z"]},
            },
        }
    ).headers["Import-Id"]
    answer = unmerge(penstock, token, merge_id=merged["import_id"])

    assert {"path": "_lname", "reason": "changed since", "by": later} in answer["kept"]
    assert [one["message"] for one in answer["warnings"]] == [
        "The imports since the merge stay with this profile (1)"
    ]
    one, other = (read(penstock, token, **by_id(id_)) for id_ in (ann, bob))
    assert [one[name] for name in ("_lname", "points", "interests")] == [
        *("Smythe", 2, ["x", "z"])
    ]
    assert [other[name] for name in ("_lname", "points", "interests")] == [
        *("Smith", 5, ["y"])
    ]


@pytest.mark.fact("X.5-taken")
def test_a_value_that_was_taken_since_does_not_come_back(
    penstock: ServedIntake, token: str
) -> None:
    ann = send(penstock, token, ANN)
    bob = send(penstock, token, BOB, code=2)
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    # What was his email is hers now.
    data = {"email": BOB, "code": 3}
    penstock.post({"token": token, "db_id": 1, "email": ANN, "data": data})
    send(penstock, token, CAT, code=2)
    answer = unmerge(penstock, token, merge_id=merged)

    taken = [one for one in answer["kept"] if one["reason"] == "taken"]
    assert taken == [
        {"path": f"profiles[{bob}].code", "reason": "taken"},
        {"path": f"profiles[{bob}].email", "reason": "taken"},
    ]
    assert "email" not in read(penstock, token, **by_id(bob))
    assert read(penstock, token, email=BOB)["id"] == ann


@pytest.mark.fact("X.2-parted")
def test_an_undone_merge_is_done_again_by_merging(
    penstock: ServedIntake, token: str
) -> None:
    ann, bob = (send(penstock, token, one) for one in (ANN, BOB))
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    undone = unmerge(penstock, token, merge_id=merged)
    path = f"/api/v1.1/imports/{undone['import_id']}/undo"
    refused = penstock.post({"token": token}, {}, path).json()

    assert (refused["error"], refused["error_text"]) == (
        410,
        "The undo of a merge cannot be undone (merge the profiles again)",
    )
    again = unmerge(penstock, token, merge_id=merged)
    assert (again["error"], again["state"]) == (0, "unchanged")
    assert merge(penstock, token, ann, bob).json()["error"] == 0


@pytest.mark.fact("X.4-consent")
def test_who_unsubscribed_since_stays_so_in_both(
    penstock: ServedIntake, token: str
) -> None:
    mail = {"resource_id": 1, "channel": "email", "email": ANN}
    ann = send(penstock, token, ANN, subscriptions=[mail])
    bob = send(penstock, token, BOB, subscriptions=[mail])
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    send(penstock, token, ANN, subscriptions=[{**mail, "status": "unsubscribed"}])
    unmerge(penstock, token, merge_id=merged, restore_consent=True, reason="mistake")

    for id_ in (ann, bob):
        (found,) = read(penstock, token, **by_id(id_))["subscriptions"]
        assert found["status"] == "unsubscribed"


@pytest.mark.fact("M.1-merge")
def test_profiles_may_be_named_by_their_keys(
    penstock: ServedIntake, token: str
) -> None:
    ann = send(penstock, token, ANN)
    send(penstock, token, BOB, code=7)
    code = {"matching": "custom", "field_name": "code", "field_value": 7}
    answer = merge(penstock, token, {"email": ANN}, code).json()

    assert (answer["error"], answer["profile_id"]) == (0, ann)


@pytest.mark.fact("M.1-merge")
@pytest.mark.parametrize("sent_as", [Format.JSON, Format.XML])
def test_it_may_be_asked_in_either_format(
    penstock: ServedIntake, token: str, sent_as: Format
) -> None:
    ann, bob = (send(penstock, token, one, _fname=one[:3]) for one in (ANN, BOB))
    body = write(
        {
            "token": token,
            "db_id": 1,
            "profiles": [ann, bob],
            "fields": {"_fname": bob},
            "survivor": "newest" if ann > bob else "oldest",
        },
        sent_as,
    )
    headers = {"Content-Type": f"application/{sent_as.value}"}
    answer = penstock.post(body, headers, "/api/v1.1/profiles/merge")

    assert answer.headers["Content-Type"].startswith(f"application/{sent_as.value}")
    assert read(penstock, token, email=ANN)["_fname"] == "bob"


@pytest.mark.fact("M.1-refused")
@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"profiles": None}, 400, "Missing parameter: profiles"),
        ({"profiles": "x"}, 400, "Must be a list of 2 to 10 profiles: profiles"),
        (
            {"profiles": [NOBODY, 5]},
            400,
            "Must be a profile ID, or an object with a matching key: profiles[1]",
        ),
        ({"profiles": [NOBODY] * 11}, 400, "Must be a list of 2 to 10 profiles"),
        ({"profiles": [NOBODY, "1" * 24]}, 404, "Profile not found: profiles[0]"),
        (
            {"profiles": [NOBODY, {"email": "no@x.ru"}]},
            404,
            "No matching profile: profiles[1]",
        ),
        ({"profiles": [NOBODY, {"email": 5}]}, 400, "Must be a string"),
        ({"db_id": 99}, 404, "Database not found: db_id"),
        ({"survivor": "best"}, 400, "Must be a profile ID: survivor"),
        ({"fields": ["x"]}, 400, "Must be an object: fields"),
        ({"fields": {"_fname": 5}}, 400, "Must be a string: fields"),
        ({"reason": "x" * 1001}, 400, "Too long (at most 1000 characters): reason"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    changes: dict[str, Any],
    error: int,
    text: str,
) -> None:
    document = {"token": token, "db_id": 1, "profiles": [NOBODY, "1" * 24]}
    answer = penstock.post(
        {**document, **changes}, {}, "/api/v1.1/profiles/merge"
    ).json()

    assert answer["error"] == error, answer
    assert answer["error_text"].startswith(text)
    assert connection.execute("SELECT * FROM merges").fetchall() == []


@pytest.mark.fact("M.1-refused")
def test_one_profile_is_not_merged_with_itself(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann, bob = (send(penstock, token, one) for one in (ANN, BOB))
    same = merge(penstock, token, ann, ann).json()
    merge(penstock, token, ann, bob)
    before = look(connection)
    again = merge(penstock, token, ann, bob).json()

    for answer in (same, again):
        assert (answer["error"], answer["error_text"]) == (
            400,
            f"These are one profile already ({ann}): profiles",
        )
    assert look(connection) == before


@pytest.mark.fact("M.4-refused")
def test_a_rule_that_does_not_fit_writes_nothing(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann, bob = (send(penstock, token, one) for one in (ANN, BOB))
    before = look(connection)
    answer = merge(penstock, token, ann, bob, fields={"_fname": "sum"}).json()

    assert answer["error"] == 400
    assert answer["error_text"].endswith(": fields._fname")
    assert look(connection) == before


@pytest.mark.fact("M.1-dry-run")
def test_a_dry_run_shows_what_the_merge_then_does(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann = send(penstock, token, ANN, _fname="Ann")
    bob = send(penstock, token, BOB, _lname="Smith")
    before = look(connection)
    tried = merge(penstock, token, ann, bob, dry_run=True).json()

    assert look(connection) == before
    done = merge(penstock, token, ann, bob).json()
    assert (tried.pop("dry_run"), tried.pop("behind")) == (True, 0)
    assert tried == {name: it for name, it in done.items() if name != "import_id"}
    merged = look(connection)
    parting = unmerge(penstock, token, profile_id=bob, dry_run=True)
    assert parting["profiles"] == [bob]
    assert look(connection) == merged


@pytest.mark.fact("D.1-stream", "M.1-idempotency")
def test_a_repeated_request_is_one_merge(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann, bob = (send(penstock, token, one) for one in (ANN, BOB))
    headers = {"Idempotency-Key": uuid4().hex}
    first = merge(penstock, token, ann, bob, headers=headers)
    second = merge(penstock, token, ann, bob, headers=headers)

    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    rows = connection.execute("SELECT merge_id FROM merges").fetchall()
    assert len(rows) == 1


@pytest.mark.fact("D.4-merge")
@pytest.mark.parametrize(
    ("narrow", "error"),
    [(Scope.MERGE, 0), (Scope.ADMIN, 0), (Scope.IMPORT, 403), (Scope.READ, 403)],
    indirect=["narrow"],
)
def test_a_merge_needs_its_own_right(
    narrow: str, penstock: ServedIntake, token: str, error: int
) -> None:
    ann, bob = send(penstock, token, ANN), send(penstock, token, BOB, _fname="Bob")
    answer = merge(penstock, narrow, ann, bob).json()

    assert answer["error"] == error
    if not error:
        # It reads nothing by it.
        assert {"path": "_fname"} in answer["changes"]
        named = merge(penstock, narrow, ann, {"email": BOB}).json()
        assert named["error"] == 403
    assert unmerge(penstock, narrow, profile_id=bob)["error"] == error


@pytest.fixture
def listeners(connection: Connection) -> None:
    """Triggers for what an import does, and for merges."""
    listen(
        connection,
        EventKind.IMPORT,
        EventKind.PROFILE_UPDATED,
        EventKind.SUBSCRIPTION,
        EventKind.SEGMENT_ENTERED,
        EventKind.PROFILES_MERGED,
        EventKind.PROFILES_UNMERGED,
    )


@pytest.mark.fact("M.2-events")
def test_a_merge_tells_of_itself_only(
    listeners: None, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    mail = {"resource_id": 1, "channel": "email", "email": BOB}
    ann = send(penstock, token, ANN)
    bob = send(
        penstock, token, BOB, subscriptions=[mail], more={"add_to_segments": [1]}
    )
    connection.execute("DELETE FROM deliveries")
    connection.execute("DELETE FROM events")
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    unmerge(penstock, token, merge_id=merged)

    rows = connection.execute(
        "SELECT kind, profile_id, detail FROM events ORDER BY created_at"
    ).fetchall()
    assert [(kind, id_, detail["profiles"]) for kind, id_, detail in rows] == [
        ("profiles_merged", ann, [bob]),
        ("profiles_unmerged", ann, [bob]),
    ]
    assert rows[0][2]["merge_id"] == rows[1][2]["undoes"] == merged


@pytest.mark.fact("M.5-times")
def test_a_merge_names_the_statuses_that_it_did_not_raise(
    penstock: ServedIntake, token: str
) -> None:
    shop = {"resource_id": 1, "channel": "email", "email": "shop@example.com"}
    ann = send(penstock, token, ANN, subscriptions=[{**shop, "status": "unsubscribed"}])
    bob = send(penstock, token, BOB, subscriptions=[{**shop, "status": "subscribed"}])
    (kept,) = merge(penstock, token, ann, bob).json()["kept"]

    path = "subscriptions[1/email/shop@example.com].status"
    named = [kept[name] for name in ("path", "reason", "stored")]
    assert named == [path, "consent", "unsubscribed"]
    assert "sent" not in kept


@pytest.mark.fact("M.5-times")
@pytest.mark.parametrize("narrow", [Scope.MERGE], indirect=True)
def test_a_status_that_stays_is_shown_to_who_may_read(
    narrow: str, penstock: ServedIntake, token: str
) -> None:
    shop = {"resource_id": 1, "channel": "email", "email": "shop@example.com"}
    ids = [
        send(penstock, token, email, subscriptions=[{**shop, "status": status}])
        for email, status in ((ANN, "unsubscribed"), (BOB, "subscribed"))
    ]
    for is_tried in (True, False):
        told = merge(penstock, narrow, *ids, dry_run=is_tried)
        assert [one["reason"] for one in told.json()["kept"]] == ["consent"]
        assert "unsubscribed" not in told.text


def list_merges(penstock: ServedIntake, token: str, **named: Any) -> dict[str, Any]:
    asked = {"token": token, "db_id": 1, **named}
    answer = penstock.post(asked, {}, "/api/v1.1/profiles/merges")
    listed: dict[str, Any] = answer.json()
    return listed


@pytest.mark.fact("M.8-merges", "U.1-reason")
def test_merges_are_listed_with_who_did_them_and_whether_they_were_undone(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann, bob, cat = (send(penstock, token, one) for one in (ANN, BOB, CAT))
    first = merge(penstock, token, bob, cat, reason="same phone").json()["import_id"]
    second = merge(penstock, token, ann, bob).json()["import_id"]
    (name,) = connection.execute("SELECT name FROM tokens WHERE id = 1").fetchone()  # type: ignore[misc]
    latest, earliest = list_merges(penstock, token)["data"]

    assert latest == {
        "merge_id": second,
        "profile_id": ann,
        "profiles": [bob],
        "merged_at": latest["merged_at"],
        "operation": "merge",
        "by": f"token 1 ({name})",
    }
    assert [earliest[key] for key in ("merge_id", "profile_id", "profiles")] == [
        *(first, bob, [cat])
    ]
    assert earliest["reason"] == "same phone"
    # By any key or ID, of what it became too.
    for key in ({"email": CAT}, by_id(bob), by_id(ann)):
        assert list_merges(penstock, token, **key)["data"] == [latest, earliest]
    parted = unmerge(penstock, token, merge_id=second, reason="two people")
    undone, _ = list_merges(penstock, token)["data"]
    assert undone["undone_by"] == parted["import_id"]
    assert undone["undone_at"] > undone["merged_at"]
    assert list_merges(penstock, token, **by_id(ann))["data"] == [undone]
    receipt = penstock.get(f"/api/v1.1/imports/{parted['import_id']}?token={token}")
    assert receipt.json()["reason"] == "two people"


@pytest.mark.fact("M.8-merges")
def test_merges_are_listed_page_by_page(penstock: ServedIntake, token: str) -> None:
    ids = [send(penstock, token, f"{number}@example.com") for number in range(5)]
    made = [merge(penstock, token, ids[0], one).json()["import_id"] for one in ids[1:]]
    seen: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = list_merges(penstock, token, limit=2, **more)
        seen += [one["merge_id"] for one in page["data"]]
        if "from_id" not in page:
            break
        more = {"from_id": page["from_id"]}

    assert seen == made[::-1]
    refused = list_merges(penstock, token, from_id="x")
    assert refused["error_text"] == "Must be the ID of a merge: from_id"
    assert list_merges(penstock, token, email="no@example.com")["error"] == 404
    assert list_merges(penstock, token, emial="0@example.com")["error"] == 400
    assert list_merges(penstock, token, db_id=2)["data"] == []
    assert list_merges(penstock, token, db_id=99)["error"] in {403, 404}


@pytest.mark.fact("U.1-reason")
@pytest.mark.parametrize("narrow", [Scope.MERGE], indirect=True)
def test_a_reason_is_shown_to_who_may_read_and_goes_with_the_person(
    narrow: str, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    ann, bob = send(penstock, token, ANN), send(penstock, token, BOB)
    merged = merge(penstock, narrow, ann, bob, reason="Ann called").json()["import_id"]
    path = f"/api/v1.1/imports/{merged}"

    assert penstock.get(f"{path}?token={token}").json()["reason"] == "Ann called"
    assert "reason" not in penstock.get(f"{path}?token={narrow}").json()
    document = {"token": token, "db_id": 1, "email": BOB}
    penstock.post(document, path="/api/v1.1/profiles/delete")
    stored = connection.execute("SELECT imports::text FROM imports").fetchall()
    assert "Ann called" not in str(stored)
    assert list_merges(penstock, token)["data"] == []


@pytest.mark.fact("M.9-deleted")
@pytest.mark.parametrize("named_by", [ANN, BOB, "former"])
def test_a_deletion_erases_all_that_were_merged(
    penstock: ServedIntake, connection: Connection, token: str, named_by: str
) -> None:
    ann = send(penstock, token, ANN, _fname="Ann")
    bob = send(penstock, token, BOB, _fname="Robert", _lname="secret")
    merged = merge(penstock, token, ann, bob).json()["import_id"]
    key = by_id(bob) if named_by == "former" else {"email": named_by}
    answer = penstock.post(
        {"token": token, "db_id": 1, **key}, path="/api/v1.1/profiles/delete"
    ).json()

    assert answer["data"] == {"profile_id": ann, "former_ids": [bob]}
    assert all(rows == [] for rows in look(connection).values())
    left = str(
        connection.execute("SELECT imports::text FROM imports").fetchall()
        + connection.execute("SELECT merges::text FROM merges").fetchall()
    )
    for told in (ANN, BOB, "Robert", "secret"):
        assert told not in left
    assert unmerge(penstock, token, merge_id=merged)["error"] == 410
    assert connection.execute("SELECT * FROM profiles").fetchall() == []
