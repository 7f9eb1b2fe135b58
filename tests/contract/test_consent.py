"""Consent that is never raised by accident: C1 to C12."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.consent import Authority, Basis, ConsentPolicy
from ingest.domain.imports import (
    Import,
    Kept,
    Operation,
    Outcome,
    State,
    SubscriptionChange,
)
from ingest.domain.statuses import PROHIBITION, STATUSES
from tests.conftest import Connection
from tests.declared import change_database, change_resource
from tests.factories import make_import, make_merge, make_undo
from tests.pipeline import Pipeline

ANN = "ann@example.com"
PATH = f"subscriptions[1/email/{ANN}].status"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class People:
    """Sends statuses of one person, an hour after another, and reads what is stored."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = NOON

    def make(self, status: object = None, **changes: Any) -> Import:
        """Return an import of a status, accepted an hour after the one before."""
        self.now += HOUR
        one = {"channel": "email", "email": ANN, "resource_id": 1}
        one |= changes.pop("subscription", {})
        if status is not None:
            one["status"] = status
        data = {"subscriptions": [one]} | changes.pop("data", {})
        door = changes.pop("door", "http")
        sent = make_import("email", data, key={"email": ANN}, **changes)
        return replace(sent, accepted_at=self.now, door=door)

    def apply(self, *imports: Import) -> list[Outcome]:
        return Pipeline(self.connection).apply(*imports)

    def send(self, status: object = None, **changes: Any) -> Outcome:
        (outcome,) = self.apply(self.make(status, **changes))
        assert outcome.error == 0, outcome.error_text
        return outcome

    @property
    def status(self) -> str:
        row = self.connection.execute(
            "SELECT status FROM subscriptions WHERE channel = 'email' AND contact = %s",
            (ANN,),
        ).fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def people(connection: Connection) -> People:
    return People(connection)


@pytest.fixture
def guarded(people: People) -> People:
    change_resource(people.connection, consent=ConsentPolicy.GUARDED)
    return people


def basis(**more: Any) -> Basis:
    return Basis(raises=True, **({"source": "checkout"} | more))


MAY: dict[str, Any] = {"authority": Authority.RAISE}


@pytest.mark.fact("C.8-kept", "C.2-raise")
def test_a_refused_raise_keeps_the_status_and_applies_the_rest(guarded: People) -> None:
    guarded.send("unsubscribed")
    since = guarded.now
    outcome = guarded.send(
        "subscribed", data={"_fname": "Ann"}, subscription={"cats": ["category_1"]}
    )

    assert guarded.status == "unsubscribed"
    assert (outcome.state, outcome.error) == (State.UPDATED, 0)
    assert outcome.kept == (
        Kept(
            path=PATH,
            reason="no basis",
            sent="subscribed",
            stored="unsubscribed",
            since=since,
        ),
    )
    assert set(outcome.changes) == {"_fname", PATH.removesuffix(".status")}


@pytest.mark.fact("C.8-kept")
def test_if_nothing_else_changes_the_import_is_unchanged(guarded: People) -> None:
    guarded.send("unsubscribed")
    outcome = guarded.send("subscribed")
    assert (outcome.state, outcome.changes) == (State.UNCHANGED, {})
    row = guarded.connection.execute(
        "SELECT protected, kept FROM imports WHERE import_id = %s", (outcome.import_id,)
    ).fetchone()
    assert row is not None
    assert (row[0], row[1][0]["reason"]) == (1, "no basis")


