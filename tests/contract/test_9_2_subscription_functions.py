"""Functional updates of subscription fields: contract 9.2, by the rules of 9.1."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingest.domain.catalog import Catalog, Field, FieldType
from ingest.domain.imports import Outcome
from ingest.store.catalog.load import load_catalog
from ingest.wire.bodies import Format
from ingest.wire.profile_schemas import ProfileSchemas
from tests import said
from tests.conftest import Connection
from tests.documents import send
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)
EXTRA = {
    name: Field(name=name, type=type_)
    for name, type_ in (
        ("visits", FieldType.INT),
        ("rating", FieldType.FLOAT),
        ("topics", FieldType.TAGS),
        ("device", FieldType.OBJECT),
        ("devices", FieldType.ARR_OBJECT),
    )
}


def with_fields(catalog: Catalog) -> Catalog:
    """Return `catalog` with a subscription field of each type that has functions."""
    resource = catalog.resources[1]
    richer = replace(resource, fields={**resource.fields, **EXTRA})
    return replace(catalog, resources={**catalog.resources, 1: richer})


@pytest.fixture
def pipeline(lasting_connection: Connection) -> Iterator[Pipeline]:
    with lasting_connection.transaction(force_rollback=True):
        catalog = with_fields(load_catalog(lasting_connection))
        yield Pipeline(lasting_connection, ProfileSchemas(catalog))


def subscribe(
    pipeline: Pipeline, format_: Format, fields: dict[str, Any], **parameters: object
) -> Outcome:
    subscription = {
        "channel": "sms",
        "resource_id": 1,
        "phone": "+79000000000",
        "custom_fields": fields,
    }
    data = {"_fname": "Ann", "subscriptions": [subscription]}
    return send(pipeline, format_, data, **parameters)


def stored(pipeline: Pipeline) -> list[dict[str, Any]]:
    rows = pipeline.connection.execute("SELECT custom_fields FROM subscriptions")
    return [fields for (fields,) in rows]


def function(action: str, value: object = None, **others: object) -> dict[str, object]:
    given = {} if value is None else {"value": value}
    return {"action": action, **given, **others}


STORED: dict[str, object] = {
    "visits": 5,
    "rating": 1.5,
    "topics": ["a", "b"],
    "device": {"n": "1"},
    "devices": [{"n": "1"}, {"n": "2"}],
    "_device_type": "web",
    "_ad_track": True,
}
#: Field, what is sent, and what that makes of what is stored and of nothing.
SENT = [
    pytest.param("visits", 7, (7, 7), id="plain"),
    pytest.param("visits", function("set", 7), (7, 7), id="set"),
    pytest.param("visits", function("unset"), (None, None), id="unset"),
    pytest.param("visits", function("incr", 2), (7, 2), id="incr an integer"),
    pytest.param("rating", function("incr", -1), (0.5, -1.0), id="incr a float"),
    pytest.param("topics", function("add", ["c", "a"]), (["a", "b", "c"], ["c", "a"]),
                 id="add tags"),
    pytest.param("topics", function("delete", ["b"]), (["a"], None), id="delete tags"),
    pytest.param("devices", function("add", [{"n": "3"}]),
                 ([{"n": "1"}, {"n": "2"}, {"n": "3"}], [{"n": "3"}]),
                 id="add objects"),
    pytest.param("devices", function("delete", [{"n": "1"}]), ([{"n": "2"}], None),
                 id="delete objects"),
    pytest.param("devices", function("upsert", {"n": "9"}, submatch="n"),
                 ([{"n": "9"}, {"n": "9"}], None), id="upsert elements"),
    pytest.param("device", function("upsert", "9", submatch="os.ver"),
                 ({"n": "1", "os": {"ver": "9"}}, {"os": {"ver": "9"}}),
                 id="upsert a property"),
    pytest.param("_device_type", function("set", "mob"), ("mob", "mob"),
                 id="set a system field"),
    pytest.param("_ad_track", function("unset"), (None, None),
                 id="unset a system field"),
]  # fmt: skip


@pytest.mark.fact("9.2-fields", "9-xml")
@FORMATS
@pytest.mark.parametrize(("name", "sent", "after"), SENT)
@pytest.mark.parametrize("known", [True, False], ids=["update", "create"])
def test_functions_change_a_subscription_s_fields(
    pipeline: Pipeline,
    format_: Format,
    name: str,
    sent: object,
    after: tuple[object, object],
    known: bool,
) -> None:
    if known:
        old = {name: STORED[name], "custom_field_1": "kept"}
        subscribe(pipeline, Format.JSON, old)

    outcome = subscribe(pipeline, format_, {name: sent})

    assert outcome.error == 0, outcome.error_text
    kept = {"custom_field_1": "kept"} if known else {}
    value = after[0 if known else 1]
    changed = {} if value is None else {name: value}
    assert stored(pipeline) == [{**kept, **changed}]


REFUSED = [
    pytest.param({"visits": function("grow", 1)}, said.INT_ACTION, id="action"),
    pytest.param({"visits": function("incr", "x")}, "Must be an integer", id="type"),
    pytest.param({"visits": function("incr", 2**63 - 1)}, said.INT64, id="range"),
    pytest.param({"custom_field_1": function("add", "x")},
                 "Action add does not apply to this field (one of set, unset)",
                 id="fit"),
    pytest.param({"device": function("upsert", "x")},
                 "Incorrect submatch (a path such as address.city)",
                 id="submatch"),
    pytest.param({"visits": function("set")}, "Missing value for this action",
                 id="value"),
    pytest.param({"nowhere": function("incr", 1)}, "Unknown field", id="field"),
]  # fmt: skip


@pytest.mark.fact("9.2-refused", "6.7-fail")
@FORMATS
@pytest.mark.parametrize(("fields", "text"), REFUSED)
def test_a_bad_function_changes_nothing(
    pipeline: Pipeline, format_: Format, fields: dict[str, Any], text: str
) -> None:
    known = pipeline.create({"email": "ann@example.com"})
    subscribe(pipeline, format_, {"visits": 5})
    before = pipeline.profile(known)

    outcome = subscribe(pipeline, format_, fields)

    (name,) = fields
    path = f"data.subscriptions[0].custom_fields.{name}"
    assert (outcome.error, outcome.error_text) == (400, f"{text}: {path}")
    assert pipeline.profile(known) == before
    assert stored(pipeline) == [{"visits": 5}]


@pytest.mark.fact("9.2-refused", "6.7-skip")
@FORMATS
@pytest.mark.parametrize(("fields", "text"), REFUSED)
def test_a_bad_function_is_skipped_with_its_subscription(
    pipeline: Pipeline, format_: Format, fields: dict[str, Any], text: str
) -> None:
    subscribe(pipeline, format_, {"visits": 5})

    outcome = subscribe(pipeline, format_, fields, skip_invalid_subscriptions=True)

    assert outcome.error == 0
    assert [fault.message for fault in outcome.skipped] == [text]
    assert stored(pipeline) == [{"visits": 5}]
