"""Imports that wait for an operator, and what is decided of them: H1 to H7, M9."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ingest.domain.imports import Import, OnAmbiguous, Outcome, State
from ingest.domain.lookups import PROFILE_ID, Lookup, Search
from ingest.domain.releases import Decision, name_case
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.held import HeldCase, list_cases
from ingest.store.profiles.deletions import delete_profile
from tests.conftest import Connection
from tests.factories import by_email, make_import, make_merge, make_undo
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.sessions import is_waited_for, meanwhile
from workers.held import UNDECIDED, HeldCases, reject_expired

ANN, BOB = "ann@example.com", "bob@example.com"
PHONE = "+442079460011"


@pytest.fixture
def two(connection: Connection) -> tuple[str, str]:
    """Two profiles: one has the email, and one the phone."""
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "_fname": "Ann", "points": 1})
    return ann, pipeline.create({"phones": [PHONE], "_fname": "Bob", "points": 1})


def hold(data: dict[str, Any] | None = None, **changes: Any) -> Import:
    """Return an import that both profiles match."""
    key = {"email": ANN, "phone": PHONE}
    changes.setdefault("on_ambiguous", OnAmbiguous.HOLD)
    return make_import("email_phone", data or {}, key=key, **changes)


def cases(connection: Connection) -> list[HeldCase]:
    return list_cases(connection)


def decide(connection: Connection, **decision: Any) -> list[Outcome]:
    (case,) = cases(connection)
    return HeldCases(connection).decide(case.case_id, Decision(**decision))


def count_states(connection: Connection) -> dict[str, int]:
    rows = connection.execute("SELECT state, count(*) FROM imports GROUP BY state")
    return dict(rows.fetchall())


@pytest.mark.fact("H.1-held")
def test_an_ambiguous_import_waits_and_writes_nothing(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    before = [pipeline.profile(id_) for id_ in two]
    sent = hold({"_fname": "Anne"})
    (outcome,) = pipeline.apply(sent)

    assert (outcome.state, outcome.error, outcome.profile_id) == (State.HELD, 0, None)
    assert outcome.error_text == "Held until an operator decides"
    assert [pipeline.profile(id_) for id_ in two] == before
    (case,) = cases(connection)
    assert (case.imports, case.first_import_id) == (1, sent.import_id)
    assert case.candidates == sorted(two)
    # Sent again, it is the same.
    again = pipeline.apply_batch([sent])
    assert [one.import_id for one in again.repeated] == [sent.import_id]
    assert count_states(connection)["held"] == 1


@pytest.mark.fact("H.3-cases")
def test_a_case_gathers_what_is_ambiguous_and_stops_nothing_else(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    first, second = hold({"points": 5}), hold({"points": 6})
    pipeline.apply(first, by_email(ANN, {"points": 2}), second)

    (case,) = cases(connection)
    assert (case.imports, case.first_import_id) == (2, first.import_id)
    assert pipeline.profile(two[0])["fields"]["points"] == 2


@pytest.mark.fact("H.4-pick")
def test_a_picked_profile_gets_the_imports_in_the_order_accepted(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    sent = [
        hold({"_lname": "A", "points": {"action": "incr", "value": 2}}),
        hold({"_lname": "B", "points": {"action": "incr", "value": 3}}),
    ]
    pipeline.apply(*sent)
    outcomes = decide(connection, profile_id=two[1])

    assert [(one.import_id, one.state) for one in outcomes] == [
        (one.import_id, State.UPDATED) for one in sent
    ]
    fields = pipeline.profile(two[1])["fields"]
    assert (fields["_lname"], fields["points"]) == ("B", 6)
    assert cases(connection) == []
    assert count_states(connection) == {"created": 2, "updated": 2}
    # Each is undone like any import.
    (undone,) = pipeline.apply(make_undo(outcomes[1]))
    assert undone.changes["_lname"] == ("B", "A")


@pytest.mark.fact("H.4-reject")
def test_a_case_is_rejected_with_a_reason(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold(), hold())
    outcomes = decide(connection, rejection="Rejected by an operator (a test)")

    assert [(one.state, one.error) for one in outcomes] == [(State.REJECTED, 409)] * 2
    assert {one.error_text for one in outcomes} == {"Rejected by an operator (a test)"}
    assert cases(connection) == []
    assert count_states(connection) == {"created": 2, "rejected": 2}


@pytest.mark.fact("H.4-merge", "H.6-again")
def test_once_the_profiles_are_one_the_imports_are_applied_to_it(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold({"_lname": "Smith"}))
    # Nothing has changed: it is held again.
    (again,) = decide(connection)
    assert again.state is State.HELD
    (merged,) = pipeline.apply(make_merge(*two))
    (outcome,) = decide(connection)

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, merged.profile_id)
    assert cases(connection) == []


@pytest.mark.fact("H.5-newer")
def test_a_held_import_counts_as_of_when_it_was_accepted(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    mail = {"resource_id": 1, "channel": "email", "email": ANN}
    sent = hold(
        {
            "_fname": "Old",
            "_lname": "Smith",
            "points": {"action": "incr", "value": 2},
            "subscriptions": [mail],
        }
    )
    pipeline.apply(sent)
    later = by_email(
        ANN,
        {
            "_fname": "New",
            "points": 10,
            "subscriptions": [{**mail, "status": "unsubscribed"}],
        },
    )
    pipeline.apply(later)
    (outcome,) = decide(connection, profile_id=two[0])

    assert {(one.path, one.reason, one.by) for one in outcome.kept} == {
        ("_fname", "newer", later.import_id),
        (f"subscriptions[1/email/{ANN}]", "newer", later.import_id),
    }
    fields = pipeline.profile(two[0])["fields"]
    assert (fields["_fname"], fields["_lname"], fields["points"]) == (
        *("New", "Smith"),
        12,
    )
    row = connection.execute("SELECT status FROM subscriptions").fetchone()
    assert row == ("unsubscribed",)
    row = connection.execute(
        "SELECT kept FROM imports WHERE import_id = %s", (sent.import_id,)
    ).fetchone()
    assert row is not None
    assert len(row[0]) == 2


@pytest.mark.fact("H.5-newer")
def test_what_is_written_while_a_decision_waits_is_newer(
    settings: Settings, connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold({"_fname": "Old"}))
    (case,) = cases(connection)
    decided: list[Outcome] = []

    def pick(other: Connection) -> None:
        decision = Decision(profile_id=two[0])
        decided.extend(HeldCases(other).decide(case.case_id, decision))

    with connection.transaction():
        pipeline.apply(by_email(ANN, {"_fname": "New"}))
        thread = meanwhile(settings.database_url, pick)
        wait_until(lambda: is_waited_for(connection))
    thread.join()

    assert pipeline.profile(two[0])["fields"]["_fname"] == "New"
    assert [one.path for one in decided[0].kept] == ["_fname"]


@pytest.mark.fact("H.5-newer", "H.6-merged")
def test_what_was_written_to_a_candidate_that_was_merged_is_newer(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold({"_lname": "Old"}))
    key = {"phone": PHONE}
    pipeline.apply(make_import("phone", {"_lname": "New"}, key=key))
    pipeline.apply(make_merge(*two))
    (outcome,) = decide(connection, profile_id=two[0])

    assert [one.path for one in outcome.kept] == ["_lname"]
    assert pipeline.profile(two[0])["fields"]["_lname"] == "New"


@pytest.mark.fact("H.7-expired")
def test_what_nobody_decides_is_rejected_in_the_end(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold(), hold())
    before = datetime.now(UTC) - timedelta(days=28)
    assert reject_expired(connection, before) == 0
    age_all(connection)
    assert reject_expired(connection, before) == 2

    rows = connection.execute(
        "SELECT DISTINCT error, error_text FROM imports WHERE state = 'rejected'"
    ).fetchall()
    assert rows == [(409, UNDECIDED)]
    assert cases(connection) == []


def age_all(connection: Connection) -> None:
    connection.execute("UPDATE held_imports SET accepted_at = %s", (
        datetime.now(UTC) - timedelta(days=29),
    ))  # fmt: skip


@pytest.mark.fact("M.9-deleted")
def test_the_deletion_of_a_candidate_leaves_no_payload(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    sent = hold({"_lname": "Secret"})
    pipeline.apply(sent)
    search = Search(lookups=(Lookup(PROFILE_ID, two[1]),))
    with connection.transaction():
        delete_profile(connection, load_catalog(connection), 1, search)

    assert cases(connection) == []
    for table in ("held_imports", "held_candidates"):
        assert pipeline.count(table) == 0
    row = connection.execute(
        "SELECT state, error, error_text FROM imports WHERE import_id = %s",
        (sent.import_id,),
    ).fetchone()
    assert row == ("rejected", 409, "A candidate was deleted")


@pytest.mark.fact("H.4-once")
def test_of_two_decisions_one_counts(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold({"points": {"action": "incr", "value": 2}}))
    (case,) = cases(connection)
    held = HeldCases(connection)
    assert len(held.decide(case.case_id, Decision(profile_id=two[0]))) == 1
    assert held.decide(case.case_id, Decision(profile_id=two[1])) == []
    assert [pipeline.profile(id_)["fields"]["points"] for id_ in two] == [3, 1]


@pytest.mark.fact("H.4-preview")
def test_a_preview_writes_nothing(connection: Connection, two: tuple[str, str]) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(hold({"points": 7}))
    (case,) = cases(connection)
    held = HeldCases(connection)
    decision = Decision(profile_id=two[0])
    (tried,) = held.decide(case.case_id, decision, dry_run=True)

    assert tried.changes == {"points": (1, 7)}
    assert cases(connection) == [case]
    assert count_states(connection)["held"] == 1


@pytest.mark.fact("H.4-pick")
def test_a_long_case_is_decided_in_parts(
    connection: Connection, two: tuple[str, str]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.apply(
        *(hold({"points": {"action": "incr", "value": 1}}) for _ in range(120))
    )
    outcomes = decide(connection, profile_id=two[0])

    assert len({one.import_id for one in outcomes}) == 120
    assert pipeline.profile(two[0])["fields"]["points"] == 121


def test_a_case_has_one_name(two: tuple[str, str]) -> None:
    assert name_case(1, two) == name_case(1, reversed(two)) != name_case(2, two)
    assert isinstance(name_case(1, two), UUID)
