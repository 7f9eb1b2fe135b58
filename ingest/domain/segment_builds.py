"""Builds that a change of the catalog makes necessary (G5)."""

from collections.abc import Iterator, Mapping

from ingest.domain.catalog import Segment, SegmentKind
from ingest.domain.conditions import Dependencies
from ingest.domain.dynamic_segments import DynamicSegments
from ingest.domain.plans import DeclaredCatalog, field_changes
from ingest.domain.segment_order import list_dependents


def list_rebuilt(
    current: DeclaredCatalog,
    declared: DeclaredCatalog,
    dynamic: Mapping[int, DynamicSegments],
) -> set[int]:
    """Return the segments whose members are no longer those of their filters.

    `dynamic` are those of `declared`. What a segment names, directly or not, counts.
    """
    named = {
        one.segment.id: one.compiled.dependencies.segments
        for each in dynamic.values()
        for one in each.ordered
    }
    changed = set(_list_changed(current, declared, dynamic))
    moved = changed | list_emptied(current, declared)
    return changed | list_dependents(named, moved)


def list_emptied(current: DeclaredCatalog, declared: DeclaredCatalog) -> set[int]:
    """Return the segments that have no members from now on (S9)."""
    return {
        id_
        for id_, one in declared.segments.items()
        if id_ in current.segments
        and one.kind is SegmentKind.DYNAMIC
        and one.filter is None
        and not _is_same(current.segments[id_], one)
    }


def _is_same(old: Segment, new: Segment) -> bool:
    return (old.database_id, old.kind, old.filter) == (
        new.database_id,
        new.kind,
        new.filter,
    )


def _list_changed(
    current: DeclaredCatalog,
    declared: DeclaredCatalog,
    dynamic: Mapping[int, DynamicSegments],
) -> Iterator[int]:
    """Return those whose own filter, or what it reads, has changed."""
    fields = {
        (change.database_id, change.name)
        for change in field_changes(current, declared)
        if change.strands_values
    }
    for database_id, each in dynamic.items():
        zones = {
            of.databases[database_id].timezone
            for of in (current, declared)
            if database_id in of.databases
        }
        for one in each.ordered:
            reads, id_ = one.compiled.dependencies, one.segment.id
            old = current.segments.get(id_)
            if (
                old is None
                or not _is_same(old, declared.segments[id_])
                or _reads_any(reads, database_id, fields)
                or (reads.is_zoned and len(zones) > 1)
            ):
                yield id_


def _reads_any(
    reads: Dependencies, database_id: int, fields: set[tuple[int, str]]
) -> bool:
    return any((database_id, path) in fields for path in reads.paths)
