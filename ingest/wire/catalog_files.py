"""Catalog files: TOML ↔ the catalog as an operator declares it."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

import tomlkit
from marshmallow import ValidationError
from msgspec import convert

from ingest.domain.errors import Fault, PenstockError
from ingest.domain.plans import DeclaredCatalog
from ingest.wire.catalog_rules import TomlTable, find_faults, parse_default
from ingest.wire.catalog_schemas import CATALOG
from ingest.wire.condition_rules import (
    SEGMENT_CONDITIONS,
    TRIGGER_CONDITIONS,
    show_conditions,
)


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


def _by(key: str, tables: Sequence[TomlTable]) -> dict[Any, TomlTable]:
    return {table[key]: table for table in tables}


def _field(table: TomlTable) -> TomlTable:
    is_unique = table.get("unique", False)
    return {
        **table,
        "default": parse_default(table),
        "match": is_unique or table.get("match", False),
    }


def _owner(table: TomlTable) -> TomlTable:
    return {**table, "fields": _by("name", [_field(each) for each in table["fields"]])}


#: Sections whose tables have fields of their own.
_OWNERS = ("databases", "resources")
#: The conditions of the tables of a section.
_CONDITIONS = {"segments": SEGMENT_CONDITIONS, "triggers": TRIGGER_CONDITIONS}


def _catalog(document: Mapping[str, Any]) -> DeclaredCatalog:
    sections = {
        section: _by("id", [*map(_owner, tables)] if section in _OWNERS else tables)
        for section, tables in document.items()
    }
    for section, keys in _CONDITIONS.items():
        tables = document.get(section, ())
        shown = [show_conditions(table, document, keys) for table in tables]
        sections[section] = _by("id", shown)
    return convert(sections, DeclaredCatalog)


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


def dump_catalog_file(declared: DeclaredCatalog) -> str:
    """Write the file that `load_catalog_file` reads as `declared`."""
    sections: dict[str, Any] = CATALOG.dump(declared)
    for section, keys in _CONDITIONS.items():
        for table in sections.get(section, ()):
            table.update({key: _inline(table[key]) for key in keys if key in table})
    for table in sections.get("resources", ()):
        table.update({key: _inline(table[key]) for key in ("confirm",) if key in table})
    return tomlkit.dumps({name: tables for name, tables in sections.items() if tables})


def _inline(value: object, depth: int = 0) -> object:
    """Return a condition as one value: a table on a line, conditions below it."""
    match value:
        case dict():
            table = tomlkit.inline_table()
            for name, one in value.items():
                table.append(name, _inline(one, depth))
            return table
        case list() if any(isinstance(one, dict) for one in value):
            array = tomlkit.array()
            for one in value:
                indent = "  " * (depth + 1)
                array.add_line(_inline(one, depth + 1), indent=indent)
            array.add_line(indent="  " * depth)
            return array
        case _:
            return value
