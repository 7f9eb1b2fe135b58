"""`subscriptions/delete`, `restore`, `suspend_all`, `unsuspend_all`: contract 16.5."""

from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.catalog import EventKind
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import State, SubscriptionChange
from ingest.domain.tokens import Scope
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.tokens import create_token
from ingest.wire.bodies import Format
from ingest.wire.single_changes import load_subscription_change
from tests import said
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.documents import change, write
from tests.factories import make_import
from tests.intakes import ServedIntake, says
from tests.pipeline import Pipeline

DELETE, RESTORE, SUSPEND_ALL, UNSUSPEND_ALL, _ = SubscriptionChange
ROOT = "/api/v1.1/subscriptions"
EMAIL = {"channel": "email", "email": "News@example.com", "resource_id": 28}
PUSH = {
    "channel": "push",
    "provider": "ios-apns",
    "subscription_id": "abc",
    "resource_id": 1,
}
CHAT = {"channel": "telegram_bot", "cc_data": {"id": 7}, "resource_id": 1}
SETTINGS = {
    "priority": 3,
    "status": "unconfirmed",
    "custom_fields": {"custom_field_1": "y"},
    "cats": ["category_1"],
}


def subscribe(connection: Connection, *subscriptions: dict[str, Any]) -> str:
    """Create a profile with these subscriptions; return its id."""
    data = {"email": "john@example.com", "subscriptions": [*subscriptions]}
    return Pipeline(connection).create(data)


