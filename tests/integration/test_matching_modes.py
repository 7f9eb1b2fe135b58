"""Eleven modes by one match, no match, several and a missing key: contract 3.1, 3.2."""

from typing import Any

import pytest

from ingest.domain.imports import Matching, Outcome, State
from tests.factories import make_import
from tests.modes import CASES, EMAIL, SMS, Case
from tests.pipeline import Pipeline

MODES = pytest.mark.parametrize(
    ("mode", "case"),
    [pytest.param(mode, case, id=mode) for mode, case in CASES.items()],
)


def test_every_mode_has_a_case() -> None:
    assert {*CASES, "profile_id"} == set(Matching)


def import_by(pipeline: Pipeline, mode: str, key: dict[str, Any]) -> Outcome:
    (outcome,) = pipeline.apply(make_import(mode, {"_fname": "Ann"}, key=key))
    return outcome


@pytest.mark.fact("2-update", "3.1-modes", "3.2-one", "14.10-custom-sub")
@MODES
def test_one_match_is_updated(pipeline: Pipeline, mode: str, case: Case) -> None:
    profile_id = pipeline.create(case.holder)
    pipeline.create({"email": "bystander@example.com", "phones": ["+79999999999"]})

    outcome = import_by(pipeline, mode, case.key)

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, profile_id)
    assert pipeline.profile(profile_id)["fields"]["_fname"] == "Ann"


@pytest.mark.fact("2-create", "3.2-none", "3.3-create")
@MODES
def test_no_match_creates_and_stores_the_key(
    pipeline: Pipeline, mode: str, case: Case
) -> None:
    # A mode of subscriptions makes no profile that would not be found again (16.4).
    listed = case.holder["subscriptions"] if mode.endswith("_sub") else []
    data = {"_fname": "Ann", "subscriptions": listed}
    (outcome,) = pipeline.apply(make_import(mode, data, key=case.key))

    assert outcome.state is State.CREATED
    row = pipeline.profile(str(outcome.profile_id))
    fields = row.pop("fields")
    found = {"email": row["email"], "phones": row["phones"], **fields}
    expected = {"email": None, "phones": [], "_fname": "Ann", **case.stored}
    assert found == expected


@pytest.mark.fact("3.2-several", "13.2-409", "14.8-half", "14.9-email-phone")
@pytest.mark.parametrize(
    ("mode", "case", "second"),
    [
        pytest.param(mode, case, case.second, id=mode)
        for mode, case in CASES.items()
        if case.second is not None  # where the key is not unique
    ],
)
def test_several_matches_change_nothing(
    pipeline: Pipeline, mode: str, case: Case, second: dict[str, Any]
) -> None:
    ids = [pipeline.create(case.holder), pipeline.create(second)]

    outcome = import_by(pipeline, mode, case.key)

    assert (outcome.error, outcome.profile_id) == (409, None)
    assert outcome.error_text.startswith("2 profiles match: ")
    assert all(f"{id_} by " in outcome.error_text for id_ in ids)
    assert [pipeline.profile(id_)["version"] for id_ in ids] == [1, 1]
    assert pipeline.count("profiles") == 2


@pytest.mark.fact("3.2-missing-key")
@pytest.mark.parametrize("mode", [*Matching])
def test_a_missing_key_is_rejected_and_writes_nothing(
    pipeline: Pipeline, mode: Matching
) -> None:
    outcome = import_by(pipeline, mode, {})

    assert outcome.error == 400
    assert outcome.error_text.startswith("Missing matching key: ")
    assert pipeline.count("profiles") == 0
    assert pipeline.count("imports") == 1


@pytest.mark.fact("4.1-email-unique", "14.26-taken")
def test_an_email_cannot_have_two_holders(pipeline: Pipeline) -> None:
    pipeline.create({"email": "ann@example.com"})
    other = pipeline.create({"email": "b@example.com"})
    import_ = make_import(
        "profile_id", {"email": "ANN@example.com"}, key={"profile_id": other}
    )

    (outcome,) = pipeline.apply(import_)

    assert outcome.error == 409
    assert outcome.error_text == "Another profile holds this value: data.email"
    assert pipeline.profile(other)["email"] == "b@example.com"


