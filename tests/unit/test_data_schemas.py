"""The two readers of `data`: one takes what is right, the other explains the rest."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.catalog import Database, Field, FieldType
from ingest.domain.errors import Fault
from ingest.domain.fields import READ_ONLY_FIELDS
from ingest.wire.data_schemas import DataSchema
from tests.declared import database_fields
from tests.factories import make_database
from tests.subscribing import JSON

#: Right for some type each.
VALUES: st.SearchStrategy[Any] = (
    st.integers(-5, 5)
    | st.booleans()
    | st.sampled_from(
        [
            *("", "Pro", "ann@example.com", "+442079460018", "127.0.0.1", "1.5", "DE"),
            *("1990-02-22T21:00:00Z", "true", ["tea"], ["+442079460018"], {"a": 1}),
            {"action": "incr", "value": 2},
            {"action": "unset"},
            {"action": "upsert", "value": 1, "submatch": "a.b"},
        ]
    )
)
#: Of members that mean something to marshmallow, too.
ODD_NAMES = ("Meta", "fields", "load", "context", "opts", "dict_class", "validate")


@st.composite
def read(draw: st.DrawFn) -> tuple[Database, dict[str, object]]:
    """Draw a database, and data for its fields or for none of it."""
    fields = draw(st.lists(database_fields(), max_size=4))
    odd = draw(st.sets(st.sampled_from(ODD_NAMES)))
    fields += [Field(name=name, type=FieldType.INT) for name in sorted(odd)]
    database = make_database(*fields, ignore_unknown_fields=draw(st.booleans()))
    names = [*database.fields, "email", "phones", "subscriptions", "dry_run", "other"]
    data = draw(st.dictionaries(st.sampled_from(names), VALUES | JSON, max_size=6))
    return database, data


@given(read())
def test_both_readers_agree(drawn: tuple[Database, dict[str, object]]) -> None:
    database, data = drawn
    schema = DataSchema(database)

    loaded, faults = schema.read(data)
    explained, found = schema.explain(data)

    assert (list(loaded.items()), faults) == (list(explained.items()), found)
    # What was sent for a field was taken, or is wrong.
    wrong = {re.split(r"[.\[]", fault.path)[1] for fault in faults}
    for name in (database.fields.keys() | {"email", "phones"}) - READ_ONLY_FIELDS:
        if data.get(name) is not None:
            assert (name in loaded) is not (name in wrong)


def test_what_is_wrong_is_told_in_the_order_sent_and_the_rest_is_read() -> None:
    schema = DataSchema(make_database())

    loaded, faults = schema.read(
        {
            "points": "many",
            "note": "kept",
            "pionts": 3,
            "phones": ["+442079460018", "nobody"],
            "dry_run": True,
            "tier": None,
        }
    )

    assert list(loaded) == ["note"]
    assert faults == [
        Fault(code=400, message="Must be an integer", path="data.points"),
        Fault(code=400, message="Unknown field (is it points?)", path="data.pionts"),
        Fault(code=400, message="Incorrect phone", path="data.phones[1]"),
        Fault(code=400, message="Not supported", path="data.dry_run"),
    ]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_field_may_be_called_what_means_something_to_the_library(name: str) -> None:
    schema = DataSchema(make_database(Field(name=name, type=FieldType.INT)))

    loaded, faults = schema.explain({name: "7", "points": "many"})

    assert loaded[name].value == 7
    assert [fault.path for fault in faults] == ["data.points"]
