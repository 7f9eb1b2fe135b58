"""Write a catalog as the TOML file that declares it."""

import json
from collections.abc import Iterator, Mapping, Sequence

from ingest.domain.catalog import (
    Database,
    Endpoint,
    Field,
    Resource,
    Segment,
    SegmentKind,
    Trigger,
    Workflow,
)
from ingest.domain.plans import Account, DeclaredCatalog


def _literal(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            # A JSON string is a TOML one, but for this character.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            pairs = (
                f"{_literal(key)} = {_literal(each)}" for key, each in value.items()
            )
            return "{" + ", ".join(pairs) + "}"
        case Sequence():
            return "[" + ", ".join(map(_literal, value)) + "]"
        case _:
            raise TypeError(f"Cannot be written as TOML: {type(value).__name__}")


def _table(name: str, values: Mapping[str, object]) -> Iterator[str]:
    """Write one of `[[name]]`, without the keys whose value is None."""
    yield f"\n[[{name}]]"
    for key, value in values.items():
        if value is not None:
            yield f"{key} = {_literal(value)}"


def _account(account: Account) -> Iterator[str]:
    yield from _table("accounts", {"id": account.id, "name": account.name})


def _field(section: str, field: Field) -> Iterator[str]:
    # What is false or empty is so by itself, but for a default, which may be false.
    yield from _table(
        f"{section}.fields",
        {
            "name": field.name,
            "type": field.type,
            "title": field.title or None,
            "required": field.required or None,
            "default": field.default,
            "options": field.options or None,
            "match": field.match or None,
            "unique": field.unique or None,
            "channels": sorted(field.channels) or None,
        },
    )


def _database(database: Database) -> Iterator[str]:
    yield from _table(
        "databases",
        {
            "id": database.id,
            "account": database.account_id,
            "name": database.name,
            "default_resource": database.default_resource_id,
            "ignore_unknown_fields": database.ignore_unknown_fields or None,
            "phone_region": database.phone_region,
        },
    )
    for field in database.fields.values():
        yield from _field("databases", field)


def _resource(resource: Resource) -> Iterator[str]:
    yield from _table(
        "resources",
        {
            "id": resource.id,
            "account": resource.account_id,
            "name": resource.name,
            "url": resource.url or None,
            "databases": sorted(resource.database_ids),
            "channels": sorted(resource.channels),
            "categories": sorted(resource.categories) or None,
            "raise_new_priority": resource.raise_new_priority or None,
        },
    )
    for field in resource.fields.values():
        yield from _field("resources", field)


def _segment(segment: Segment) -> Iterator[str]:
    yield from _table(
        "segments",
        {
            "id": segment.id,
            "database": segment.database_id,
            "name": segment.name,
            "kind": None if segment.kind is SegmentKind.STATIC else segment.kind,
        },
    )


def _endpoint(endpoint: Endpoint) -> Iterator[str]:
    yield from _table(
        "endpoints",
        {
            "id": endpoint.id,
            "account": endpoint.account_id,
            "name": endpoint.name,
            "url": endpoint.url or None,
            "queue": endpoint.queue or None,
        },
    )


def _trigger(trigger: Trigger) -> Iterator[str]:
    yield from _table(
        "triggers",
        {
            "id": trigger.id,
            "name": trigger.name,
            "database": trigger.database_id,
            "endpoint": trigger.endpoint_id,
            "event": trigger.event,
            "resource": trigger.resource_id,
            "channel": trigger.channel,
            "novelties": sorted(trigger.novelties) or None,
            "segment": trigger.segment_id,
            "fields": sorted(trigger.fields) or None,
        },
    )


def _workflow(workflow: Workflow) -> Iterator[str]:
    yield from _table(
        "workflows",
        {
            "id": workflow.id,
            "name": workflow.name,
            "database": workflow.database_id,
            "endpoint": workflow.endpoint_id,
        },
    )


def dump_catalog_file(declared: DeclaredCatalog) -> str:
    """Write the file that `load_catalog_file` reads as `declared`."""
    lines = [
        *(line for each in declared.accounts.values() for line in _account(each)),
        *(line for each in declared.databases.values() for line in _database(each)),
        *(line for each in declared.resources.values() for line in _resource(each)),
        *(line for each in declared.segments.values() for line in _segment(each)),
        *(line for each in declared.endpoints.values() for line in _endpoint(each)),
        *(line for each in declared.triggers.values() for line in _trigger(each)),
        *(line for each in declared.workflows.values() for line in _workflow(each)),
    ]
    return "\n".join(lines).lstrip("\n") + "\n"
