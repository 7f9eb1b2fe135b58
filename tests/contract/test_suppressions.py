"""Suppression lists and the apply path: L1 to L6."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.domain.catalog import Channel, SuppressionAction
from ingest.domain.consent import Authority, Basis, ConsentPolicy
from ingest.domain.imports import (
    Import,
    Operation,
    Outcome,
    State,
    SubscriptionChange,
)
from ingest.settings import Settings
from ingest.store.suppressions.key import NoSuppressionKey
from tests.conftest import Connection
from tests.declared import change_resource
from tests.drains import make_drain
from tests.factories import make_import, make_undo
from tests.pipeline import Pipeline
from tests.stored import count
from tests.suppressions import (
    SECRET,
    declare_list,
    keeping,
    release,
    statuses,
    suppress,
)

ANN, BOB = "ann@example.com", "bob@example.com"
REFUSE = SuppressionAction.REFUSE
BASIS = Basis(raises=True, source="checkout")


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SECRET", SECRET)


class People:
    """Sends imports of people, and reads what is stored of them."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def apply(self, *imports: Import) -> list[Outcome]:
        return Pipeline(self.connection).apply(*imports)

    def make(self, email: str, status: str | None = None, **more: Any) -> Import:
        """Return an import of a person with an email subscription."""
        one = {"channel": "email", "email": email, "resource_id": 1}
        one |= more.pop("subscription", {})
        if status is not None:
            one["status"] = status
        data = {"email": email, "subscriptions": [one]} | more.pop("data", {})
        key = more.pop("key", {"email": email})
        return make_import(more.pop("matching", "email"), data, key=key, **more)

    def send(self, email: str, status: str | None = None, **more: Any) -> Outcome:
        (outcome,) = self.apply(self.make(email, status, **more))
        return outcome

    def statuses(self, contact: str = ANN) -> list[str]:
        return statuses(self.connection, contact)


@pytest.fixture
def people(connection: Connection) -> People:
    declare_list(connection)
    return People(connection)


@pytest.fixture
def lower(settings: Settings) -> Callable[[], None]:
    """Let the keeper queue what is to be lowered, and a drain apply it."""

    def work() -> None:
        with keeping(settings) as keeper:
            keeper.run(10)
        drain = make_drain(settings)
        drain.run(lambda _: None)
        drain.close()

    return work


@pytest.mark.fact("L.3-store")
def test_a_listed_contact_is_stored_with_the_status_of_its_list(people: People) -> None:
    suppress(people.connection, ANN)
    outcome = people.send(ANN, "subscribed", data={"_fname": "Ann"})
    assert (outcome.state, outcome.error) == (State.CREATED, 0)
    assert people.statuses() == ["unsubscribed"]
    (kept,) = outcome.kept
    assert kept.path == f"subscriptions[1/email/{ANN}].status"
    assert (kept.reason, kept.sent, kept.stored) == (
        "list 3",
        "subscribed",
        "unsubscribed",
    )
    assert outcome.protected == 1
    assert people.send(BOB, "subscribed").kept == ()
    assert people.statuses(BOB) == ["subscribed"]


@pytest.mark.fact("L.3-store")
@pytest.mark.parametrize("status", [None, "subscribed", "suspended", "unconfirmed"])
@pytest.mark.parametrize("policy", [None, *ConsentPolicy])
def test_no_status_basis_or_policy_gets_past_a_list(
    people: People, status: str | None, policy: ConsentPolicy | None
) -> None:
    change_resource(people.connection, consent=policy)
    suppress(people.connection, ANN)
    might = {"consent": BASIS, "authority": Authority.OPERATOR}
    people.send(ANN, status, **might)
    people.send(ANN, "subscribed", **might)
    assert people.statuses() == ["unsubscribed"]


@pytest.mark.fact("L.3-store")
def test_what_forbids_more_is_written(people: People) -> None:
    suppress(people.connection, ANN)
    outcome = people.send(ANN, "complained")
    assert (people.statuses(), outcome.kept) == (["complained"], ())


@pytest.mark.fact("L.3-store")
def test_of_several_lists_the_strictest_holds(people: People) -> None:
    declare_list(people.connection, id=4, name="Spam", status="complained")
    suppress(people.connection, ANN)
    suppress(people.connection, ANN, list_id=4)
    assert people.send(ANN, "subscribed").kept[0].reason == "list 4"
    assert people.statuses() == ["complained"]


@pytest.mark.fact("L.3-scope")
@pytest.mark.parametrize(
    ("scope", "is_covered"),
    [
        ({}, True),
        ({"resource_ids": frozenset({1})}, True),
        ({"resource_ids": frozenset({2})}, False),
        ({"channels": frozenset({Channel.EMAIL})}, True),
        ({"channels": frozenset({Channel.SMS})}, False),
    ],
)
def test_a_list_is_about_its_resources_and_channels(
    people: People, scope: dict[str, Any], is_covered: bool
) -> None:
    declare_list(people.connection, **scope)
    suppress(people.connection, ANN)
    people.send(ANN, "subscribed")
    assert people.statuses() == ["unsubscribed" if is_covered else "subscribed"]


