"""Catalog files: TOML ↔ the catalog as an operator declares it."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from marshmallow import ValidationError

from ingest.domain.catalog import (
    Database,
    Endpoint,
    Field,
    FieldType,
    Resource,
    Segment,
    Trigger,
    Workflow,
)
from ingest.domain.errors import Fault, PenstockError
from ingest.domain.plans import Account, DeclaredCatalog
from ingest.wire.catalog_rules import TomlTable, find_faults, parse_default
from ingest.wire.catalog_schemas import CATALOG


class InvalidCatalogFile(PenstockError):
    """The file cannot be a catalog; `faults` holds every reason, its shape first."""

    code = 400

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "\n".join(
                f"{fault.path}: {fault.message}" if fault.path else fault.message
                for fault in self.faults
            )
        )


def _decode(body: bytes) -> dict[str, object]:
    try:
        return tomllib.loads(body.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        fault = Fault(code=400, message=f"The file is not TOML: {error}.")
        raise InvalidCatalogFile([fault]) from error


def _without_dates(value: object) -> object:
    # TOML has dates of its own; every parser of ours reads them as text.
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case dict():
            return {key: _without_dates(each) for key, each in value.items()}
        case list():
            return [_without_dates(each) for each in value]
        case _:
            return value


def _shape_faults(messages: object, path: str = "") -> Iterator[Fault]:
    """Flatten marshmallow's nested messages into faults with the value's path."""
    match messages:
        case dict():
            for key, inner in messages.items():
                if key == "_schema":
                    yield from _shape_faults(inner, path)
                elif isinstance(key, int):
                    yield from _shape_faults(inner, f"{path}[{key}]")
                else:
                    yield from _shape_faults(inner, f"{path}.{key}" if path else key)
        case list():
            for inner in messages:
                yield from _shape_faults(inner, path)
        case _:
            yield Fault(code=400, message=str(messages), path=path)


def _field(table: TomlTable) -> Field:
    unique = table.get("unique", False)
    return Field(
        name=table["name"],
        type=FieldType(table["type"]),
        title=table["title"],
        required=table["required"],
        default=parse_default(table),
        options=tuple(table["options"]),
        match=unique or table.get("match", False),
        unique=unique,
        channels=frozenset(table.get("channels", ())),
    )


def _fields(tables: Sequence[TomlTable]) -> dict[str, Field]:
    return {table["name"]: _field(table) for table in tables}


def _database(table: TomlTable) -> Database:
    return Database(
        id=table["id"],
        name=table["name"],
        account_id=table["account"],
        default_resource_id=table["default_resource"],
        ignore_unknown_fields=table["ignore_unknown_fields"],
        phone_region=table["phone_region"],
        fields=_fields(table["own_fields"]),
    )


def _resource(table: TomlTable) -> Resource:
    return Resource(
        id=table["id"],
        name=table["name"],
        account_id=table["account"],
        database_ids=frozenset(table["databases"]),
        channels=frozenset(table["channels"]),
        categories=frozenset(table["categories"]),
        fields=_fields(table["own_fields"]),
        raise_new_priority=table["raise_new_priority"],
        url=table["url"],
    )


def _segment(table: TomlTable) -> Segment:
    return Segment(
        id=table["id"],
        name=table["name"],
        database_id=table["database"],
        kind=table["kind"],
    )


def _endpoint(table: TomlTable) -> Endpoint:
    return Endpoint(
        id=table["id"],
        name=table["name"],
        account_id=table["account"],
        url=table["url"],
        queue=table["queue"],
    )


def _trigger(table: TomlTable) -> Trigger:
    return Trigger(
        id=table["id"],
        name=table["name"],
        database_id=table["database"],
        endpoint_id=table["endpoint"],
        event=table["event"],
        resource_id=table["resource"],
        channel=table["channel"],
        novelties=frozenset(table["novelties"]),
        segment_id=table["segment"],
        fields=frozenset(table["changed"]),
    )


def _workflow(table: TomlTable) -> Workflow:
    return Workflow(
        id=table["id"],
        name=table["name"],
        database_id=table["database"],
        endpoint_id=table["endpoint"],
    )


def _catalog(document: Mapping[str, Any]) -> DeclaredCatalog:
    return DeclaredCatalog(
        accounts={
            table["id"]: Account(id=table["id"], name=table["name"])
            for table in document["accounts"]
        },
        databases={table["id"]: _database(table) for table in document["databases"]},
        resources={table["id"]: _resource(table) for table in document["resources"]},
        segments={table["id"]: _segment(table) for table in document["segments"]},
        endpoints={table["id"]: _endpoint(table) for table in document["endpoints"]},
        triggers={table["id"]: _trigger(table) for table in document["triggers"]},
        workflows={table["id"]: _workflow(table) for table in document["workflows"]},
    )


def load_catalog_file(body: bytes) -> DeclaredCatalog:
    """Read a catalog file; raise InvalidCatalogFile with every fault at once."""
    document = {key: _without_dates(value) for key, value in _decode(body).items()}
    faults: list[Fault] = []
    try:
        tables = CATALOG.load(document)
    except ValidationError as error:
        faults += _shape_faults(error.messages)
        tables = error.valid_data

    faults += find_faults(tables)
    if faults:
        raise InvalidCatalogFile(faults)
    return _catalog(tables)
