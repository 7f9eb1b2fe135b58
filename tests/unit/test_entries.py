import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.imports import (
    Import,
    Key,
    Matching,
    Operation,
    Scalar,
    Start,
    SubscriptionChange,
)
from ingest.wire import entries
from ingest.wire.entries import MalformedEntry, UnknownForm

LEAST = Import(
    import_id=UUID("01936b4c-0000-7000-8000-000000000000"),
    accepted_at=datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    door="http",
    token_id=None,
    database_id=1,
    matching=Matching.EMAIL,
    key=Key(),
    data={},
)

TEXTS = st.text(max_size=10)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
IDS_OF_OURS = st.integers(1, 2**31 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OPTIONAL_TEXTS = st.none() | TEXTS
DATA = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
        ),
        max_leaves=10,
    ),
    max_size=5,
)
IDS = st.lists(st.integers(1, 2**31 - 1), max_size=3).map(tuple)
IMPORTS = st.builds(
    Import,
    import_id=st.uuids(),
    accepted_at=st.datetimes(timezones=st.just(UTC)),
    door=st.sampled_from(["http", "broker", "file"]),
    token_id=st.none() | IDS_OF_OURS,
    database_id=IDS_OF_OURS,
    matching=st.sampled_from(Matching),
    key=st.builds(
        Key,
        email=OPTIONAL_TEXTS,
        phone=OPTIONAL_TEXTS,
        profile_id=OPTIONAL_TEXTS,
        provider=OPTIONAL_TEXTS,
        subscription_id=OPTIONAL_TEXTS,
        field_name=OPTIONAL_TEXTS,
        field_value=st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    ),
    data=DATA,
    operation=st.sampled_from(Operation),
    resource_id=st.none() | INTEGERS,
    skip_triggers=st.booleans(),
    skip_invalid_subscriptions=st.booleans(),
    skip_invalid_fields=st.booleans(),
    detect_geo=st.booleans(),
    add_to_segments=IDS,
    remove_from_segments=IDS,
    start=st.none()
    | st.builds(
        Start,
        trigger_id=IDS_OF_OURS,
        workflow_id=st.none() | IDS_OF_OURS,
        payload=DATA,
    ),
    subscription_change=st.none() | st.sampled_from(SubscriptionChange),
    fingerprint=st.none() | st.text("0123456789abcdef", min_size=1, max_size=64),
)


@given(IMPORTS)
def test_an_entry_reads_back_as_its_import(import_: Import) -> None:
    assert entries.decode(entries.encode(import_)) == import_


@pytest.mark.parametrize("value", [False, 0, 0.0, -0.0, "", True, 1], ids=repr)
def test_a_field_value_keeps_its_type(value: Scalar) -> None:
    read = entries.decode(
        entries.encode(replace(LEAST, key=Key(field_value=value)))
    ).key.field_value

    assert repr(read) == repr(value)


def test_a_moment_reads_back_in_utc() -> None:
    moscow = timezone(timedelta(hours=3))
    read = entries.decode(
        entries.encode(
            replace(LEAST, accepted_at=datetime(2025, 1, 2, 3, tzinfo=moscow))
        )
    )

    assert read.accepted_at == datetime(2025, 1, 2, tzinfo=UTC)
    assert read.accepted_at.tzinfo is UTC


def test_an_entry_leaves_out_what_is_the_default() -> None:
    assert json.loads(entries.encode(LEAST)) == {
        "v": 1,
        "import_id": "01936b4c-0000-7000-8000-000000000000",
        "accepted_at": "2025-01-02T03:04:05.678901Z",
        "door": "http",
        "token_id": None,
        "database_id": 1,
        "matching": "email",
        "key": {},
        "data": {},
    }


def test_a_start_is_written_as_earlier_releases_read_it() -> None:
    start = Start(trigger_id=7, payload={"content": {}})

    written = json.loads(entries.encode(replace(LEAST, start=start)))

    assert written["start"] == {"trigger_id": 7, "payload": {"content": {}}}


