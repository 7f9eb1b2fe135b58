"""Batches on a real database: neighbours, receipts, repeats and the dead."""

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.imports import Import, State
from ingest.store.database import connect
from tests import said
from tests.conftest import Connection
from tests.factories import make_import
from tests.pipeline import Pipeline

SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}


def by_email(email: str, data: dict[str, Any], **changes: Any) -> Import:
    return make_import("email", data, key={"email": email}, **changes)


def test_the_second_import_of_a_batch_sees_the_first(pipeline: Pipeline) -> None:
    first, second, third = pipeline.apply(
        by_email("ann@example.com", {"points": 1}),
        by_email("ANN@example.com", {"points": {"action": "incr", "value": 41}}),
        make_import(
            "email", {"email": "new@example.com"}, key={"email": "ann@example.com"}
        ),
    )

    assert first.state is State.CREATED
    assert {second.profile_id, third.profile_id} == {first.profile_id}
    row = pipeline.profile(str(first.profile_id))
    assert row["fields"]["points"] == 42
    assert row["email"] == "new@example.com"


@pytest.mark.fact("3.3-change")
def test_a_changed_email_is_found_by_the_new_one_only(pipeline: Pipeline) -> None:
    first, renamed, old, new = pipeline.apply(
        by_email("a@example.com", {}),
        by_email("a@example.com", {"email": "b@example.com"}),
        by_email("a@example.com", {}),
        by_email("b@example.com", {}),
    )

    assert renamed.changes == {"email": ("a@example.com", "b@example.com")}
    assert old.state is State.CREATED
    assert new.profile_id == first.profile_id


def test_two_profiles_swap_a_unique_value_in_one_batch(pipeline: Pipeline) -> None:
    one = pipeline.create({"email": "a@example.com"})
    two = pipeline.create({"email": "b@example.com"})

    outcomes = pipeline.apply(
        by_email("a@example.com", {"email": "c@example.com"}),
        by_email("b@example.com", {"email": "a@example.com"}),
        by_email("c@example.com", {"email": "b@example.com"}),
    )

    assert [outcome.error for outcome in outcomes] == [0, 0, 0]
    assert pipeline.profile(one)["email"] == "b@example.com"
    assert pipeline.profile(two)["email"] == "a@example.com"


BAD = [
    pytest.param({"points": "forty"}, 400, "Must be an integer: data.points", id="int"),
    pytest.param({"phones": ["+79000000000", "12345"]}, 400,
                 "Incorrect phone: data.phones[1]", id="phone in a list"),
    pytest.param({"email": "nobody"}, 400, "Incorrect email: data.email", id="email"),
    pytest.param({"email": {"action": "unset"}}, 400,
                 "An email can only be set: data.email", id="unset of email"),
    pytest.param({"_ip": "999.1.1.1"}, 400, "Incorrect ip: data._ip", id="ip"),
    pytest.param({"_bdate": "soon"}, 400, "Incorrect date: data._bdate", id="date"),
    pytest.param({"_tz": "Mars/Base"}, 400, None, id="time zone"),
    pytest.param({"plan": "Gold"}, 400, None, id="enum"),
    pytest.param({"nowhere": 1}, 400, "Unknown field: data.nowhere", id="unknown"),
    pytest.param({"points": {"action": "grow"}}, 400,
                 f"{said.INT_ACTION}: data.points", id="action"),
    pytest.param({"subscriptions": [SMS | {"phone": "1"}]}, 400,
                 "Incorrect phone: data.subscriptions[0].phone", id="contact"),
    pytest.param({"subscriptions": [SMS | {"resource_id": 77}]}, 400,
                 None, id="resource"),
    pytest.param({"subscriptions": {"action": "delete", "value": []}}, 400,
                 None, id="subscriptions as a function"),
]  # fmt: skip


@pytest.mark.fact("13.3-words", "14.17-unknown-field", "14.21-whole", "14.3-text")
@pytest.mark.parametrize(("data", "code", "text"), BAD)
def test_a_bad_import_writes_nothing_and_its_neighbours_are_applied(
    pipeline: Pipeline, data: dict[str, Any], code: int, text: str | None
) -> None:
    before, bad, after = pipeline.apply(
        by_email("before@example.com", {"_fname": "B"}),
        by_email("bad@example.com", {"_fname": "Bad", **data}),
        by_email("after@example.com", {"_fname": "A"}),
    )

    assert (before.error, after.error) == (0, 0)
    assert (bad.state, bad.error, bad.profile_id) == (State.REJECTED, code, None)
    assert text is None or bad.error_text == text
    emails = pipeline.connection.execute("SELECT email FROM profiles ORDER BY 1")
    assert [email for (email,) in emails] == ["after@example.com", "before@example.com"]
    assert pipeline.count("subscriptions") == 0
    assert pipeline.count("imports") == 3


