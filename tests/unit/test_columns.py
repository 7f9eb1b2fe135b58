"""What the columns of a table hold."""

from typing import Any

import pytest

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidRequest
from ingest.wire.columns import Columns, plan_columns
from tests.factories import make_database

EXTRA = Field(name="address", type=FieldType.OBJECT)


def plan(*header: str, resource_id: int | None = None, **told: str) -> Columns:
    return plan_columns(header, make_database(EXTRA), told, resource_id)


def load(header: str, *cells: str, **options: Any) -> dict[str, object]:
    return plan(*header.split(","), **options).load(cells)


def test_columns_are_the_fields_of_their_names_in_any_case() -> None:
    element = load("Email, _FNAME ,code", "a@b.c", "Ada", "5")

    assert element == {"data": {"email": "a@b.c", "_fname": "Ada", "code": "5"}}


def test_a_column_is_what_it_is_mapped_to() -> None:
    columns = plan_columns(
        ["E-mail", "Notes"], make_database(), {"E-mail": "email", "Notes": ""}
    )

    assert columns.targets == ("email", "")
    assert columns.load(["a@b.c", "x"]) == {"data": {"email": "a@b.c"}}


def test_an_empty_cell_says_nothing() -> None:
    assert load("email,_fname,phones", "a@b.c", "", "") == {"data": {"email": "a@b.c"}}


def test_phones_are_split_and_gathered_from_several_columns() -> None:
    element = plan_columns(
        ["phone", "mobile"], make_database(), {"mobile": "phones"}
    ).load(["+1 ; +2|", "+3"])

    assert element == {"data": {"phones": ["+1", "+2", "+3"]}}


@pytest.mark.fact("16.9-cell")
def test_a_cell_of_tags_or_phones_may_be_a_json_list() -> None:
    element = load("interests,phones", '["tea","rum, old"]', ' ["+1", "+2"]')

    assert element == {
        "data": {"interests": ["tea", "rum, old"], "phones": ["+1", "+2"]}
    }
    assert load("interests,_fname", "tea, rum", '["tea"]') == {
        "data": {"interests": "tea, rum", "_fname": '["tea"]'}
    }


@pytest.mark.fact("16.9-cell")
@pytest.mark.parametrize("column", ["interests", "phones"])
@pytest.mark.parametrize("cell", ["['tea', 'coffee']", "[tea]", "[", '["a"], ["b"]'])
def test_a_bracket_that_opens_no_json_list_is_a_fault(column: str, cell: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load(column, cell)

    told = f'Not a JSON list, such as ["a", "b"]: data.{column}'
    assert str(caught.value) == told


def test_an_object_is_json() -> None:
    assert load("address", '{"city": "Rye"}') == {"data": {"address": {"city": "Rye"}}}


@pytest.mark.parametrize(
    ("header", "resource_id", "expected"),
    [
        ("email_sub", None, {}),
        ("email_sub", 2, {"resource_id": 2}),
        ("email_sub:3", 2, {"resource_id": 3}),
    ],
)
def test_a_subscription_column_subscribes_what_it_holds(
    header: str, resource_id: int | None, expected: dict[str, int]
) -> None:
    element = load(f"{header},phone_sub", "a@b.c", "+1", resource_id=resource_id)

    assert element == {
        "data": {
            "subscriptions": [
                {"channel": "email", "email": "a@b.c", **expected},
                {
                    "channel": "sms",
                    "phone": "+1",
                    **({} if resource_id is None else {"resource_id": resource_id}),
                },
            ]
        }
    }


def test_matching_keys_stand_beside_the_data() -> None:
    element = load("id,provider,subscription_id", "5", "android-firebase", "t")

    assert element == {
        "data": {},
        "profile_id": "5",
        "provider": "android-firebase",
        "subscription_id": "t",
    }


def test_what_a_file_of_rejects_adds_is_passed_over() -> None:
    assert load("penstock_row,penstock_why,email", "7", "no", "a@b.c") == {
        "data": {"email": "a@b.c"}
    }


def test_every_doubt_about_the_header_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan("Emial", "nonsense", "_fname", "_FNAME", other="email")

    told = [fault.message for fault in refused.value.faults]
    assert told == [
        "No column is called 'other'",
        "No field is called 'Emial'; is it 'email'? Map it: Emial=FIELD, or leave it"
        " out: Emial=",
        "No field is called 'nonsense'. Map it: nonsense=FIELD, or leave it out:"
        " nonsense=",
        "Several columns hold _fname; keep one of them",
    ]


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("email", ["a", "b"], "More values than columns"),
        ("email,code", ["a"], "Fewer values than columns"),
        ("email", ["a\0b"], "A NUL character cannot be stored: data.email"),
        ("email", ["a\udce9b"], "Not in the encoding of the file: data.email"),
        ("address", ["{"], "Not a JSON value: data.address"),
        ("address", ['"\\u0000"'], "A NUL character cannot be stored: data.address"),
        ("id", ["\0"], "A NUL character cannot be stored: profile_id"),
    ],
)
def test_what_is_wrong_with_a_row_names_the_field(
    header: str, cells: list[str], message: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan(*header.split(",")).load(cells)

    assert str(refused.value) == message


def test_all_that_is_wrong_with_a_row_is_told() -> None:
    with pytest.raises(InvalidRequest) as refused:
        load("email,address", "\0", "{")

    paths = [fault.path for fault in refused.value.faults]
    assert paths == ["data.email", "data.address"]
