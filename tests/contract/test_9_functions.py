"""Functional updates of profile fields: contract 9.1 and 14, points 29 to 36."""

from typing import Any

import pytest

from ingest.wire.bodies import Format
from tests import said
from tests.documents import fields_of, send
from tests.pipeline import Pipeline

BIGGEST = 2**63 - 1
FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)
#: A value of every type, its canonical form, and another.
VALUES: dict[str, tuple[Any, Any, Any]] = {
    "custom_field": ("hi", "hi", "old"),
    "checks": (5, 5, 1),
    "score": (20.5, 20.5, 1.5),
    "vip_status": (True, True, False),
    "plan": ("Plus", "Plus", "Basic"),
    "last_visit": ("2005-08-09T18:31:42+03", "2005-08-09T15:31:42Z", "1990-02-22"),
    "office_ip": ("127.0.0.1", "127.0.0.1", "10.0.0.1"),
    "interests": (["dance", "yoga"], ["dance", "yoga"], ["tea"]),
    "address": ({"city": "Ryazan"}, {"city": "Ryazan"}, {"zip": "1"}),
    "orders": ([{"id": "A"}], [{"id": "A"}], [{"id": "B"}, {"id": "C"}]),
    "_fname": ("Ann", "Ann", "Bea"),
    "_bdate": ("1990-07-06", "1990-07-06T00:00:00Z", "2000-01-01"),
    "_sex": ("female", "female", "male"),
    "_status": ("suspended", 5, 0),
    "_ip": ("94.231.119.122", "94.231.119.122", "::1"),
    "_country": ("RU", "RU", "US"),
    "_tz": ("Europe/Moscow", "Europe/Moscow", "Asia/Tokyo"),
}


def function(action: str, value: object = None, **others: object) -> dict[str, object]:
    given = {} if value is None else {"value": value}
    return {"action": action, **given, **others}


@pytest.mark.fact("9.1-set", "9-function", "9-xml", "14.35-system")
@FORMATS
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("known", [True, False], ids=["update", "create"])
def test_set_assigns_a_value_of_every_type(
    pipeline: Pipeline, format_: Format, name: str, known: bool
) -> None:
    value, canonical, old = VALUES[name]
    if known:
        pipeline.create({"email": "ann@example.com", name: old})

    outcome = send(pipeline, format_, {name: function("set", value)})

    assert fields_of(pipeline, outcome) == {name: canonical}


@pytest.mark.fact("9.1-unset", "9-xml", "14.35-system")
@FORMATS
@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("known", [True, False], ids=["update", "create"])
def test_unset_removes_a_value_of_every_type(
    pipeline: Pipeline, format_: Format, name: str, known: bool
) -> None:
    if known:
        pipeline.create({"email": "ann@example.com", name: VALUES[name][2]})

    outcome = send(pipeline, format_, {name: function("unset", "ignored")})

    assert fields_of(pipeline, outcome) == {}


