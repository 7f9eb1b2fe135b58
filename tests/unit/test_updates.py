"""How functional updates are read: contract 9 and 14, points 34 and 35."""

import pytest

from ingest.domain import updates
from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidValue
from ingest.domain.updates import Action, Update
from tests import said

INT = Field(name="checks", type=FieldType.INT)
FLOAT = Field(name="score", type=FieldType.FLOAT)
LINE = Field(name="note", type=FieldType.UNICODE)
SEX = Field(name="_sex", type=FieldType.SEX)
TAGS = Field(name="interests", type=FieldType.TAGS)
OBJECT = Field(name="address", type=FieldType.OBJECT)
OBJECTS = Field(name="orders", type=FieldType.ARR_OBJECT)


@pytest.mark.parametrize(
    ("field", "raw", "expected"),
    [
        pytest.param(INT, 5, Update(action=Action.SET, value=5), id="plain value"),
        pytest.param(INT, "5", Update(action=Action.SET, value=5), id="plain text"),
        pytest.param(
            LINE, "", Update(action=Action.SET, value=None), id="empty text clears"
        ),
        pytest.param(
            LINE,
            {"action": "set", "value": ""},
            Update(action=Action.SET, value=None),
            id="set to empty text clears",
        ),
        pytest.param(SEX, 0, Update(action=Action.SET, value=None), id="sex 0 clears"),
        pytest.param(
            INT,
            {"action": "set", "value": 0},
            Update(action=Action.SET, value=0),
            id="set to zero",
        ),
        pytest.param(INT, {"action": "unset"}, Update(action=Action.UNSET), id="unset"),
        pytest.param(
            INT,
            {"action": "unset", "value": "anything"},
            Update(action=Action.UNSET),
            id="unset ignores its value",
        ),
        pytest.param(
            INT,
            {"action": "incr", "value": "1000"},
            Update(action=Action.INCR, value=1000),
            id="XML incr",
        ),
        pytest.param(
            TAGS,
            {"action": "add", "value": ["cars", "cats"]},
            Update(action=Action.ADD, value=["cars", "cats"]),
            id="add tags",
        ),
        pytest.param(
            TAGS,
            {"action": "delete", "value": "cars"},
            Update(action=Action.DELETE, value=["cars"]),
            id="delete one tag",
        ),
        pytest.param(
            OBJECT,
            {"action": "upsert", "value": 5, "submatch": "a.b"},
            Update(action=Action.UPSERT, value=5, submatch="a.b"),
            id="upsert a property",
        ),
        pytest.param(
            OBJECT,
            {"Kapital": "true", "Apelsin": "false"},
            Update(action=Action.SET, value={"Kapital": "true", "Apelsin": "false"}),
            id="object without an action is a value",
        ),
        pytest.param(
            OBJECT,
            {"action": "jump"},
            Update(action=Action.SET, value={"action": "jump"}),
            id="object with another action is a value",
        ),
        pytest.param(
            OBJECTS,
            {"action": ["add"]},
            Update(action=Action.SET, value=[{"action": ["add"]}]),
            id="one element with an action of another type is a value",
        ),
        pytest.param(
            OBJECT,
            {"action": "set", "value": {"action": "set"}},
            Update(action=Action.SET, value={"action": "set"}),
            id="set to an object that looks like a function",
        ),
    ],
)
def test_update_is_read(field: Field, raw: object, expected: Update) -> None:
    assert updates.parse(field, raw) == expected


