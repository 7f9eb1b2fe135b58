"""Keys of an import: contract 1.2, 2.1, 3.3, 3.4 and 14, points 13 and 16."""

import re

import pytest

from ingest.domain.imports import State, SubscriptionChange
from ingest.wire.bodies import Format
from tests.documents import change, send
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)
SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}
EMAIL = {"channel": "email", "email": "ann@example.com", "resource_id": 1}


@pytest.mark.fact("1.2-profile-id", "2-create", "14.16-empty-data")
@FORMATS
def test_empty_data_creates_a_profile_with_just_its_key(
    pipeline: Pipeline, format_: Format
) -> None:
    outcome = send(pipeline, format_, {})

    assert re.fullmatch("[0-9a-f]{24}", str(outcome.profile_id))
    row = pipeline.profile(str(outcome.profile_id))
    assert (row["email"], row["phones"], row["fields"]) == ("ann@example.com", [], {})


@pytest.mark.fact("3.3-order", "3.3-change")
@FORMATS
def test_the_top_level_key_finds_and_data_replaces(
    pipeline: Pipeline, format_: Format
) -> None:
    ann = pipeline.create({"email": "ann@example.com"})
    pipeline.create({"email": "cat@example.com"})

    outcome = send(pipeline, format_, {"email": "bea@example.com"})

    assert (outcome.state, outcome.profile_id) == (State.UPDATED, ann)
    assert pipeline.profile(ann)["email"] == "bea@example.com"


@pytest.mark.fact("3.3-fallback")
@FORMATS
@pytest.mark.parametrize(
    ("parameters", "data"),
    [
        pytest.param({"matching": "email"}, {"email": "ANN@example.com"}, id="email"),
        pytest.param({"matching": "phone"}, {"phones": ["+79000000000"]}, id="phone"),
        pytest.param(
            {"matching": "phone"},
            {"phones": ["+79999999999", "+79000000000"]},
            id="any of the phones",
        ),
        pytest.param(
            {"matching": "custom", "field_name": "code"}, {"code": 7}, id="custom"
        ),
        pytest.param(
            {"matching": "email_sub"}, {"subscriptions": [EMAIL]}, id="subscription"
        ),
        pytest.param(
            {"matching": "phone_sub"}, {"subscriptions": [SMS]}, id="sms subscription"
        ),
    ],
)
def test_without_a_key_data_tells_it(
    pipeline: Pipeline,
    format_: Format,
    parameters: dict[str, object],
    data: dict[str, object],
) -> None:
    known = pipeline.create(
        {
            "email": "ann@example.com",
            "phones": ["+79000000000"],
            "code": 7,
            "subscriptions": [EMAIL, SMS],
        }
    )

    outcome = send(pipeline, format_, {"_fname": "Ann", **data}, **parameters)

    assert outcome.error == 0, outcome.error_text
    assert outcome.profile_id == known


@pytest.mark.fact("3.4-email", "3.4-phone", "3.4-number")
@FORMATS
@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({"matching": "email", "email": " ANN@Example.com "}, id="email"),
        pytest.param({"matching": "phone", "phone": "7 (900) 000-00-00"}, id="phone"),
        pytest.param(
            {"matching": "custom", "field_name": "code", "field_value": 7}, id="number"
        ),
        pytest.param(
            {"matching": "custom", "field_name": "code", "field_value": "7"}, id="text"
        ),
    ],
)
def test_keys_are_compared_normalized(
    pipeline: Pipeline, format_: Format, parameters: dict[str, object]
) -> None:
    known = pipeline.create(
        {"email": "Ann@example.com", "phones": ["+79000000000"], "code": 7}
    )

    outcome = send(pipeline, format_, {}, **parameters)

    assert (outcome.error, outcome.profile_id) == (0, known)


@pytest.mark.fact("14.13-deleted")
@pytest.mark.parametrize(
    ("deleted", "state"),
    [
        pytest.param(False, State.UPDATED, id="unsubscribed"),
        pytest.param(True, State.REJECTED, id="deleted"),
    ],
)
def test_subscriptions_of_any_status_match_but_not_deleted_ones(
    pipeline: Pipeline, deleted: bool, state: State
) -> None:
    subscription = {**SMS, "status": "unsubscribed"}
    ann = pipeline.create({"email": "ann@example.com", "subscriptions": [subscription]})
    if deleted:
        change(pipeline, SubscriptionChange.DELETE, ann, **SMS)

    outcome = send(
        pipeline, Format.JSON, {"_fname": "A"}, matching="phone_sub", phone=SMS["phone"]
    )

    assert outcome.state is state
