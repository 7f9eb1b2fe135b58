"""Double opt-in, as imports are applied: D1 to D3, D5, D6."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4, uuid5

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.doctor.schema import check_schema
from ingest.domain.catalog import Channel, ConfirmationPolicy, EventKind
from ingest.domain.confirmation_requests import Confirmation
from ingest.domain.consent import ConsentPolicy
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Outcome, State, SubscriptionChange
from ingest.domain.profiles import SubscriptionKey
from ingest.store.catalog.load import load_declared
from ingest.store.confirmations import count_unused
from ingest.store.consents.read import load_consents
from ingest.wire.catalog_files import dump_catalog_file
from ingest.wire.confirmations import (
    Proof,
    ResendRequest,
    make_confirm,
    make_expiry,
    make_resend,
)
from ingest.wire.entries import decode, encode
from ingest.wire.redaction import mask_payload
from tests.conftest import Connection
from tests.contract.test_consent import ANN, MAY, PATH, People, basis
from tests.declared import change_database, change_resource, make_endpoint
from tests.factories import make_merge, make_undo
from tests.pipeline import Pipeline
from tests.plans import about, watching
from tests.receivers import listen

KEY = SubscriptionKey(1, Channel.EMAIL, ANN)
FORM: dict[str, Any] = {**MAY, "consent": basis()}


class Signups(People):
    """Sends sign-ups of one person, and what they do by a link."""

    def sign_up(self, status: str = "subscribed", **changes: Any) -> Outcome:
        return self.send(status, **changes)

    def list_asked(self) -> list[Confirmation]:
        rows = self.connection.execute(
            """
            SELECT id, database_id, profile_id, attempt, issued_at, expires_at
              FROM confirmations
             ORDER BY issued_at, attempt
            """
        )
        return [
            Confirmation(
                id=id_,
                database_id=database_id,
                profile_id=profile_id,
                key=KEY,
                attempt=attempt,
                issued_at=issued_at,
                expires_at=expires_at,
            )
            for id_, database_id, profile_id, attempt, issued_at, expires_at in rows
        ]

    def list_events(self) -> list[dict[str, Any]]:
        rows = self.connection.execute(
            """
            SELECT detail
              FROM events
             WHERE kind = 'confirmation_requested'
             ORDER BY profile_sequence
            """
        )
        return [detail for (detail,) in rows]

    def make_confirm(self, asked: Confirmation, **proof: str) -> Import:
        return make_confirm(
            asked, Proof(**proof), accepted_at=datetime.now(UTC), token_id=None
        )

    def confirm(self, asked: Confirmation | None = None, **proof: str) -> Outcome:
        chosen = asked or self.list_asked()[-1]
        (outcome,) = self.apply(self.make_confirm(chosen, **proof))
        return outcome

    def make_request(self, profile_id: str, key: SubscriptionKey = KEY) -> Import:
        told = ResendRequest(database_id=1, profile_id=profile_id, key=key)
        return make_resend(
            told,
            ImportName(import_id=uuid4()),
            accepted_at=datetime.now(UTC),
            door="http",
            token_id=None,
        )

    def request(self, profile_id: str, key: SubscriptionKey = KEY) -> Outcome:
        (outcome,) = self.apply(self.make_request(profile_id, key))
        return outcome

    def let_pass(self, days: float) -> None:
        """Put what was asked so many days into the past."""
        self.connection.execute(
            """
            UPDATE confirmations
               SET issued_at = issued_at - %(time)s, expires_at = expires_at - %(time)s
            """,
            {"time": timedelta(days=days)},
        )


@pytest.fixture
def signups(connection: Connection) -> Signups:
    listen(connection, EventKind.CONFIRMATION_REQUESTED, EventKind.SUBSCRIPTION)
    change_resource(connection, confirm=ConfirmationPolicy())
    people = Signups(connection)
    people.now = datetime.now(UTC) - timedelta(days=1)
    return people


def find_profile(outcome: Outcome) -> str:
    assert outcome.profile_id is not None
    return outcome.profile_id


@pytest.mark.fact("DO.1-unconfirmed", "DO.2-event")
def test_a_new_subscription_awaits_its_person_who_is_asked(signups: Signups) -> None:
    outcome = signups.sign_up()
    (asked,) = signups.list_asked()
    (event,) = signups.list_events()

    assert signups.status == "unconfirmed"
    assert [(one.path, one.reason, one.sent, one.stored) for one in outcome.kept] == [
        (PATH, "awaits confirmation", "subscribed", "unconfirmed")
    ]
    assert outcome.protected == 0
    assert event == {
        "resource_id": 1,
        "channel": "email",
        "contact": ANN,
        "confirmation_id": str(asked.id),
        "attempt": 1,
        "expires_at": event["expires_at"],
    }
    assert datetime.fromisoformat(event["expires_at"]) == asked.expires_at
    assert asked.expires_at - asked.issued_at == timedelta(days=14)
    assert asked.profile_id == outcome.profile_id


@pytest.mark.fact("DO.2-event")
def test_whatever_becomes_unconfirmed_is_asked_once(signups: Signups) -> None:
    # Sent as such, as the contract has it.
    signups.sign_up("unconfirmed")
    assert len(signups.list_asked()) == 1
    # An opt-out is asked again by the person's own form, and a file asks none of them.
    signups.send("unsubscribed")
    signups.sign_up(door="file")
    assert (signups.status, len(signups.list_asked())) == ("unsubscribed", 1)
    kept = signups.sign_up(**FORM).kept
    assert (signups.status, len(signups.list_asked())) == ("unconfirmed", 2)
    assert [one.reason for one in kept] == ["awaits confirmation"]
    # A complaint stays.
    signups.send("complained")
    signups.sign_up(**FORM)
    assert (signups.status, len(signups.list_asked())) == ("complained", 2)


@pytest.mark.fact("DO.2-event")
def test_other_channels_and_resources_are_not_asked(signups: Signups) -> None:
    phone = {"channel": "sms", "phone": "+79000000000", "email": None}
    signups.send("subscribed", subscription=phone)
    rows = signups.connection.execute("SELECT status FROM subscriptions").fetchall()

    assert rows == [("subscribed",)]
    assert not signups.list_asked()


@pytest.mark.fact("DO.1-elsewhere")
def test_what_was_confirmed_elsewhere_asks_nobody(signups: Signups) -> None:
    signups.sign_up(**MAY, consent=basis(confirmed=True))

    assert signups.status == "subscribed"
    assert not signups.list_asked()


@pytest.mark.fact("DO.1-unconfirmed")
def test_a_strict_resource_asks_too(signups: Signups) -> None:
    change_resource(signups.connection, consent=ConsentPolicy.STRICT)
    kept = signups.sign_up().kept

    assert [one.reason for one in kept] == ["awaits confirmation"]
    assert len(signups.list_events()) == 1


@pytest.mark.fact("DO.2-skipped")
def test_an_import_that_skips_triggers_mails_nobody_until_that_is_requested(
    signups: Signups,
) -> None:
    profile_id = find_profile(signups.sign_up(skip_triggers=True))
    assert [one.attempt for one in signups.list_asked()] == [0]
    assert not signups.list_events()

    assert signups.request(profile_id).error == 0
    assert [one["attempt"] for one in signups.list_events()] == [1]


@pytest.mark.fact("DO.3-repeated")
def test_a_repeated_import_changes_nothing_and_mails_nobody(signups: Signups) -> None:
    signups.sign_up()
    before = signups.connection.execute("SELECT version FROM profiles").fetchall()
    for changes in ({}, {"door": "file"}, FORM, {"consent": basis(), "door": "file"}):
        assert signups.sign_up(**changes).state is State.UNCHANGED

    assert len(signups.list_asked()) == len(signups.list_events()) == 1
    assert signups.connection.execute("SELECT version FROM profiles").fetchall() == (
        before
    )


@pytest.mark.fact("DO.3-resend")
def test_a_person_is_asked_again_after_a_while_and_not_too_often(
    signups: Signups,
) -> None:
    profile_id = find_profile(signups.sign_up())
    refused = signups.request(profile_id)
    (first,) = signups.list_asked()
    again = first.issued_at + timedelta(days=1)

    assert (refused.error, refused.state) == (429, State.REJECTED)
    assert refused.error_text == (
        "Confirmation was requested already (again from"
        f" {again.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"
    )
    for attempt in (2, 3, 4):
        signups.let_pass(1.001)
        outcome = signups.request(profile_id)
        assert (outcome.error, outcome.state) == (0, State.UNCHANGED)
        assert signups.list_asked()[-1].attempt == attempt
    assert [one["attempt"] for one in signups.list_events()] == [1, 2, 3, 4]
    # No more than three besides the first, until the last link has expired.
    signups.let_pass(5)
    refused = signups.request(profile_id)
    assert refused.error == 429
    assert f"{signups.list_asked()[-1].expires_at:%Y-%m-%dT%H:%M}" in refused.error_text
    signups.let_pass(10)
    assert signups.request(profile_id).error == 0
    assert signups.list_asked()[-1].attempt == 1
    # Each link was good until it expired.
    assert signups.confirm().error == 0


@pytest.mark.fact("DO.3-resend")
def test_of_requests_in_one_batch_one_is_sent(signups: Signups) -> None:
    profile_id = find_profile(signups.sign_up())
    signups.let_pass(2)
    requests = [signups.make_request(profile_id) for _ in range(3)]

    assert [one.error for one in signups.apply(*requests)] == [0, 429, 429]
    assert [one["attempt"] for one in signups.list_events()] == [1, 2]


@pytest.mark.fact("DO.3-resend")
def test_what_awaits_nothing_is_not_asked(signups: Signups) -> None:
    profile_id = find_profile(signups.sign_up())
    signups.confirm()
    confirmed = signups.request(profile_id)
    change_resource(signups.connection, confirm=None)
    off = signups.request(profile_id)
    unknown = signups.request(profile_id, SubscriptionKey(1, Channel.EMAIL, "b@x.de"))
    nobody = signups.request("0" * 24)

    assert (confirmed.error, confirmed.error_text) == (
        400,
        "The subscription does not await confirmation (it is subscribed)",
    )
    assert (off.error, off.error_text) == (
        400,
        "The resource does not confirm this channel (see confirm in the catalog)",
    )
    assert (unknown.error, nobody.error) == (404, 404)
    assert len(signups.list_asked()) == 1


@pytest.mark.fact("DO.5-import")
def test_confirming_is_an_import_with_its_basis(signups: Signups) -> None:
    profile_id = find_profile(signups.sign_up())
    (asked,) = signups.list_asked()
    outcome = signups.confirm(
        ip="203.0.113.7", url="https://shop.test/confirm", agent="Firefox\n1"
    )

    assert outcome.import_id == uuid5(asked.id, "confirm")
    assert (outcome.state, outcome.profile_id) == (State.UPDATED, profile_id)
    assert signups.status == "subscribed"
    held, was = load_consents(signups.connection, 1, [profile_id])
    assert (held.status, held.by, held.consent) == (
        "subscribed",
        outcome.import_id,
        {
            "source": "double opt-in",
            "ip": "203.0.113.7",
            "url": "https://shop.test/confirm",
            "confirmed": True,
            "agent": "Firefox1",
        },
    )
    assert (was.status, was.ended_by) == ("unconfirmed", outcome.import_id)
    used = signups.connection.execute("SELECT used_at IS NOT NULL FROM confirmations")
    assert used.fetchall() == [(True,)]
    events = signups.connection.execute(
        "SELECT detail ->> 'status' FROM events WHERE import_id = %s",
        (outcome.import_id,),
    ).fetchall()
    assert events == [("subscribed",)]


@pytest.mark.fact("DO.5-once")
def test_confirmed_twice_is_one_change(signups: Signups) -> None:
    signups.sign_up()
    (asked,) = signups.list_asked()
    both = signups.apply(*(signups.make_confirm(asked) for _ in range(2)))
    again = signups.apply(signups.make_confirm(asked))

    # Once applied, what is repeated has the receipt of the first.
    assert [one.state for one in both] == [State.UPDATED]
    assert not again


@pytest.mark.fact("DO.5-import")
def test_the_basis_of_a_link_needs_nothing_else_and_no_clock(signups: Signups) -> None:
    change_resource(signups.connection, consent_requires=("version", "time"))
    # The host that accepted the sign-up was ahead of the one that has the click.
    signups.now = datetime.now(UTC) + timedelta(minutes=4)
    signups.sign_up()

    assert signups.confirm().error == 0
    assert signups.status == "subscribed"


@pytest.mark.fact("DO.6-while-unconfirmed")
@pytest.mark.parametrize(
    "status", ["unsubscribed", "complained", "hardbounced", "invalid", "suspended"]
)
def test_what_was_decided_since_is_not_confirmed(signups: Signups, status: str) -> None:
    signups.sign_up()
    change_resource(signups.connection, confirm=None)
    signups.send(status)
    change_resource(signups.connection, confirm=ConfirmationPolicy())
    outcome = signups.confirm()

    assert (outcome.error, outcome.error_text) == (
        404,
        "Unknown or expired confirmation",
    )
    assert signups.status == status
    used = signups.connection.execute("SELECT used_at FROM confirmations")
    assert used.fetchall() == [(None,)]


@pytest.mark.fact("DO.6-while-unconfirmed")
def test_what_is_subscribed_already_is_a_success(signups: Signups) -> None:
    signups.sign_up()
    (asked,) = signups.list_asked()
    signups.sign_up(**MAY, consent=basis(confirmed=True))
    outcome = signups.confirm(asked)

    assert (outcome.error, outcome.state) == (0, State.UNCHANGED)


@pytest.mark.fact("DO.6-while-unconfirmed")
def test_a_deleted_subscription_is_not_confirmed_and_asked_again_if_restored(
    signups: Signups,
) -> None:
    profile_id = find_profile(signups.sign_up())
    (asked,) = signups.list_asked()
    key = {"channel": "email", "email": ANN, "resource_id": 1}
    gone = signups.make(data=key, subscription_change=SubscriptionChange.DELETE)
    (deleted,) = signups.apply(gone)
    assert deleted.error == 0

    assert signups.confirm(asked).error == 404
    assert signups.request(profile_id).error == 404
    # Who signs up anew is asked anew (C12 keeps the status).
    signups.sign_up()
    assert (signups.status, len(signups.list_events())) == ("unconfirmed", 2)
    assert signups.confirm().error == 0


@pytest.mark.fact("DO.6-expiry")
def test_what_nobody_confirms_is_deleted_once_and_only_while_it_waits(
    signups: Signups,
) -> None:
    signups.sign_up()
    (asked,) = signups.list_asked()

    def expire(before: datetime) -> Outcome:
        one = make_expiry(asked, before, accepted_at=datetime.now(UTC))
        (outcome,) = signups.apply(one)
        return outcome

    # It has become unconfirmed since.
    first = expire(signups.now)
    assert (first.state, signups.status) == (State.UNCHANGED, "unconfirmed")
    signups.connection.execute("DELETE FROM imports WHERE door = 'confirm'")

    outcome = expire(signups.now + timedelta(seconds=1))
    assert outcome.state is State.UPDATED
    ((is_deleted,),) = signups.connection.execute(
        "SELECT is_deleted FROM subscriptions"
    ).fetchall()
    assert is_deleted
    assert signups.confirm(asked).error == 404


@pytest.mark.fact("DO.6-expiry")
def test_what_was_confirmed_is_not_deleted(signups: Signups) -> None:
    signups.sign_up()
    (asked,) = signups.list_asked()
    signups.confirm()
    late = make_expiry(asked, datetime.now(UTC), accepted_at=datetime.now(UTC))

    assert [one.state for one in signups.apply(late)] == [State.UNCHANGED]
    assert signups.status == "subscribed"


@pytest.mark.fact("DO.7-undo")
def test_an_undone_confirmation_is_unconfirmed_and_mails_nobody(
    signups: Signups,
) -> None:
    signups.sign_up()
    confirmed = signups.confirm()
    (undone,) = signups.apply(make_undo(confirmed))

    assert undone.error == 0, undone.error_text
    assert signups.status == "unconfirmed"
    assert len(signups.list_events()) == 1
    # Its link is used up; there may be another.
    assert signups.request(find_profile(confirmed)).error == 0
    assert signups.list_asked()[-1].attempt == 1
    assert signups.confirm().error == 0
    assert signups.status == "subscribed"


@pytest.mark.fact("DO.7-undo")
def test_an_undone_sign_up_takes_its_mail_and_its_link_along(signups: Signups) -> None:
    signed_up = signups.sign_up()
    signups.apply(make_undo(signed_up))
    pending = signups.connection.execute("SELECT count(*) FROM deliveries").fetchone()

    assert pending == (0,)
    assert signups.confirm().error == 404


@pytest.mark.fact("DO.7-merge")
def test_a_link_follows_its_subscription_into_another_profile(
    signups: Signups,
) -> None:
    profile_id = find_profile(signups.sign_up())
    other = Pipeline(signups.connection).create({"email": "b@example.com"})
    (merge,) = signups.apply(make_merge(other, profile_id, survivor=other))
    assert merge.error == 0, merge.error_text

    # Its limits go along with it.
    assert signups.request(other).error == 429
    confirmed = signups.confirm()
    assert (confirmed.error, confirmed.profile_id) == (0, other)
    assert signups.status == "subscribed"
    (parted,) = signups.apply(make_undo(merge))
    assert parted.error == 0, parted.error_text


@pytest.mark.fact("DO.7-merge")
def test_a_link_of_a_merged_profile_that_opted_out_is_void(signups: Signups) -> None:
    profile_id = find_profile(signups.sign_up())
    (asked,) = signups.list_asked()
    opt_out = {"channel": "email", "email": ANN, "status": "unsubscribed"}
    other = Pipeline(signups.connection).create(
        {"email": "c@example.com", "subscriptions": [opt_out]}
    )
    (merge,) = signups.apply(make_merge(other, profile_id))
    assert merge.error == 0, merge.error_text

    assert signups.confirm(asked).error == 404


@pytest.mark.fact("DO.5-import")
def test_a_confirmation_outranks_every_source(signups: Signups) -> None:
    change_database(signups.connection, times=True, sources={"http": 100})
    signups.sign_up()

    assert signups.confirm().error == 0
    assert signups.status == "subscribed"


def test_an_entry_keeps_its_step_and_shows_no_contact(signups: Signups) -> None:
    signups.sign_up()
    (asked,) = signups.list_asked()
    one = make_expiry(asked, signups.now, accepted_at=datetime.now(UTC))
    entry = encode(one)

    assert decode(entry) == one
    assert ANN not in str(mask_payload(entry))


@pytest.mark.fact("DO.7-merge")
def test_a_link_follows_its_subscription_back(signups: Signups) -> None:
    profile_id = find_profile(signups.sign_up())
    other = Pipeline(signups.connection).create({"email": "b@example.com"})
    (merge,) = signups.apply(make_merge(other, profile_id, survivor=other))
    (parted,) = signups.apply(make_undo(merge))
    assert parted.error == 0, parted.error_text

    confirmed = signups.confirm()
    assert (confirmed.error, confirmed.profile_id) == (0, profile_id)


@pytest.mark.fact("DO.3-resend")
def test_who_was_unconfirmed_before_can_be_asked(people_only: Signups) -> None:
    profile_id = find_profile(people_only.send("unconfirmed"))
    change_resource(people_only.connection, confirm=ConfirmationPolicy(resend_limit=0))

    assert people_only.request(profile_id).error == 0
    assert [one.attempt for one in people_only.list_asked()] == [1]
    people_only.let_pass(2)
    # None besides the first.
    assert people_only.request(profile_id).error == 429
    assert people_only.confirm().error == 0


@pytest.mark.fact("DO.8-unused")
def test_where_nobody_confirms_no_statement_is_of_it(people_only: Signups) -> None:
    with watching(people_only.connection) as seen:
        for status in ("subscribed", "unconfirmed", "unsubscribed"):
            people_only.send(status)

    assert about(seen, ["profiles"])
    assert about(seen, ["confirmations"]) == []


@pytest.mark.fact("DO.8-unused")
def test_nothing_is_asked_where_no_resource_confirms(people_only: Signups) -> None:
    people_only.send("unconfirmed")

    assert not people_only.list_asked()
    assert people_only.status == "unconfirmed"


@pytest.fixture
def people_only(connection: Connection) -> Signups:
    listen(connection, EventKind.CONFIRMATION_REQUESTED)
    return Signups(connection)


@pytest.mark.fact("DO.8-shown")
def test_operators_see_what_waits(
    signups: Signups, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile_id = find_profile(signups.sign_up())
    (asked,) = signups.list_asked()
    monkeypatch.setenv("DATABASE_URL", database_url)

    def show(*options: str) -> str:
        shown = CliRunner().invoke(main, ["consent", "show", profile_id, *options])
        assert shown.exit_code == 0, shown.output
        return shown.stdout

    def list_states() -> list[str]:
        told = json.loads(show("--json"))["confirmations"]
        return [one["state"] for one in told]

    assert str(asked.id) in show().partition("Confirmations")[2]
    assert list_states() == ["waiting"]
    signups.let_pass(2)
    signups.request(profile_id)
    signups.confirm()
    assert list_states() == ["confirmed", "no longer valid"]
    signups.let_pass(14)
    assert list_states() == ["confirmed", "expired"]
    assert count_unused(signups.connection) == {"waiting": 0, "expired": 1}
    assert "Confirmations" not in show("--at", "2026-01-01")


@pytest.mark.fact("DO.8-checked")
def test_what_a_resource_lacks_to_confirm_is_reported(
    signups: Signups, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("PENSTOCK_SECRET")
    declared = load_declared(signups.connection)
    file = tmp_path / "catalog.toml"

    def plan(**changes: Any) -> str:
        file.write_text(dump_catalog_file(replace(declared, **changes)))
        told = CliRunner().invoke(main, ["catalog", "apply", str(file), "--dry-run"])
        assert told.exit_code == 0, told.output
        return told.stdout

    def look(*, has_secret: bool) -> list[tuple[str, str]]:
        day = datetime.now(UTC).date()
        found = check_schema(signups.connection, day, has_secret=has_secret)
        return [
            (one.level, one.found)
            for one in found
            if one.check == "schema.confirmation"
        ]

    named = "resource 1 (Main site)"
    more = {"endpoints": {**declared.endpoints, 2: make_endpoint(id=2)}}
    told = plan(triggers={}, **more)
    assert f"No trigger sends links: {named}." in told
    assert f"PENSTOCK_SECRET is not set here: {named}." in told
    monkeypatch.setenv("PENSTOCK_SECRET", "ab" * 32)
    told = plan(**more)
    assert "PENSTOCK_SECRET" not in told
    assert "No trigger sends links" not in told
    assert look(has_secret=True) == [("ok", named)]
    ((level, found),) = look(has_secret=False)
    assert (level, found) == (
        "warning",
        f"PENSTOCK_SECRET is not set here; needed by {named}",
    )
    listen(signups.connection, EventKind.SUBSCRIPTION)
    assert look(has_secret=True) == [("warning", f"no trigger sends links: {named}")]
    change_resource(signups.connection, confirm=None)
    assert look(has_secret=False) == []
