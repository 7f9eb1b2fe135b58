"""Undo over HTTP, through the real pipeline: U1 to U11."""

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

IMPORT = "/api/v1.1/profiles/import"
EMAIL = "ann@example.com"
CODE = {"matching": "custom", "field_name": "code", "field_value": 5}


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


def send(penstock: ServedIntake, token: str, /, **data: Any) -> str:
    """Import a profile and return the id of the import."""
    more = data.pop("more", {})
    answer = penstock.post(
        {"token": token, "db_id": 1, "email": EMAIL, "data": data, **more}
    )
    assert answer.json()["error"] == 0, answer.text
    return answer.headers["Import-Id"]


def undo(
    penstock: ServedIntake,
    token: str,
    import_id: str,
    headers: dict[str, str] | None = None,
    /,
    **more: Any,
) -> httpx.Response:
    document = {"token": token, "reason": "a test", **more}
    return penstock.post(document, headers or {}, f"/api/v1.1/imports/{import_id}/undo")


def read(penstock: ServedIntake, token: str) -> dict[str, Any]:
    asked = {"token": token, "db_id": 1, "email": EMAIL}
    answer: dict[str, Any] = penstock.post(asked, path="/api/v1.1/profiles/get").json()
    return answer["data"] if answer["error"] == 0 else answer


