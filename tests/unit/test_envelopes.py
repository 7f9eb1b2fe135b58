from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Import, Key, Matching, Operation
from ingest.wire import envelopes
from ingest.wire.envelopes import (
    Envelope,
    load_envelope,
    peek_format,
    peek_token,
    to_import,
)
from tests import said

FLAGS = [
    "skip_triggers",
    "skip_invalid_subscriptions",
    "skip_invalid_fields",
    "detect_geo",
]
TEXTS = ["token", "format", "email", "profile_id", "provider", "subscription_id"]
SEGMENTS = ["add_to_segments", "remove_from_segments"]


def load(**parameters: object) -> Envelope:
    return load_envelope({"db_id": 1, "data": {}} | parameters)


def faults(document: dict[str, object]) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        load_envelope(document)
    assert all(fault.code == 400 for fault in caught.value.faults)
    return [fault.text for fault in caught.value.faults]


@pytest.mark.fact("2.1-matching", "2.1-flags")
def test_the_least_request_takes_the_defaults() -> None:
    assert load() == Envelope(
        database_id=1,
        data={},
        key=Key(),
        matching=Matching.EMAIL,
        operation=Operation.IMPORT,
        token=None,
        format=None,
        synchronous=True,
        resource_id=None,
        skip_triggers=False,
        skip_invalid_subscriptions=False,
        detect_geo=False,
        add_to_segments=(),
        remove_from_segments=(),
    )


@pytest.mark.fact("2.1-all", "3.1-top-level")
def test_every_parameter_is_loaded() -> None:
    document: dict[str, object] = {
        "token": "abc",
        "format": "xml",
        "sync": False,
        "db_id": 7,
        "matching": "custom",
        "email": "a@b.c",
        "phone": "+79000000000",
        "profile_id": "54759eb3c090d83494e2d804",
        "provider": "android-firebase",
        "subscription_id": "a81c264a938b475",
        "field_name": "number",
        "field_value": 5,
        "resource_id": 2,
        "skip_triggers": True,
        "skip_invalid_subscriptions": True,
        "detect_geo": True,
        "add_to_segments": [1, 2],
        "remove_from_segments": [3],
        "data": {"_fname": "Olly"},
    }

    assert load_envelope(document, operation=Operation.UPDATE) == Envelope(
        token="abc",
        format="xml",
        synchronous=False,
        database_id=7,
        matching=Matching.CUSTOM,
        operation=Operation.UPDATE,
        key=Key(
            email="a@b.c",
            phone="+79000000000",
            profile_id="54759eb3c090d83494e2d804",
            provider="android-firebase",
            subscription_id="a81c264a938b475",
            field_name="number",
            field_value=5,
        ),
        resource_id=2,
        skip_triggers=True,
        skip_invalid_subscriptions=True,
        detect_geo=True,
        add_to_segments=(1, 2),
        remove_from_segments=(3,),
        data={"_fname": "Olly"},
    )


@pytest.mark.fact("1-unknown-parameters")
def test_unknown_parameters_are_ignored() -> None:
    assert load(_bdate="1990-01-01", operation="add", key={}) == load()


@pytest.mark.fact("14.14-empty-key")
@pytest.mark.parametrize("empty", [None, ""], ids=["null", "empty"])
@pytest.mark.parametrize(
    "name",
    [
        *("sync", "matching", "phone", "field_name", "field_value", "resource_id"),
        *TEXTS,
        *FLAGS,
        *SEGMENTS,
    ],
)
def test_an_empty_parameter_is_absent(name: str, empty: str | None) -> None:
    assert load(**{name: empty}) == load()


@pytest.mark.fact("2.1-db-id", "2.1-data")
@pytest.mark.parametrize(
    ("document", "texts"),
    [
        pytest.param(
            {}, ["Missing parameter: db_id", "Missing parameter: data"], id="all"
        ),
        pytest.param({"db_id": 1}, ["Missing parameter: data"], id="data"),
        pytest.param({"data": {}}, ["Missing parameter: db_id"], id="database"),
        pytest.param(
            {"db_id": None, "data": None},
            ["Missing parameter: db_id", "Missing parameter: data"],
            id="null",
        ),
        pytest.param(
            {"db_id": "", "data": {}}, ["Missing parameter: db_id"], id="empty"
        ),
    ],
)
def test_a_missing_parameter_is_a_fault(
    document: dict[str, object], texts: list[str]
) -> None:
    assert faults(document) == texts