@pytest.mark.fact("L.1-hash")
@pytest.mark.parametrize("spelling", ["Ann@Example.COM", " ann@example.com "])
def test_a_contact_is_listed_in_every_spelling(people: People, spelling: str) -> None:
    suppress(people.connection, spelling)
    people.send(ANN, "subscribed")
    assert people.statuses() == ["unsubscribed"]


@pytest.mark.fact("L.1-key")
def test_no_contact_is_in_the_table_and_another_secret_is_refused(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress(people.connection, ANN, reason="by phone", source="support")
    row = people.connection.execute("SELECT s::text FROM suppressed s").fetchone()
    assert row is not None
    assert "ann" not in row[0]
    for text in ("11" * 32, ""):
        monkeypatch.setenv("PENSTOCK_SECRET", text)
        with pytest.raises(NoSuppressionKey):
            people.send(BOB, "subscribed")
    assert count(people.connection, "imports") == 0


@pytest.mark.fact("L.3-refuse")
def test_a_refusing_list_refuses_the_profile(people: People) -> None:
    declare_list(people.connection, action=REFUSE)
    suppress(people.connection, ANN, "+442079460018")
    outcome = people.send(ANN, "subscribed")
    assert (outcome.state, outcome.error) == (State.REJECTED, 403)
    assert {one.path for one in outcome.faults} == {"data.subscriptions[0]"}
    by_email, by_phone = people.apply(
        make_import("email", {"_fname": "Ann"}, key={"email": "ANN@example.com"}),
        make_import("phone", {}, key={"phone": "+44 20 7946 0018"}),
    )
    assert (by_email.error, by_email.error_text) == (
        403,
        "The contact is suppressed (list 3): data.email",
    )
    assert [one.path for one in by_phone.faults] == ["data.phones[0]"]
    assert count(people.connection, "profiles") == 0
    assert count(people.connection, "imports") == 3


@pytest.mark.fact("L.3-refuse")
def test_it_refuses_a_subscription_which_may_be_skipped(people: People) -> None:
    declare_list(people.connection, action=REFUSE)
    suppress(people.connection, BOB)
    both = {
        "subscriptions": [
            {"channel": "email", "email": one, "resource_id": 1} for one in (ANN, BOB)
        ]
    }
    refused = people.send(ANN, data=both)
    assert [one.path for one in refused.faults] == ["data.subscriptions[1]"]
    skipped = people.send(ANN, data=both, skip_invalid_subscriptions=True)
    assert (skipped.error, len(skipped.skipped)) == (0, 1)
    assert (people.statuses(ANN), people.statuses(BOB)) == (["subscribed"], [])


@pytest.mark.fact("L.3-refuse")
def test_it_keeps_the_status_of_what_is_stored(people: People) -> None:
    people.send(ANN, "unsubscribed")
    declare_list(people.connection, action=REFUSE)
    suppress(people.connection, ANN)
    outcome = people.send(ANN, "subscribed", data={"_fname": "Ann"})
    assert (outcome.error, outcome.kept[0].reason) == (0, "list 3")
    assert people.statuses() == ["unsubscribed"]


@pytest.mark.fact("L.2-found")
def test_imports_of_one_batch_are_all_checked(people: People) -> None:
    """Those too that change whom the next one finds."""
    suppress(people.connection, ANN)
    on_two = {"subscription": {"resource_id": 2}}
    people.apply(
        people.make(BOB, "subscribed", data={"tags": []} | {"email": BOB}),
        people.make(ANN, "unsubscribed", key={"email": BOB}, data={"email": BOB}),
        people.make(ANN, "subscribed", key={"email": BOB}, data={"email": BOB}),
        people.make(ANN, None, key={"email": BOB}, data={"email": BOB}, **on_two),
    )
    assert people.statuses() == ["unsubscribed", "unsubscribed"]


@pytest.mark.fact("L.2-expired")
def test_an_expired_entry_is_none(people: People) -> None:
    now = datetime.now(UTC)
    suppress(people.connection, ANN, expires_at=now - timedelta(seconds=1))
    suppress(people.connection, BOB, expires_at=now + timedelta(hours=1))
    people.send(ANN, "subscribed")
    people.send(BOB, "subscribed")
    assert (people.statuses(ANN), people.statuses(BOB)) == (
        ["subscribed"],
        ["unsubscribed"],
    )


@pytest.mark.fact("L.4-lowered")
def test_an_addition_lowers_all_that_is_stored_with_receipts(
    people: People, lower: Callable[[], None]
) -> None:
    people.send(ANN, "subscribed")
    people.send(
        BOB, None, data={"email": BOB}, subscription={"email": "ANN@example.com"}
    )
    people.send(BOB, "subscribed")
    suppress(people.connection, ANN)
    lower()
    assert people.statuses() == ["unsubscribed", "unsubscribed"]
    assert people.statuses(BOB) == ["subscribed"]
    receipts = people.connection.execute(
        "SELECT state, door, changes FROM imports WHERE door = 'suppression'"
    ).fetchall()
    assert [row[0] for row in receipts] == ["updated", "updated"]
    assert count(people.connection, "suppression_work") == 0
    release(people.connection, ANN)
    lower()
    assert people.statuses() == ["unsubscribed", "unsubscribed"]


@pytest.mark.fact("L.4-lowered")
def test_what_forbids_more_stays_and_deleted_ones_too(
    people: People, lower: Callable[[], None]
) -> None:
    people.send(ANN, "complained")
    suppress(people.connection, ANN)
    lower()
    assert people.statuses() == ["complained"]
    assert count(people.connection, "imports") == 1


@pytest.mark.fact("L.4-hashed")
def test_contacts_without_a_key_are_found_by_looking_at_all(
    people: People, lower: Callable[[], None]
) -> None:
    """So are those of which only a hash is known."""
    change_resource(people.connection, channels=frozenset(Channel))
    chat = {"channel": "whatsapp", "cc_data": {"phone": "+442079460018"}}
    people.send(ANN, "subscribed", subscription=chat)
    people.send(BOB, "subscribed")
    suppress(people.connection, "+44 20 7946 0018")
    lower()
    lower()
    assert people.statuses("+442079460018") == ["unsubscribed"]
    assert people.statuses(BOB) == ["subscribed"]
    assert count(people.connection, "suppression_scans") == 0


@pytest.mark.fact("L.4-returned")
def test_what_comes_back_is_lowered_again(
    people: People, lower: Callable[[], None]
) -> None:
    """Deleted before the addition, and restored after it."""
    created = people.send(ANN, "subscribed")
    selected = {"resource_id": 1, "channel": "email", "email": ANN}
    by_id = {"profile_id": created.profile_id}

    def change(kind: SubscriptionChange) -> Import:
        return make_import(
            "profile_id",
            selected,
            key=by_id,
            operation=Operation.UPDATE,
            subscription_change=kind,
        )

    people.apply(change(SubscriptionChange.DELETE))
    suppress(people.connection, ANN)
    lower()
    people.apply(change(SubscriptionChange.RESTORE))
    lower()
    assert people.statuses() == ["unsubscribed"]


@pytest.mark.fact("L.4-returned")
def test_an_undo_frees_nobody(people: People, lower: Callable[[], None]) -> None:
    people.send(ANN, "subscribed")
    left = people.send(ANN, "unsubscribed")
    suppress(people.connection, ANN)
    lower()
    undo = make_undo(left, restore_consent=True, reason="by mistake")
    people.apply(undo)
    lower()
    assert people.statuses() == ["unsubscribed"]


@pytest.mark.fact("L.5-followed")
def test_an_opt_out_follows_the_contact_on_the_resource(
    people: People, lower: Callable[[], None]
) -> None:
    declare_list(people.connection, resource_ids=frozenset({1}))
    change_resource(
        people.connection,
        suppress_on=frozenset({"unsubscribed", "complained"}),
        suppress_list_id=3,
    )
    people.send(ANN, "subscribed")
    # The same contact with another person, and on another resource.
    mine = {"email": BOB}
    people.send(BOB, "subscribed", data=mine, subscription={"email": ANN})
    there = {"email": ANN, "resource_id": 2}
    people.send(BOB, "subscribed", data=mine, subscription=there)
    people.send(ANN, "unsubscribed", matching="email_profile")
    lower()
    rows = people.connection.execute(
        "SELECT resource_id, status FROM subscriptions WHERE contact = %s"
        " ORDER BY resource_id, status",
        (ANN,),
    ).fetchall()
    assert rows == [(1, "unsubscribed"), (1, "unsubscribed"), (2, "subscribed")]

    people.connection.execute("DELETE FROM profiles")
    people.connection.execute("DELETE FROM match_keys")
    people.send(ANN, "subscribed")
    assert people.statuses() == ["unsubscribed"]


@pytest.mark.fact("L.5-followed")
def test_within_one_batch_too_and_a_list_follows_to_no_other(people: People) -> None:
    declare_list(people.connection, id=4, name="Spam")
    change_resource(
        people.connection,
        suppress_on=frozenset({"unsubscribed"}),
        suppress_list_id=4,
    )
    suppress(people.connection, BOB)
    people.apply(
        people.make(ANN, "unsubscribed"),
        people.make("third@example.com", "subscribed", subscription={"email": ANN}),
        people.make(BOB, "subscribed"),
    )
    assert people.statuses() == ["unsubscribed", "unsubscribed"]
    rows = people.connection.execute(
        "SELECT list_id, source FROM suppressed ORDER BY list_id"
    ).fetchall()
    assert rows == [(3, ""), (4, "opt-out")]