#: Field, what is stored, the function, and what becomes of it.
ON_UPDATE = [
    pytest.param("checks", 5, function("incr", 1000), 1005,
                 marks=pytest.mark.fact("9.1-incr"), id="incr an integer"),
    pytest.param("checks", 5, function("incr", -7), -2,
                 marks=pytest.mark.fact("9.1-incr"), id="decrease an integer"),
    pytest.param("checks", 5, function("incr", 0), 5,
                 marks=pytest.mark.fact("9.1-incr"), id="incr by nothing"),
    pytest.param("checks", BIGGEST - 1, function("incr", 1), BIGGEST,
                 marks=pytest.mark.fact("9.1-incr"), id="incr up to the biggest"),
    pytest.param("score", 20.5, function("incr", 2), 22.5,
                 marks=pytest.mark.fact("9.1-incr"), id="incr a float"),
    pytest.param("score", 20.5, function("incr", -0.5), 20.0,
                 marks=pytest.mark.fact("9.1-incr"), id="decrease a float"),
    pytest.param("interests", ["tea"], function("add", ["cars", "tea"]),
                 ["tea", "cars"], marks=pytest.mark.fact("9.1-add"), id="add tags"),
    pytest.param("interests", ["tea"], function("add", "cars, cats"),
                 ["tea", "cars", "cats"], marks=pytest.mark.fact("9.1-add"),
                 id="add tags in one text"),
    pytest.param("interests", ["tea", "cars"], function("delete", ["tea", "no"]),
                 ["cars"], marks=pytest.mark.fact("9.1-delete"), id="delete tags"),
    pytest.param("interests", ["tea"], function("delete", "tea"), [],
                 marks=pytest.mark.fact("9.1-delete"), id="delete the last tag"),
    pytest.param("orders", [{"id": "A"}], function("add", [{"id": "A"}]),
                 [{"id": "A"}, {"id": "A"}],
                 marks=pytest.mark.fact("9.1-add", "14.32-objects"), id="add objects"),
    pytest.param("orders", [{"id": "A", "n": "1"}, {"id": "B"}],
                 function("delete", [{"n": "1", "id": "A"}]), [{"id": "B"}],
                 marks=pytest.mark.fact("9.1-delete", "14.32-objects"),
                 id="delete equal objects"),
    pytest.param("orders", [{"id": "A", "n": "1"}], function("delete", [{"id": "A"}]),
                 [{"id": "A", "n": "1"}],
                 marks=pytest.mark.fact("9.1-delete", "14.32-objects"),
                 id="delete no object that is merely like it"),
    pytest.param("orders", [{"x": "0", "k": "2"}, {"k": "3"}],
                 function("upsert", {"x": "y", "z": "1"}, submatch="x"),
                 [{"x": "y", "z": "1", "k": "2"}, {"k": "3"}],
                 marks=pytest.mark.fact("9.1-upsert-arr-object", "14.32-objects"),
                 id="upsert elements with the property"),
    pytest.param("address", {"home": {"city": "A", "zip": "1"}, "n": "7"},
                 function("upsert", "B", submatch="home.city"),
                 {"home": {"city": "B", "zip": "1"}, "n": "7"},
                 marks=pytest.mark.fact("9.1-upsert-object"), id="upsert a property"),
    pytest.param("address", {"city": "A"},
                 function("upsert", {"zip": "1"}, submatch="home"),
                 {"city": "A", "home": {"zip": "1"}},
                 marks=pytest.mark.fact("9.1-upsert-object"), id="upsert an object"),
]  # fmt: skip


@pytest.mark.fact("9.1-update", "9-xml")
@FORMATS
@pytest.mark.parametrize(("name", "stored", "sent", "expected"), ON_UPDATE)
def test_a_function_changes_what_is_stored(
    pipeline: Pipeline,
    format_: Format,
    name: str,
    stored: object,
    sent: dict[str, object],
    expected: object,
) -> None:
    pipeline.create({"email": "ann@example.com", "_fname": "Ann", name: stored})

    outcome = send(pipeline, format_, {name: sent})

    assert fields_of(pipeline, outcome) == {"_fname": "Ann", name: expected}


ON_CREATE = [
    pytest.param({"checks": function("incr", 3)}, {"checks": 3}, id="incr from 0"),
    pytest.param({"score": function("incr", -1.5)}, {"score": -1.5}, id="incr a float"),
    pytest.param({"interests": function("add", ["b", "a", "b"])},
                 {"interests": ["b", "a"]}, id="add tags"),
    pytest.param({"interests": function("delete", ["a"])}, {}, id="delete tags"),
    pytest.param({"orders": function("add", [{"id": "A"}])},
                 {"orders": [{"id": "A"}]}, id="add objects"),
    pytest.param({"orders": function("delete", [{"id": "A"}])}, {},
                 id="delete objects"),
    pytest.param({"orders": function("upsert", {"a": "b"}, submatch="a")}, {},
                 id="upsert into no elements"),
    pytest.param({"address": function("upsert", "x", submatch="a.b")},
                 {"address": {"a": {"b": "x"}}}, id="upsert builds the object"),
]  # fmt: skip


