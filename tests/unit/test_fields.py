"""The fields of a profile: contract 3.4, 4.1, 4.2 and 14, point 11."""

import pytest

from ingest.domain import fields
from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue

BIGGEST = 2**63 - 1


def field_of(type_: FieldType) -> Field:
    return Field(name="field", type=type_)


@pytest.mark.fact("4.1-fields")
def test_system_fields_are_those_of_the_contract() -> None:
    names = (
        "_fname _lname _bdate _sex _regdate _regip _regcity _regcountry _regurl _ip "
        "_city _region _country _postal_code _tz _os _browser _vendor _status"
    )

    assert " ".join(fields.SYSTEM_FIELDS) == names
    assert all(
        field.system and field.name == name
        for name, field in fields.SYSTEM_FIELDS.items()
    )


def test_no_read_only_field_is_writable() -> None:
    assert fields.READ_ONLY_FIELDS.isdisjoint(fields.SYSTEM_FIELDS)
    assert {"id", "db_id", "_md5", "_lat", "_confirm_exist"} < fields.READ_ONLY_FIELDS


def test_every_type_has_a_parser() -> None:
    assert set(fields.PARSERS) == set(FieldType)


@pytest.mark.fact("4.1-samples", "4.1-postal-code", "14.39-ipv6")
@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        pytest.param(
            "_bdate", "1990-02-22T21:00:00Z", "1990-02-22T21:00:00Z", id="birth date"
        ),
        pytest.param("_sex", "female", "female", id="sex"),
        pytest.param("_regip", "94.231.119.122", "94.231.119.122", id="IPv4"),
        pytest.param("_ip", "2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("_postal_code", 390000, "390000", id="postal code as int"),
        pytest.param("_vendor", "form_#31", "form_#31", id="lead source"),
        pytest.param("_regcountry", "Russian Federation", "RU", id="country"),
        pytest.param("_tz", "Europe/Moscow", "Europe/Moscow", id="timezone"),
        pytest.param("_status", "suspended", 5, id="status"),
    ],
)
def test_system_field_takes_the_documented_sample(
    name: str, raw: object, expected: object
) -> None:
    assert fields.parse(fields.SYSTEM_FIELDS[name], raw) == expected


@pytest.mark.fact("3.4-number")
@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        pytest.param("int", 123, ["123"], id="int"),
        pytest.param("int", BIGGEST, [str(BIGGEST)], id="biggest int keeps its digits"),
        pytest.param("float", 20.5, ["20.5"], id="float"),
        pytest.param("float", 123.0, ["123"], id="float equal to an int"),
        pytest.param("float", 123, ["123"], id="float read back as an int"),
        pytest.param("float", 1e22, ["1e+22"], id="big float"),
        pytest.param("float", 10**22, ["1e+22"], id="big float read back as an int"),
        pytest.param("bool", True, ["true"], id="true"),
        pytest.param("bool", False, ["false"], id="false"),
        pytest.param("unicode", "Ann", ["Ann"], id="text"),
        pytest.param("enum", "Basic", ["Basic"], id="enum"),
        pytest.param(
            "date", "1990-07-06T00:00:00Z", ["1990-07-06T00:00:00Z"], id="date"
        ),
        pytest.param("tags", ["tag_1", "tag_2"], ["tag_1", "tag_2"], id="tags"),
        pytest.param("status", 5, ["5"], id="status"),
        pytest.param("sex", "male", ["male"], id="sex"),
    ],
)
def test_value_is_found_by_its_text(
    type_: str, value: object, expected: list[str]
) -> None:
    assert fields.match_value(field_of(FieldType(type_)), value) == expected


@pytest.mark.parametrize("type_", [FieldType.OBJECT, FieldType.ARR_OBJECT])
def test_objects_cannot_be_matched(type_: FieldType) -> None:
    with pytest.raises(InvalidValue):
        fields.match_value(field_of(type_), {})
