from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from ingest.domain.errors import InvalidRequest, Rejected, UnsupportedMediaType
from ingest.wire import bodies
from ingest.wire.bodies import Format
from ingest.wire.envelopes import load_envelope

SAMPLES = Path(__file__).parents[1] / "samples"
PAIRS = {
    "seed.json": "seed-json-twin.xml",
    "seed-xml-twin.json": "seed.xml",
    "minimal.json": "minimal.xml",
    "phone-in-data.json": "phone-in-data.xml",
    "segments.json": "segments.xml",
    "functions.json": "functions.xml",
}

JSON_BODY = b'{"a": "1"}'
XML_BODY = b"<xml><a>1</a></xml>"


def decode(
    body: bytes, content_type: str | None = None
) -> tuple[Format, dict[str, object]]:
    return bodies.decode(body, content_type)


def as_text(value: object) -> object:
    """Say `value` as XML would, where every leaf is text."""
    match value:
        case Mapping():
            return {name: as_text(inner) for name, inner in value.items()}
        case list() | tuple():
            return [as_text(inner) for inner in value]
        case bool():
            return "true" if value else "false"
    return str(value)


def read_request(name: str) -> object:
    _, document = decode((SAMPLES / name).read_bytes())
    return as_text(to_builtins(load_envelope(document)))


@pytest.mark.fact("11-elements", "11-arrays")
@pytest.mark.parametrize(("json_name", "xml_name"), PAIRS.items(), ids=PAIRS)
def test_twins_are_the_same_request(json_name: str, xml_name: str) -> None:
    assert read_request(json_name) == read_request(xml_name)


def test_every_xml_sample_has_a_twin() -> None:
    assert {path.name for path in SAMPLES.glob("*.xml")} == set(PAIRS.values())


@pytest.mark.fact("1-json")
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "text/json",
        "application/vnd.example+json",
    ],
)
def test_json_is_read_by_its_content_type(content_type: str) -> None:
    assert decode(JSON_BODY, content_type) == (Format.JSON, {"a": "1"})

    with pytest.raises(InvalidRequest, match="not JSON"):
        decode(XML_BODY, content_type)


@pytest.mark.fact("1-xml")
@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml",
        "application/xml;charset=UTF-8",
        "text/XML",
        "application/soap+xml; version=1",
    ],
)
def test_xml_is_read_by_its_content_type(content_type: str) -> None:
    assert decode(XML_BODY, content_type) == (Format.XML, {"a": "1"})

    with pytest.raises(InvalidRequest, match="not XML"):
        decode(JSON_BODY, content_type)


@pytest.mark.fact("14.65-sniff")
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(";", id="only a separator"),
        pytest.param("text/plain", id="other"),
        pytest.param("application/x-www-form-urlencoded", id="what curl says"),
    ],
)
@pytest.mark.parametrize(
    ("body", "format_"),
    [
        pytest.param(JSON_BODY, Format.JSON, id="object"),
        pytest.param(b"\n \t" + JSON_BODY, Format.JSON, id="object after blanks"),
        pytest.param(b"\xef\xbb\xbf" + JSON_BODY, Format.JSON, id="object after mark"),
        pytest.param(XML_BODY, Format.XML, id="element"),
        pytest.param(b"\r\n" + XML_BODY, Format.XML, id="element after blanks"),
        pytest.param(b"\xef\xbb\xbf" + XML_BODY, Format.XML, id="element after mark"),
        pytest.param(XML_BODY.decode().encode("utf-16"), Format.XML, id="UTF-16"),
        pytest.param(
            b"\xfe\xff" + XML_BODY.decode().encode("utf-16-be"),
            Format.XML,
            id="UTF-16, big end first",
        ),
    ],
)
def test_an_undeclared_body_is_read_by_how_it_starts(
    body: bytes, format_: Format, content_type: str | None
) -> None:
    assert decode(body, content_type) == (format_, {"a": "1"})


@pytest.mark.fact("14.65-sniff")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"token=abc&db_id=1", id="form"),
        pytest.param(b"[1]", id="array"),
        pytest.param(b"\x1f\x8b\x08", id="compressed"),
    ],
)
def test_a_body_that_starts_like_neither_is_refused(body: bytes) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        decode(body, "text/plain")

    assert caught.value.faults[0].code == 415


@pytest.mark.parametrize("content_type", [None, "application/json", "application/xml"])
@pytest.mark.parametrize(
    "body", [pytest.param(b"", id="no bytes"), pytest.param(b" \r\n", id="blanks")]
)
def test_an_empty_body_is_refused(body: bytes, content_type: str | None) -> None:
    with pytest.raises(InvalidRequest, match="The body is empty"):
        decode(body, content_type)


@st.composite
def damaged_samples(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from(sorted([*PAIRS, *PAIRS.values()])))
    body = (SAMPLES / name).read_bytes()
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 20)))
    return body[:start] + draw(st.binary(max_size=8)) + body[end:]


@given(
    body=st.binary(max_size=100) | damaged_samples(),
    content_type=st.sampled_from([None, "application/json", "application/xml"]),
)
def test_any_body_is_a_request_or_refused(
    body: bytes, content_type: str | None
) -> None:
    with suppress(Rejected):
        _, document = decode(body, content_type)
        load_envelope(document)