@pytest.mark.fact("9.1-create", "9-xml")
@FORMATS
@pytest.mark.parametrize(("data", "expected"), ON_CREATE)
def test_a_function_starts_from_nothing_in_a_new_profile(
    pipeline: Pipeline,
    format_: Format,
    data: dict[str, object],
    expected: dict[str, object],
) -> None:
    outcome = send(pipeline, format_, data)

    assert fields_of(pipeline, outcome) == expected


@pytest.mark.fact("14.29-phones")
@FORMATS
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(function("set", ["+79000000003"]), ["+79000000003"], id="set"),
        pytest.param(
            function("add", ["+7 900 000-00-01", "+79000000003"]),
            ["+79000000001", "+79000000002", "+79000000003"],
            id="add",
        ),
        pytest.param(function("delete", "+79000000001"), ["+79000000002"], id="delete"),
        pytest.param(function("unset"), [], id="unset"),
        pytest.param(["+79000000003"], ["+79000000003"], id="plain"),
    ],
)
def test_phones_take_functions(
    pipeline: Pipeline, format_: Format, sent: object, expected: list[str]
) -> None:
    phones = ["+79000000001", "+79000000002"]
    known = pipeline.create({"email": "ann@example.com", "phones": phones})

    assert send(pipeline, format_, {"phones": sent}).error == 0

    assert pipeline.profile(known)["phones"] == expected


@pytest.mark.fact("9.1-set")
@FORMATS
def test_an_email_can_be_set(pipeline: Pipeline, format_: Format) -> None:
    known = pipeline.create({"email": "ann@example.com"})

    outcome = send(pipeline, format_, {"email": function("set", "bea@example.com")})

    assert outcome.error == 0
    assert pipeline.profile(known)["email"] == "bea@example.com"


@pytest.mark.fact("9.1-plain", "5-plain-object")
@FORMATS
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("address", {"Kapital": "true"}, id="no action"),
        pytest.param("address", {"action": "fly", "value": "1"}, id="another action"),
        pytest.param("orders", [{"action": "incr"}], id="a function in an array"),
    ],
)
def test_a_mapping_without_a_known_action_is_a_value(
    pipeline: Pipeline, format_: Format, name: str, value: object
) -> None:
    outcome = send(pipeline, format_, {name: value})

    assert fields_of(pipeline, outcome) == {name: value}