@pytest.mark.parametrize(
    ("field", "raw", "message"),
    [
        pytest.param(INT, {"action": "jump", "value": 1}, said.INT_ACTION, id="word"),
        pytest.param(INT, {"action": "INCR", "value": 1}, said.INT_ACTION, id="case"),
        pytest.param(INT, {"action": 5}, said.INT_ACTION, id="action is a number"),
        pytest.param(INT, {"action": []}, said.INT_ACTION, id="action is a list"),
        pytest.param(INT, {"action": None}, said.INT_ACTION, id="action is null"),
        pytest.param(INT, {"value": 5}, "Must be an integer", id="no action"),
        pytest.param(
            INT, {"action": "set"}, "Missing value for this action", id="set, no value"
        ),
        pytest.param(
            INT,
            {"action": "set", "value": None},
            "Missing value for this action",
            id="set to null",
        ),
        pytest.param(
            INT,
            {"action": "incr", "value": 1.5},
            "Must be an integer",
            id="incr int by 1.5",
        ),
        pytest.param(
            FLOAT,
            {"action": "incr", "value": "x"},
            "Must be a number",
            id="incr by a word",
        ),
        pytest.param(
            INT,
            {"action": "incr"},
            "Missing value for this action",
            id="incr by nothing",
        ),
        pytest.param(
            TAGS,
            {"action": "add", "value": ""},
            "Must be strings, as a list or separated by commas",
            id="add an empty tag",
        ),
        pytest.param(
            OBJECTS,
            {"action": "add", "value": ["a"]},
            "Must be a list of objects",
            id="add a text to objects",
        ),
        pytest.param(
            OBJECTS,
            {"action": "upsert", "value": 5, "submatch": "a"},
            "Must be an object",
            id="upsert a number into objects",
        ),
        pytest.param(
            OBJECT,
            {"action": "upsert", "submatch": "a"},
            "Missing value for this action",
            id="upsert, no value",
        ),
        *(
            pytest.param(
                OBJECT,
                {"action": "upsert", "value": 5, "submatch": submatch},
                message,
                id=f"submatch is {phrase}",
            )
            for submatch, message, phrase in (
                (None, "Incorrect submatch (a path such as address.city)", "missing"),
                ("", "Incorrect submatch (a path such as address.city)", "empty"),
                (5, "Incorrect submatch (a path such as address.city)", "a number"),
                (
                    "a..b",
                    "Incorrect submatch (a path such as address.city)",
                    "a path with an empty name",
                ),
                (
                    ".a",
                    "Incorrect submatch (a path such as address.city)",
                    "a path that starts with a dot",
                ),
                (
                    "a\x00",
                    "Must not contain NUL or unpaired surrogates",
                    "a name with NUL",
                ),
                (
                    ".".join("a" * 66),
                    "Nested too deeply (at most 64 levels)",
                    "a path too deep",
                ),
            )
        ),
        pytest.param(
            OBJECT,
            {"action": "upsert", "value": {"a": "\x00"}, "submatch": "a"},
            "Must not contain NUL or unpaired surrogates",
            id="upsert a NUL",
        ),
    ],
)
def test_incorrect_update_is_refused(field: Field, raw: object, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        updates.parse(field, raw)

    assert str(caught.value) == message


FITTING = {
    FieldType.INT: {Action.INCR},
    FieldType.FLOAT: {Action.INCR},
    FieldType.TAGS: {Action.ADD, Action.DELETE},
    FieldType.ARR_OBJECT: {Action.ADD, Action.DELETE, Action.UPSERT},
    FieldType.OBJECT: {Action.UPSERT},
}


@pytest.mark.parametrize(
    ("type_", "action"),
    [
        pytest.param(type_, action, id=f"{action} on {type_}")
        for type_ in FieldType
        for action in Action
        if action not in {Action.SET, Action.UNSET, *FITTING.get(type_, ())}
    ],
)
def test_action_must_fit_the_type(type_: FieldType, action: Action) -> None:
    with pytest.raises(InvalidValue, match="does not apply"):
        updates.parse(
            Field(name="field", type=type_),
            {"action": action.value, "value": 1, "submatch": "a"},
        )


@pytest.mark.fact("E.3-import")
@pytest.mark.parametrize(
    "value",
    [
        *({"action": "unset"}, {"action": "set", "value": {}}, {"action": "add"}),
        *({"action": "none"}, {"action": ["set"]}, {}),
    ],
)
def test_an_object_is_expressed_as_a_value_even_if_it_looks_like_a_function(
    value: dict[str, object],
) -> None:
    expressed = updates.express(value)

    assert updates.parse(OBJECT, expressed) == Update(action=Action.SET, value=value)
    assert updates.express("unset") == "unset"