def states(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    """Return what changes, by priority."""
    return pipeline.connection.execute(
        "SELECT status, is_deleted FROM subscriptions ORDER BY priority"
    ).fetchall()


def is_found(pipeline: Pipeline, matching: str, key: dict[str, str]) -> bool:
    """Tell whether an update by a contact finds somebody."""
    (outcome,) = pipeline.apply(make_import(matching, key=key, operation="update"))
    return outcome.error == 0


@pytest.mark.fact("16.5-delete", "16.5-restore", "14.13-deleted")
@pytest.mark.parametrize(
    ("subscription", "matching", "key"),
    [
        pytest.param(EMAIL, "email_sub", {"email": "news@example.com"}, id="email"),
        pytest.param(
            PUSH,
            "push_sub",
            {"provider": "ios-apns", "subscription_id": "abc"},
            id="push",
        ),
    ],
)
def test_a_deleted_one_is_not_found_by_its_contact_and_a_restored_one_is(
    pipeline: Pipeline,
    subscription: dict[str, Any],
    matching: str,
    key: dict[str, str],
) -> None:
    profile_id = subscribe(pipeline.connection, {**subscription, **SETTINGS})
    before = stored(pipeline)
    assert is_found(pipeline, matching, key)

    deleted = change(pipeline, DELETE, profile_id, **subscription)
    lost = is_found(pipeline, matching, key)
    restored = change(pipeline, RESTORE, profile_id, **subscription)

    assert (deleted.error, deleted.state, deleted.profile_id) == (
        0,
        State.UPDATED,
        profile_id,
    )
    assert not lost
    assert restored.state is State.UPDATED
    assert is_found(pipeline, matching, key)
    assert stored(pipeline) == before


def stored(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.connection.execute(
        """
        SELECT resource_id, channel, contact, contact_data, status, priority,
               custom_fields, categories, is_deleted
          FROM subscriptions
         ORDER BY priority
        """
    ).fetchall()


@pytest.mark.fact("16.5-delete", "16.5-restore")
@pytest.mark.parametrize("what", [DELETE, RESTORE])
def test_what_is_so_already_stays_and_is_no_fault(
    pipeline: Pipeline, what: SubscriptionChange
) -> None:
    profile_id = subscribe(pipeline.connection, CHAT, PUSH)
    change(pipeline, what, profile_id, **CHAT)

    again = change(pipeline, what, profile_id, **CHAT)

    assert (again.error, again.state, again.changes) == (0, State.UNCHANGED, {})
    assert states(pipeline) == [("subscribed", what is DELETE), ("subscribed", False)]


@pytest.mark.fact("16.5-delete")
def test_the_receipt_shows_the_deletion(pipeline: Pipeline) -> None:
    profile_id = subscribe(pipeline.connection, EMAIL)

    outcome = change(pipeline, DELETE, profile_id, **EMAIL)

    ((path, (old, new)),) = outcome.changes.items()
    assert path == "subscriptions[28/email/news@example.com]"
    assert isinstance(old, dict)
    assert new == {**old, "is_delete": True}


@pytest.mark.fact("16.5-suspend-all", "16.5-filters")
@pytest.mark.parametrize(
    ("which", "suspended"),
    [
        pytest.param({}, {0, 1, 2}, id="all"),
        pytest.param({"channel": "push"}, {1}, id="of a channel"),
        pytest.param({"resource_id": "1"}, {1, 2}, id="of a resource"),
        pytest.param({"resource_id": 1, "channel": "push"}, {1}, id="of both"),
        pytest.param({"resource_id": 28, "channel": "push"}, set(), id="of none"),
    ],
)
def test_all_that_are_subscribed_are_suspended_and_subscribed_again(
    pipeline: Pipeline, which: dict[str, object], suspended: set[int]
) -> None:
    texts = [{**EMAIL, "email": f"{n}@example.com", "status": n} for n in (1, 2, 4)]
    profile_id = subscribe(pipeline.connection, EMAIL, PUSH, CHAT, *texts)
    before = states(pipeline)

    first = change(pipeline, SUSPEND_ALL, profile_id, **which)
    after = states(pipeline)
    change(pipeline, UNSUSPEND_ALL, profile_id, **which)

    assert first.error == 0
    assert after == [
        ("suspended" if number in suspended else status, False)
        for number, (status, _) in enumerate(before)
    ]
    assert states(pipeline) == before


@pytest.mark.fact("16.5-suspend-all")
def test_what_is_deleted_is_not_suspended(pipeline: Pipeline) -> None:
    profile_id = subscribe(pipeline.connection, EMAIL, PUSH)
    change(pipeline, DELETE, profile_id, **EMAIL)

    change(pipeline, SUSPEND_ALL, profile_id)

    assert states(pipeline) == [("subscribed", True), ("suspended", False)]


@pytest.mark.parametrize(
    ("what", "changes", "error", "text"),
    [
        pytest.param(
            DELETE, {"email": "x@example.com"}, 404, "Subscription not found", id="gone"
        ),
        pytest.param(
            RESTORE, {"resource_id": 1}, 404, "Subscription not found", id="elsewhere"
        ),
        pytest.param(
            DELETE, {"profile_id": "f" * 24}, 404, "No matching profile", id="nobody"
        ),
        pytest.param(
            SUSPEND_ALL, {"profile_id": "f" * 24}, 404, "No matching profile", id="all"
        ),
        pytest.param(
            SUSPEND_ALL,
            {"resource_id": 404},
            404,
            "Resource not found: resource_id",
            id="unknown resource",
        ),
    ],
)
def test_what_is_not_there_is_not_found(
    pipeline: Pipeline,
    what: SubscriptionChange,
    changes: dict[str, object],
    error: int,
    text: str,
) -> None:
    profile_id = subscribe(pipeline.connection, EMAIL)
    which = EMAIL if what.is_of_one else {}

    sent: dict[str, Any] = {"profile_id": profile_id, **which, **changes}

    outcome = change(pipeline, what, **sent)

    assert (outcome.error, outcome.error_text) == (error, text)
    assert states(pipeline) == [("subscribed", False)]


@pytest.mark.parametrize(
    ("what", "sent", "texts"),
    [
        pytest.param(
            DELETE,
            {},
            [f"Missing parameter: {name}" for name in ("resource_id", "channel")],
            id="nothing",
        ),
        pytest.param(
            DELETE, {**EMAIL, "email": ""}, ["Missing parameter: email"], id="contact"
        ),
        pytest.param(
            RESTORE, {**EMAIL, "email": "x"}, ["Incorrect email: email"], id="no email"
        ),
        pytest.param(
            RESTORE, {**EMAIL, "channel": "fax"}, [f"{said.CHANNEL}: channel"], id="fax"
        ),
        pytest.param(
            SUSPEND_ALL, {"channel": "fax"}, [f"{said.CHANNEL}: channel"], id="all fax"
        ),
        pytest.param(
            UNSUSPEND_ALL,
            {"resource_id": "x"},
            ["Must be an integer: resource_id"],
            id="no number",
        ),
        pytest.param(
            SUSPEND_ALL,
            {"profile_id": None, "db_id": ""},
            ["Missing parameter: db_id", "Missing parameter: profile_id"],
            id="whose",
        ),
    ],
)
def test_what_is_wrong_is_refused_at_the_door(
    what: SubscriptionChange, sent: dict[str, object], texts: list[str]
) -> None:
    document = {"db_id": 1, "profile_id": "a" * 24, **sent}

    with pytest.raises(InvalidRequest) as raised:
        load_subscription_change(document, change=what)

    assert [fault.text for fault in raised.value.faults] == texts


@pytest.mark.fact("16.5-events")
def test_a_trigger_hears_of_it_unless_it_is_told_not_to(pipeline: Pipeline) -> None:
    profile_id = subscribe(pipeline.connection, EMAIL)
    declared = replace(
        load_declared(pipeline.connection),
        endpoints={1: make_endpoint()},
        triggers={1: make_trigger(event=EventKind.SUBSCRIPTION)},
    )
    save_catalog(pipeline.connection, declared)
    listening = Pipeline(pipeline.connection)

    change(listening, SUSPEND_ALL, profile_id)
    change(listening, DELETE, profile_id, **EMAIL)
    change(listening, RESTORE, profile_id, **EMAIL, skip_triggers=True)

    rows = pipeline.connection.execute(
        """
        SELECT detail ->> 'email', detail ->> 'status', detail ->> 'is_delete',
               detail -> 'novelties'
          FROM events
         ORDER BY profile_sequence
        """
    ).fetchall()
    assert rows == [
        ("news@example.com", "suspended", "false", ["status_changed"]),
        ("news@example.com", "suspended", "true", []),
    ]


@pytest.fixture
def limited(connection: Connection) -> str:
    """A token that may only read; made before the intake looks for tokens."""
    _, secret = create_token(
        connection, name="reader", database_ids=[], actions=[Scope.READ]
    )
    return secret


@pytest.mark.fact("16.5-delete", "16.5-restore", "16.5-suspend-all")
@pytest.mark.parametrize("format_", Format)
def test_each_is_asked_and_answered_as_an_import(
    limited: str,
    penstock: ServedIntake,
    connection: Connection,
    token: str,
    format_: Format,
) -> None:
    profile_id = subscribe(connection, EMAIL, PUSH)
    whose = {"db_id": 1, "profile_id": profile_id, "format": "json"}
    headers = {"Content-Type": f"application/{format_.value}"}
    pipeline = Pipeline(connection)

    def ask(path: str, which: dict[str, Any], secret: str = token) -> Any:
        body = write({"token": secret, **whose, **which}, format_)
        return penstock.post(body, headers, f"{ROOT}/{path}")

    done = {"error": 0, "error_text": "Successful operation", "profile_id": profile_id}
    for path, which, after in (
        ("delete", EMAIL, [("subscribed", True), ("subscribed", False)]),
        ("suspend_all", {}, [("subscribed", True), ("suspended", False)]),
        ("restore", EMAIL, [("subscribed", False), ("suspended", False)]),
        ("suspend_all/", {}, [("suspended", False)] * 2),
        ("unsuspend_all", {"channel": "push"}, [("suspended", False), PUSHED]),
        ("delete", EMAIL, [("suspended", True), PUSHED]),
        ("undelete", EMAIL, [("suspended", False), PUSHED]),
    ):
        assert ask(path, which).json() == done
        assert states(pipeline) == after
    assert says(ask("delete", EMAIL, limited)) == (
        200,
        403,
        "The API token lacks the import scope: token",
    )


PUSHED = ("subscribed", False)


@pytest.mark.fact("16.5-delete", "16.5-restore", "14.6-order")
def test_changes_of_one_profile_apply_in_the_order_accepted(
    penstock: ServedIntake, connection: Connection, token: str
) -> None:
    profile_id = subscribe(connection, EMAIL)
    sent = {"token": token, "db_id": 1, "profile_id": profile_id, **EMAIL}
    later = {"Prefer": "respond-async"}

    accepted = [
        penstock.post(sent, later, f"{ROOT}/{path}")
        for path in ("delete", "restore") * 5
    ]
    last = penstock.post(sent, path=f"{ROOT}/delete")
    shown = penstock.post(sent, path=f"{ROOT}/get").json()["data"]
    listed = penstock.post(sent, path=f"{ROOT}/list").json()["data"]
    receipt = penstock.get(accepted[-1].headers["Location"], params={"token": token})

    assert {one.status_code for one in accepted} == {202}
    assert last.json()["error"] == 0
    assert (shown["is_delete"], listed) == (True, [])
    assert [one["path"] for one in receipt.json()["changes"]] == [
        "subscriptions[28/email/news@example.com]"
    ]
    # In any other order one of them would have found nothing to change.
    states = connection.execute("SELECT state, count(*) FROM imports GROUP BY state")
    assert dict(states.fetchall()) == {"created": 1, "updated": 11}
