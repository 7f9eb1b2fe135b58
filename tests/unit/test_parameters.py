import pytest

from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Matching
from ingest.wire.envelopes import Envelope, load_envelope
from tests import said

FLAGS = [
    "skip_triggers",
    "skip_invalid_subscriptions",
    "skip_invalid_fields",
    "detect_geo",
]
SEGMENTS = ["add_to_segments", "remove_from_segments"]
TEXTS = ["token", "format", "email", "profile_id", "provider", "subscription_id"]


def load(**parameters: object) -> Envelope:
    return load_envelope({"db_id": 1, "data": {}} | parameters)


def faults_of(**parameters: object) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        load(**parameters)
    return [fault.text for fault in caught.value.faults]


@pytest.mark.fact("1.2-numbers", "14.64-numbers")
@pytest.mark.parametrize(
    ("value", "database_id"),
    [
        pytest.param(1, 1, id="least"),
        pytest.param(2**31 - 1, 2**31 - 1, id="greatest"),
        pytest.param("1", 1, id="digits"),
        pytest.param("007", 7, id="digits after zeros"),
    ],
)
def test_an_id_is_a_positive_integer(value: object, database_id: int) -> None:
    assert load(db_id=value).database_id == database_id
    assert load(resource_id=value).resource_id == database_id
    assert load(add_to_segments=[value]).add_to_segments == (database_id,)


@pytest.mark.fact("1.2-numbers")
@pytest.mark.parametrize("name", ["db_id", "resource_id", *SEGMENTS])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(0, "Out of range (from 1 to 2147483647)", id="zero"),
        pytest.param(
            -1,
            "Out of range (from 1 to 2147483647)",
            id="negative",
        ),
        pytest.param(
            "-1",
            "Out of range (from 1 to 2147483647)",
            id="negative text",
        ),
        pytest.param(
            2**31,
            "Out of range (from 1 to 2147483647)",
            id="beyond 32 bits",
        ),
        pytest.param(
            "9" * 5000,
            "Out of range (from 1 to 2147483647)",
            id="thousands of digits",
        ),
        pytest.param(1.0, "Must be an integer", id="float"),
        pytest.param(True, "Must be an integer", id="boolean"),
        pytest.param("1.0", "Must be an integer", id="float text"),
        pytest.param("one", "Must be an integer", id="word"),
        pytest.param(" 1", "Must be an integer", id="blank before"),
        pytest.param("1\n", "Must be an integer", id="newline after"),
        pytest.param(
            "\N{ARABIC-INDIC DIGIT ONE}",
            "Must be an integer",
            id="digit of another script",
        ),
        pytest.param({"a": 1}, "Must be an integer", id="object"),
    ],
)
def test_what_is_no_id_is_a_fault(name: str, value: object, message: str) -> None:
    assert faults_of(**{name: value}) == [f"{message}: {name}"]


@pytest.mark.parametrize("name", ["db_id", "resource_id"])
def test_a_list_is_no_id(name: str) -> None:
    assert faults_of(**{name: [1]}) == [f"Must be an integer: {name}"]


@pytest.mark.parametrize("name", SEGMENTS)
@pytest.mark.parametrize(
    ("value", "ids"),
    [
        pytest.param([], (), id="none"),
        pytest.param([3, "1", 3], (3, 1, 3), id="several"),
        pytest.param(5, (5,), id="one outside a list"),
        pytest.param("5", (5,), id="one as text"),
    ],
)
def test_segments_are_a_list_of_ids(
    name: str, value: object, ids: tuple[int, ...]
) -> None:
    assert getattr(load(**{name: value}), name) == ids


def test_each_wrong_segment_is_a_fault() -> None:
    assert faults_of(add_to_segments=[1, "x", 2, None, 0, ""]) == [
        "Must be an integer: add_to_segments[1]",
        "Must be an integer: add_to_segments[3]",
        "Out of range (from 1 to 2147483647): add_to_segments[4]",
        "Must be an integer: add_to_segments[5]",
    ]


@pytest.mark.fact("14.63-flags")
@pytest.mark.parametrize(
    ("value", "flag"),
    [
        pytest.param(True, True, id="true"),
        pytest.param(False, False, id="false"),
        pytest.param(1, True, id="one"),
        pytest.param(0, False, id="zero"),
        pytest.param("true", True, id="true as text"),
        pytest.param("False", False, id="false as text in any case"),
        pytest.param("1", True, id="one as text"),
        pytest.param("0", False, id="zero as text"),
    ],
)
@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_has_four_forms(name: str, value: object, flag: bool) -> None:
    assert getattr(load(**{name: value}), name) is flag
    assert load(sync=value).synchronous is flag


@pytest.mark.parametrize("name", ["sync", *FLAGS])
@pytest.mark.parametrize(
    "value", [2, -1, 1.0, "yes", "on", " true", [], [True], {}], ids=repr
)
def test_what_is_no_flag_is_a_fault(name: str, value: object) -> None:
    assert faults_of(**{name: value}) == [
        f"Must be true or false (one of true, false, 1, 0): {name}"
    ]


@pytest.mark.parametrize("matching", Matching)
def test_each_matching_mode_is_known(matching: Matching) -> None:
    assert load(matching=str(matching)).matching is matching


@pytest.mark.fact("3.2-unknown-mode")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("name", f"{said.MODE}: matching", id="unknown"),
        pytest.param("EMAIL", f"{said.MODE}: matching", id="other case"),
        pytest.param({"email": "a@b.c"}, "Must be a string: matching", id="object"),
        pytest.param(1, "Must be a string: matching", id="number"),
    ],
)
def test_what_is_no_matching_mode_is_a_fault(value: object, text: str) -> None:
    assert faults_of(matching=value) == [text]


@pytest.mark.parametrize("name", [*TEXTS, "field_name"])
@pytest.mark.parametrize("value", [1, True, ["a"], {"a": "b"}], ids=repr)
def test_what_is_no_text_is_a_fault(name: str, value: object) -> None:
    assert faults_of(**{name: value}) == [f"Must be a string: {name}"]


def test_a_phone_may_be_a_number() -> None:
    assert load(phone=79000000000).key.phone == "79000000000"


@pytest.mark.parametrize("value", [1.5, True, ["+79000000000"]], ids=repr)
def test_what_is_no_phone_is_a_fault(value: object) -> None:
    assert faults_of(phone=value) == ["Must be a string: phone"]


@pytest.mark.parametrize("value", ["a", 0, -1, 0.5, False, True, 2**63], ids=repr)
def test_a_field_value_is_kept_as_sent(value: object) -> None:
    kept = load(field_value=value).key.field_value

    assert (type(kept), kept) == (type(value), value)


@pytest.mark.parametrize("value", [[], ["a"], {}, {"a": 1}], ids=repr)
def test_a_field_value_is_single(value: object) -> None:
    assert faults_of(field_value=value) == ["Must be a single value: field_value"]


@pytest.mark.parametrize("value", ["", " \n"], ids=["empty", "blank"])
def test_an_empty_element_is_empty_data(value: str) -> None:
    assert load(data=value).data == {}


@pytest.mark.parametrize("value", ["text", 0, False, [], [{}]], ids=repr)
def test_what_is_no_object_is_no_data(value: object) -> None:
    assert faults_of(data=value) == ["Must be an object: data"]
