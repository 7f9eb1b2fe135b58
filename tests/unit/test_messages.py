"""Queue messages and results: contract 10.5; 14, points 69 and 71."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.answers import Answer
from ingest.domain.errors import Forbidden, InvalidRequest
from ingest.domain.identities import derive_import_id
from ingest.domain.imports import Matching, Operation
from ingest.wire.messages import (
    MessageResult,
    PendingResult,
    dump_result,
    load_order,
    peek_feedback_id,
    peek_matching,
)
from tests import said

MESSAGE: dict[str, Any] = {
    "account_id": 1,
    "db_id": 2,
    "matching": "phone",
    "phone": "+442079460018",
    "feedback_id": "order-7",
    "data": {"_fname": "Ada"},
}


@pytest.mark.fact("10.5-account")
def test_a_message_is_an_import_for_an_account() -> None:
    order = load_order(MESSAGE | {"resource_id": 3, "skip_triggers": True})

    assert (order.account_id, order.feedback_id) == (1, "order-7")
    assert order.envelope.database_id == 2
    assert order.envelope.matching is Matching.PHONE
    assert order.envelope.key.phone == "+442079460018"
    assert order.envelope.operation is Operation.IMPORT
    assert order.envelope.resource_id == 3
    assert order.envelope.skip_triggers


@pytest.mark.fact("10.5-update-only")
@pytest.mark.parametrize("flag", [True, "true", 1])
def test_update_only_asks_for_an_update(flag: object) -> None:
    order = load_order(MESSAGE | {"update_only": flag})

    assert order.envelope.operation is Operation.UPDATE


@pytest.mark.fact("10.5-modes")
@pytest.mark.parametrize("mode", list(Matching))
def test_all_eleven_modes_are_taken(mode: Matching) -> None:
    assert load_order(MESSAGE | {"matching": mode.value}).envelope.matching is mode


@pytest.mark.parametrize("name", [None, ""])
def test_a_message_needs_no_feedback_id(name: object) -> None:
    assert load_order(MESSAGE | {"feedback_id": name}).feedback_id == ""


@pytest.mark.fact("14.71-account")
@pytest.mark.parametrize(
    "account",
    [pytest.param({}, id="absent"), pytest.param({"account_id": None}, id="null")],
)
def test_a_message_without_an_account_is_forbidden(account: dict[str, object]) -> None:
    message = {name: value for name, value in MESSAGE.items() if name != "account_id"}

    with pytest.raises(Forbidden, match="account_id"):
        load_order(message | account)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(
            {"account_id": "x"}, "Must be an integer: account_id", id="account"
        ),
        pytest.param({"db_id": None}, "Missing parameter: db_id", id="no database"),
        pytest.param({"data": 5}, "Must be an object: data", id="data"),
        pytest.param(
            {"update_only": "often"},
            "Must be true or false (one of true, false, 1, 0): update_only",
            id="flag",
        ),
        pytest.param(
            {"feedback_id": [1]}, "Must be a string: feedback_id", id="feedback"
        ),
        pytest.param({"matching": "luck"}, f"{said.MODE}: matching", id="matching"),
    ],
)
def test_a_faulty_message_is_refused_by_name(
    change: dict[str, object], text: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load_order(MESSAGE | change)

    assert caught.value.faults[0].text == text


def test_what_can_be_read_of_a_faulty_message_is_echoed() -> None:
    assert peek_feedback_id({"feedback_id": "a"}) == "a"
    assert peek_feedback_id({"feedback_id": 7}) == "7"
    assert peek_feedback_id({"feedback_id": {}}) == ""
    assert peek_matching({"matching": "custom"}) == "custom"
    assert peek_matching({"matching": 5}) == "email"


@pytest.mark.fact("10.5-result")
def test_a_result_of_success_has_no_text_and_names_the_profile() -> None:
    result = MessageResult(
        error=0, error_text="", feedback_id="a", matching_field="email", profile_id="f"
    )

    assert orjson.loads(dump_result(result)) == {
        "error": 0,
        "error_text": "",
        "feedback_id": "a",
        "matching_field": "email",
        "profile_id": "f",
    }


@pytest.mark.fact("14.69-result")
def test_a_result_of_failure_names_no_profile() -> None:
    result = MessageResult(
        error=409, error_text="Taken", feedback_id="", matching_field=""
    )

    assert "profile_id" not in orjson.loads(dump_result(result))


names = st.lists(st.text(max_size=20), min_size=1, max_size=4)


@settings(max_examples=100)
@given(names, names)
def test_one_name_makes_one_id_and_another_another(
    names: list[str], others: list[str]
) -> None:
    same = derive_import_id(*names) == derive_import_id(*others)

    assert same == (names == others)


@settings(max_examples=50)
@given(names)
def test_an_id_made_from_a_name_lies_beyond_every_uuid7(names: list[str]) -> None:
    derived = derive_import_id(*names)

    assert derived.version == 8
    assert derived.variant == "specified in RFC 4122"
    assert derived.int >> 127 == 1


def test_an_id_made_from_a_name_and_a_moment_is_a_uuid7_of_that_moment() -> None:
    derived = derive_import_id("a", "b", milliseconds=1_700_000_000_000)

    assert derived.version == 7
    assert derived.int >> 80 == 1_700_000_000_000
    assert derived == derive_import_id("a", "b", milliseconds=1_700_000_000_000)
    assert derived != derive_import_id("a", "c", milliseconds=1_700_000_000_000)


@pytest.mark.fact("T.6-kept")
def test_a_result_tells_what_was_kept() -> None:
    pending = PendingResult(
        feedback_id="order-7", matching_field="phone", fingerprint=None, at=0.0
    )
    answer = Answer(
        import_id=UUID(int=7),
        error=0,
        error_text="Successful operation",
        profile_id="6b04f28ad691ecc2e1a166f2",
        kept=("_fname",),
    )
    told, other = (
        orjson.loads(dump_result(pending.of(one)))
        for one in (answer, replace(answer, kept=()))
    )
    assert told.pop("kept") == ["_fname"]
    assert told == other
