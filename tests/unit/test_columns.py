"""What the columns of a table hold."""

from typing import Any

import pytest

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidRequest
from ingest.wire.cell_rules import CellRules, load_rules
from ingest.wire.columns import Columns, plan_columns
from tests.factories import make_database

EXTRA = Field(name="address", type=FieldType.OBJECT)
TAGS = Field(name="tags", type=FieldType.TAGS)
FIELDS = (
    TAGS,
    EXTRA,
    Field(name="vip", type=FieldType.BOOL, title="Very important"),
    Field(name="spent", type=FieldType.FLOAT, title="Money, spent"),
    Field(name="one", type=FieldType.UNICODE, title="Twice"),
    Field(name="two", type=FieldType.UNICODE, title="twice"),
)


def plan(*header: str, resource_id: int | None = None, **told: str) -> Columns:
    return plan_columns(header, make_database(EXTRA, TAGS), told, resource_id)


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
@pytest.mark.parametrize(
    "cell",
    [
        *("[tea]", "[", '["a"], ["b"]', "['a' 'b']", "['a', b]"),
        # Postgres, Python, PHP.
        *("{tea,coffee}", "('tea', 'coffee')", 'a:1:{i:0;s:3:"tea";}'),
    ],
)
def test_a_bracket_that_opens_no_json_list_is_a_fault(column: str, cell: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load(column, cell)

    told = f'Must be a JSON list, such as ["a", "b"]: data.{column}'
    assert str(caught.value) == told


@pytest.mark.parametrize("cell", ["rock 'n' roll", '"best of" 2020', "{", "(tea), {x}"])
def test_other_marks_belong_to_tags(cell: str) -> None:
    assert load("interests", cell) == {"data": {"interests": cell}}


def test_phones_stand_in_lines_and_a_number_without_its_digits_is_whole() -> None:
    element = load("phones", "+44 20 7946 0018\r\n+442079460019,4,42079E+11")

    assert element == {
        "data": {"phones": ["+442079460018", "+442079460019", "4,42079E+11"]}
    }


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('="007"', "007"),
        ('= " Ann ""A"" " ', 'Ann "A"'),
        ('=""', None),
        ('="NULL"', None),
        ("=1+2", "=1+2"),
        ('="a"&"b"', '="a"&"b"'),
        ("'s-Hertogenbosch", "'s-Hertogenbosch"),
    ],
)
def test_a_text_that_a_spreadsheet_keeps_from_being_a_number_is_that_text(
    cell: str, expected: str | None
) -> None:
    columns = plan_columns(["_fname"], make_database(), {}, None, rules(null="NULL"))

    data = {} if expected is None else {"_fname": expected}
    assert columns.load([cell]) == {"data": data}


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\xa0", "\u2060 "])
def test_nobody_sees_what_stands_at_the_ends_of_a_columns_name(mark: str) -> None:
    columns = plan_columns(
        [f"{mark}email{mark}", f"Note{mark}"], make_database(), {"Note": "_fname"}
    )

    assert columns.targets == ("email", "_fname")


def test_a_name_with_an_invisible_character_says_so() -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan("em\u200bail")

    assert (
        "(its name holds the invisible character U+200B ZERO WIDTH SPACE);"
        " is it 'email'?"
    ) in str(refused.value)


