"""Imports and catalogs for tests, each with sensible defaults."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

from ingest.domain.catalog import (
    Catalog,
    Channel,
    Database,
    Field,
    FieldType,
    Resource,
    Segment,
    SegmentKind,
)
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.imports import (
    Import,
    Key,
    Matching,
    Operation,
    Outcome,
    ProfileMerge,
    Undo,
)
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS

CUSTOM_FIELDS = (
    Field(name="code", type=FieldType.INT, match=True, unique=True),
    Field(name="tier", type=FieldType.UNICODE, match=True),
    Field(name="note", type=FieldType.UNICODE),
    Field(name="points", type=FieldType.INT),
    Field(name="interests", type=FieldType.TAGS, match=True),
    Field(name="plan", type=FieldType.ENUM, options=("Basic", "Pro"), default="Basic"),
)


def make_database(*extra: Field, number: int = 1, **changes: Any) -> Database:
    fields = {field.name: field for field in (*CUSTOM_FIELDS, *extra)}
    return Database(
        id=number,
        name="Customers",
        account_id=1,
        default_resource_id=1,
        fields={**SYSTEM_FIELDS, **fields},
        **changes,
    )


def make_resource(number: int = 1) -> Resource:
    custom = Field(name="plan_code", type=FieldType.UNICODE)
    return Resource(
        id=number,
        name="Shop",
        account_id=1,
        database_ids=frozenset({1}),
        channels=frozenset(Channel),
        categories=frozenset({"news", "sales"}),
        fields={**SYSTEM_SUBSCRIPTION_FIELDS, "plan_code": custom},
    )


def make_catalog(*extra: Field, **changes: Any) -> Catalog:
    database = make_database(*extra, **changes)
    other = Database(id=2, name="Elsewhere", account_id=1, fields=SYSTEM_FIELDS)
    segments = [
        Segment(id=1, name="One", database_id=1, kind=SegmentKind.STATIC),
        Segment(id=2, name="Two", database_id=1, kind=SegmentKind.STATIC),
        Segment(id=4, name="Live", database_id=1, kind=SegmentKind.DYNAMIC),
        Segment(id=9, name="Foreign", database_id=2, kind=SegmentKind.STATIC),
    ]
    return Catalog(
        version=1,
        databases={1: database, 2: other},
        resources={1: make_resource(1), 2: make_resource(2)},
        segments={segment.id: segment for segment in segments},
    )


def make_import(
    matching: str = "email",
    data: Mapping[str, object] | None = None,
    *,
    key: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Import:
    """Return an import of database 1, accepted now; `key` as at top level."""
    return Import(
        import_id=uuid7(),
        accepted_at=datetime.now(UTC),
        door="http",
        token_id=None,
        database_id=changes.pop("database_id", 1),
        matching=Matching(matching),
        key=Key(**(key or {})),
        data=data or {},
        **changes,
    )


def make_merge(*profile_ids: str, **more: Any) -> Import:
    """Return a merge of the profiles of these ids."""
    return make_import(
        "profile_id",
        key={"profile_id": profile_ids[0]},
        operation=Operation.MERGE,
        merge=ProfileMerge(profiles=profile_ids, **more),
    )


def make_undo(outcome: Outcome, **more: Any) -> Import:
    """Return the undo of an import that was applied."""
    return make_import(
        "profile_id",
        key={"profile_id": outcome.profile_id},
        operation=Operation.UNDO,
        undo=Undo(import_id=outcome.import_id, **more),
    )


def by_email(email: str, data: Mapping[str, Any] | None = None) -> Import:
    """Return an import of `data` that is matched by `email`."""
    return make_import("email", data, key={"email": email})