@pytest.mark.fact("C.4-default")
@pytest.mark.parametrize(
    ("of_resource", "of_database", "door", "after"),
    [
        (None, None, "http", "subscribed"),
        (None, None, "broker", "subscribed"),
        (None, None, "file", "unsubscribed"),
        (ConsentPolicy.OPEN, None, "file", "subscribed"),
        (None, ConsentPolicy.OPEN, "file", "subscribed"),
        (None, ConsentPolicy.GUARDED, "http", "unsubscribed"),
        (ConsentPolicy.OPEN, ConsentPolicy.GUARDED, "http", "subscribed"),
    ],
)
def test_without_a_word_files_alone_are_guarded(
    people: People, of_resource: Any, of_database: Any, door: str, after: str
) -> None:
    change_resource(people.connection, consent=of_resource)
    change_database(people.connection, consent=of_database)
    people.send("unsubscribed")
    people.send("subscribed", door=door)
    assert people.status == after


@pytest.mark.fact("C.5-basis", "C.6-newer")
def test_a_newer_basis_raises_and_is_stored(guarded: People) -> None:
    guarded.send("unsubscribed")
    outcome = guarded.send(
        "subscribed",
        consent=basis(time=guarded.now + HOUR, ip="203.0.113.7", version="2026-05"),
        **MAY,
    )
    assert (guarded.status, outcome.kept) == ("subscribed", ())
    assert outcome.raised == ("email",)
    (stored,) = read_facts(guarded)
    assert stored[2:] == [
        guarded.now.isoformat().replace("+00:00", "Z"),
        str(outcome.import_id),
        {"source": "checkout", "ip": "203.0.113.7", "version": "2026-05"},
    ]


def read_facts(people: People) -> list[list[Any]]:
    """Return contact, status, and what is known of it, of each subscription."""
    rows = people.connection.execute(
        "SELECT subscriptions::jsonb FROM profiles WHERE subscriptions IS NOT NULL"
    )
    return [
        [one[2], one[4], *(one[11:] or [None, None, None])]
        for (document,) in rows
        for one in document
    ]


@pytest.mark.fact("C.6-newer")
@pytest.mark.parametrize(
    ("hours", "after"), [(-1, "unsubscribed"), (0, "unsubscribed"), (1, "subscribed")]
)
def test_an_old_dump_undoes_no_newer_opt_out(
    guarded: People, hours: int, after: str
) -> None:
    guarded.send("unsubscribed")
    time = guarded.now + hours * HOUR
    outcome = guarded.send("subscribed", consent=basis(time=time), **MAY)
    assert guarded.status == after
    reasons = [one.reason for one in outcome.kept]
    assert reasons == ([] if hours > 0 else ["older than the opt-out"])


@pytest.mark.fact("C.6-newer")
def test_the_time_of_a_status_outlives_other_changes(guarded: People) -> None:
    guarded.send("unsubscribed")
    said = guarded.now
    guarded.send(subscription={"priority": 3})
    # After the opt-out, and before the row changed last.
    consent = basis(time=said + timedelta(minutes=1))
    guarded.send("subscribed", consent=consent, **MAY)
    assert guarded.status == "subscribed"


@pytest.mark.fact("C.6-newer")
def test_imports_of_one_batch_see_the_times_of_each_other(people: People) -> None:
    """Also where nothing is declared, and no such time is stored."""
    people.send("subscribed")
    out = people.make("unsubscribed")
    early = basis(time=out.accepted_at - timedelta(minutes=1))
    late = basis(time=out.accepted_at + timedelta(minutes=1))
    first = people.make("subscribed", door="file", consent=early, **MAY)
    _, refused = people.apply(out, first)
    assert [one.reason for one in refused.kept] == ["older than the opt-out"]

    again = people.make("complained"), people.make("unsubscribed")
    people.apply(*again)
    consent = replace(late, time=people.now + timedelta(minutes=1))
    people.send("subscribed", door="file", consent=consent, **MAY)
    assert people.status == "unsubscribed"


@pytest.mark.fact("C.7-complained")
def test_a_complaint_is_raised_by_an_operator_only(guarded: People) -> None:
    guarded.send("complained")
    refused = guarded.send("subscribed", consent=basis(), **MAY)
    assert [one.reason for one in refused.kept] == ["complained"]
    guarded.send("subscribed", consent=basis(), authority=Authority.OPERATOR)
    assert guarded.status == "subscribed"


