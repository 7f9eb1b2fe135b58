"""Rows of the catalog's tables ↔ its records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ingest.domain.catalog import (
    Channel,
    Database,
    Endpoint,
    EventKind,
    Field,
    FieldType,
    Novelty,
    Resource,
    Segment,
    SegmentKind,
    Trigger,
    Workflow,
)

#: A row as its column names and JSON values.
CatalogRow = Mapping[str, Any]


def _default(row: CatalogRow) -> object:
    value = row.get("default_value")
    # JSON has one kind of number: a whole float comes back as an int.
    if row["type"] == FieldType.FLOAT and value is not None:
        return float(value)
    return value


def _fields_of(
    owner: str, owner_id: int, rows: Iterable[CatalogRow]
) -> dict[str, Field]:
    return {
        row["name"]: Field(
            name=row["name"],
            type=FieldType(row["type"]),
            title=row["title"],
            required=row["required"],
            default=_default(row),
            options=tuple(row["options"]),
            match=row.get("match", False),
            unique=row.get("is_unique", False),
            channels=frozenset(map(Channel, row.get("channels", ()))),
        )
        for row in rows
        if row[owner] == owner_id
    }


def to_database(row: CatalogRow, fields: Sequence[CatalogRow]) -> Database:
    """Make a database of its row and the rows of all fields."""
    return Database(
        id=row["id"],
        name=row["name"],
        account_id=row["account_id"],
        default_resource_id=row["default_resource_id"],
        ignore_unknown_fields=row["ignore_unknown_fields"],
        phone_region=row["phone_region"],
        fields=_fields_of("database_id", row["id"], fields),
    )


def to_resource(row: CatalogRow, fields: Sequence[CatalogRow]) -> Resource:
    """Make a resource of its row and the rows of all resource fields."""
    return Resource(
        id=row["id"],
        name=row["name"],
        account_id=row["account_id"],
        database_ids=frozenset(row["database_ids"]),
        channels=frozenset(map(Channel, row["channels"])),
        categories=frozenset(row["categories"]),
        fields=_fields_of("resource_id", row["id"], fields),
        raise_new_priority=row["raise_new_priority"],
        url=row["url"],
    )


def to_segment(row: CatalogRow) -> Segment:
    """Make a segment of its row."""
    return Segment(
        id=row["id"],
        name=row["name"],
        database_id=row["database_id"],
        kind=SegmentKind(row["kind"]),
    )


def to_endpoint(row: CatalogRow) -> Endpoint:
    """Make an endpoint of its row."""
    return Endpoint(
        id=row["id"],
        name=row["name"],
        account_id=row["account_id"],
        url=row["url"],
        queue=row["queue"],
    )


def to_trigger(row: CatalogRow) -> Trigger:
    """Make a trigger of its row."""
    return Trigger(
        id=row["id"],
        name=row["name"],
        database_id=row["database_id"],
        endpoint_id=row["endpoint_id"],
        event=EventKind(row["event"]),
        resource_id=row["resource_id"],
        channel=Channel(row["channel"]) if row["channel"] else None,
        novelties=frozenset(map(Novelty, row["novelties"])),
        segment_id=row["segment_id"],
        fields=frozenset(row["fields"]),
    )


def to_workflow(row: CatalogRow) -> Workflow:
    """Make a workflow of its row."""
    return Workflow(
        id=row["id"],
        name=row["name"],
        database_id=row["database_id"],
        endpoint_id=row["endpoint_id"],
    )


def from_database(database: Database) -> dict[str, object]:
    """Make the row of a database."""
    return {
        "id": database.id,
        "account_id": database.account_id,
        "name": database.name,
        "default_resource_id": database.default_resource_id,
        "ignore_unknown_fields": database.ignore_unknown_fields,
        "phone_region": database.phone_region,
    }


def from_resource(resource: Resource) -> dict[str, object]:
    """Make the row of a resource."""
    return {
        "id": resource.id,
        "account_id": resource.account_id,
        "name": resource.name,
        "url": resource.url,
        "database_ids": sorted(resource.database_ids),
        "channels": sorted(resource.channels),
        "categories": sorted(resource.categories),
        "raise_new_priority": resource.raise_new_priority,
    }


def from_segment(segment: Segment) -> dict[str, object]:
    """Make the row of a segment."""
    return {
        "id": segment.id,
        "database_id": segment.database_id,
        "name": segment.name,
        "kind": segment.kind,
    }


def from_endpoint(endpoint: Endpoint) -> dict[str, object]:
    """Make the row of an endpoint, but for its secret."""
    return {
        "id": endpoint.id,
        "account_id": endpoint.account_id,
        "name": endpoint.name,
        "url": endpoint.url,
        "queue": endpoint.queue,
    }


def from_trigger(trigger: Trigger) -> dict[str, object]:
    """Make the row of a trigger."""
    return {
        "id": trigger.id,
        "database_id": trigger.database_id,
        "endpoint_id": trigger.endpoint_id,
        "name": trigger.name,
        "event": trigger.event,
        "resource_id": trigger.resource_id,
        "channel": trigger.channel,
        "novelties": sorted(trigger.novelties),
        "segment_id": trigger.segment_id,
        "fields": sorted(trigger.fields),
    }


def from_field(owner_id: int, field: Field) -> dict[str, object]:
    """Make the row of a field of a database or a resource."""
    return {
        "owner_id": owner_id,
        "name": field.name,
        "type": field.type,
        "title": field.title,
        "required": field.required,
        "default_value": field.default,
        "options": list(field.options),
        "match": field.match,
        "is_unique": field.unique,
        "channels": sorted(field.channels),
    }
