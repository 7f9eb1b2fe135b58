import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wire.entries import encode
from ingest.wire.redaction import (
    mask_error,
    mask_path,
    mask_payload,
    mask_traceback,
    mask_value,
)
from tests.factories import make_import

IMPORT = make_import(
    "custom",
    {
        "_fname": "Ada",
        "points": {"action": "incr", "value": 12345},
        "subscriptions": [{"channel": "email", "email": "ada@example.com"}],
        "is_vip": True,
    },
    key={"field_name": "tier", "field_value": "golden"},
)
TEXTS = st.text(st.characters(categories=["L"]), min_size=3)


def test_an_entry_keeps_its_shape_and_how_it_was_sent() -> None:
    shown = mask_payload(encode(IMPORT))

    assert isinstance(shown, dict)
    assert shown["import_id"] == str(IMPORT.import_id)
    assert (shown["database_id"], shown["matching"]) == (1, "custom")
    assert shown["key"] == {"field_name": "tier", "field_value": "<text, 6>"}
    assert shown["data"] == {
        "_fname": "<text, 3>",
        "points": {"action": "incr", "value": "<number>"},
        "subscriptions": [{"channel": "email", "email": "<text, 15>"}],
        "is_vip": True,
    }


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        pytest.param(b"\xffAda", "<not JSON, 4 bytes>", id="not JSON"),
        pytest.param(b"", "<not JSON, 0 bytes>", id="empty"),
        pytest.param(b'["Ada"]', ["<text, 3>"], id="no object"),
        pytest.param(b'{"name": "Ada"}', {"name": "<text, 3>"}, id="unknown member"),
        pytest.param(b'{"key": {"action": ["Ada"]}}',
                     {"key": {"action": ["<text, 3>"]}}, id="no function"),
    ],
)  # fmt: skip
def test_what_is_no_entry_is_masked_too(payload: bytes, shown: object) -> None:
    assert mask_payload(payload) == shown


def test_nesting_without_end_is_cut() -> None:
    deep = b'{"data":' * 900 + b'"Ada"' + b"}" * 900

    assert "<more, 1>" in str(mask_payload(deep))
    assert "Ada" not in str(mask_payload(deep)) + mask_error("E: Ada", deep)


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        pytest.param("E: no Ada here\nDETAIL: Ada", "E: no … here", id="of the entry"),
        pytest.param("E: 'Bob' or +4420794", "E: … or …", id="quoted, or digits"),
        pytest.param("E: write to eve@example.com", "E: write to …", id="an address"),
        pytest.param('E: bad integer: "Bob"', "E: bad integer: …", id="by Postgres"),
        pytest.param(
            'E: new row for relation "profiles" violates check constraint "no_poison"',
            'E: new row for relation "profiles" violates check constraint "no_poison"',
            id="of the schema",
        ),
    ],
)
def test_what_an_error_quotes_is_cut_out(error: str, shown: str) -> None:
    assert mask_error(error, encode(IMPORT)) == shown


@given(name=TEXTS, email=TEXTS, before=TEXTS)
def test_no_text_of_a_person_is_ever_shown(name: str, email: str, before: str) -> None:
    payload = orjson.dumps({"v": 9, "data": {"n": [name, {"e": f"{email}@x.org"}]}})

    shown = f"{mask_payload(payload)}{mask_error(f'E: {name} {email}@x.org', payload)}"

    assert f"{email}@x.org" not in shown
    assert name not in mask_error(f"E: {name}", payload)


def test_a_traceback_says_where_and_not_what() -> None:
    traceback = (
        "Traceback (most recent call last):\n"
        '  File "/srv/workers/apply.py", line 63, in _apply\n'
        "    raise ValueError(name)\n"
        "ValueError: Ada\n"
    )

    assert mask_traceback(traceback) == (
        '  File "/srv/workers/apply.py", line 63, in _apply'
    )


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("points", "points"),
        ("phones[1]", "phones[1]"),
        ("former_keys[email]", "former_keys[email]"),
        ("subscriptions[1/email/ada@example.com]", "subscriptions[1/email/…]"),
        ("subscriptions[1/push/a]b[c].status", "subscriptions[1/push/…].status"),
        ("addresses[Ada]", "addresses[…]"),
        ("open[", "open["),
        ("", ""),
    ],
)
def test_a_path_names_nobody(path: str, shown: str) -> None:
    assert mask_path(path) == shown


@given(TEXTS)
def test_a_value_keeps_its_shape_only(name: str) -> None:
    assert mask_path(f"subscriptions[7/email/{name}]") == "subscriptions[7/email/…]"
    assert mask_value({"of": [name, 5, None, True]}) == {
        "of": [f"<text, {len(name)}>", "<number>", None, True]
    }