@pytest.mark.fact("C.9-right")
def test_raising_takes_the_right_to(guarded: People) -> None:
    guarded.send("unsubscribed")
    refused = guarded.send("subscribed", consent=basis())
    assert [one.reason for one in refused.kept] == ["right"]


@pytest.mark.fact("C.3-strict")
def test_where_it_is_strict_a_new_one_is_unconfirmed_until_there_is_a_basis(
    people: People,
) -> None:
    change_resource(people.connection, consent=ConsentPolicy.STRICT)
    outcome = people.send("subscribed")
    assert people.status == "unconfirmed"
    assert [(one.reason, one.sent, one.stored) for one in outcome.kept] == [
        ("no basis", "subscribed", "unconfirmed")
    ]
    for again in ("subscribed", "suspended"):
        people.send(again)
        assert people.status == "unconfirmed"
    people.send("subscribed", consent=basis(), **MAY)
    assert people.status == "subscribed"


@pytest.mark.fact("C.5-basis")
def test_a_subscription_has_a_basis_of_its_own(guarded: People) -> None:
    guarded.send("unsubscribed")
    own = {"consent": {"source": "import", "raise": False}}
    guarded.send("subscribed", subscription=own, consent=basis(), **MAY)
    assert guarded.status == "unsubscribed"
    own = {"consent": {"source": "import", "raise": True}}
    guarded.send("subscribed", subscription=own, **MAY)
    assert guarded.status == "subscribed"


@pytest.mark.fact("C.5-basis")
@pytest.mark.parametrize(
    ("consent", "text"),
    [
        ({"raise": True}, "Missing parameter: data.subscriptions[0].consent.source"),
        ({"source": "x" * 201}, "At most 200 characters are allowed: "),
        ({"source": "x", "raise": "perhaps"}, "Must be true or false: "),
        ({"source": "x", "ip": "x"}, "Incorrect ip: "),
        ({"source": "x", "time": "x"}, "Incorrect date: "),
        ({"source": "x", "text": "x" * 1001}, "At most 1,000 characters are allowed: "),
        ({"source": "x", "tiem": "2020-01-01"}, "Unknown parameter (one of raise, "),
        (
            {"source": "x", "time": "2100-01-01"},
            "In the future (at most 5 minutes ahead): ",
        ),
        (1, "Must be an object: data.subscriptions[0].consent"),
    ],
)
def test_a_basis_that_says_nothing_clear_is_rejected(
    guarded: People, consent: object, text: str
) -> None:
    guarded.send("unsubscribed")
    (outcome,) = guarded.apply(
        guarded.make("subscribed", subscription={"consent": consent}, **MAY)
    )
    assert outcome.state is State.REJECTED
    assert outcome.error_text.startswith(text)
    assert guarded.status == "unsubscribed"


@pytest.mark.fact("C.5-basis")
def test_a_basis_of_the_future_is_rejected(guarded: People) -> None:
    guarded.send("unsubscribed")
    for minutes, error in ((5, 0), (6, 400)):
        sent = guarded.make("suspended", **MAY)
        time = sent.accepted_at + timedelta(minutes=minutes)
        (outcome,) = guarded.apply(replace(sent, consent=basis(time=time)))
        assert outcome.error == error, outcome.error_text


@pytest.mark.fact("C.5-basis")
def test_a_resource_requires_more_of_a_basis(guarded: People) -> None:
    change_resource(guarded.connection, consent_requires=("source", "time"))
    guarded.send("unsubscribed")
    refused = guarded.send("subscribed", consent=basis(), **MAY)
    assert [one.reason for one in refused.kept] == ["incomplete basis"]
    guarded.send("subscribed", consent=basis(time=guarded.now + HOUR), **MAY)
    assert guarded.status == "subscribed"