@pytest.mark.parametrize(
    "header",
    ["a@example.com,Al", "Al,+44 20 7946 0018", "Al,a@example.com,79001234567"],
)
def test_a_first_row_of_data_is_no_header(header: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan(*header.split(","))

    (fault,) = refused.value.faults
    assert fault.message.startswith("The first row looks like data, not like a")
    assert "--columns email,_fname" in fault.message


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
        "Unknown column 'other'",
        "No field is called 'Emial'; is it 'email'? Map it: Emial=FIELD, or skip it: "
        "Emial=",
        "No field is called 'nonsense'. Map it: nonsense=FIELD, or skip it: nonsense=",
        "Several columns contain _fname (keep one of them)",
    ]


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("email", ["a", "b"], "More values than columns"),
        ("phones", ["['+1]"], 'Must be a JSON list, such as ["a", "b"]: data.phones'),
        ("tags", ["[vip"], 'Must be a JSON list, such as ["a", "b"]: data.tags'),
        ("tags", ['["vip"] x'], 'Must be a JSON list, such as ["a", "b"]: data.tags'),
        ("email", ["a\0b"], "Must not contain the NUL character: data.email"),
        ("email", ["a\udce9b"], "Not valid in the encoding of the file: data.email"),
        (
            "_fname",
            ["\x8akoda"],
            "Not valid in the encoding of the file (holds the control character "
            "U+008A): data._fname",
        ),
        ("address", ["{"], "Must be JSON: data.address"),
        ("address", ['"\\u0000"'], "Must not contain the NUL character: data.address"),
        ("id", ["\0"], "Must not contain the NUL character: profile_id"),
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


def rules(**told: Any) -> CellRules:
    return load_rules({name: [value] for name, value in told.items()})


def load_told(header: str, cells: list[str], **told: Any) -> object:
    columns = plan_columns(
        header.split(";"), make_database(*FIELDS), {}, None, rules(**told)
    )
    return columns.load(cells)["data"]


def refuse_told(header: str, cells: list[str], **told: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as refused:
        load_told(header, cells, **told)
    return [fault.text for fault in refused.value.faults]


@pytest.mark.parametrize(
    "header", ["First name", "first name", "FIRST_NAME", "first-name", " First  name "]
)
def test_a_column_is_known_by_the_title_of_its_field(header: str) -> None:
    assert load_told(f"{header};Very important", ["Ada", "1"]) == {
        "_fname": "Ada",
        "vip": "1",
    }


def test_a_title_of_several_fields_is_none() -> None:
    told = refuse_told("Twice", [""])

    assert told == [
        "Several fields are titled 'Twice': one, two. Map it: Twice=FIELD: map"
    ]


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("Email Address", "email"),
        ("E-mail", "email"),
        ("Mail", "email"),
        ("email_adress", "email"),
        ("Phone Number", "phones"),
        ("Mobile", "phones"),
        ("Given Name", "_fname"),
        ("surname", "_lname"),
        ("lname", "_lname"),
        ("fname", "_fname"),
        ("DOB", "_bdate"),
        ("Date of birth", "_bdate"),
        ("Gender", "_sex"),
        ("Zip", "_postal_code"),
        ("ZIP code", "_postal_code"),
        ("Телефон", "phones"),
        ("Имя", "_fname"),
        ("Дата рождения", "_bdate"),
        ("Emial", "email"),
        ("Addres", "address"),
        *[
            (name, "")
            for name in (
                *("Name", "Full name", "Middle name", "Company", "Job title", "Notes"),
                *("Street", "Age", "Language", "Status code", "Comment", "Order id"),
                *("email2", "Website", "Title", "Nickname", "Attributes", "Score"),
            )
        ],
    ],
)
def test_a_hint_names_what_people_call_so_and_nothing_else(
    column: str, hint: str
) -> None:
    (told,) = refuse_told(column, [""])

    assert (f"; is it {hint!r}?" in told) is bool(hint), told
    assert hint or "is it" not in told


def test_texts_are_trimmed_and_blanks_say_nothing() -> None:
    assert load_told("_fname;_lname;code", [" Ann\t", "   ", "\xa0\u30005 "]) == {
        "_fname": "Ann",
        "code": "5",
    }


@pytest.mark.parametrize("cell", ["NULL", " NULL "])
def test_a_cell_may_say_nothing(cell: str) -> None:
    assert load_told("email;_fname", ["a@b.c", cell], null="NULL") == {"email": "a@b.c"}
    assert load_told("email;_fname", ["a@b.c", "null"], null="NULL") == {
        "email": "a@b.c",
        "_fname": "null",
    }


