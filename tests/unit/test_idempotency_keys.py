"""What an Idempotency-Key may be, and what tells its requests apart."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.domain.identities import Namer
from ingest.doors.http.idempotency import RequestKey, parse_key
from ingest.wire.fingerprints import make_fingerprint

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
NAMER = Namer(secret=b"s" * 32, sealed_from=EPOCH, plain_until=EPOCH)
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        pytest.param('"8e03978e-40d5"', "8e03978e-40d5", id="a string of the draft"),
        pytest.param("8e03978e-40d5", "8e03978e-40d5", id="without quotes"),
        pytest.param("  order 7  ", "order 7", id="blanks inside, none around"),
        pytest.param(r'"a \"b\" \\c"', r'a "b" \c', id="escaped quotes"),
        pytest.param('it"s', 'it"s', id="a quote inside a bare key"),
        pytest.param("k" * 255, "k" * 255, id="the longest"),
        pytest.param('"' + "k" * 255 + '"', "k" * 255, id="the longest, quoted"),
    ],
)
def test_a_key_is_read_with_quotes_or_without(header: str, key: str) -> None:
    assert parse_key(header) == key


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param('""', id="an empty string"),
        pytest.param("k" * 256, id="too long"),
        pytest.param('"open', id="an unclosed quote"),
        pytest.param('"a"b"', id="a quote that is not escaped"),
        pytest.param('"a"; b=1', id="with parameters"),
        pytest.param("a\tb", id="a control character"),
        pytest.param("ключ", id="not ASCII"),
        pytest.param("k\xe9y", id="Latin-1"),
    ],
)
def test_a_malformed_key_is_refused(header: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_key(header)

    assert refused.value.faults[0].path == "Idempotency-Key"


@given(PRINTABLE.filter(lambda key: not key.startswith('"')))
def test_quoting_a_key_makes_no_other_key(key: str) -> None:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')

    assert parse_key(f'"{escaped}"') == parse_key(key) == key


def key_of(token_id: int = 1, key: str = "k") -> RequestKey:
    return RequestKey(token_id=token_id, key=key, fingerprint="f", namer=NAMER)


def test_names_differ_by_token_key_and_element() -> None:
    names = [
        key_of().name(),
        key_of(token_id=2).name(),
        key_of(key="k2").name(),
        key_of().name_element(0),
        key_of().name_element(1),
        key_of(token_id=2).name_element(0),
    ]

    assert len({name.import_id for name in names}) == len(names)
    assert key_of().name_element(1) == key_of().name_element(1)
    assert {name.fingerprint for name in names} == {"f"}


def test_a_fingerprint_is_of_what_is_asked() -> None:
    document = {"db_id": 1, "data": {"a": 1, "b": [1, 2]}}
    reordered = {"data": {"b": [1, 2], "a": 1}, "db_id": 1}
    answered = {**document, "token": "secret", "format": "xml", "sync": False}

    one = make_fingerprint(document, "key", "/path")

    assert make_fingerprint(reordered, "key", "/path") == one
    assert make_fingerprint(answered, "key", "/path") == one
    others = [
        make_fingerprint(document | {"db_id": 2}, "key", "/path"),
        make_fingerprint(document | {"db_id": "1"}, "key", "/path"),
        make_fingerprint(document | {"data": {"a": 1, "b": [2, 1]}}, "key", "/path"),
        make_fingerprint(document, "key", "/other"),
        make_fingerprint(document, "other", "/path"),
    ]
    assert len({one, *others}) == 1 + len(others)
