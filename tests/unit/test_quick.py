"""Forms to envelopes: contract 10.4."""

from typing import Any

import pytest

from ingest.domain.errors import InvalidRequest, NotFound
from ingest.domain.imports import Key, Matching, Start
from ingest.wire.forms import decode_form, is_form
from ingest.wire.quick import QuickImport, load_quick
from tests.factories import make_catalog

EMAIL = {"email": "a@b.io"}


def load(referer: str | None = None, **sent: Any) -> QuickImport:
    return load_quick({"db_id": "1", **sent}, make_catalog(), referer=referer)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("application/x-www-form-urlencoded", True, id="plain"),
        pytest.param("Application/X-WWW-Form-Urlencoded; x=y", True, id="with more"),
        pytest.param("application/json", False, id="another"),
        pytest.param(None, False, id="none"),
    ],
)
def test_a_form_is_known_by_its_type(content_type: str | None, expected: bool) -> None:
    assert is_form(content_type) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", {}, id="nothing"),
        pytest.param(b"a=1&b=x+y%26z", {"a": "1", "b": "x y&z"}, id="escapes"),
        pytest.param(b"a=1&a=2", {"a": ["1", "2"]}, id="repeated"),
        pytest.param(b"a=&b=1", {"b": "1"}, id="empty inputs"),
        pytest.param("a=é".encode(), {"a": "é"}, id="raw UTF-8"),
        pytest.param(b"a=+x+&b=+&c=1", {"a": "x", "c": "1"}, id="blanks"),
        pytest.param(b"a=%C8&_charset_=windows-1251", {"a": "И"}, id="_charset_"),
        pytest.param(b"a=\xc8&_charset_=windows-1251", {"a": "И"}, id="raw bytes"),
        pytest.param(b"a=1&_charset_=", {"a": "1"}, id="an empty _charset_"),
        pytest.param("a=\ufffd".encode(), {"a": "\ufffd"}, id="U+FFFD that was sent"),
    ],
)
def test_a_form_is_read(body: bytes, expected: dict[str, object]) -> None:
    assert decode_form(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\xff=1", id="not UTF-8"),
        pytest.param(b"\xd1=1", id="half a character"),
        pytest.param(b"a=%FF", id="an escape that is not UTF-8"),
        pytest.param(b"a=%98&_charset_=windows-1251", id="not in its charset"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="not in the encoding"):
        decode_form(body)


@pytest.mark.parametrize("charset", ["windows-1251", '"Windows-1251"', "cp1251; x=y"])
def test_a_form_is_read_in_the_charset_of_its_type(charset: str) -> None:
    type_ = f"application/x-www-form-urlencoded; charset={charset}"

    assert decode_form(b"a=%C8&_charset_=utf-8", type_) == {"a": "И"}


@pytest.mark.parametrize("charset", ["klingon", "hex", "idna\x00"])
def test_a_charset_that_is_none_is_named(charset: str) -> None:
    type_ = f"application/x-www-form-urlencoded; charset={charset}"

    with pytest.raises(InvalidRequest, match="Unknown encoding"):
        decode_form(b"a=1", type_)


def test_what_has_no_meaning_of_its_own_is_a_field() -> None:
    loaded = load(**EMAIL, _fname="A", points="5", format="x", token="t")

    assert loaded.envelope.data == {"_fname": "A", "points": "5"}
    assert loaded.envelope.key == Key(email="a@b.io")
    assert loaded.envelope.detect_geo is True
    assert loaded.start is None


@pytest.mark.fact("16.6-lists")
@pytest.mark.parametrize(
    "names",
    [("interests[]",), ("interests[0]", "interests[1]"), ("interests", "interests[5]")],
)
def test_a_list_is_sent_by_numbered_names_too(names: tuple[str, ...]) -> None:
    words = ["tea", "rum"]
    sent = (
        {names[0]: words} if len(names) == 1 else dict(zip(names, words, strict=True))
    )

    assert load(**EMAIL, **sent).envelope.data == {"interests": words}


@pytest.mark.parametrize("name", ["address[home]", "[0]", "code[-1]", "code[1"])
def test_other_brackets_are_of_the_name(name: str) -> None:
    assert load(**EMAIL, **{name: "x"}).envelope.data == {name: "x"}


def test_a_referer_alone_is_not_a_field() -> None:
    with pytest.raises(InvalidRequest, match="Missing field"):
        load("https://a.io")


def test_the_key_of_another_mode_is_contact_data() -> None:
    loaded = load(**EMAIL, phone="+79001234567", matching="phone")

    assert loaded.envelope.matching is Matching.PHONE
    assert loaded.envelope.data == EMAIL


def test_a_word_that_is_no_mode_names_the_field_to_match_by() -> None:
    loaded = load(matching="code", code="7")

    assert loaded.envelope.matching is Matching.CUSTOM
    assert loaded.envelope.key == Key(field_name="code")


@pytest.mark.parametrize(
    ("number", "error"),
    [
        pytest.param("404", NotFound, id="unknown"),
        pytest.param("x", InvalidRequest, id="no number"),
    ],
)
def test_a_resource_must_be_there(number: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="resource_id"):
        load(**EMAIL, resource_id=number)


def test_a_resource_of_another_database_is_not_found() -> None:
    with pytest.raises(NotFound, match="Resource not found"):
        load(**EMAIL, db_id="2", resource_id="1")


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param({"trigger_id": "5"}, id="trigger"),
        pytest.param({"workflow_id": "7"}, id="workflow"),
        pytest.param({"trigger_id": "5", "workflow_id": "7"}, id="both"),
    ],
)
def test_what_is_named_is_started_with_the_import(ids: dict[str, str]) -> None:
    numbers: dict[str, Any] = {name: int(id_) for name, id_ in ids.items()}

    assert load(**EMAIL, **ids).start == Start(**numbers, payload={})


@pytest.mark.parametrize("name", ["trigger_id", "workflow_id"])
def test_what_is_to_be_started_has_a_number(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^Must be an integer: {name}$"):
        load(**EMAIL, **{name: "x"})


def test_a_referer_that_cannot_be_stored_is_left_out() -> None:
    assert load("https://a.io/\0", **EMAIL).envelope.data == {}
