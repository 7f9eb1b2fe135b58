"""Rules for the conditions of segments and triggers in a catalog file (S1 to S9)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ingest.domain.catalog import Channel, Field, FieldType, Resource, SegmentKind
from ingest.domain.condition_parser import ConditionScope, parse_condition
from ingest.domain.conditions import reads, show
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.segment_order import find_rings
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS

#: One table of the file, as far as it is well shaped; its keys are the record's.
_Table = Mapping[str, Any]
_Tables = Mapping[str, Sequence[_Table]]

#: The conditions of a segment, and of a trigger.
SEGMENT_CONDITIONS = ("filter",)
TRIGGER_CONDITIONS = ("when", "was")


def find_filter_faults(tables: _Tables) -> Iterator[Fault]:
    """Find every error in the filters of segments, with its whole path."""
    named: dict[int, Collection[int]] = {}
    places: dict[int, int] = {}
    for index, segment in enumerate(tables["segments"]):
        path = f"segments[{index}]"
        yield from _find_misplaced(segment, path)
        scope = _make_scope(segment, tables)
        if segment.get("filter") is None or scope is None:
            continue
        try:
            condition = parse_condition(segment["filter"], scope, f"{path}.filter")
        except InvalidRequest as error:
            yield from (_end(fault) for fault in error.faults)
        else:
            if "id" in segment:
                named[segment["id"]] = reads(condition).segments
                places[segment["id"]] = index
    yield from _find_trigger_faults(tables)
    for ring in find_rings(named):
        shown = " → ".join(map(str, ring))
        message = f"Segments must not name each other in a ring: {shown}."
        yield Fault(
            code=400, message=message, path=f"segments[{places[ring[0]]}].filter"
        )


def _find_trigger_faults(tables: _Tables) -> Iterator[Fault]:
    """Find every error in what triggers ask of profiles (T2)."""
    for index, trigger in enumerate(tables["triggers"]):
        scope = _make_scope(trigger, tables)
        for key in TRIGGER_CONDITIONS:
            if trigger.get(key) is None or scope is None:
                continue
            try:
                parse_condition(trigger[key], scope, f"triggers[{index}].{key}")
            except InvalidRequest as error:
                yield from (_end(fault) for fault in error.faults)


def show_conditions(
    owner: _Table, tables: _Tables, keys: Sequence[str]
) -> dict[str, object]:
    """Return a segment or trigger of a file without errors, literals canonical."""
    scope = _make_scope(owner, tables)
    shown = dict(owner)
    for key in keys:
        if owner.get(key) is not None and scope is not None:
            shown[key] = show(parse_condition(owner[key], scope, key))
    return shown


def _end(fault: Fault) -> Fault:
    return Fault(code=fault.code, message=f"{fault.message}.", path=fault.path)


def _find_misplaced(segment: _Table, path: str) -> Iterator[Fault]:
    is_static = segment.get("kind", SegmentKind.STATIC) == SegmentKind.STATIC
    if segment.get("filter") is not None and is_static:
        message = 'Only a dynamic segment has a filter (kind = "dynamic").'
        yield Fault(code=400, message=message, path=f"{path}.filter")
    if segment.get("announce") and segment.get("filter") is None:
        message = "Only a segment with a filter is announced."
        yield Fault(code=400, message=message, path=f"{path}.announce")


def _make_scope(owner: _Table, tables: _Tables) -> ConditionScope | None:
    """Return what conditions of a segment or trigger may name; None for nothing."""
    id_ = owner.get("database_id")
    database = next((one for one in tables["databases"] if one.get("id") == id_), None)
    if id_ is None or database is None:
        return None
    return ConditionScope(
        fields={**SYSTEM_FIELDS, **_read_fields(database)},
        resources={
            one["id"]: _read_resource(one)
            for one in tables["resources"]
            if "id" in one and id_ in one.get("database_ids", ())
        },
        segments={
            one["id"]
            for one in tables["segments"]
            if "id" in one and one.get("database_id") == id_
        },
        phone_region=database.get("phone_region"),
    )


def _read_fields(owner: _Table) -> dict[str, Field]:
    return {
        one["name"]: Field(
            name=one["name"],
            type=FieldType(one["type"]),
            options=tuple(one.get("options", ())),
            channels=frozenset(map(Channel, one.get("channels", ()))),
        )
        for one in owner.get("fields", ())
        if {"name", "type"} <= one.keys()
    }


def _read_resource(table: _Table) -> Resource:
    return Resource(
        id=table["id"],
        name="",
        account_id=0,
        database_ids=frozenset(),
        channels=frozenset(),
        categories=frozenset(table.get("categories", ())),
        fields={**SYSTEM_SUBSCRIPTION_FIELDS, **_read_fields(table)},
    )
