"""Excess of an import, found before it is accepted (contract 16.14)."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec.structs import asdict, astuple

from ingest.domain.catalog import Catalog, Database, Field, FieldType
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Import
from ingest.domain.limits import (
    ProfileLimits,
    abbreviate,
    excess,
    measure,
    shorten,
    text_faults,
    too_large,
    too_many,
)

_TAG_SEPARATOR = re.compile(r"[,|;]")
_SCALARS = frozenset({int, float, bool, type(None)})


def refuse_excess(import_: Import, catalog: Catalog) -> None:
    """Raise InvalidRequest with what `import_` brings too much of.

    Most imports are short, and cost no more than a look at the length of each value.
    """
    limits = catalog.limits
    if _is_small(import_, limits):
        return
    faults = list(_key_faults(import_, limits))
    faults += _data_faults(import_, catalog, limits)
    if import_.start is not None and (
        measure(import_.start.payload) > limits.profile_bytes
    ):
        message = too_large(limits.profile_bytes, "The data of a trigger start")
        faults.append(excess(message, ""))
    if faults:
        raise InvalidRequest(shorten(tuple(faults)))


def _is_small(import_: Import, limits: ProfileLimits) -> bool:
    """Tell whether nothing of `import_` is long enough to exceed anything."""
    small, short, size = limits.small, limits.short, 0
    for value in astuple(import_.key):
        if type(value) is str and len(value) > short:
            return False
    for raw in import_.data.values():
        kind = type(raw)
        if kind is str:
            if len(raw) > short:  # type: ignore[arg-type]
                return False
        elif kind not in _SCALARS:
            size += measure(raw)
            if size > small:
                return False
    return import_.start is None


def _key_faults(import_: Import, limits: ProfileLimits) -> Iterator[Fault]:
    for name, value in asdict(import_.key).items():
        if isinstance(value, str) and len(value) > limits.key_length:
            yield excess(_too_long(limits), name)


def _data_faults(
    import_: Import, catalog: Catalog, limits: ProfileLimits
) -> Iterator[Fault]:
    size = 0
    for name, raw in import_.data.items():
        length = measure(raw)
        size += length
        if length > limits.small:
            yield from islice(_value_faults(name, raw, import_, catalog), 100)
    if size > limits.profile_bytes:
        yield excess(too_large(limits.profile_bytes, "An import"), "data")


def _value_faults(
    name: str, raw: object, import_: Import, catalog: Catalog
) -> Iterator[Fault]:
    """Return what of one member of `data` is too much."""
    limits, path = catalog.limits, f"data.{abbreviate(name)}"
    value = raw.get("value") if isinstance(raw, Mapping) and "action" in raw else raw
    database = catalog.databases.get(import_.database_id)
    field = database.fields.get(name) if database is not None else None
    if name == "phones" and _count(value) > limits.phones:
        yield excess(too_many(limits.phones, "phones"), path)
    elif name == "subscriptions" and _count(value) > limits.subscriptions:
        yield excess(too_many(limits.subscriptions, "subscriptions"), path)
    else:
        if name == "subscriptions" and database is not None:
            yield from _subscription_faults(value, path, database, catalog)
        elif field is not None:
            yield from _field_faults(field, value, path, limits)
        yield from text_faults(raw, path, limits)


def _subscription_faults(
    listed: object, path: str, database: Database, catalog: Catalog
) -> Iterator[Fault]:
    """Return the tags that are too many, or too long, in custom fields."""
    for index, one in enumerate(listed if isinstance(listed, list) else [listed]):
        sent = one.get("custom_fields") if isinstance(one, Mapping) else None
        if not isinstance(one, Mapping) or not isinstance(sent, Mapping):
            continue
        resource_id = one.get("resource_id", database.default_resource_id)
        known = isinstance(resource_id, int)
        resource = catalog.resources.get(resource_id) if known else None
        for name, raw in sent.items() if resource is not None else ():
            if field := resource.fields.get(name) if resource else None:
                at = f"{path}[{index}].custom_fields.{name}"
                yield from _field_faults(field, raw, at, catalog.limits)


def _field_faults(
    field: Field, raw: object, path: str, limits: ProfileLimits
) -> Iterator[Fault]:
    value = raw.get("value") if isinstance(raw, Mapping) else raw
    if field.type is FieldType.TAGS:
        yield from _tag_faults(value, path, limits)
    elif field.match and isinstance(value, str) and len(value) > limits.key_length:
        yield excess(_too_long(limits), path)


def _tag_faults(value: object, path: str, limits: ProfileLimits) -> Iterator[Fault]:
    elements = value if isinstance(value, list) else [value]
    tags = [
        tag.strip()
        for one in elements
        for tag in (_TAG_SEPARATOR.split(one) if isinstance(one, str) else [""])
    ]
    if len(tags) > limits.tags:
        yield excess(too_many(limits.tags, "tags"), path)
    if any(len(tag) > limits.key_length for tag in tags):
        yield excess(_too_long(limits), path)


def _too_long(limits: ProfileLimits) -> str:
    return f"At most {limits.key_length} characters are allowed"


def _count(value: object) -> int:
    return len(value) if isinstance(value, list) else 0