FIT = pytest.mark.fact("9.1-fit")
VALUE = pytest.mark.fact("9.1-value")
SUBMATCH = pytest.mark.fact("9.1-submatch")
REFUSED = [
    pytest.param({"checks": function("grow", 1)}, f"{said.INT_ACTION}: data.checks",
                 marks=pytest.mark.fact("14.34-action"), id="unknown action"),
    pytest.param({"_fname": function("fly", "x")}, f"{said.TEXT_ACTION}: data._fname",
                 marks=pytest.mark.fact("14.34-action"), id="unknown, system field"),
    pytest.param({"custom_field": function("incr", 1)},
                 "Action incr does not apply to this field (one of set, unset): "
                 "data.custom_field",
                 marks=FIT, id="incr a text"),
    pytest.param({"interests": function("incr", 1)},
                 "Action incr does not apply to this field (one of set, unset, add, "
                 "delete): data.interests",
                 marks=FIT, id="incr tags"),
    pytest.param({"checks": function("add", 1)},
                 "Action add does not apply to this field (one of set, unset, incr): "
                 "data.checks",
                 marks=FIT, id="add to an integer"),
    pytest.param({"plan": function("delete", "Plus")},
                 "Action delete does not apply to this field (one of set, unset): "
                 "data.plan",
                 marks=FIT, id="delete from an enum"),
    pytest.param({"interests": function("upsert", "a", submatch="b")},
                 "Action upsert does not apply to this field (one of set, unset, add, "
                 "delete): data.interests",
                 marks=FIT, id="upsert tags"),
    pytest.param({"address": function("add", {"a": "b"})},
                 "Action add does not apply to this field (one of set, unset, "
                 "upsert): data.address",
                 marks=FIT, id="add to an object"),
    pytest.param({"checks": function("incr", "many")},
                 "Must be an integer: data.checks", marks=VALUE, id="incr by a word"),
    pytest.param({"checks": function("incr", 1.5)},
                 "Must be an integer: data.checks", marks=VALUE, id="incr by a "
                 "fraction"),
    pytest.param({"checks": function("incr", 1)},
                 f"{said.INT64}: data.checks", marks=VALUE, id="overflow"),
    pytest.param({"points": function("incr", -2)},
                 f"{said.INT64}: data.points", marks=VALUE, id="underflow"),
    pytest.param({"score": function("incr", 1.7e308)},
                 f"{said.FINITE}: data.score", marks=VALUE, id="overflow of a float"),
    pytest.param({"plan": function("set", "Gold")},
                 "Must be one of the field's options (Basic, Plus, Pro): data.plan",
                 marks=VALUE, id="no option"),
    pytest.param({"checks": function("set")},
                 "Missing value for this action: data.checks", marks=VALUE, id="set "
                 "to nothing"),
    pytest.param({"orders": function("add", ["x"])},
                 "Must be a list of objects: data.orders", marks=VALUE,
                 id="add a text to objects"),
    pytest.param({"address": function("upsert", submatch="a")},
                 "Missing value for this action: data.address", marks=SUBMATCH, id="no "
                 "value"),
    pytest.param({"address": function("upsert", "a")},
                 f"{said.SUBMATCH}: data.address", marks=SUBMATCH, id="no submatch"),
    pytest.param({"orders": function("upsert", {"a": "b"})},
                 f"{said.SUBMATCH}: data.orders", marks=SUBMATCH,
                 id="no submatch, array"),
    pytest.param({"address": function("upsert", "x", submatch="a..b")},
                 f"{said.SUBMATCH}: data.address", marks=SUBMATCH,
                 id="submatch with a gap"),
    pytest.param({"address": function("upsert", "x", submatch="city.part")},
                 "The submatch path crosses a value that is not an object: "
                     "data.address",
                 marks=SUBMATCH, id="submatch through a text"),
    pytest.param({"email": function("unset")}, "An email can only be set: data.email",
                 marks=pytest.mark.fact("14.36-email"), id="unset of email"),
    pytest.param({"email": function("add", "b@example.com")},
                 "An email can only be set: data.email",
                 marks=pytest.mark.fact("14.36-email"), id="add to email"),
    pytest.param({"phones": function("add", "12345")}, "Incorrect phone: data.phones",
                 marks=VALUE, id="add a bad phone"),
]  # fmt: skip
STORED = {
    "_lname": "Lee",
    "checks": BIGGEST,
    "points": -BIGGEST,
    "score": 1.7e308,
    "address": {"city": "A"},
}


@FORMATS
@pytest.mark.parametrize(("data", "text"), REFUSED)
def test_a_bad_function_changes_nothing(
    pipeline: Pipeline, format_: Format, data: dict[str, Any], text: str
) -> None:
    known = pipeline.create({"email": "ann@example.com", **STORED})
    before = pipeline.profile(known)

    outcome = send(pipeline, format_, {"_fname": "Ann", **data})

    assert (outcome.error, outcome.error_text) == (400, text)
    assert pipeline.profile(known) == before


#: These are wrong only for what is stored.
NEED_STORED = {
    "overflow",
    "underflow",
    "overflow of a float",
    "submatch through a text",
}


@FORMATS
@pytest.mark.parametrize(
    ("data", "text"), [case for case in REFUSED if case.id not in NEED_STORED]
)
def test_a_bad_function_creates_nothing(
    pipeline: Pipeline, format_: Format, data: dict[str, Any], text: str
) -> None:
    outcome = send(pipeline, format_, {"_fname": "Ann", **data})

    assert (outcome.error, outcome.error_text) == (400, text)
    assert outcome.profile_id is None
    assert pipeline.count("profiles") == 0
    assert pipeline.count("match_keys") == 0