@pytest.mark.fact("C.10-recorded")
@pytest.mark.parametrize("policy", ConsentPolicy)
def test_an_earlier_opt_out_takes_back_no_later_consent(
    people: People, policy: ConsentPolicy
) -> None:
    change_resource(people.connection, consent=policy)
    people.send("subscribed", consent=basis(), **MAY)
    since = people.now
    earlier = Basis(source="old CRM", time=since - HOUR)
    outcome = people.send("unsubscribed", consent=earlier)
    assert people.status == "subscribed"
    assert [one.reason for one in outcome.kept] == ["newer"]
    # It protects nobody, so it does not count.
    row = people.connection.execute(
        "SELECT protected FROM imports WHERE import_id = %s", (outcome.import_id,)
    ).fetchone()
    assert row == (None,)


@pytest.mark.fact("C.10-recorded")
@pytest.mark.parametrize("swapped", [False, True])
def test_an_opt_out_and_a_raise_end_as_their_times_say(
    guarded: People, swapped: bool
) -> None:
    guarded.send("unsubscribed")
    base = guarded.now
    consent = basis(time=base + timedelta(minutes=10))
    raised = guarded.make("subscribed", consent=consent, **MAY)
    out = guarded.make(
        "unsubscribed", consent=Basis(source="web", time=base + timedelta(minutes=20))
    )
    guarded.apply(*([out, raised] if swapped else [raised, out]))
    assert guarded.status == "unsubscribed"

    base += timedelta(minutes=30)
    consent = basis(time=base + timedelta(minutes=20))
    raised = guarded.make("subscribed", consent=consent, **MAY)
    earlier = Basis(source="web", time=base + timedelta(minutes=10))
    out = guarded.make("unsubscribed", consent=earlier)
    guarded.apply(*([out, raised] if swapped else [raised, out]))
    assert guarded.status == "subscribed"


@pytest.mark.fact("C.6-newer")
def test_the_same_status_at_a_later_moment_is_newer(guarded: People) -> None:
    guarded.send("unsubscribed")
    again = Basis(source="call", time=guarded.now + timedelta(minutes=20))
    outcome = guarded.send("unsubscribed", consent=again)
    assert outcome.state is State.UPDATED
    ((old, new),) = outcome.changes.values()
    assert isinstance(old, dict)
    assert isinstance(new, dict)
    assert old | {"status_at": None} == new | {"status_at": None}
    assert new["status_at"] == "2026-11-20T13:20:00Z"
    between = basis(time=again.time and again.time - timedelta(minutes=1))
    refused = guarded.send("subscribed", consent=between, **MAY)
    assert [one.reason for one in refused.kept] == ["older than the opt-out"]
    # Nothing but what was said is undone.
    undone = guarded.apply(make_undo(outcome))
    assert [one.faults for one in undone] == [()]
    assert guarded.status == "unsubscribed"


@pytest.mark.fact("C.12-restored")
def test_a_restored_subscription_has_its_status_and_is_guarded(
    guarded: People,
) -> None:
    profile_id = guarded.send("unsubscribed").profile_id
    gone = make_import(
        "profile_id",
        {"channel": "email", "email": ANN, "resource_id": 1},
        key={"profile_id": profile_id},
        operation=Operation.UPDATE,
        subscription_change=SubscriptionChange.DELETE,
    )
    guarded.apply(gone)
    guarded.send()
    assert guarded.status == "unsubscribed"
    guarded.send("subscribed")
    assert guarded.status == "unsubscribed"


@pytest.mark.fact("C.11-undo")
def test_an_undo_raises_nothing_and_lowers_freely(guarded: People) -> None:
    guarded.send("subscribed")
    out = guarded.send("unsubscribed")
    guarded.apply(make_undo(out))
    assert guarded.status == "unsubscribed"
    raised = guarded.send("subscribed", consent=basis(), **MAY)
    guarded.apply(make_undo(raised))
    assert guarded.status == "unsubscribed"