@pytest.mark.fact("8-static", "14.52-segments")
@pytest.mark.parametrize(
    ("segments", "code", "text"),
    [
        pytest.param([77], 404, "Segment not found: add_to_segments[0]", id="unknown"),
        pytest.param([1, 9], 404, "Segment not found: add_to_segments[1]", id="other"),
        pytest.param([4], 400,
                     "Only a static segment can have members added or removed: "
                         "add_to_segments[0]",
                     id="dynamic"),
    ],
)  # fmt: skip
def test_a_segment_that_takes_no_members_rejects_the_import(
    pipeline: Pipeline, segments: list[int], code: int, text: str
) -> None:
    (outcome,) = pipeline.apply(
        by_email("ann@example.com", {}, add_to_segments=tuple(segments))
    )

    assert (outcome.error, outcome.error_text) == (code, text)
    assert pipeline.count("profiles") == 0
    assert pipeline.count("segment_members") == 0


@pytest.mark.fact("8-add-remove", "14.53-remove-wins")
def test_segments_are_joined_and_left_and_leaving_wins(pipeline: Pipeline) -> None:
    joined, repeated, left = pipeline.apply(
        by_email("ann@example.com", {}, add_to_segments=(1, 2)),
        by_email("ann@example.com", {}, add_to_segments=(1,)),
        by_email(
            "ann@example.com", {}, add_to_segments=(1, 3), remove_from_segments=(1,)
        ),
    )

    assert joined.changes["segments"] == ([], [1, 2])
    assert repeated.state is State.UNCHANGED
    assert left.changes["segments"] == ([1, 2], [2, 3])
    rows = pipeline.connection.execute(
        "SELECT segment_id FROM segment_members ORDER BY 1"
    )
    assert [number for (number,) in rows] == [2, 3]


@pytest.mark.fact("14.21-whole")
def test_all_faults_are_reported_together(pipeline: Pipeline) -> None:
    (outcome,) = pipeline.apply(
        by_email(
            "ann@example.com",
            {
                "points": "x",
                "_ip": "y",
                "phones": ["1", "2"],
                "subscriptions": [SMS | {"phone": "1", "status": "gone"}],
            },
            add_to_segments=(77,),
        )
    )

    assert {fault.path for fault in outcome.faults} == {
        "data.points",
        "data._ip",
        "data.phones[0]",
        "data.phones[1]",
        "data.subscriptions[0].phone",
        "data.subscriptions[0].status",
        "add_to_segments[0]",
    }
    row = pipeline.connection.execute("SELECT faults FROM imports").fetchone()
    assert row is not None
    assert len(row[0]) == 7


@pytest.mark.fact("6.7-skip")
def test_skipped_subscriptions_are_listed_in_the_receipt(pipeline: Pipeline) -> None:
    (outcome,) = pipeline.apply(
        by_email(
            "ann@example.com",
            {"subscriptions": [SMS | {"phone": "1"}, SMS]},
            skip_invalid_subscriptions=True,
        )
    )

    assert outcome.state is State.CREATED
    assert [fault.text for fault in outcome.skipped] == [
        "Incorrect phone: data.subscriptions[0].phone"
    ]
    row = pipeline.connection.execute("SELECT skipped FROM imports").fetchone()
    assert row is not None
    assert row[0][0]["path"] == "data.subscriptions[0].phone"
    assert pipeline.count("subscriptions") == 1


@pytest.mark.fact("14.19-null", "14.20-empty")
def test_null_changes_nothing_and_empty_text_clears(pipeline: Pipeline) -> None:
    profile_id = pipeline.create(
        {"email": "a@example.com", "_fname": "A", "_lname": "B"}
    )

    (outcome,) = pipeline.apply(
        by_email("a@example.com", {"_fname": None, "_lname": ""})
    )

    assert outcome.changes == {"_lname": ("B", None)}
    assert pipeline.profile(profile_id)["fields"] == {"_fname": "A"}


@pytest.mark.fact("4.2-read-only", "14.18-read-only")
def test_read_only_fields_are_ignored(pipeline: Pipeline) -> None:
    (outcome,) = pipeline.apply(by_email("a@example.com", {"_md5": "x", "id": "y"}))

    assert set(outcome.changes) == {"email"}


@pytest.mark.fact("14.7-once")
def test_an_import_is_applied_once_however_often_it_is_read(pipeline: Pipeline) -> None:
    import_ = by_email("a@example.com", {"points": {"action": "incr", "value": 5}})

    first = pipeline.apply_batch([import_, import_])
    second = pipeline.apply_batch([import_])

    assert [outcome.state for outcome in first.outcomes] == [State.CREATED]
    assert second.outcomes == []
    (answer,) = second.repeated
    assert (answer.error, answer.profile_id) == (0, first.outcomes[0].profile_id)
    assert pipeline.profile(str(answer.profile_id))["fields"]["points"] == 5


