"""Texts that mean something to SQL, formats or Redis are texts here, in every place."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.commands.consume import Door
from ingest.settings import Settings
from tests.conftest import Connection
from tests.consumers import consuming, make_message
from tests.drains import draining
from tests.intakes import ServedIntake, served, wait_until

IMPORT = "/api/v1.1/profiles/import"
GET = "/api/v1.1/profiles/get"
EMAIL = "ada@example.com"
TEXTS = (
    "'; DROP TABLE profiles; --",
    '"; DROP TABLE profiles; --',
    "' OR '1'='1",
    "$$; DROP TABLE profiles; $$",
    "%s",
    "%(email)s",
    "100%",
    "$1",
    ":name",
    "?",
    "{}",
    "{0.__class__}",
    '{"a"}',
    "{a,b}",
    "ARRAY['a']",
    '[{"a": 1}]',
    "NULL",
    "\\N",
    "\\",
    "\\x00",
    "\\u0000",
    "'",
    '"',
    "''",
    "E'\\n'",
    "/*",
    "--",
    "*",
    "_",
    "a\x01\x08\x1f\x7fb",
    "a\tb\r\nc",
    "\u202eabc\u200b",
    "\U0001f600\U0010ffff",
    "\ufeffx",
    "x" * 1024,
)
ANY_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1
).filter(str.strip)
#: Where a text like these names or is nothing (a member of `data` unless it is a key).
KEYS = {"email": "email", "phone": "phone", "matching": "", "db_id": ""}
REFUSED_DATA: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "a field's name": lambda text: {text: "x"},
    "enum": lambda text: {"plan": text},
    "int": lambda text: {"points": text},
    "date": lambda text: {"last_visit": text},
    "ip": lambda text: {"office_ip": text},
    "phone": lambda text: {"phones": [text]},
    "function": lambda text: {"points": {"action": text, "value": 1}},
    "channel": lambda text: {"subscriptions": [{"channel": text, "email": EMAIL}]},
    "category": lambda text: {
        "subscriptions": [{"channel": "email", "email": EMAIL, "cats": [text]}]
    },
}


@pytest.fixture
def penstock(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as intake, draining(settings):
        yield intake


@pytest.fixture
def tables(connection: Connection) -> Iterator[set[str]]:
    """The tables that are there before a test and must be there after it."""

    def find() -> set[str]:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return {str(name) for (name,) in rows}

    before = find()
    yield before
    assert before <= find()


def make_data(text: str) -> dict[str, Any]:
    """`text` wherever a profile may hold one."""
    return {
        "_fname": text,
        "_lname": text,
        "custom_field": text,
        "interests": [text],
        "address": {text: text, "list": [text, {text: [text]}]},
        "orders": [{text: text}],
        "subscriptions": [
            {
                "channel": "push",
                "provider": "ios-apns",
                "subscription_id": text[:200],
                "resource_id": 1,
                "custom_fields": {"custom_field_1": text},
            },
        ],
    }


def ask(penstock: ServedIntake, token: str, path: str, **asked: object) -> Any:
    return penstock.post({"token": token, "db_id": 1, **asked}, path=path).json()


def tags(text: str) -> list[str]:
    """Return what `text` is as tags (contract 5)."""
    parts = (part.strip() for part in re.split("[,;|]", text))
    return list(dict.fromkeys(part for part in parts if part))


def check_round_trip(penstock: ServedIntake, token: str, text: str) -> None:
    email, data = f"{uuid4().hex}@example.com", make_data(text)

    sent = ask(penstock, token, IMPORT, email=email, data=data)

    assert sent["error"] == 0, sent
    found = ask(penstock, token, GET, email=email)["data"]
    (subscription,) = data.pop("subscriptions")
    data["interests"] = tags(text)
    assert {name: found.get(name, []) for name in data} == data
    (held,) = found["subscriptions"]
    # Contacts are trimmed; nothing else is.
    contact = subscription["subscription_id"].strip()
    assert held["push_data"]["subscription_id"] == contact
    assert held["custom_fields"] == subscription["custom_fields"]


@pytest.mark.usefixtures("tables")
def test_a_text_comes_back_as_it_went_in(penstock: ServedIntake, token: str) -> None:
    for text in TEXTS:
        check_round_trip(penstock, token, text)


def test_any_text_comes_back_as_it_went_in(penstock: ServedIntake, token: str) -> None:
    @hypothesis_settings(max_examples=50)
    @given(text=ANY_TEXT)
    def check(text: str) -> None:
        check_round_trip(penstock, token, text)

    check()


def test_a_text_finds_the_profile_that_holds_it_and_no_other(
    penstock: ServedIntake, token: str
) -> None:
    ids = {
        text: ask(
            penstock, token, IMPORT, email=f"n{n}@example.com", data=make_data(text)
        )
        for n, text in enumerate(TEXTS)
    }
    for text, sent in ids.items():
        by_field = {"matching": "custom", "field_name": "custom_field"}
        by_push = {"matching": "push_sub", "provider": "ios-apns"}
        for key in (
            {**by_field, "field_value": text},
            {**by_push, "subscription_id": text[:200]},
        ):
            found = ask(penstock, token, GET, **key)
            assert found["data"]["id"] == sent["profile_id"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("place", KEYS)
def test_a_text_is_refused_as_a_key_that_it_cannot_be(
    penstock: ServedIntake, token: str, place: str
) -> None:
    mode = {"matching": KEYS[place]} if KEYS[place] else {}
    for text in TEXTS:
        asked = {"email": EMAIL, "data": {}, **mode, place: text}
        assert ask(penstock, token, IMPORT, **asked)["error"] == 400

    assert ask(penstock, token, GET, email=EMAIL)["error"] == 404


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("place", REFUSED_DATA)
def test_a_text_is_refused_in_data_where_it_cannot_be(
    penstock: ServedIntake, token: str, place: str
) -> None:
    rows = [{"email": EMAIL, "data": REFUSED_DATA[place](text)} for text in TEXTS]

    answer = ask(penstock, token, f"{IMPORT}_batch", data=rows)

    assert [one["error"] for one in answer["result"]] == [400] * len(TEXTS)
    assert ask(penstock, token, GET, email=EMAIL)["error"] == 404


def test_a_text_as_an_idempotency_key_names_one_import_or_is_refused(
    penstock: ServedIntake, token: str
) -> None:
    document = {"token": token, "db_id": 1, "email": EMAIL, "data": {}}
    for text in TEXTS:
        key = text.encode("latin-1", "replace")
        try:
            several = [
                penstock.client.post(
                    IMPORT, json=document, headers={b"Idempotency-Key": key}
                )
                for _ in range(2)
            ]
        except httpx.TransportError:
            # A line end inside a header: the server ends the connection.
            continue
        assert len({each.headers.get("Import-Id") for each in several}) == 1
        codes = {each.json()["error"] for each in several if each.status_code == 200}
        assert codes <= {0, 400}


def test_a_text_as_a_feedback_id_comes_back_as_it_went_in(
    settings: Settings, redis_url: str
) -> None:
    door = Door(claim_after_seconds=1)
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        for number, text in enumerate(TEXTS):
            message = make_message(number, feedback_id=text[:200])
            client.xadd("database_import", {"message": message})
        stream = "database_import_result"
        with draining(settings), consuming(settings, door):
            wait_until(lambda: client.xlen(stream) == len(TEXTS))
        found: Any = client.xrange(stream)
    said = [orjson.loads(fields[b"message"]) for _, fields in found]
    assert {one["feedback_id"] for one in said} == {text[:200] for text in TEXTS}
    assert {one["error"] for one in said} == {0}