def test_all_faults_are_told_together() -> None:
    texts = faults(
        {"db_id": "x", "matching": "y", "detect_geo": "z", "add_to_segments": [0, 1]}
    )

    assert sorted(texts) == [
        "Missing parameter: data",
        "Must be an integer: db_id",
        "Must be true or false (one of true, false, 1, 0): detect_geo",
        "Out of range (from 1 to 2147483647): add_to_segments[0]",
        f"{said.MODE}: matching",
    ]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        pytest.param({"token": "t", "format": "t", "db_id": []}, "t", id="text"),
        pytest.param({}, None, id="absent"),
        pytest.param({"token": "", "format": ""}, None, id="empty"),
        pytest.param({"token": None, "format": None}, None, id="null"),
        pytest.param({"token": 1, "format": ["xml"]}, None, id="not text"),
    ],
)
def test_token_and_format_are_found_in_a_faulty_request(
    document: dict[str, object], found: str | None
) -> None:
    assert peek_token(document) == found
    assert peek_format(document) == found


def test_an_envelope_becomes_an_import() -> None:
    envelope = load_envelope(
        {
            "db_id": 7,
            "matching": "phone",
            "phone": "+79000000000",
            "resource_id": 2,
            "skip_triggers": True,
            "skip_invalid_subscriptions": True,
            "detect_geo": True,
            "add_to_segments": [1],
            "remove_from_segments": [2],
            "data": {"_fname": "Olly"},
        },
        operation=Operation.UPDATE,
    )
    import_id = UUID("01936b4c-0000-7000-8000-000000000000")
    accepted_at = datetime(2025, 1, 2, tzinfo=UTC)

    assert to_import(
        envelope, import_id=import_id, accepted_at=accepted_at, door="http", token_id=3
    ) == Import(
        import_id=import_id,
        accepted_at=accepted_at,
        door="http",
        token_id=3,
        database_id=7,
        matching=Matching.PHONE,
        key=Key(phone="+79000000000"),
        data={"_fname": "Olly"},
        operation=Operation.UPDATE,
        resource_id=2,
        skip_triggers=True,
        skip_invalid_subscriptions=True,
        detect_geo=True,
        add_to_segments=(1,),
        remove_from_segments=(2,),
    )


#: Every parameter as it is sent plainly, in another form, or wrongly.
SENT: Mapping[str, st.SearchStrategy[object]] = {
    **dict.fromkeys(TEXTS, st.sampled_from(["x", "", " ", 5, None, ["x"]])),
    **dict.fromkeys(FLAGS, st.sampled_from([True, False, 0, 1, "true", "", 2, None])),
    **dict.fromkeys(
        SEGMENTS, st.sampled_from([[1, 2], [], 3, "3", [1, "2"], [0], [True], None])
    ),
    "sync": st.sampled_from([True, False, "0", 0.0, None]),
    "lane": st.sampled_from(["live", "bulk", "Bulk", "", None, 1]),
    "on_ambiguous": st.sampled_from(
        ["first", "newest", "reject", "First", "", None, 1]
    ),
    "as_of": st.sampled_from(
        ["2026-11-20T10:00:00Z", "2026-11-20T12:00+02:00", 1763632800, "", "soon", None]
    ),
    "consent": st.sampled_from(
        [{"source": "x", "raise": "1"}, {"raise": True}, {"source": "x", "y": 1}, "", 1]
    ),
    "otherwise": st.sampled_from(["reject", "hold", "first", "Hold", "", None, 1]),
    "db_id": st.sampled_from([1, 2**31 - 1, 2**31, 0, "1", 1.0, True, None]),
    "resource_id": st.sampled_from([1, 0, -1, "7", None, ""]),
    "matching": st.sampled_from(["email", "custom", "EMAIL", "", None, 1]),
    "field_name": st.sampled_from(["x", "", 5, None]),
    "phone": st.sampled_from(["+79000000000", 79000000000, 7.0, True, ""]),
    "field_value": st.sampled_from(["x", "", 1, 2**70, 1.5, True, None, [], {}]),
    "data": st.sampled_from([{}, {"a": {"b": [1, None]}}, "", " ", [], None, 1]),
    "unknown": st.sampled_from([1, None]),
}


@settings(max_examples=400)
@given(st.fixed_dictionaries({}, optional=SENT))
def test_what_is_plain_is_read_as_what_explains_faults_reads_it(
    document: dict[str, object],
) -> None:
    assert envelopes.PARSERS.keys() <= SENT.keys()
    present, wrong = envelopes._load(document)
    explained, faults_found = envelopes.explain(document)

    assert wrong == faults_found
    assert {name: repr(value) for name, value in present.items()} == {
        name: repr(value) for name, value in explained.items()
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["db_id", "data", "matching", "phone", "field_value", *FLAGS, *SEGMENTS]
        ),
        VALUES,
    )
)
def test_any_document_is_loaded_or_refused(document: dict[str, object]) -> None:
    with suppress(InvalidRequest):
        load_envelope(document)