@pytest.mark.fact("14.70-poison")
def test_a_value_postgres_refuses_becomes_a_dead_letter_alone(
    pipeline: Pipeline,
) -> None:
    pipeline.connection.execute(
        "ALTER TABLE profiles ADD CONSTRAINT no_poison"
        " CHECK (fields ->> '_fname' IS DISTINCT FROM 'poison')"
    )
    imports = [
        by_email(
            f"n{number}@example.com", {"_fname": "poison" if number == 3 else "ok"}
        )
        for number in range(7)
    ]

    outcomes = pipeline.apply(*imports)

    states = [outcome.state for outcome in outcomes]
    assert states == [State.DEAD if n == 3 else State.CREATED for n in range(7)]
    assert pipeline.count("profiles") == 6
    assert pipeline.count("imports") == 7
    row = pipeline.connection.execute(
        "SELECT import_id, payload, error FROM dead_letters"
    ).fetchone()
    assert row is not None
    assert row[0] == imports[3].import_id
    assert b"poison" in row[1]
    assert row[2].startswith("CheckViolation")


@pytest.mark.fact("13.2-404")
def test_an_unknown_database_is_rejected_with_a_receipt(pipeline: Pipeline) -> None:
    (outcome,) = pipeline.apply(by_email("a@example.com", {}, database_id=77))

    assert (outcome.error, outcome.error_text) == (404, "Database not found: db_id")
    assert pipeline.count("imports") == 1


def test_the_receipt_explains_the_change(pipeline: Pipeline) -> None:
    pipeline.create({"email": "a@example.com", "_fname": "Ann"})
    pipeline.apply(by_email("a@example.com", {"_fname": "Bea"}))

    row = pipeline.connection.execute(
        """
        SELECT door, matching, matched_by, changes, accepted_at <= started_at,
               started_at <= applied_at
          FROM imports
         WHERE state = 'updated'
        """
    ).fetchone()

    assert row == ("http", "email", "email", {"_fname": ["Ann", "Bea"]}, True, True)


PERSON = {"email": "ann@example.com", "phones": ["+79000000000"], "code": 7}
MIXED: list[tuple[str, dict[str, Any]]] = [
    ("email", {"email": "ann@example.com"}),
    ("email_profile", {"email": "ANN@example.com"}),
    ("phone", {"phone": "+79000000000"}),
    ("custom", {"field_name": "code", "field_value": 7}),
    ("email_phone", {"email": "ann@example.com", "phone": "+79000000000"}),
]


@pytest.mark.fact("14.6-order")
def test_one_person_imported_by_mixed_modes_at_once_is_one_profile(
    database_url: str, connection: Connection
) -> None:
    workers, rounds = 4, 50
    barrier = threading.Barrier(workers)
    failures: list[str] = []

    def work(number: int) -> None:
        with connect(database_url) as own:
            pipeline = Pipeline(own)
            barrier.wait()
            for turn in range(rounds):
                mode, key = MIXED[(number + turn) % len(MIXED)]
                counted = {**PERSON, "points": {"action": "incr", "value": 1}}
                outcomes = pipeline.apply(make_import(mode, counted, key=key))
                failures.extend(o.error_text for o in outcomes if o.error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert failures == []
    rows = connection.execute("SELECT fields -> 'points' FROM profiles").fetchall()
    assert rows == [(workers * rounds,)]


EMAILS = st.sampled_from([f"{letter}@example.com" for letter in "abc"])
STEPS = st.tuples(
    EMAILS,
    st.fixed_dictionaries(
        {},
        optional={
            "email": EMAILS,
            "points": st.integers(-5, 5).map(lambda n: {"action": "incr", "value": n}),
            "interests": st.sampled_from(["tea", "yoga"]).map(
                lambda tag: {"action": "add", "value": [tag]}
            ),
            "code": st.integers(1, 2),
            "subscriptions": st.just([SMS]),
        },
    ),
    st.sampled_from([(), (1,), (77,)]),
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=1, max_size=8))
def test_a_batch_does_what_its_imports_do_one_by_one(
    pipeline: Pipeline, steps: list[tuple[str, dict[str, Any], tuple[int, ...]]]
) -> None:
    together = [by_email(e, d, add_to_segments=s) for e, d, s in steps]
    apart = [
        replace(i, import_id=by_email("x@example.com", {}).import_id) for i in together
    ]

    erase(pipeline)
    in_one = [(o.state, o.error_text) for o in pipeline.apply(*together)]
    stored_by_batch = stored(pipeline)
    erase(pipeline)
    singly = [(o.state, o.error_text) for i in apart for o in pipeline.apply(i)]

    assert in_one == singly
    assert stored_by_batch == stored(pipeline)


def erase(pipeline: Pipeline) -> None:
    pipeline.connection.execute(
        "TRUNCATE profiles, match_keys, segment_members, imports CASCADE"
    )


def stored(pipeline: Pipeline) -> list[Any]:
    return pipeline.connection.execute(
        """
        SELECT email, phones, fields,
               (SELECT array_agg(kind || '=' || value ORDER BY kind, value)
                  FROM match_keys WHERE profile_id = id),
               (SELECT array_agg(contact || status || priority ORDER BY contact)
                  FROM subscriptions WHERE profile_id = id),
               (SELECT array_agg(segment_id ORDER BY segment_id)
                  FROM segment_members WHERE profile_id = id)
          FROM profiles
         ORDER BY email
        """
    ).fetchall()