@pytest.mark.fact("3.2-profile-id")
def test_profile_id_updates_only(pipeline: Pipeline) -> None:
    profile_id = pipeline.create({"email": "ann@example.com"})

    found = import_by(pipeline, "profile_id", {"profile_id": profile_id})
    unknown = import_by(pipeline, "profile_id", {"profile_id": "0" * 24})

    assert (found.state, found.profile_id) == (State.UPDATED, profile_id)
    assert (unknown.error, unknown.error_text) == (404, "Profile not found: profile_id")
    assert pipeline.count("profiles") == 1


@pytest.mark.fact("3.2-one")
def test_one_profile_found_twice_is_one_match(pipeline: Pipeline) -> None:
    profile_id = pipeline.create({"email": "ann@example.com", "subscriptions": [EMAIL]})

    outcome = import_by(pipeline, "email", {"email": "ann@example.com"})

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, profile_id)


@pytest.mark.fact("3.1-tags")
def test_a_tag_short_is_no_match(pipeline: Pipeline) -> None:
    pipeline.create({"email": "a@example.com", "interests": ["yoga"]})

    outcome = import_by(
        pipeline, "custom", {"field_name": "interests", "field_value": "yoga, tea"}
    )

    assert outcome.state is State.CREATED


@pytest.mark.fact("3.1-resource")
@pytest.mark.parametrize(
    ("resource_id", "state"),
    [
        pytest.param(1, State.UPDATED, id="same resource"),
        pytest.param(2, State.REJECTED, id="other resource"),
        pytest.param(None, State.UPDATED, id="any resource"),
    ],
)
def test_resource_id_narrows_subscriptions(
    pipeline: Pipeline, resource_id: int | None, state: State
) -> None:
    pipeline.create({"email": "a@example.com", "subscriptions": [SMS]})
    import_ = make_import(
        "phone_sub",
        {"_fname": "Ann"},
        key={"phone": "+79000000000"},
        resource_id=resource_id,
    )

    (outcome,) = pipeline.apply(import_)

    assert outcome.state is state


@pytest.mark.fact("14.12-system-field")
def test_a_field_without_an_index_is_found_by_a_scan(pipeline: Pipeline) -> None:
    profile_id = pipeline.create({"email": "a@example.com", "_vendor": "form_#31"})

    outcome = import_by(
        pipeline, "custom", {"field_name": "_vendor", "field_value": "form_#31"}
    )

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, profile_id)


def test_databases_do_not_see_each_other(pipeline: Pipeline) -> None:
    pipeline.create({"email": "ann@example.com"})
    import_ = make_import("email", key={"email": "ann@example.com"}, database_id=2)

    (outcome,) = pipeline.apply(import_)

    assert outcome.state is State.CREATED


def test_several_tags_find_their_holder_among_many_of_each(pipeline: Pipeline) -> None:
    for number in range(8):
        tag = "tea" if number % 2 else "yoga"
        pipeline.create({"email": f"n{number}@example.com", "interests": [tag]})
    profile_id = pipeline.create({"email": "z@example.com", "interests": "tea,yoga"})

    outcome = import_by(
        pipeline, "custom", {"field_name": "interests", "field_value": "yoga,tea"}
    )

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, profile_id)


def test_a_crowd_of_candidates_is_counted_as_far_as_it_is_read(
    pipeline: Pipeline,
) -> None:
    for number in range(7):
        data = {"email": f"n{number}@example.com", "phones": ["+79000000000"]}
        pipeline.create(data)

    outcome = import_by(pipeline, "phone", {"phone": "+79000000000"})

    assert outcome.error == 409
    assert outcome.error_text.startswith("At least 5 profiles match: ")
    assert outcome.error_text.count(" by phone") == 5


def test_a_trunk_prefix_does_not_make_another_phone(pipeline: Pipeline) -> None:
    stored = {"email": "a@example.com", "phones": ["+44 (0)20 7946 0018"]}
    profile_id = pipeline.create(stored)

    outcome = import_by(pipeline, "phone", {"phone": "+442079460018"})

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, profile_id)
