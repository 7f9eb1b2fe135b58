"""One import over one profile: contract 3.3, section 4 and 14."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain import merge
from ingest.domain.batches import Prepared, apply_import
from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Matching, State
from ingest.domain.profiles import Profile
from ingest.domain.reads import Scans
from ingest.domain.workspace import Workspace
from ingest.wire.profile_schemas import ProfileSchemas
from tests import said
from tests.factories import make_catalog, make_import

CATALOG = make_catalog()
SCHEMAS = ProfileSchemas(CATALOG)
STORED = Profile(
    id="0" * 24,
    database_id=1,
    email="ann@example.com",
    phones=("+79000000000",),
    fields={"_fname": "Ann", "points": 1, "plan": "Pro"},
    version=1,
)


def prepare(data: dict[str, Any], matching: str = "email", **key: Any) -> Prepared:
    key = key or {"email": "ann@example.com"}
    prepared = SCHEMAS.prepare(make_import(matching, data, key=key))
    assert prepared.faults == ()
    return prepared


def updated(data: dict[str, Any]) -> merge.Merged:
    prepared = prepare(data)
    return merge.update(STORED, prepared.import_, prepared.draft, CATALOG)


def created(data: dict[str, Any], matching: str = "email", **key: Any) -> Profile:
    prepared = prepare(data, matching, **key)
    merged = merge.create(
        "1" * 24, prepared.import_, prepared.draft, prepared.search, CATALOG
    )
    return merged.profile


def test_an_update_keeps_what_it_does_not_name() -> None:
    merged = updated({"_lname": "Lee"})

    assert merged.profile == replace(STORED, fields={**STORED.fields, "_lname": "Lee"})
    assert merged.changes == {"_lname": (None, "Lee")}


def test_an_update_that_changes_nothing_returns_the_identical_profile() -> None:
    merged = updated({"_fname": "Ann", "points": "1", "phones": "+7 900 000 00 00"})

    assert merged.profile is STORED
    assert merged.changes == {}


def test_phones_sent_plain_replace_the_list() -> None:
    assert updated({"phones": ["+1 202 555 0143"]}).profile.phones == ("+12025550143",)


@pytest.mark.parametrize(
    ("function", "phones"),
    [
        pytest.param(
            {"action": "add", "value": ["+12025550143", "+79000000000"]},
            ("+79000000000", "+12025550143"),
            id="add keeps order and no duplicates",
        ),
        pytest.param({"action": "delete", "value": "+79000000000"}, (), id="delete"),
        pytest.param({"action": "unset"}, (), id="unset"),
        pytest.param({"action": "set", "value": []}, (), id="set"),
    ],
)
def test_phones_take_functions(
    function: dict[str, Any], phones: tuple[str, ...]
) -> None:
    assert updated({"phones": function}).profile.phones == phones


@pytest.mark.parametrize(
    ("phones", "text"),
    [
        pytest.param(
            {"action": "incr", "value": 1},
            "Action incr does not apply to phones (one of set, unset, add, delete): "
            "data.phones",
            id="unfit",
        ),
        pytest.param(
            {"action": "grow"}, f"{said.PHONES_ACTION}: data.phones", id="unknown"
        ),
        pytest.param("", "Incorrect phone: data.phones", id="empty"),
        pytest.param([["x"]], "Incorrect phone: data.phones[0]", id="list in a list"),
    ],
)
def test_bad_phones_are_named(phones: object, text: str) -> None:
    import_ = make_import("email", {"phones": phones}, key={"email": "a@b.example"})

    prepared = SCHEMAS.prepare(import_)

    assert prepared.faults[0].text == text


@pytest.mark.fact("3.3-create", "14.23-defaults")
def test_a_new_profile_stores_its_key_and_defaults() -> None:
    profile = created({"_fname": "Bea"}, email="Bea@Example.com")

    assert profile.email == "Bea@example.com"
    assert profile.fields == {"_fname": "Bea", "plan": "Basic"}


def test_a_new_profile_prefers_the_value_in_data_to_the_key() -> None:
    assert created({"email": "b@example.com"}, email="a@b.example").email == (
        "b@example.com"
    )


def test_a_custom_key_is_stored_in_its_field() -> None:
    profile = created({}, "custom", field_name="code", field_value="7")

    assert profile.fields["code"] == 7


@pytest.mark.fact("14.23-defaults")
def test_defaults_are_not_applied_on_update() -> None:
    bare = replace(STORED, fields={})
    prepared = prepare({"_fname": "A"})

    merged = merge.update(bare, prepared.import_, prepared.draft, CATALOG)

    assert merged.profile.fields == {"_fname": "A"}


@pytest.mark.fact("14.22-required")
def test_required_fields_are_asked_for_on_create_only() -> None:
    must = Field(name="must", type=FieldType.INT, required=True)
    catalog = make_catalog(must)
    prepared = prepare({"_fname": "A"})

    with pytest.raises(InvalidRequest, match=r"Missing required field: data\.must"):
        merge.create(
            "1" * 24, prepared.import_, prepared.draft, prepared.search, catalog
        )
    merged = merge.update(STORED, prepared.import_, prepared.draft, catalog)
    assert merged.profile.fields["_fname"] == "A"


@pytest.mark.fact("14.17-unknown-field")
def test_unknown_fields_are_ignored_where_the_database_says_so() -> None:
    schemas = ProfileSchemas(make_catalog(ignore_unknown_fields=True))

    prepared = schemas.prepare(
        make_import("email", {"nowhere": 1}, key={"email": "a@b.example"})
    )

    assert prepared.faults == ()
    assert prepared.draft.fields == {}


def test_true_is_not_one_even_inside_an_object() -> None:
    catalog = make_catalog(Field(name="box", type=FieldType.OBJECT))
    schemas = ProfileSchemas(catalog)
    stored = replace(STORED, fields={"box": {"vip": 1}})
    prepared = schemas.prepare(
        make_import("email", {"box": {"vip": True}}, key={"email": "a@b.example"})
    )

    merged = merge.update(stored, prepared.import_, prepared.draft, catalog)

    assert merged.profile.fields["box"] == {"vip": True}
    assert merged.changes == {"box": ({"vip": 1}, {"vip": True})}


def test_a_large_float_that_postgres_returns_as_an_integer_is_no_change() -> None:
    catalog = make_catalog(Field(name="score", type=FieldType.FLOAT))
    value = 8.847778683039163e16
    stored = replace(STORED, fields={"score": 88477786830391630})
    import_ = make_import("email", {"score": value}, key={"email": "a@b.example"})
    prepared = ProfileSchemas(catalog).prepare(import_)

    assert merge.update(stored, import_, prepared.draft, catalog).changes == {}


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "_fname": st.sampled_from(["", "A", "B"]),
        "points": st.integers(-9, 9),
        "interests": st.lists(st.sampled_from(["tea", "yoga"])),
        "phones": st.lists(st.sampled_from(["+79000000001", "+79000000002"])),
        "email": st.sampled_from(["a@example.com", "b@example.com"]),
        "_sex": st.sampled_from([0, 1, 2, "male"]),
    },
)


@given(data=VALUES)
def test_plain_values_applied_twice_change_nothing_the_second_time(
    data: dict[str, Any],
) -> None:
    prepared = prepare(data)

    once = merge.update(STORED, prepared.import_, prepared.draft, CATALOG)
    twice = merge.update(once.profile, prepared.import_, prepared.draft, CATALOG)

    assert twice.changes == {}
    assert twice.profile is once.profile


@given(data=VALUES)
def test_the_receipt_leads_from_the_old_profile_to_the_new(
    data: dict[str, Any],
) -> None:
    merged = updated(data)

    after = dict(STORED.fields) | {"email": STORED.email, "phones": [*STORED.phones]}
    for path, (old, new) in merged.changes.items():
        assert after.get(path) == old
        after[path] = new
    profile = merged.profile
    expected = {"email": profile.email, "phones": [*profile.phones], **profile.fields}
    assert {
        name: value for name, value in after.items() if value is not None
    } == expected


def test_a_rejected_import_leaves_the_workspace_as_it_was() -> None:
    other = replace(STORED, id="2" * 24, email="b@example.com")
    workspace = Workspace(CATALOG, [STORED, other], Scans())
    prepared = prepare({"email": "b@example.com", "_fname": "X"})

    outcome = apply_import(workspace, prepared, CATALOG, "3" * 24).outcome

    assert (outcome.state, outcome.error) == (State.REJECTED, 409)
    assert list(workspace.changed()) == []


def test_every_mode_is_a_member_of_the_contract_table() -> None:
    assert len(Matching) == 11
