"""What holds for every field type, whatever is sent."""

import copy
from collections.abc import Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest.domain import fields, updates
from ingest.domain.catalog import Field, FieldType
from ingest.domain.documents import json_key
from ingest.domain.errors import InvalidValue
from ingest.domain.limits import DEFAULT_LIMITS
from ingest.domain.statuses import STATUSES
from ingest.domain.updates import Action

OPTIONS = ("Basic", "Plus", "Pro")

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTS | FLOATS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)

#: What Python can decode a body to, storable or not, functions among it.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "0", "true", "1e400", "-1", "1990-07-06", "Basic"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.fixed_dictionaries(
            {"action": st.sampled_from([*Action]) | inner},
            optional={"value": inner, "submatch": inner},
        )
    ),
    max_leaves=8,
)

#: Raw values that each type accepts.
ACCEPTED: Mapping[FieldType, st.SearchStrategy[object]] = {
    FieldType.INT: INTS | INTS.map(str) | st.integers(-(2**53), 2**53).map(float),
    FieldType.FLOAT: FLOATS | INTS | FLOATS.map(repr),
    FieldType.UNICODE: TEXT | INTS | st.booleans(),
    FieldType.DATE: st.dates().map(str) | st.integers(10**8, 10**13),
    FieldType.BOOL: st.sampled_from([True, False, 0, 1, "0", "1", "TRUE", "false"]),
    FieldType.ENUM: st.sampled_from([*OPTIONS, " Basic "]),
    FieldType.IP: st.ip_addresses(v=4).map(str),
    FieldType.TAGS: st.lists(TEXT | INTS | FLOATS | st.booleans(), max_size=5)
    | TEXT.map(lambda text: f"tag,{text}"),
    FieldType.OBJECT: OBJECTS,
    FieldType.ARR_OBJECT: st.lists(OBJECTS, max_size=3) | OBJECTS,
    FieldType.VERSION: st.from_regex(r"\A[0-9]+(\.[0-9]+){0,3}\Z") | FLOATS | INTS,
    FieldType.SEX: st.sampled_from(["male", "FEMALE", 0, 1, 2, "0", "1", "2"]),
    FieldType.COUNTRY: st.sampled_from(["RU", "us", "France", "Türkiye"]) | TEXT,
    FieldType.TIMEZONE: st.sampled_from(["Europe/Moscow", "UTC", "Etc/GMT+3"]),
    FieldType.STATUS: st.sampled_from([*STATUSES, *STATUSES.values(), "3"]),
    FieldType.ANY_IP: st.ip_addresses().map(str),
}

MATCHABLE = [
    type_
    for type_ in FieldType
    if type_ not in {FieldType.OBJECT, FieldType.ARR_OBJECT}
]
EVERY_TYPE = pytest.mark.parametrize("type_", FieldType)


def field_of(type_: FieldType) -> Field:
    return Field(name="field", type=type_, options=OPTIONS)


@EVERY_TYPE
@settings(max_examples=40)
@given(data=st.data())
def test_canonical_value_is_its_own_canonical_value(
    type_: FieldType, data: st.DataObject
) -> None:
    value = fields.parse(field_of(type_), data.draw(ACCEPTED[type_]))

    if value is not None:
        again = fields.parse(field_of(type_), value)
        assert json_key(again) == json_key(value)
        assert type(again) is type(value)


@pytest.mark.parametrize("type_", MATCHABLE)
@settings(max_examples=40)
@given(data=st.data())
def test_matched_text_finds_the_value_it_came_from(
    type_: FieldType, data: st.DataObject
) -> None:
    field = field_of(type_)
    value = fields.parse(field, data.draw(ACCEPTED[type_]))

    if value:
        texts = fields.match_value(field, value)
        # A digest is one way: it finds what it was made of, and never itself.
        assume(not any(text.startswith("sha256:") for text in texts))
        sent = ",".join(texts)
        assert fields.match_value(field, fields.parse(field, sent)) == texts


@EVERY_TYPE
@settings(max_examples=60)
@given(raw=ANYTHING)
def test_anything_is_an_update_or_an_invalid_value(
    type_: FieldType, raw: object
) -> None:
    try:
        update = updates.parse(field_of(type_), raw)
    except InvalidValue:
        return

    assert update.value is None or update.action is not Action.UNSET


@EVERY_TYPE
@settings(max_examples=60)
@given(data=st.data())
def test_update_gives_a_canonical_value_and_changes_no_argument(
    type_: FieldType, data: st.DataObject
) -> None:
    field = field_of(type_)
    value = st.none() | ACCEPTED[type_]
    function = st.fixed_dictionaries(
        {"action": st.sampled_from([*Action]), "value": value},
        optional={"submatch": st.sampled_from(["a", "a.b", "a.b.c"])},
    )
    current = data.draw(value)
    if current is not None:
        current = fields.parse(field, current)
    try:
        update = updates.parse(field, data.draw(ACCEPTED[type_] | function))
    except InvalidValue:
        return  # An action that does not fit, or no value.
    before = copy.deepcopy((update, current))

    try:
        result = updates.apply(field, update, current, DEFAULT_LIMITS)
    except InvalidValue:
        result = None  # Out of range, or a path through what is not an object.

    assert (update, current) == before
    if result is not None:
        assert json_key(fields.parse(field, result)) == json_key(result)