@pytest.mark.fact("U.1-import", "U.8-piles")
def test_an_import_is_undone_in_three_piles(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    send(penstock, token, _fname="Ann", points=1)
    wrong = send(penstock, token, _fname="Anne", _lname="Smith", points=5)
    later = send(penstock, token, _lname="Smythe")
    connection.execute("""UPDATE profiles SET fields = fields || '{"points": 7}'""")

    answer = undo(penstock, token, wrong).json()

    assert answer["error"] == 409
    assert answer["error_text"] == ("The value differs from the receipts: points")
    assert answer["undoes"] == wrong
    assert answer["state"] == "updated"
    assert answer["reversed"] == [{"path": "_fname", "from": "Anne", "to": "Ann"}]
    assert answer["kept"] == [
        {"path": "_lname", "reason": "changed since", "by": later}
    ]
    assert [one["path"] for one in answer["cannot"]] == ["points"]
    stored = read(penstock, token)
    assert [stored[name] for name in ("_fname", "_lname", "points")] == [
        *("Ann", "Smythe", 7)
    ]


@pytest.mark.fact("U.1-import")
def test_the_undo_is_an_import_with_a_receipt(
    penstock: ServedIntake, token: str
) -> None:
    send(penstock, token)
    wrong = send(penstock, token, _fname="Anne")
    told = undo(penstock, token, wrong).json()
    receipt = penstock.get(f"/api/v1.1/imports/{told['import_id']}?token={token}")

    shown = receipt.json()
    assert [shown[name] for name in ("operation", "state", "undoes", "kept")] == [
        *("undo", "updated", wrong, [])
    ]
    assert shown["changes"] == [{"path": "_fname", "old": "Anne", "new": None}]


@pytest.mark.fact("U.1-import")
@pytest.mark.parametrize("sent_as", [Format.JSON, Format.XML])
def test_it_may_be_asked_in_either_format(
    penstock: ServedIntake, token: str, sent_as: Format
) -> None:
    send(penstock, token)
    wrong = send(penstock, token, _fname="Anne")
    body = write({"token": token, "reason": "wrong file"}, sent_as)
    headers = {"Content-Type": f"application/{sent_as.value}"}
    answer = penstock.post(body, headers, f"/api/v1.1/imports/{wrong}/undo")

    assert answer.headers["Content-Type"].startswith(f"application/{sent_as.value}")
    assert wrong in answer.text
    assert "_fname" not in read(penstock, token)


@pytest.mark.fact("U.13-preview")
def test_a_preview_writes_nothing_and_is_what_the_undo_then_does(
    penstock: ServedIntake, token: str
) -> None:
    send(penstock, token, _fname="Ann")
    wrong = send(penstock, token, _fname="Anne", points=5)
    later = send(penstock, token, points={"action": "incr", "value": 2})
    tried = undo(penstock, token, wrong, dry_run=True).json()

    assert (tried["dry_run"], tried["behind"]) == (True, 0)
    assert read(penstock, token)["_fname"] == "Anne"
    done = undo(penstock, token, wrong).json()
    assert {**tried, "import_id": done["import_id"]} == {
        **done,
        "dry_run": True,
        "behind": 0,
    }
    assert done["reversed"] == [
        {"path": "_fname", "from": "Anne", "to": "Ann"},
        {"path": "points", "from": 7, "to": 2},
    ]
    assert later not in str(done)


@pytest.mark.fact("U.6-created")
def test_a_created_profile_goes_and_comes_back_under_its_id(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    subscription = {"resource_id": 1, "channel": "email", "email": EMAIL}
    created = send(
        penstock,
        token,
        _fname="Ann",
        code=5,
        phones=["+442079460011"],
        subscriptions=[subscription],
        more={"add_to_segments": [1]},
    )
    before = read(penstock, token)
    gone = undo(penstock, token, created).json()

    assert gone["state"] == "removed"
    assert gone["profile_id"] == before["id"]
    assert {"path": "email", "from": EMAIL, "to": None} in gone["reversed"]
    assert read(penstock, token)["error"] == 404
    for table in ("profiles", "match_keys", "segment_members"):
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == []

    back = undo(penstock, token, gone["import_id"]).json()

    assert back["state"] == "created"
    after = read(penstock, token)
    # When it was made is all that is new.
    assert {**after, "_createtime": None} == {**before, "_createtime": None}
    members = connection.execute("SELECT segment_id FROM segment_members").fetchall()
    assert members == [(1,)]
    # Each of its keys finds it again.
    for key in (
        {"email": EMAIL},
        {"matching": "phone", "phone": "+442079460011"},
        CODE,
    ):
        found = penstock.post(
            {"token": token, "db_id": 1, **key}, path="/api/v1.1/profiles/get"
        ).json()
        assert found["data"]["id"] == before["id"]


@pytest.mark.fact("U.7-taken")
def test_a_unique_value_goes_back_only_if_it_is_free(
    penstock: ServedIntake, token: str
) -> None:
    send(penstock, token, code=5)
    wrong = send(penstock, token, code=6, _fname="Anne")
    other = penstock.post(
        {"token": token, "db_id": 1, "email": "bob@example.com", "data": {"code": 5}}
    ).json()["profile_id"]

    answer = undo(penstock, token, wrong).json()

    assert answer["error_text"] == f"Taken by profile {other}: code"
    assert [one["path"] for one in answer["reversed"]] == ["_fname"]
    assert read(penstock, token)["code"] == 6


@pytest.mark.fact("U.9-gone")
def test_what_changed_nothing_is_a_410(penstock: ServedIntake, token: str) -> None:
    refused = penstock.post(
        {"token": token, "db_id": 1, "email": EMAIL, "data": {"points": "many"}}
    )
    answer = undo(penstock, token, refused.headers["Import-Id"]).json()

    assert (answer["error"], answer["error_text"]) == (
        410,
        "The import changed nothing (it is rejected)",
    )


@pytest.mark.fact("U.9-gone")
def test_of_a_deleted_person_nothing_comes_back(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    wrong = send(penstock, token, _fname="Ann")
    penstock.post(
        {"token": token, "db_id": 1, "email": EMAIL}, path="/api/v1.1/profiles/delete"
    )
    answer = undo(penstock, token, wrong).json()

    assert answer["error"] == 410
    assert connection.execute("SELECT * FROM profiles").fetchall() == []


@pytest.mark.fact("U.9-gone")
@pytest.mark.parametrize(
    "import_id", ["nothing", "01a22b12-0000-7000-8000-000000000000"]
)
def test_an_unknown_import_is_a_404(
    penstock: ServedIntake, token: str, import_id: str
) -> None:
    assert undo(penstock, token, import_id).json()["error"] == 404


@pytest.mark.fact("U.10-redo")
def test_to_undo_twice_is_to_have_undone(penstock: ServedIntake, token: str) -> None:
    send(penstock, token, _fname="Ann")
    wrong = send(penstock, token, _fname="Anne")
    first = undo(penstock, token, wrong).json()
    second = undo(penstock, token, wrong).json()

    assert (second["error"], second["state"]) == (0, "unchanged")
    assert "undoes" not in second
    assert [one["message"] for one in second["warnings"]] == [
        f"Already undone by {first['import_id']}"
    ]
    redone = undo(penstock, token, first["import_id"]).json()
    assert redone["reversed"] == [{"path": "_fname", "from": "Ann", "to": "Anne"}]


@pytest.mark.fact("D.1-stream", "U.1-idempotency")
def test_a_repeated_request_is_one_undo(penstock: ServedIntake, token: str) -> None:
    send(penstock, token)
    wrong = send(penstock, token, _fname="Anne")
    headers = {"Idempotency-Key": uuid4().hex}
    first = undo(penstock, token, wrong, headers)
    second = undo(penstock, token, wrong, headers)

    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"


@pytest.mark.fact("U.1-idempotency")
def test_who_does_not_wait_reads_the_receipt(
    penstock: ServedIntake, token: str
) -> None:
    send(penstock, token)
    wrong = send(penstock, token, _fname="Anne")
    answer = undo(penstock, token, wrong, sync=False)

    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(answer.json()["import_id"])


@pytest.mark.fact("U.5-consent")
def test_consent_needs_the_flag_and_a_reason(
    penstock: ServedIntake, token: str
) -> None:
    def subscribe(status: str) -> str:
        told = {"resource_id": 1, "channel": "email", "email": EMAIL, "status": status}
        return send(penstock, token, subscriptions=[told])

    subscribe("subscribed")
    wrong = subscribe("unsubscribed")
    kept = undo(penstock, token, wrong).json()
    refused = undo(penstock, token, wrong, restore_consent=True, reason="").json()

    assert kept["kept"] == [
        {"path": f"subscriptions[1/email/{EMAIL}].status", "reason": "consent"}
    ]
    assert refused["error_text"] == (
        "Missing parameter (restore_consent needs it): reason"
    )
    undo(penstock, token, kept["import_id"])
    raised = undo(penstock, token, wrong, restore_consent=True).json()
    assert raised["kept"] == []
    (subscription,) = read(penstock, token)["subscriptions"]
    assert subscription["status"] == "subscribed"


@pytest.mark.fact("D.4-rights")
@pytest.mark.parametrize(
    ("narrow", "error"),
    [(Scope.ADMIN, 0), (Scope.IMPORT, 403), (Scope.READ, 403)],
    indirect=["narrow"],
)
def test_an_undo_needs_admin_or_the_token_of_the_import(
    narrow: str, penstock: ServedIntake, token: str, error: int
) -> None:
    send(penstock, token)
    wrong = send(penstock, token, _fname="Anne")
    answer = undo(penstock, narrow, wrong).json()

    assert answer["error"] == error


@pytest.mark.fact("D.4-rights")
@pytest.mark.parametrize("narrow", [Scope.IMPORT], indirect=True)
def test_a_producer_undoes_its_own_imports_and_reads_nothing_by_it(
    narrow: str, penstock: ServedIntake, token: str
) -> None:
    send(penstock, token, _fname="Ann")
    wrong = send(penstock, narrow, _fname="Anne")
    for more in ({"dry_run": True}, {}):
        answer = undo(penstock, narrow, wrong, **more).json()
        assert answer["reversed"] == [{"path": "_fname"}]
    assert read(penstock, token)["_fname"] == "Ann"


@pytest.mark.fact("U.2-operators")
def test_a_receipt_tells_the_functions_and_what_was_so_already(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    send(penstock, token, interests=["x"], points=1)
    send(
        penstock,
        token,
        points={"action": "incr", "value": 2},
        interests={"action": "add", "value": ["x", "y"]},
    )
    row = connection.execute(
        "SELECT operators, claims FROM imports ORDER BY turn DESC LIMIT 1"
    ).fetchone()

    assert row is not None
    assert row[0] == {"points": "incr", "interests": "add"}


@pytest.fixture
def listeners(connection: Connection) -> None:
    """Triggers for what an import does, and for what an undo does."""
    listen(
        connection,
        EventKind.IMPORT,
        EventKind.SUBSCRIPTION,
        EventKind.SEGMENT_LEFT,
        EventKind.IMPORT_UNDONE,
    )


@pytest.mark.fact("U.12-events")
def test_an_undo_tells_of_itself_and_withdraws_what_nobody_has_heard(
    listeners: None, penstock: ServedIntake, connection: Connection, token: str
) -> None:
    send(penstock, token, more={"add_to_segments": [1]})
    connection.execute("UPDATE deliveries SET attempts = 1")
    subscription = {"resource_id": 1, "channel": "email", "email": EMAIL}
    wrong = send(penstock, token, _fname="Anne", subscriptions=[subscription])
    waiting = "SELECT count(*) FROM deliveries WHERE attempts = 0"
    assert connection.execute(waiting).fetchone() == (2,)

    told = undo(penstock, token, wrong).json()

    (event,) = connection.execute(
        """
        SELECT kind, detail, import_id::text
          FROM events
          JOIN deliveries ON event_id = events.id
         WHERE attempts = 0
        """
    ).fetchall()
    assert event[0] == "import_undone"
    assert event[2] == told["import_id"]
    assert event[1]["undoes"] == wrong
    assert event[1]["changes"]["_fname"] == {"old": "Anne", "new": None}
    # Somebody may know of these.
    attempted = "SELECT count(*) FROM deliveries WHERE attempts = 1"
    assert connection.execute(attempted).fetchone() == (1,)


@pytest.mark.fact("U.9-deleted")
def test_a_deletion_leaves_nothing_of_a_person_in_receipts_of_undos(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    subscription = {"resource_id": 1, "channel": "email", "email": EMAIL}
    send(penstock, token, subscriptions=[subscription])
    wrong = send(
        penstock, token, subscriptions=[{**subscription, "status": "unsubscribed"}]
    )
    kept = undo(penstock, token, wrong).json()["kept"]
    assert EMAIL in kept[0]["path"]
    penstock.post(
        {"token": token, "db_id": 1, "email": EMAIL}, path="/api/v1.1/profiles/delete"
    )

    rows = connection.execute("SELECT imports::text FROM imports").fetchall()
    assert len(rows) == 3
    assert EMAIL not in str(rows)


@pytest.mark.fact("U.9-deleted")
def test_a_profile_that_an_undo_removed_can_still_be_deleted(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    created = send(penstock, token, _fname="Ann")
    gone = undo(penstock, token, created).json()
    asked = {"token": token, "db_id": 1, "matching": "profile_id"}
    asked["profile_id"] = gone["profile_id"]
    path = "/api/v1.1/profiles/delete"
    deleted = penstock.post(asked, path=path).json()

    assert deleted["data"] == {"profile_id": gone["profile_id"]}
    rows = connection.execute("SELECT imports::text FROM imports").fetchall()
    assert EMAIL not in str(rows)
    assert undo(penstock, token, gone["import_id"]).json()["state"] == "unchanged"
    assert penstock.post(asked, path=path).json()["error"] == 404
    assert connection.execute("SELECT * FROM profiles").fetchall() == []
