from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.wire import json_bodies
from ingest.wire.limits import Limits

SAMPLES = Path(__file__).parents[1] / "samples"


def decode(body: bytes, max_depth: int = 32) -> dict[str, object]:
    return json_bodies.decode(body, limits=Limits(depth=max_depth))


def fault(body: bytes, max_depth: int = 32) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode(body, max_depth)
    return str(caught.value)


def test_an_object_is_read_with_its_types() -> None:
    body = b'{"i": -1, "f": 0.5, "b": true, "n": null, "s": "\xd0\xaf", "l": [1, {}]}'

    assert decode(body) == {
        "i": -1,
        "f": 0.5,
        "b": True,
        "n": None,
        "s": "Я",
        "l": [1, {}],
    }


def test_a_byte_order_mark_is_tolerated() -> None:
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        pytest.param(b'{"a": x}', "line 1, column 7 (byte 6)", id="first line"),
        pytest.param(b'{\n "a": x}', "line 2, column 7 (byte 8)", id="second line"),
        pytest.param(
            '{\n "яя": x}'.encode(),
            "line 2, column 8 (byte 11)",
            id="columns are characters and bytes are bytes",
        ),
        pytest.param(
            b'\xef\xbb\xbf{"a": x}',
            "line 1, column 7 (byte 9)",
            id="a byte order mark counts as bytes only",
        ),
        pytest.param(b'{"a": 1', "line 1, column 8 (byte 7)", id="cut short"),
        pytest.param(b'{"a": 1} 2', "line 1, column 10 (byte 9)", id="two documents"),
        pytest.param(b'{"a": NaN}', "line 1, column 7 (byte 6)", id="not a number"),
        pytest.param(b'{"a": 1e999}', "line 1, column 7 (byte 6)", id="infinity"),
        pytest.param(
            b'{"a": "\\ud800"}', "line 1, column 8 (byte 7)", id="lone surrogate"
        ),
        pytest.param(
            b'{\n"a": "\xff"}',
            "the text is not UTF-8 at line 2, column 7 (byte 8)",
            id="not UTF-8",
        ),
        pytest.param(
            b'{"a": "\x00"}', "line 1, column 8 (byte 7)", id="raw control character"
        ),
    ],
)
def test_what_is_not_json_is_refused_naming_the_place(body: bytes, place: str) -> None:
    text = fault(body)

    assert text.startswith("The body is not JSON: ")
    assert text.endswith(place if "at line" in place else f"at {place}")


def test_the_seed_as_printed_is_refused_naming_its_first_placeholder() -> None:
    body = (SAMPLES / "seed-original.json").read_bytes()
    line = body[: body.index(b'{"user_chat_id"}')].count(b"\n") + 1

    assert f"at line {line}, column 27 (byte 701)" in fault(body)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        pytest.param(b"[]", " (it is a list)", id="array"),
        pytest.param(b'"text"', "", id="string"),
        pytest.param(
            rb'"{\"db_id\": 1}"',
            " (it is a string that contains JSON; encode the body once)",
            id="object in a string",
        ),
        pytest.param(b"1", "", id="number"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b"[[[]]]", " (it is a list)", id="deep array"),
    ],
)
def test_a_root_that_is_not_an_object_is_refused(body: bytes, more: str) -> None:
    assert fault(body, max_depth=1) == f"The body must be a JSON object{more}"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        pytest.param(b'{"a": "\\u0000"}', "a", id="value"),
        pytest.param(b'{"a": {"b": [0, "x\\u0000y"]}}', "a.b[1]", id="nested value"),
        pytest.param(b'{"a": {"b\\u0000": 1}}', "a", id="name"),
    ],
)
def test_a_nul_is_refused_naming_the_path(body: bytes, path: str) -> None:
    assert fault(body) == f"Must not contain the NUL character: {path}"


def test_a_nul_in_a_name_of_the_root_is_refused() -> None:
    assert fault(b'{"\\u0000": 1}') == "Must not contain the NUL character"


def test_a_backslash_before_u0000_is_not_a_nul() -> None:
    assert decode(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


def nested(levels: int, opening: bytes, closing: bytes) -> bytes:
    inner = levels - 1
    return b'{"a": ' + opening * inner + b"1" + closing * inner + b"}"


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        pytest.param(b'{"a": ', b"}", id="objects"),
        pytest.param(b"[", b"]", id="arrays"),
        pytest.param(b'[{"a": ', b"}]", id="both"),
    ],
)
def test_nesting_is_limited(opening: bytes, closing: bytes) -> None:
    levels = 1 + 4 * (opening.count(b"[") + opening.count(b"{"))

    assert decode(nested(5, opening, closing), max_depth=levels)
    assert fault(nested(5, opening, closing), max_depth=levels - 1) == (
        f"The body is nested too deeply (at most {levels - 1} levels)"
    )


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert decode(b'{"a": [' + b"[]," * 100 + b"[]]}", max_depth=3)


def test_nesting_beyond_the_parser_is_refused() -> None:
    assert "depth" in fault(nested(100_000, b"[", b"]"))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(InvalidRequest):
        decode(body)
