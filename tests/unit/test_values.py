"""Values by field type: contract 4.5, 5 and 14, points 20, 24 and 37 to 41."""

import math

import pytest

from ingest.domain import fields
from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue
from tests import said

BIGGEST = 2**63 - 1

OPTIONS = "Must be one of the field's options (Basic, Plus, 1)"


def field_of(type_: FieldType) -> Field:
    return Field(name="field", type=type_, options=("Basic", "Plus", "1"))


def nested(depth: int) -> dict[str, object]:
    document: dict[str, object] = {}
    for _ in range(depth):
        document = {"deeper": document}
    return document


@pytest.mark.fact("4.4-sex", "5-version", "14.24-coercion")
@pytest.mark.parametrize(
    ("type_", "raw", "expected"),
    [
        pytest.param("int", 200, 200, id="int"),
        pytest.param("int", -5, -5, id="int below zero"),
        pytest.param("int", "29", 29, id="int as text"),
        pytest.param("int", " +29 ", 29, id="int as text with a sign and spaces"),
        pytest.param("int", "-0029.00", -29, id="int as text with zeros"),
        pytest.param("int", 5.0, 5, id="int from a float without fraction"),
        pytest.param("int", BIGGEST, BIGGEST, id="biggest int"),
        pytest.param("int", str(-BIGGEST - 1), -BIGGEST - 1, id="smallest int"),
        pytest.param("float", 20.5, 20.5, id="float"),
        pytest.param("float", 20, 20.0, id="float from an int"),
        pytest.param("float", "20.5", 20.5, id="float as text"),
        pytest.param("float", "-.5e1", -5.0, id="float with exponent"),
        pytest.param("float", "7.", 7.0, id="float ending in a point"),
        pytest.param("unicode", "CRM_manager", "CRM_manager", id="text"),
        pytest.param("unicode", " Ünï\n💧 ", " Ünï\n💧 ", id="text as it is"),
        pytest.param("unicode", 390000, "390000", id="text from an int"),
        pytest.param("unicode", True, "true", id="text from a bool"),
        pytest.param("unicode", "", None, id="empty text clears"),
        pytest.param("bool", True, True, id="true"),
        pytest.param("bool", False, False, id="false"),
        pytest.param("bool", "true", True, id="true as text"),
        pytest.param("bool", " False ", False, id="false as text in any case"),
        pytest.param("bool", 1, True, id="one is true"),
        pytest.param("bool", 0, False, id="zero is false"),
        pytest.param("bool", "1", True, id="one as text is true"),
        pytest.param("bool", "0", False, id="zero as text is false"),
        pytest.param("date", "1990-07-06", "1990-07-06T00:00:00Z", id="date"),
        pytest.param("enum", "Basic", "Basic", id="option"),
        pytest.param("enum", " Plus ", "Plus", id="option with spaces"),
        pytest.param("enum", 1, "1", id="option as a number"),
        pytest.param("ip", "127.0.0.1", "127.0.0.1", id="ip"),
        pytest.param("ip", " 94.231.119.122 ", "94.231.119.122", id="ip with spaces"),
        pytest.param("any_ip", "127.0.0.1", "127.0.0.1", id="any ip, IPv4"),
        pytest.param("any_ip", "2001:DB8::0:1", "2001:db8::1", id="any ip, IPv6"),
        pytest.param("any_ip", "::ffff:1.2.3.4", "1.2.3.4", id="any ip, wrapped IPv4"),
        pytest.param("tags", "dance, yoga", ["dance", "yoga"], id="tags by comma"),
        pytest.param("tags", "a|b;c,d", ["a", "b", "c", "d"], id="tags by any sign"),
        pytest.param("tags", ["b", "a", "b"], ["b", "a"], id="tags without doubles"),
        pytest.param("tags", [" a ", "", "b,c"], ["a", "b", "c"], id="tags trimmed"),
        pytest.param("tags", ",a,,", ["a"], id="tags without empty ones"),
        pytest.param("tags", [], [], id="no tags"),
        pytest.param("tags", 5, ["5"], id="tag from an int"),
        pytest.param("tags", [True, 1.5, 2.0], ["true", "1.5", "2"], id="tags, mixed"),
        pytest.param(
            "object", {"a": {"b": [1, None]}}, {"a": {"b": [1, None]}}, id="object"
        ),
        pytest.param(
            "object",
            {"n": "1", "b": "true"},
            {"n": "1", "b": "true"},
            id="object leaves stay text",
        ),
        pytest.param("object", {}, {}, id="empty object"),
        pytest.param("object", nested(64), nested(64), id="deepest object"),
        pytest.param("arr_object", [{"a": 1}, {}], [{"a": 1}, {}], id="objects"),
        pytest.param("arr_object", {"a": 1}, [{"a": 1}], id="one object as a list"),
        pytest.param("arr_object", [], [], id="no objects"),
        pytest.param("version", "16.4.1", "16.4.1", id="version"),
        pytest.param("version", 14, "14", id="version from an int"),
        pytest.param("version", 16.4, "16.4", id="version from a float"),
        pytest.param("sex", "male", "male", id="male"),
        pytest.param("sex", " Female ", "female", id="female in any case"),
        pytest.param("sex", 1, "male", id="one is male"),
        pytest.param("sex", 2, "female", id="two is female"),
        pytest.param("sex", "2", "female", id="two as text is female"),
        pytest.param("sex", 0, None, id="zero is unset"),
        pytest.param("sex", "0", None, id="zero as text is unset"),
        pytest.param("country", "RU", "RU", id="country code"),
        pytest.param("country", "us", "US", id="country code in lower case"),
        pytest.param("country", "Russian Federation", "RU", id="country name"),
        pytest.param("country", " united states ", "US", id="country name in any case"),
        pytest.param("country", "Bolivia", "BO", id="common country name"),
        pytest.param("country", "Russia", "RU", id="everyday country name"),
        pytest.param("country", "Atlantis", "Atlantis", id="unknown country"),
        pytest.param("country", "", None, id="empty country clears"),
        pytest.param("timezone", "Europe/Moscow", "Europe/Moscow", id="timezone"),
        pytest.param("timezone", " UTC ", "UTC", id="timezone with spaces"),
        pytest.param("status", 0, 0, id="status number"),
        pytest.param("status", "6", 6, id="status number as text"),
        pytest.param("status", "unsubscribed", 1, id="status word"),
    ],
)
def test_value_is_canonical(type_: str, raw: object, expected: object) -> None:
    value = fields.parse(field_of(FieldType(type_)), raw)

    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.fact("4.5-ip", "14.20-empty", "14.24-coercion")