@pytest.mark.fact("C.11-undo")
def test_a_merge_keeps_what_forbids_more_with_its_time(guarded: People) -> None:
    first = guarded.send("unsubscribed")
    said = guarded.now
    one = {"channel": "email", "email": ANN, "resource_id": 1}
    other = make_import("phone", {"subscriptions": [one]}, key={"phone": "+79001"})
    (second,) = guarded.apply(
        replace(
            other,
            accepted_at=guarded.now + HOUR,
            key=replace(other.key, phone="+79001234567"),
        )
    )
    assert first.profile_id is not None
    assert second.profile_id is not None
    merge = make_merge(first.profile_id, second.profile_id)
    (merged,) = guarded.apply(replace(merge, accepted_at=guarded.now + 2 * HOUR))
    assert merged.error == 0, merged.error_text
    assert guarded.status == "unsubscribed"
    consent = basis(time=said + timedelta(minutes=1))
    guarded.now += 3 * HOUR
    guarded.send("subscribed", consent=consent, **MAY)
    assert guarded.status == "subscribed"


@pytest.mark.fact("C.3-profile")
def test_the_status_of_a_profile_is_guarded_by_its_database(people: People) -> None:
    change_database(people.connection, consent=ConsentPolicy.GUARDED)
    people.send(data={"_status": "unsubscribed"})
    outcome = people.send(data={"_status": 0, "_fname": "Ann"})
    assert [(one.path, one.reason, one.stored) for one in outcome.kept] == [
        ("_status", "no basis", 1)
    ]
    outcome = people.send(data={"_status": {"action": "unset"}})
    assert [one.path for one in outcome.kept] == ["_status"]
    late = basis(time=datetime.now(UTC) + HOUR)
    people.now = datetime.now(UTC) + HOUR
    people.send(data={"_status": 0}, consent=late, **MAY)
    row = people.connection.execute("SELECT fields ->> '_status' FROM profiles")
    assert row.fetchall() == [("0",)]


STATUS = st.sampled_from([*STATUSES])
HOURS = st.integers(-5, 0).map(lambda hours: hours * HOUR)


@pytest.mark.fact("C.1-lower")
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            STATUS,
            st.sampled_from(["http", "file"]),
            st.booleans(),
            HOURS,
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_without_a_valid_basis_no_number_of_a_guarded_subscription_falls(
    guarded: People, sent: list[tuple[str, str, bool, timedelta, bool]]
) -> None:
    guarded.connection.execute("DELETE FROM profiles")
    guarded.connection.execute("DELETE FROM match_keys")
    guarded.send("unsubscribed")
    imports = []
    for status, door, has_basis, ago, has_right in sent:
        old = basis(time=NOON + ago) if has_basis else None
        one = guarded.make(status, door=door, consent=old)
        if has_right:
            one = replace(one, authority=Authority.RAISE)
        imports.append(one)
    lowest = PROHIBITION["unsubscribed"]
    for one in imports:
        guarded.apply(one)
        number = PROHIBITION[guarded.status]
        assert number >= lowest
        lowest = number


@pytest.mark.fact("C.1-lower")
@pytest.mark.parametrize(
    ("policy", "after"),
    [(ConsentPolicy.GUARDED, "unsubscribed"), (ConsentPolicy.OPEN, "subscribed")],
)
def test_no_rank_stands_above_an_opt_out(
    people: People, policy: ConsentPolicy, after: str
) -> None:
    change_database(people.connection, times=True, sources={"http": 20})
    change_resource(people.connection, consent=policy)
    people.send("subscribed")
    people.send("unsubscribed", door="broker")
    assert people.status == after
    # What was true earlier is no opt-out of now.
    people.send("complained", door="broker", as_of=NOON)
    assert people.status == after