def damage(**members: object) -> bytes:
    return json.dumps(json.loads(entries.encode(LEAST)) | members).encode()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="not text"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b"[]", id="not an object"),
        pytest.param(b"{}", id="without members"),
        pytest.param(damage(v=2), id="a later form"),
        pytest.param(damage(v=True), id="a form that is no number"),
        pytest.param(damage(urgent=True), id="an unknown member"),
        pytest.param(damage(import_id="x"), id="an id that is none"),
        pytest.param(damage(import_id=1), id="an id that is a number"),
        pytest.param(damage(accepted_at="yesterday"), id="a moment that is none"),
        pytest.param(damage(accepted_at="2025-01-02T03:04:05"), id="a moment nowhere"),
        pytest.param(
            damage(accepted_at="0001-01-01T00:00:00+12:00"), id="a moment before time"
        ),
        pytest.param(damage(database_id="1"), id="an integer as text"),
        pytest.param(damage(database_id=True), id="an integer as boolean"),
        pytest.param(damage(database_id=2**31), id="a database beyond any"),
        pytest.param(damage(token_id=-(2**31)), id="a token beyond any"),
        pytest.param(damage(door="ht\0tp"), id="a door Postgres could not keep"),
        pytest.param(damage(door="ht\u2028tp"), id="a door no log could show"),
        pytest.param(damage(fingerprint="a\x85b"), id="a fingerprint of controls"),
        pytest.param(
            damage(warnings=[{"code": 0, "message": "", "path": "", "more": 1}]),
            id="a warning with an unknown member",
        ),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b'{"data":' * 2000 + b"1" + b"}" * 2000, id="nested too deep"),
        pytest.param(damage(matching="name"), id="an unknown matching"),
        pytest.param(damage(matching=[]), id="a matching that is a list"),
        pytest.param(damage(operation="drop"), id="an unknown operation"),
        pytest.param(damage(subscription_change="drop"), id="an unknown change"),
        pytest.param(damage(start={"payload": {}}), id="a start of nothing"),
        pytest.param(damage(start={"trigger_id": 1}), id="a start without payload"),
        pytest.param(damage(start={"trigger_id": "1", "payload": {}}), id="of a text"),
        pytest.param(damage(key=None), id="no key"),
        pytest.param(damage(key={"name": "x"}), id="an unknown part of the key"),
        pytest.param(damage(key={"email": 1}), id="a key that is a number"),
        pytest.param(damage(key={"field_value": {}}), id="a key that is an object"),
        pytest.param(damage(data=[]), id="data that is a list"),
        pytest.param(damage(skip_triggers=1), id="a flag that is a number"),
        pytest.param(damage(add_to_segments=1), id="segments that are no list"),
        pytest.param(damage(add_to_segments=["1"]), id="segments as text"),
    ],
)
def test_what_is_no_entry_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedEntry):
        entries.decode(payload)


@pytest.mark.parametrize(
    "members",
    [pytest.param({"v": 2}, id="form"), pytest.param({"urgent": True}, id="member")],
)
def test_what_another_release_may_know_is_told_apart(members: dict[str, Any]) -> None:
    with pytest.raises(UnknownForm):
        entries.decode(damage(**members))


@pytest.mark.parametrize(
    "name",
    sorted(json.loads(entries.encode(LEAST))),
)
def test_an_entry_without_a_needed_member_is_refused(name: str) -> None:
    entry = json.loads(entries.encode(LEAST))
    del entry[name]

    with pytest.raises(MalformedEntry):
        entries.decode(json.dumps(entry).encode())


@st.composite
def damaged_entries(draw: st.DrawFn) -> bytes:
    payload = entries.encode(draw(IMPORTS))
    start = draw(st.integers(0, len(payload)))
    end = draw(st.integers(start, min(len(payload), start + 10)))
    return payload[:start] + draw(st.binary(max_size=5)) + payload[end:]


@given(st.binary() | damaged_entries())
def test_any_bytes_are_an_import_or_refused(payload: bytes) -> None:
    with suppress(MalformedEntry):
        entries.decode(payload)


@given(
    name=st.sampled_from(sorted(json.loads(entries.encode(LEAST)))),
    value=st.none() | st.booleans() | INTEGERS | TEXTS | DATA | st.lists(TEXTS),
)
def test_any_member_is_read_or_refused(name: str, value: object) -> None:
    with suppress(MalformedEntry):
        entries.decode(damage(**{name: value}))
