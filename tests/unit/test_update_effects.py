"""What functional updates do: contract 9 and 14, points 30 to 33."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain import updates
from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.limits import DEFAULT_LIMITS
from tests import said

BIGGEST = 2**63 - 1

INT = Field(name="checks", type=FieldType.INT)
FLOAT = Field(name="score", type=FieldType.FLOAT)
LINE = Field(name="note", type=FieldType.UNICODE)
TAGS = Field(name="interests", type=FieldType.TAGS)
OBJECT = Field(name="address", type=FieldType.OBJECT)
OBJECTS = Field(name="orders", type=FieldType.ARR_OBJECT)


def change(field: Field, raw: object, current: object = None) -> object:
    return updates.apply(field, updates.parse(field, raw), current, DEFAULT_LIMITS)


@pytest.mark.parametrize("type_", FieldType)
def test_every_type_can_be_unset(type_: FieldType) -> None:
    field = Field(name="field", type=type_)

    assert change(field, {"action": "unset"}, "stored") is None
    assert change(field, {"action": "unset"}) is None


@pytest.mark.parametrize(
    ("field", "current", "raw", "expected"),
    [
        pytest.param(INT, 5, 7, 7, id="plain value replaces"),
        pytest.param(TAGS, ["a"], ["b"], ["b"], id="plain tags replace"),
        pytest.param(OBJECT, {"a": 1}, {"b": 2}, {"b": 2}, id="plain object replaces"),
        pytest.param(OBJECTS, [{"a": 1}], [{}], [{}], id="plain objects replace"),
        pytest.param(LINE, "Ann", "", None, id="empty text clears"),
        pytest.param(INT, 5, {"action": "incr", "value": 1000}, 1005, id="incr"),
        pytest.param(INT, 5, {"action": "incr", "value": -7}, -2, id="decrement"),
        pytest.param(INT, None, {"action": "incr", "value": 3}, 3, id="incr from 0"),
        pytest.param(
            FLOAT, 20.5, {"action": "incr", "value": 2}, 22.5, id="incr float"
        ),
        pytest.param(
            FLOAT, None, {"action": "incr", "value": "0.5"}, 0.5, id="incr from 0.0"
        ),
        pytest.param(
            TAGS, ["a"], {"action": "add", "value": "b,a"}, ["a", "b"], id="add tags"
        ),
        pytest.param(
            TAGS, None, {"action": "add", "value": "b"}, ["b"], id="add to no tags"
        ),
        pytest.param(
            TAGS, ["a", "b"], {"action": "delete", "value": "a,c"}, ["b"], id="delete"
        ),
        pytest.param(
            TAGS, ["a"], {"action": "delete", "value": "a"}, [], id="delete the last"
        ),
        pytest.param(
            TAGS, None, {"action": "delete", "value": "a"}, None, id="delete from none"
        ),
        pytest.param(
            OBJECTS,
            [{"a": 1}],
            {"action": "add", "value": [{"a": 1}]},
            [{"a": 1}, {"a": 1}],
            id="add appends an equal object",
        ),
        pytest.param(
            OBJECTS,
            None,
            {"action": "add", "value": {"a": 1}},
            [{"a": 1}],
            id="add one object to none",
        ),
        pytest.param(
            OBJECTS,
            [{"a": 1, "b": [2]}, {"a": 1}, {"a": True}],
            {"action": "delete", "value": [{"b": [2], "a": 1.0}, {"a": True}]},
            [{"a": 1}],
            id="delete removes deep-equal objects, and true is not 1",
        ),
        pytest.param(
            OBJECTS,
            None,
            {"action": "delete", "value": {"a": 1}},
            None,
            id="delete an object from none",
        ),
        pytest.param(
            OBJECTS,
            [{"x": 1, "k": 2}, {"k": 3}],
            {"action": "upsert", "value": {"x": "y", "z": 1}, "submatch": "x"},
            [{"x": "y", "z": 1, "k": 2}, {"k": 3}],
            id="upsert merges into elements with the property",
        ),
        pytest.param(
            OBJECTS,
            [{"a": {"b": None}}, {"a": {"c": 1}}, {"a": "b"}],
            {"action": "upsert", "value": {"hit": 1}, "submatch": "a.b"},
            [{"a": {"b": None}, "hit": 1}, {"a": {"c": 1}}, {"a": "b"}],
            id="upsert finds elements by a path",
        ),
        pytest.param(
            OBJECTS,
            None,
            {"action": "upsert", "value": {"x": 1}, "submatch": "x"},
            None,
            id="upsert into no elements",
        ),
        pytest.param(
            OBJECT,
            {"a": {"b": 1, "c": 2}, "d": 3},
            {"action": "upsert", "value": [4], "submatch": "a.b"},
            {"a": {"b": [4], "c": 2}, "d": 3},
            id="upsert sets the property and keeps the others",
        ),
        pytest.param(
            OBJECT,
            None,
            {"action": "upsert", "value": "x", "submatch": "a.b.c"},
            {"a": {"b": {"c": "x"}}},
            id="upsert builds the object",
        ),
        pytest.param(
            OBJECT,
            {"a": None},
            {"action": "upsert", "value": 1, "submatch": "a.b"},
            {"a": {"b": 1}},
            id="upsert builds on null",
        ),
    ],
)
def test_update_is_applied(
    field: Field, current: object, raw: object, expected: object
) -> None:
    assert change(field, raw, current) == expected


@pytest.mark.parametrize(
    ("field", "current", "raw", "message"),
    [
        pytest.param(
            INT, BIGGEST, {"action": "incr", "value": 1}, said.INT64, id="too big"
        ),
        pytest.param(
            INT,
            -BIGGEST,
            {"action": "incr", "value": -2},
            said.INT64,
            id="too small",
        ),
        pytest.param(
            FLOAT,
            1.7e308,
            {"action": "incr", "value": 1.7e308},
            said.FINITE,
            id="too big a float",
        ),
        pytest.param(
            INT,
            "Ann",
            {"action": "incr", "value": 1},
            "Must be an integer",
            id="a text stored before the field became a number",
        ),
        pytest.param(
            OBJECT,
            {"a": [1]},
            {"action": "upsert", "value": 1, "submatch": "a.b"},
            "The submatch path crosses a value that is not an object",
            id="path through a list",
        ),
        pytest.param(
            OBJECT,
            {},
            {"action": "upsert", "value": {"b": 1}, "submatch": ".".join("a" * 65)},
            "Nested too deeply (at most 64 levels)",
            id="result too deep",
        ),
    ],
)
def test_update_that_does_not_fit_the_stored_value_is_refused(
    field: Field, current: object, raw: object, message: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        change(field, raw, current)

    assert str(caught.value) == message


AMOUNTS = st.integers(-(2**60), 2**60)
TAG_LISTS = st.lists(st.sampled_from("abcdef"), max_size=6)


def incr(amount: int, current: object) -> object:
    return change(INT, {"action": "incr", "value": amount}, current)


def add(tags: list[str], current: object) -> object:
    return change(TAGS, {"action": "add", "value": tags}, current)


def delete(tags: list[str], current: object) -> object:
    return change(TAGS, {"action": "delete", "value": tags}, current)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_order_of_increments_does_not_matter(start: int, one: int, two: int) -> None:
    assert incr(one, incr(two, start)) == incr(two, incr(one, start))


@given(AMOUNTS, AMOUNTS)
def test_decrement_undoes_an_increment(start: int, amount: int) -> None:
    assert incr(-amount, incr(amount, start)) == start


@given(TAG_LISTS, TAG_LISTS)
def test_adding_tags_is_the_union_of_sets(stored: list[str], added: list[str]) -> None:
    current = updates.parse(TAGS, stored).value

    result = add(added, current)

    assert isinstance(result, list)
    assert set(result) == {*stored, *added}
    assert len(result) == len(set(result))
    assert add(added, result) == result


@given(TAG_LISTS, TAG_LISTS)
def test_deleting_tags_is_the_difference_of_sets(
    stored: list[str], deleted: list[str]
) -> None:
    current = updates.parse(TAGS, stored).value

    result = delete(deleted, current)

    assert isinstance(result, list)
    assert set(result) == set(stored) - set(deleted)
    assert delete(deleted, result) == result
