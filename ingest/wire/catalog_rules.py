"""Rules for catalog files beyond their shape.

The rules run on whatever part of the file is well shaped, so that an operator sees
all faults at once; hence each looks only at values that are there.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from ingest.domain import fields
from ingest.domain.automatic_merges import MERGE_CONTACTS
from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import Fault, InvalidValue
from ingest.domain.intervals import parse_duration, to_timedelta
from ingest.domain.names import suggest
from ingest.domain.plans import FILE_NAMES, DeclaredCatalog
from ingest.domain.profile_merges import list_rules
from ingest.wire.condition_rules import find_filter_faults
from ingest.wire.suppression_rules import find_suppression_faults
from ingest.wire.trigger_rules import (
    account_faults,
    endpoint_faults,
    trigger_faults,
)

#: One table of the file, as far as it is well shaped; its keys are the record's.
TomlTable = Mapping[str, Any]

SECTIONS = tuple(each.name for each in dataclasses.fields(DeclaredCatalog))

#: What of every profile is dated besides the fields of the catalog.
_DATED = ("email", "phones", *(fields.SYSTEM_FIELDS.keys() - fields.READ_ONLY_FIELDS))
_STRUCTURES = {FieldType.OBJECT, FieldType.ARR_OBJECT}
_MANY_VALUED = {FieldType.TAGS, *_STRUCTURES}


def _fault(path: str, message: str) -> Fault:
    return Fault(code=400, message=message, path=path)


def _repeated(path: str, tables: Sequence[TomlTable], key: str) -> Iterator[Fault]:
    seen: set[object] = set()
    for index, table in enumerate(tables):
        value = table.get(key)
        if value is not None and value in seen:
            yield _fault(f"{path}[{index}].{key}", f"{value} is declared twice.")
        seen.add(value)


def _enum_needs_options(table: TomlTable) -> Iterator[tuple[str, str]]:
    is_enum, options = table.get("type") == FieldType.ENUM, table.get("options", ())
    if is_enum and not options:
        yield "options", "An enum needs options."
    if options and not is_enum:
        yield "options", "Only an enum has options."
    if len(set(options)) < len(options):
        yield "options", "An option is declared twice."


def _match_needs_text(table: TomlTable) -> Iterator[tuple[str, str]]:
    kind = table.get("type")
    if table.get("unique") and kind in _MANY_VALUED:
        yield "unique", f"A field of type {kind} cannot be unique."
    elif table.get("match") and kind in _STRUCTURES:
        yield "match", f"A field of type {kind} cannot be matched."


def _default_fits_type(table: TomlTable) -> Iterator[tuple[str, str]]:
    if "default" not in table or not {"name", "type"} <= table.keys():
        return
    try:
        value = parse_default(table)
    except InvalidValue as error:
        yield "default", f"{error}."
    else:
        if value is None:
            yield "default", "Must not be empty."


def _merge_fits_type(table: TomlTable) -> Iterator[tuple[str, str]]:
    if table.get("merge") and "type" in table:
        field = Field(name="", type=FieldType(table["type"]))
        allowed = list_rules(field)
        if table["merge"] not in allowed:
            yield "merge", f"Must be one of: {', '.join(allowed)}."


_FIELD_RULES: tuple[Callable[[TomlTable], Iterator[tuple[str, str]]], ...] = (
    _enum_needs_options,
    _match_needs_text,
    _default_fits_type,
    _merge_fits_type,
)


def parse_default(table: TomlTable) -> object:
    """Parse a field's `default` by its type; raise InvalidValue where it does not fit.

    None where there is none.
    """
    if "default" not in table:
        return None
    field = Field(
        name=table["name"],
        type=FieldType(table["type"]),
        options=tuple(table.get("options", ())),
    )
    return fields.parse(field, table["default"])


def _field_faults(path: str, tables: Sequence[TomlTable]) -> Iterator[Fault]:
    yield from _repeated(path, tables, "name")
    for index, table in enumerate(tables):
        for rule in _FIELD_RULES:
            for key, message in rule(table):
                yield _fault(f"{path}[{index}].{key}", message)


def _by_id(tables: Sequence[TomlTable]) -> dict[object, TomlTable]:
    return {table["id"]: table for table in tables if "id" in table}


def _unknown(
    path: str, table: TomlTable, key: str, known: Mapping[object, TomlTable]
) -> Iterator[Fault]:
    value = table.get(key)
    if value is not None and value not in known:
        yield _fault(f"{path}.{FILE_NAMES[key]}", f"{value} is not declared.")


def _default_resource_faults(
    path: str, database: TomlTable, resources: Mapping[object, TomlTable]
) -> Iterator[Fault]:
    yield from _unknown(path, database, "default_resource_id", resources)
    resource = resources.get(database.get("default_resource_id"), {})
    bound = resource.get("database_ids")
    if bound is not None and database.get("id") not in bound:
        yield _fault(
            f"{path}.default_resource",
            f"Resource {resource['id']} must list this database in its databases.",
        )


def _merge_key_faults(path: str, database: TomlTable) -> Iterator[Fault]:
    known = [
        *MERGE_CONTACTS,
        *(one["name"] for one in database.get("fields", []) if _is_matched(one)),
    ]
    for index, name in enumerate(database.get("merge_keys", ())):
        if name not in known:
            message = f"Must be one of: {', '.join(known)}."
            yield _fault(f"{path}.merge_keys[{index}]", message)


def _is_matched(field: TomlTable) -> bool:
    return "name" in field and bool(field.get("match") or field.get("unique"))


def _binding_faults(
    path: str, resource: TomlTable, databases: Mapping[object, TomlTable]
) -> Iterator[Fault]:
    for index, database_id in enumerate(resource.get("database_ids", ())):
        here = f"{path}.databases[{index}]"
        if database_id not in databases:
            yield _fault(here, f"{database_id} is not declared.")
            continue
        owners = {databases[database_id].get("account_id"), resource.get("account_id")}
        if None not in owners and len(owners) > 1:
            yield _fault(
                here, f"Database {database_id} must belong to the same account."
            )


def _confirm_faults(path: str, resource: TomlTable) -> Iterator[Fault]:
    confirm, days = resource.get("confirm"), resource.get("unconfirmed_days")
    if confirm is None:
        if days is not None:
            yield _fault(f"{path}.unconfirmed_days", "Needs confirm.")
        return
    for index, channel in enumerate(confirm.get("channels", ())):
        if "channels" in resource and channel not in resource["channels"]:
            message = f"The resource must have the channel {channel} in its channels."
            yield _fault(f"{path}.confirm.channels[{index}]", message)
    if days is None or "expires" not in confirm:
        return
    if timedelta(days=days) < to_timedelta(parse_duration(confirm["expires"])):
        message = "Must not be shorter than confirm.expires."
        yield _fault(f"{path}.unconfirmed_days", message)


def _delivery_faults(tables: Mapping[str, Sequence[TomlTable]]) -> Iterator[Fault]:
    known = {name: _by_id(rows) for name, rows in tables.items()}
    for index, account in enumerate(tables["accounts"]):
        for key, message in account_faults(account, known):
            yield _fault(f"accounts[{index}].{key}", message)
    for index, endpoint in enumerate(tables["endpoints"]):
        for key, message in endpoint_faults(endpoint, known):
            yield _fault(f"endpoints[{index}].{key}", message)
    # A workflow names what a trigger does, and has no conditions.
    for section in ("triggers", "workflows"):
        for index, table in enumerate(tables[section]):
            for key, message in trigger_faults(table, known):
                yield _fault(f"{section}[{index}].{key}", message)


def _field_source_faults(path: str, database: TomlTable) -> Iterator[Fault]:
    """Yield a fault for each field that has sources of its own, and is none."""
    own = {field["name"] for field in database.get("fields", ()) if "name" in field}
    known = [*_DATED, *own]
    for name in database.get("field_sources", ()):
        if name not in known:
            message = f"The database has no field {name}{suggest(name, known)}."
            yield _fault(f"{path}.field_sources", message)


def find_faults(document: TomlTable) -> Iterator[Fault]:
    """Find every broken rule of a catalog file."""
    tables = {name: document.get(name, []) for name in SECTIONS}
    accounts, databases, resources = (_by_id(tables[name]) for name in SECTIONS[:3])

    for name in SECTIONS:
        yield from _repeated(name, tables[name], "id")
    for index, database in enumerate(tables["databases"]):
        path = f"databases[{index}]"
        yield from _unknown(path, database, "account_id", accounts)
        yield from _default_resource_faults(path, database, resources)
        yield from _field_faults(f"{path}.fields", database.get("fields", []))
        yield from _merge_key_faults(path, database)
        yield from _field_source_faults(path, database)
    for index, resource in enumerate(tables["resources"]):
        path = f"resources[{index}]"
        yield from _unknown(path, resource, "account_id", accounts)
        yield from _binding_faults(path, resource, databases)
        yield from _confirm_faults(path, resource)
        yield from _field_faults(f"{path}.fields", resource.get("fields", []))
    for index, segment in enumerate(tables["segments"]):
        yield from _unknown(f"segments[{index}]", segment, "database_id", databases)
    yield from find_suppression_faults(tables)
    yield from find_filter_faults(tables)
    yield from _delivery_faults(tables)
