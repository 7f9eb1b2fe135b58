"""Exports as CSV: what a file says, and that reading it gives the values back (E4)."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.domain.catalog import Channel, Field, FieldType
from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.exports import ExportRequest
from ingest.domain.fields import parse
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.updates import parse as parse_update
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.rows import FileRow, Reading
from ingest.wire.cells import read_formula, write_cell
from ingest.wire.csv_exports import CsvWriter, plan_columns
from ingest.wire.dialect_parameters import DELIMITERS
from tests.factories import make_catalog
from tests.unit.test_field_properties import ACCEPTED, EVERY_TYPE, field_of

ID = "6b04f28ad691ecc2e1a166f2"
ADDRESS = Field(name="address", type=FieldType.OBJECT)
MARK = "penstock_export=exact"
HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.text(
    st.sampled_from("=+-@\"'\\u0[]{},;|\t\r\n \x1a\x1b\x85\u2028\ufeff\uff1da5"),
    max_size=12,
)
#: What a spreadsheet begins a formula with.
FORMULAS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)


def make_profile(**changes: Any) -> Profile:
    return Profile(**{"id": ID, "database_id": 1, **changes})


def write(
    profile: Profile, *extra: Any, fields: tuple[str, ...] = (), delimiter: str = ","
) -> bytes:
    wanted = ExportRequest(database_id=1, fields=fields)
    writer = CsvWriter(plan_columns(make_catalog(*extra), wanted), delimiter)
    return writer.begin() + writer.add([profile]) + writer.end(1)


def show(profile: Profile, **options: Any) -> dict[str, str]:
    """Return the cells of a profile that are not empty, by column."""
    text = write(profile, **options).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return {name: cell for name, cell in row.items() if cell}


def read(file: bytes, *extra: Any) -> FileRow:
    database = make_catalog(*extra).databases[1]
    (row,) = open_rows(io.BytesIO(file), Reading(), database)
    return row


@pytest.mark.fact("E.4-csv")
@EVERY_TYPE
@settings(max_examples=60, deadline=None)
@given(data=st.data(), delimiter=st.sampled_from(DELIMITERS))
def test_a_value_of_any_type_is_read_back(
    type_: FieldType, data: Any, delimiter: str
) -> None:
    field = field_of(type_)
    value = parse(field, data.draw(ACCEPTED[type_]))
    profile = make_profile(fields={"field": value})
    row = read(write(profile, field, delimiter=delimiter), field)

    assert row.faults == ()
    assert row.element["profile_id"] == ID
    cells: Any = row.element["data"]
    if value is None:
        assert cells == {}
    else:
        assert parse_update(field, cells["field"]) == parse_update(
            field, {"action": "set", "value": value}
        )


@pytest.mark.fact("E.4-csv")
@settings(max_examples=300, deadline=None)
@given(HOSTILE.filter(bool), st.sampled_from(DELIMITERS))
def test_any_text_is_read_back_as_it_is(text: str, delimiter: str) -> None:
    profile = make_profile(fields={"_fname": text, "address": {text: [text]}})
    row = read(write(profile, ADDRESS, delimiter=delimiter), ADDRESS)

    assert row.faults == ()
    assert row.element["data"] == {"_fname": text, "address": {text: [text]}}


@pytest.mark.fact("E.4-csv")
@given(HOSTILE)
def test_no_text_is_a_formula_that_does_anything(text: str) -> None:
    cell = write_cell(text)

    assert not cell.startswith(FORMULAS) or read_formula(cell) == text.strip()
    # All of it is one text to a spreadsheet, with no quotation mark that ends it.
    if cell.startswith(FORMULAS):
        assert cell.startswith('="')
        assert '"' not in cell[2:-1].replace('""', "")


@pytest.mark.fact("E.4-csv")
@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", '="=1+1"'),
        ('@x"y', '="@x""y"'),
        (" a", '=" a"'),
        ("a=1", "a=1"),
        ("007", "007"),
        (-5, "-5"),
        (1.5, "1.5"),
        (True, "true"),
        ([], "[]"),
        (["a,b", "=c"], '["a,b","=c"]'),
        ({"a": "\\u0000"}, r'{"a":"\u005cu0000"}'),
        (None, ""),
    ],
)
def test_cells_are_written_so(value: object, cell: str) -> None:
    assert write_cell(value) == cell


@pytest.mark.fact("E.4-csv")
def test_lines_in_a_text_that_look_like_rows_are_no_rows() -> None:
    ann = make_profile(email="ann@example.com", fields={"code": 7})
    line = write(ann).splitlines()[1].decode()
    told = f"x\n{line}\n{line}"
    row = read(write(make_profile(email="bob@example.com", fields={"_fname": told})))

    assert row.faults == ()
    assert row.element["data"] == {"email": "bob@example.com", "_fname": told}


@pytest.mark.fact("E.4-csv")
def test_a_field_called_as_something_else_is_is_still_a_field() -> None:
    names = ("phone", "provider", "email_sub", "as_of", "penstock_row")
    extra = [Field(name=name, type=FieldType.UNICODE) for name in names]
    values = dict.fromkeys(names, "x")

    row = read(write(make_profile(fields=values), *extra), *extra)

    assert row.element == {"profile_id": ID, "data": values}


@pytest.mark.fact("E.4-csv")
def test_an_object_that_looks_like_a_function_is_a_value() -> None:
    value = {"action": "unset"}
    row = read(write(make_profile(fields={"address": value}), ADDRESS), ADDRESS)

    assert row.element["data"] == {"address": {"action": "set", "value": value}}


def make_subscription(contact: str, **changes: Any) -> Subscription:
    channel = changes.pop("channel", Channel.EMAIL)
    name = "email" if channel is Channel.EMAIL else "phone"
    resource_id = changes.pop("resource_id", 1)
    key = SubscriptionKey(resource_id=resource_id, channel=channel, contact=contact)
    given = {"status": "subscribed", "priority": 0, "contact": {name: contact}}
    return Subscription(**{"key": key, **given, **changes})


@pytest.mark.fact("E.4-csv")
def test_a_column_of_a_resource_has_those_who_are_subscribed() -> None:
    subscriptions = [
        make_subscription("a@example.com"),
        make_subscription("b@example.com"),
        make_subscription("c@example.com", status="unsubscribed"),
        make_subscription("d@example.com", deleted=True),
        make_subscription("+442079460011", channel=Channel.SMS),
        make_subscription("+442079460012", channel=Channel.WHATSAPP),
    ]
    profile = make_profile(subscriptions={one.key: one for one in subscriptions})

    assert show(profile) == {
        "profile_id": ID,
        "email_sub:1": '["a@example.com","b@example.com"]',
        "phone_sub:1": '="+442079460011"',
    }
    assert read(write(profile)).element["data"] == {
        "subscriptions": [
            {"channel": "email", "email": "a@example.com", "resource_id": 1},
            {"channel": "email", "email": "b@example.com", "resource_id": 1},
            {"channel": "sms", "phone": "+442079460011", "resource_id": 1},
        ]
    }


@pytest.mark.fact("E.4-csv")
def test_the_header_is_known_before_the_first_profile() -> None:
    header = write(make_profile()).decode().splitlines()[0].split(",")

    fields = list(make_catalog().databases[1].fields)
    assert header[:4] == ["\ufeff" + MARK, "profile_id", "email", "phones"]
    assert header[4 : 4 + len(fields)] == fields
    assert {"email_sub:1", "phone_sub:1"} <= {*header[4 + len(fields) :]}


@pytest.mark.fact("E.4-csv")
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_an_export_without_profiles_is_still_a_table(delimiter: str) -> None:
    wanted = ExportRequest(database_id=1)
    writer = CsvWriter(plan_columns(make_catalog(), wanted), delimiter)
    file = io.BytesIO(writer.begin() + writer.end(0))

    assert list(open_rows(file, Reading(), make_catalog().databases[1])) == []


@pytest.mark.fact("E.4-csv")
@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        (("email", "id"), ["email"]),
        (("code", "_fname"), ["_fname", "code"]),
        (("email_sub:1",), ["email_sub:1"]),
        (("_emaildomain",), ["_emaildomain"]),
    ],
)
def test_fields_choose_columns(fields: tuple[str, ...], columns: list[str]) -> None:
    profile = make_profile(email="ann@example.com")
    header = write(profile, fields=fields).decode("utf-8-sig").splitlines()[0]

    assert header.split(",") == [MARK, "profile_id", *columns]


def test_a_derived_column_is_passed_over_by_an_import() -> None:
    profile = make_profile(email="ann@example.com")
    file = write(profile, fields=("email", "_emaildomain"))

    assert show(profile, fields=("_emaildomain",))["_emaildomain"] == "example.com"
    assert read(file).element["data"] == {"email": "ann@example.com"}


@pytest.mark.fact("E.4-csv")
def test_unknown_fields_are_refused_by_their_place() -> None:
    with pytest.raises(InvalidRequest) as refused:
        write(make_profile(), fields=("email", "emial", "qwertz"))

    assert [(one.path, one.message) for one in refused.value.faults] == [
        ("fields[1]", "Unknown field (is it email?)"),
        ("fields[2]", "Unknown field"),
    ]


def test_an_unknown_database_is_not_found() -> None:
    with pytest.raises(NotFound):
        plan_columns(make_catalog(), ExportRequest(database_id=9))


@pytest.mark.fact("E.4-csv")
def test_only_a_marked_file_is_read_exactly() -> None:
    plain = read(b'email,_fname\na@b.c,=" x "\n')
    marked = read(f'{MARK},email,_fname\n,a@b.c,=" x "\n'.encode())
    broken = read(f"\ufeff{MARK},email,_fname\n,a@b.c,x".encode() + b"\xff\n")

    assert plain.element["data"] == {"email": "a@b.c", "_fname": "x"}
    assert marked.element["data"] == {"email": "a@b.c", "_fname": " x "}
    assert "encoding" in broken.faults[0].message