@pytest.mark.parametrize(
    ("type_", "raw", "message"),
    [
        pytest.param("int", "", "Must be an integer", id="int, empty"),
        pytest.param("int", "forty", "Must be an integer", id="int, word"),
        pytest.param("int", "1_000", "Must be an integer", id="int, underscore"),
        pytest.param("int", "1 000", "Must be an integer", id="int, space inside"),
        pytest.param(
            "int", "٣", "Must be an integer", id="int, digit of another script"
        ),
        pytest.param("int", 20.5, "Must be an integer", id="int, fraction"),
        pytest.param("int", "20.5", "Must be an integer", id="int, fraction as text"),
        pytest.param("int", True, "Must be an integer", id="int, bool"),
        pytest.param("int", math.nan, "Must be an integer", id="int, NaN"),
        pytest.param("int", math.inf, "Must be an integer", id="int, infinity"),
        pytest.param("int", [1], "Must be an integer", id="int, list"),
        pytest.param("int", {"value": 1}, "Must be an integer", id="int, object"),
        pytest.param("int", BIGGEST + 1, said.INT64, id="int, too big"),
        pytest.param("int", -BIGGEST - 2, said.INT64, id="int, too small"),
        pytest.param("int", 1e300, said.INT64, id="int, huge float"),
        pytest.param("int", "9" * 5000, said.INT64, id="int, huge text"),
        pytest.param("float", "", "Must be a number", id="float, empty"),
        pytest.param("float", "nan", "Must be a number", id="float, NaN as text"),
        pytest.param(
            "float", "Infinity", "Must be a number", id="float, infinity as text"
        ),
        pytest.param("float", "1,5", "Must be a number", id="float, decimal comma"),
        pytest.param("float", "0x10", "Must be a number", id="float, hexadecimal"),
        pytest.param("float", ".", "Must be a number", id="float, only a point"),
        pytest.param("float", False, "Must be a number", id="float, bool"),
        pytest.param("float", math.nan, said.FINITE, id="float, NaN"),
        pytest.param("float", -math.inf, said.FINITE, id="float, infinity"),
        pytest.param("float", "1e400", said.FINITE, id="float, too big as text"),
        pytest.param("float", 10**400, said.FINITE, id="float, too big an int"),
        pytest.param("unicode", 20.5, "Must be a string", id="text, float"),
        pytest.param("unicode", ["a"], "Must be a string", id="text, list"),
        pytest.param("unicode", {"a": "b"}, "Must be a string", id="text, object"),
        pytest.param(
            "unicode",
            "a\x00b",
            "Must not contain NUL or unpaired surrogates",
            id="text, NUL",
        ),
        pytest.param(
            "unicode",
            "a\ud83d",
            "Must not contain NUL or unpaired surrogates",
            id="text, lone surrogate",
        ),
        pytest.param("unicode", 10**5000, said.INT64, id="text, huge int"),
        pytest.param("bool", "", "Must be true or false", id="bool, empty"),
        pytest.param("bool", "yes", "Must be true or false", id="bool, yes"),
        pytest.param("bool", 2, "Must be true or false", id="bool, two"),
        pytest.param("bool", 1.0, "Must be true or false", id="bool, float"),
        pytest.param("bool", [], "Must be true or false", id="bool, list"),
        pytest.param("date", "", "Incorrect date", id="date, empty"),
        pytest.param("enum", "basic", OPTIONS, id="enum, other case"),
        pytest.param("enum", "", OPTIONS, id="enum, empty"),
        pytest.param("enum", ["Basic"], OPTIONS, id="enum, list"),
        pytest.param("ip", "", "Incorrect ip", id="ip, empty"),
        pytest.param("ip", "999.999.999.999", "Incorrect ip", id="ip, big numbers"),
        pytest.param("ip", "127.0.0.1.1", "Incorrect ip", id="ip, five numbers"),
        pytest.param("ip", "abc.def.ghi.jkl", "Incorrect ip", id="ip, letters"),
        pytest.param("ip", "127.0.0.01", "Incorrect ip", id="ip, leading zero"),
        pytest.param("ip", "::1", "Incorrect ip", id="ip, IPv6"),
        pytest.param("ip", 2130706433, "Incorrect ip", id="ip, number"),
        pytest.param("any_ip", "", "Incorrect ip", id="any ip, empty"),
        pytest.param("any_ip", "localhost", "Incorrect ip", id="any ip, host name"),
        pytest.param("any_ip", "fe80::1%eth0", "Incorrect ip", id="any ip, zone"),
        pytest.param("any_ip", 1, "Incorrect ip", id="any ip, number"),
        pytest.param(
            "tags",
            "",
            "Must be strings, as a list or separated by commas",
            id="tags, empty",
        ),
        pytest.param(
            "tags",
            " ; ",
            "Must be strings, as a list or separated by commas",
            id="tags, only separators",
        ),
        pytest.param(
            "tags",
            {"a": "b"},
            "Must be strings, as a list or separated by commas",
            id="tags, object",
        ),
        pytest.param(
            "tags",
            [["a"]],
            "Must be strings, as a list or separated by commas",
            id="tags, nested list",
        ),
        pytest.param(
            "tags",
            [None],
            "Must be strings, as a list or separated by commas",
            id="tags, null inside",
        ),
        pytest.param(
            "tags",
            ["a\x00"],
            "Must not contain NUL or unpaired surrogates",
            id="tags, NUL",
        ),
        pytest.param("tags", [math.nan], said.FINITE, id="tags, NaN"),
        pytest.param("object", "{}", "Must be an object", id="object, text"),
        pytest.param("object", "", "Must be an object", id="object, empty text"),
        pytest.param("object", [{}], "Must be an object", id="object, list"),
        pytest.param(
            "object",
            {"a": ["\x00"]},
            "Must not contain NUL or unpaired surrogates",
            id="object, NUL",
        ),
        pytest.param(
            "object",
            {"\x00": 1},
            "Must not contain NUL or unpaired surrogates",
            id="object, NUL in name",
        ),
        pytest.param(
            "object",
            {"a": {"b": "\udfff"}},
            "Must not contain NUL or unpaired surrogates",
            id="object, lone surrogate",
        ),
        pytest.param("object", {"a": math.inf}, said.FINITE, id="object, infinity"),
        pytest.param("object", {"a": b"b"}, "Must be JSON", id="object, bytes"),
        pytest.param("object", {"a": 2**63}, said.INT64, id="object, too big int"),
        pytest.param(
            "object",
            nested(65),
            "Nested too deeply (at most 64 levels)",
            id="object, too deep",
        ),
        pytest.param(
            "object",
            nested(20_000),
            "Nested too deeply (at most 64 levels)",
            id="object, far too deep",
        ),
        pytest.param(
            "arr_object", "a", "Must be a list of objects", id="objects, text"
        ),
        pytest.param("arr_object", [1], "Must be a list of objects", id="objects, int"),
        pytest.param(
            "arr_object", [[{}]], "Must be a list of objects", id="objects, nested list"
        ),
        pytest.param("version", "", "Incorrect version", id="version, empty"),
        pytest.param("version", " ", "Incorrect version", id="version, blank"),
        pytest.param("version", True, "Incorrect version", id="version, bool"),
        pytest.param("version", [16], "Must be a string", id="version, list"),
        pytest.param("sex", "", "Must be male or female", id="sex, empty"),
        pytest.param("sex", "other", "Must be male or female", id="sex, other word"),
        pytest.param("sex", 3, "Must be male or female", id="sex, three"),
        pytest.param("sex", True, "Must be male or female", id="sex, bool"),
        pytest.param("country", ["RU"], "Must be a string", id="country, list"),
        pytest.param(
            "timezone",
            "Mars/Olympus",
            "Unknown time zone (an IANA name, such as Europe/Moscow)",
            id="timezone",
        ),
        pytest.param(
            "timezone",
            "",
            "Unknown time zone (an IANA name, such as Europe/Moscow)",
            id="timezone, empty",
        ),
        pytest.param(
            "timezone",
            "localtime",
            "Unknown time zone (an IANA name, such as Europe/Moscow)",
            id="timezone, the machine's own",
        ),
        pytest.param(
            "timezone",
            "../../etc/passwd",
            "Unknown time zone (an IANA name, such as Europe/Moscow)",
            id="timezone, path",
        ),
        pytest.param(
            "timezone",
            3,
            "Unknown time zone (an IANA name, such as Europe/Moscow)",
            id="timezone, number",
        ),
        pytest.param("status", 7, said.STATUS, id="status, unknown number"),
        pytest.param("status", -1, said.STATUS, id="status, nothing to leave"),
        pytest.param("status", "gone", said.STATUS, id="status, unknown word"),
        pytest.param("status", True, said.STATUS, id="status, bool"),
    ],
)
def test_value_of_another_type_is_refused(
    type_: str, raw: object, message: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        fields.parse(field_of(FieldType(type_)), raw)

    assert str(caught.value) == message


@pytest.mark.parametrize("type_", FieldType)
def test_every_type_refuses_null(type_: FieldType) -> None:
    with pytest.raises(InvalidValue):
        fields.parse(field_of(type_), None)


def test_parsed_object_is_not_the_one_that_was_sent() -> None:
    raw: dict[str, object] = {"a": 1}

    value = fields.parse(field_of(FieldType.OBJECT), raw)

    assert value is not raw