@pytest.mark.fact("C.8-kept")
def test_a_status_that_is_kept_is_not_dated(people: People) -> None:
    change_database(people.connection, times=True)
    change_resource(people.connection, consent=ConsentPolicy.GUARDED)
    people.send("unsubscribed")
    people.send("subscribed")
    refused = people.now
    outcome = people.send("complained", as_of=refused - timedelta(minutes=1))
    assert (outcome.kept, people.status) == ((), "complained")


@pytest.mark.fact("C.13-spelling")
@pytest.mark.parametrize(
    ("channel", "sent", "again"),
    [
        ("email", {"email": "Ann@Example.COM"}, {"email": " ann@example.com "}),
        (
            "email",
            {"email": "ann@example.com"},
            {"email_data": {"email": "ANN@EXAMPLE.com"}},
        ),
        ("sms", {"phone": "+7 (900) 123-45-67"}, {"phone": "+79001234567"}),
        (
            "sms",
            {"phone": "007 900 123 45 67"},
            {"phone_data": {"phone": "79001234567"}},
        ),
        ("sms", {"phone": 79001234567}, {"phone": "tel:+7-900-123-45-67"}),
        (
            "whatsapp",
            {"cc_data": {"phone": "+79001234567"}},
            {"cc_data": {"user_phone": "7 900 1234567"}},
        ),
        (
            "viber",
            {"cc_data": {"phone": "+7.900.123.45.67"}},
            {"cc_data": {"phone": 79001234567}},
        ),
        (
            "notify",
            {"cc_data": {"phone": "+79001234567"}},
            {"cc_data": {"phone": "0079001234567"}},
        ),
        ("telegram_bot", {"cc_data": {"id": 77}}, {"cc_data": {"user_chat_id": "77"}}),
        (
            "push",
            {"provider": "android-firebase", "subscription_id": "x"},
            {"push_data": {"provider": "android-firebase", "subscription_id": "x"}},
        ),
    ],
)
def test_opted_out_in_one_spelling_is_opted_out_in_all(
    guarded: People, channel: str, sent: dict[str, Any], again: dict[str, Any]
) -> None:
    place = {"channel": channel, "resource_id": 1}
    key = {"email": ANN}

    def send(one: dict[str, Any], status: str) -> Outcome:
        listed = {"subscriptions": [{**place, **one, "status": status}]}
        (outcome,) = guarded.apply(make_import("email", listed, key=key))
        assert outcome.error == 0, outcome.error_text
        return outcome

    send(sent, "unsubscribed")
    kept = send(again, "subscribed").kept
    assert [one.reason for one in kept] == ["no basis"]
    rows = guarded.connection.execute("SELECT status FROM subscriptions").fetchall()
    assert rows == [("unsubscribed",)]


@pytest.mark.fact("C.13-spelling")
def test_dots_make_another_address(guarded: People) -> None:
    guarded.send("unsubscribed")
    other = {"channel": "email", "email": "a.nn@example.com", "resource_id": 1}
    guarded.send(data={"subscriptions": [other]})
    rows = guarded.connection.execute(
        "SELECT contact, status FROM subscriptions ORDER BY contact"
    )
    assert rows.fetchall() == [
        ("a.nn@example.com", "subscribed"),
        (ANN, "unsubscribed"),
    ]


@pytest.mark.fact("C.13-spelling")
@pytest.mark.parametrize("key", ["ANN@example.com", " ann@EXAMPLE.com"])
def test_the_profile_is_found_in_any_spelling(guarded: People, key: str) -> None:
    first = guarded.send("unsubscribed")
    one = {"channel": "email", "email": key, "status": "subscribed", "resource_id": 1}
    sent = make_import("email_sub", {"subscriptions": [one]}, key={"email": key})
    (outcome,) = guarded.apply(sent)
    assert outcome.profile_id == first.profile_id
    assert [one.reason for one in outcome.kept] == ["no basis"]
