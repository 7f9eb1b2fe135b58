from typing import Any

import pytest
from hypothesis import given, settings

from ingest.domain.catalog import Channel, Field, FieldType
from ingest.domain.plans import (
    Change,
    ChangeKind,
    DeclaredCatalog,
    field_changes,
    plan,
)
from tests.declared import (
    declared_catalogs,
    make_declared,
    make_field,
    make_segment,
)


def test_everything_is_added_to_an_empty_catalog() -> None:
    changes = plan(DeclaredCatalog(), make_declared(make_field()))

    assert changes == [
        Change(kind=ChangeKind.ADD, path="accounts.1", detail="Acme"),
        Change(kind=ChangeKind.ADD, path="databases.1", detail="Customers"),
        Change(kind=ChangeKind.ADD, path="databases.1.fields.points", detail="int"),
        Change(kind=ChangeKind.ADD, path="resources.1", detail="Shop"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "detail", "loses_data"),
    [
        pytest.param(
            make_field(),
            make_field(type=FieldType.FLOAT),
            "type: int → float",
            True,
            id="another type loses what does not fit it",
        ),
        pytest.param(
            make_field(type=FieldType.ENUM, options=("a", "b")),
            make_field(type=FieldType.ENUM, options=("b",)),
            "options: a, b → b",
            True,
            id="a dropped option loses its values",
        ),
        pytest.param(
            make_field(type=FieldType.ENUM, options=("a",)),
            make_field(type=FieldType.ENUM, options=("b", "a")),
            "options: a → b, a",
            False,
            id="another option loses nothing",
        ),
        pytest.param(
            make_field(),
            make_field(title="Points"),
            "title: none → Points",
            False,
            id="a title is only shown",
        ),
        pytest.param(
            make_field(),
            make_field(match=True),
            "match: false → true",
            False,
            id="matching is built from what is stored",
        ),
        pytest.param(
            make_field(default=False, type=FieldType.BOOL),
            make_field(default=True, type=FieldType.BOOL),
            "default: false → true",
            False,
            id="a default is for new profiles",
        ),
    ],
)
def test_a_changed_field_says_what_changes_and_whether_it_loses_data(
    old: Field, new: Field, detail: str, loses_data: bool
) -> None:
    changes = plan(make_declared(old), make_declared(new))

    assert changes == [
        Change(
            kind=ChangeKind.CHANGE,
            path="databases.1.fields.points",
            detail=detail,
            loses_data=loses_data,
        )
    ]


def test_removing_a_field_a_resource_or_a_segment_loses_data() -> None:
    full = make_declared(
        make_field(),
        resource_fields=(make_field("note", type=FieldType.UNICODE),),
        segments=(make_segment(),),
    )

    changes = plan(full, DeclaredCatalog(accounts=full.accounts))

    assert [(change.path, change.loses_data) for change in changes] == [
        ("databases.1", True),
        ("databases.1.fields.points", True),
        ("resources.1", True),
        ("resources.1.fields.note", True),
        ("segments.1", True),
    ]
    assert {change.kind for change in changes} == {ChangeKind.REMOVE}


def test_removing_an_account_loses_nothing() -> None:
    full = make_declared()

    changes = plan(DeclaredCatalog(accounts=full.accounts), DeclaredCatalog())

    assert changes == [Change(kind=ChangeKind.REMOVE, path="accounts.1")]


def test_moving_a_segment_to_another_database_loses_its_members() -> None:
    changes = plan(
        make_declared(segments=(make_segment(),)),
        make_declared(segments=(make_segment(database_id=2),)),
    )

    assert changes == [
        Change(
            kind=ChangeKind.CHANGE,
            path="segments.1",
            detail="database: 1 → 2",
            loses_data=True,
        )
    ]


def test_a_subscription_field_is_planned_by_its_channels() -> None:
    changes = plan(
        make_declared(resource_fields=(make_field(),)),
        make_declared(
            resource_fields=(
                make_field(channels=frozenset({Channel.SMS, Channel.EMAIL})),
            )
        ),
    )

    assert [change.detail for change in changes] == ["channels: none → email, sms"]


@pytest.mark.parametrize(
    ("old", "new", "strands_values", "moves_keys"),
    [
        pytest.param(None, {}, True, False, id="a new field meets leftovers"),
        pytest.param(None, {"match": True}, True, True, id="a new matched field"),
        pytest.param({}, None, False, False, id="a removed field keeps its values"),
        pytest.param({"match": True}, None, False, True, id="a removed matched field"),
        pytest.param({}, {"match": True}, False, True, id="becoming matched"),
        pytest.param({"match": True}, {}, False, True, id="no longer matched"),
        pytest.param(
            {"match": True},
            {"match": True, "unique": True},
            False,
            True,
            id="becoming unique",
        ),
        pytest.param({}, {"type": FieldType.DATE}, True, False, id="another type"),
        pytest.param(
            {"match": True},
            {"match": True, "type": FieldType.UNICODE},
            True,
            True,
            id="another type of a matched field",
        ),
        pytest.param({}, {"title": "x"}, False, False, id="another title"),
    ],
)
def test_a_field_change_says_what_stored_data_must_follow(
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    strands_values: bool,
    moves_keys: bool,
) -> None:
    before = make_declared() if old is None else make_declared(make_field(**old))
    after = make_declared() if new is None else make_declared(make_field(**new))

    (change,) = field_changes(before, after)

    assert change.path == "databases.1.fields.points"
    assert (change.strands_values, change.moves_keys) == (strands_values, moves_keys)


@given(declared_catalogs())
@settings(max_examples=50)
def test_a_catalog_needs_no_change_to_become_itself(
    declared: DeclaredCatalog,
) -> None:
    assert plan(declared, declared) == []
    assert field_changes(declared, declared) == []


@given(declared_catalogs(), declared_catalogs())
@settings(max_examples=50)
def test_what_one_way_adds_the_other_way_removes(
    one: DeclaredCatalog, other: DeclaredCatalog
) -> None:
    def paths(changes: list[Change], kind: ChangeKind) -> set[str]:
        return {change.path for change in changes if change.kind is kind}

    there, back = plan(one, other), plan(other, one)

    assert paths(there, ChangeKind.ADD) == paths(back, ChangeKind.REMOVE)
    assert paths(there, ChangeKind.CHANGE) == paths(back, ChangeKind.CHANGE)