def test_a_cell_may_empty_its_field() -> None:
    unset = {"action": "unset"}

    assert load_told("_fname;phones;vip;tags", ["\\N"] * 4, clear="\\N") == {
        "_fname": unset,
        "phones": unset,
        "vip": unset,
        "tags": unset,
    }


def test_what_cannot_be_cleared_says_so() -> None:
    told = refuse_told("email;email_sub;id", ["-", "-", "-"], clear="-")

    assert told == [
        "This field cannot be cleared: data.email",
        "This field cannot be cleared: data.email_sub",
        "This field cannot be cleared: profile_id",
    ]


@pytest.mark.parametrize(
    ("option", "value", "header", "cell", "expected"),
    [
        ("dates", "DD.MM.YYYY", "_bdate", "02.09.1963", "1963-09-02"),
        ("dates", "Birth date=DD.MM.YYYY", "Birth date", "2.9.1963", "1963-09-02"),
        ("dates", "DD.MM.YYYY", "_bdate", "1963-09-02", "1963-09-02"),
        ("dates", "DD.MM.YYYY", "_fname", "02.09.1963", "02.09.1963"),
        ("decimal", ",", "spent", "1 234,5", "1234.5"),
        ("decimal", ",", "points", "1\u202f234", "1234"),
        ("booleans", "да/нет", "vip", "ДА", "true"),
        ("booleans", "yes/no", "vip", "No", "false"),
        ("booleans", "yes/no", "vip", "true", "true"),
        ("booleans", "yes/no", "vip", "maybe", "maybe"),
        ("sexes", "M/F", "_sex", "f", "female"),
        ("sexes", "_sex=м/ж", "_sex", "Ж", "female"),
    ],
)
def test_cells_are_written_as_it_is_told(
    option: str, value: str, header: str, cell: str, expected: str
) -> None:
    (loaded,) = load_told(header, [cell], **{option: value}).values()  # type: ignore[attr-defined]

    assert loaded == expected


def test_what_is_told_of_a_column_goes_before_what_is_told_of_all() -> None:
    columns = plan_columns(
        ["_bdate", "_regdate"],
        make_database(),
        {},
        None,
        load_rules({"dates": ["DD/MM/YYYY", "_regdate=MM/DD/YYYY"]}),
    )

    assert columns.load(["01/02/2003", "01/02/2003"])["data"] == {
        "_bdate": "2003-02-01",
        "_regdate": "2003-01-02",
    }


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"dates": "DD.MM"}, "Must be a date format, such as DD.MM.YYYY"),
        ({"decimal": ";"}, "Must be , or . (the decimal mark)"),
        ({"booleans": "yes"}, "Must be two words separated by /, for true and false"),
        ({"sexes": "M/F/X"}, "Must be two words separated by /, for male and female"),
        ({"dates": "Birthday=DD.MM.YYYY"}, "Unknown column 'Birthday': dates"),
        ({"booleans": "_fname=yes/no"}, "The column '_fname' is not a yes or no"),
    ],
)
def test_what_is_told_of_cells_and_means_nothing_is_refused(
    told: dict[str, str], message: str
) -> None:
    (refused,) = refuse_told("_fname", ["x"], **told)

    assert refused.startswith(message)


@pytest.mark.parametrize(
    ("header", "cell", "expected"),
    [
        ("tags", '["tea", "coffee"]', {"tags": ["tea", "coffee"]}),
        ("phones", '["+1", "+2"]', {"phones": ["+1", "+2"]}),
        ("tags", "tea, coffee", {"tags": "tea, coffee"}),
        ("_fname", "[sic]", {"_fname": "[sic]"}),
    ],
)
def test_a_cell_that_begins_like_a_list_is_one(
    header: str, cell: str, expected: dict[str, object]
) -> None:
    columns = plan_columns([header], make_database(TAGS), {})

    assert columns.load([cell])["data"] == expected


def test_empty_cells_at_the_end_come_and_go() -> None:
    columns = plan("email", "_fname")

    assert columns.load(["a"]) == {"data": {"email": "a"}}
    assert columns.load(["a", "b", "", " "]) == {"data": {"email": "a", "_fname": "b"}}
