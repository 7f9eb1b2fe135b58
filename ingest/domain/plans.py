"""Plans: changes that make the catalog the declared one, and the data they lose."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from msgspec import json

from ingest.domain.catalog import (
    Database,
    Endpoint,
    EventKind,
    Field,
    Resource,
    Segment,
    SegmentKind,
    SuppressionList,
    Trigger,
    Workflow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The owner of databases and resources."""

    id: int
    name: str
    #: Its messages in a queue may raise statuses by a basis (C9).
    raise_consent: bool = False
    #: The endpoint that hears of others that are disabled; None for none (T7).
    notify_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredCatalog:
    """The catalog as an operator writes it: by id, without the system fields."""

    accounts: Mapping[int, Account] = field(default_factory=dict)
    databases: Mapping[int, Database] = field(default_factory=dict)
    resources: Mapping[int, Resource] = field(default_factory=dict)
    suppressions: Mapping[int, SuppressionList] = field(default_factory=dict)
    segments: Mapping[int, Segment] = field(default_factory=dict)
    endpoints: Mapping[int, Endpoint] = field(default_factory=dict)
    triggers: Mapping[int, Trigger] = field(default_factory=dict)
    workflows: Mapping[int, Workflow] = field(default_factory=dict)


class ChangeKind(StrEnum):
    """The kinds of changes of the catalog."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference between the catalog as it is and as declared."""

    kind: ChangeKind
    #: What it is about, by id and name: `databases.1.fields.points`.
    path: str
    #: What a reader wants to know of it: `type: int → float`.
    detail: str = ""
    #: Something stored can no longer be read after it.
    loses_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A custom field before and after; None where it does not exist."""

    database_id: int
    name: str
    old: Field | None
    new: Field | None

    @property
    def path(self) -> str:
        """Name the field as a Change does."""
        return f"databases.{self.database_id}.fields.{self.name}"

    @property
    def strands_values(self) -> bool:
        """Say whether stored values may not be the new field's.

        A field that is new may meet values of a removed one that bore its name.
        """
        if self.new is None:
            return False
        return (
            self.old is None
            or self.old.type != self.new.type
            or not set(self.old.options) <= set(self.new.options)
        )

    @property
    def moves_keys(self) -> bool:
        """Say whether the match keys must be dropped, built or built anew."""
        if self.old is None or self.new is None:
            return any(each is not None and each.match for each in (self.old, self.new))
        before = (self.old.match, self.old.unique)
        after = (self.new.match, self.new.unique)
        return before != after or (self.new.match and self.strands_values)


#: What the declared file calls otherwise than a record: its name by the attribute.
FILE_NAMES = {
    "account_id": "account",
    "database_id": "database",
    "database_ids": "databases",
    "default_resource_id": "default_resource",
    "endpoint_id": "endpoint",
    "forget_list_id": "forget",
    "notify_id": "notify",
    "resource_id": "resource",
    "resource_ids": "resources",
    "segment_id": "segment",
    "statuses": "status",
    "suppress_list_id": "suppress_list",
    "from_statuses": "from_status",
}

#: Characters of a filter that a plan shows.
_SHOWN = 300

#: Not attributes: what identifies a record, what it holds, and where it comes from.
_NOT_COMPARED = {"id", "fields", "system"}


def list_undecided(declared: DeclaredCatalog) -> list[str]:
    """Name the resources that have no policy for statuses, nor a database with one."""
    decided = {one.id for one in declared.databases.values() if one.consent}
    return [
        f"resource {one.id} ({one.name})"
        for one in declared.resources.values()
        if one.consent is None and not one.database_ids <= decided
    ]


def list_confirming(declared: DeclaredCatalog) -> list[str]:
    """Name the resources whose subscriptions people confirm."""
    return [
        f"resource {one.id} ({one.name})"
        for one in declared.resources.values()
        if one.confirm is not None
    ]


def list_unheard(declared: DeclaredCatalog) -> list[str]:
    """Name the resources of which no trigger sends the links that confirm (D2)."""
    return [
        f"resource {one.id} ({one.name})"
        for one in declared.resources.values()
        if one.confirm is not None
        and not all(
            any(
                _sends_links(trigger, one, database_id)
                for trigger in declared.triggers.values()
            )
            for database_id in one.database_ids
        )
    ]


def _sends_links(trigger: Trigger, resource: Resource, database_id: int) -> bool:
    return (
        trigger.event is EventKind.CONFIRMATION_REQUESTED
        and trigger.database_id == database_id
        and trigger.resource_id in (None, resource.id)
    )


def _drops_options(old: object, new: object) -> bool:
    match old, new:
        case tuple(), tuple():
            return not set(old) <= set(new)
        case _:
            return False


#: By attribute: whether the change leaves something stored that no longer fits.
_LOSES_DATA: Mapping[str, Callable[[object, object], bool]] = {
    "type": lambda _old, _new: True,
    "options": _drops_options,
}
#: The same, where it is so for one kind of record.
_LOSES_DATA_OF: Mapping[tuple[type, str], Callable[[object, object], bool]] = {
    # Members belong to profiles of the former database.
    (Segment, "database"): lambda _old, _new: True,
    # Those of a static segment were named, and cannot be found again (G5).
    (Segment, "kind"): lambda old, _new: bool(old == SegmentKind.STATIC),
}

Thing: TypeAlias = (
    Account
    | Database
    | Endpoint
    | Field
    | Resource
    | Segment
    | SuppressionList
    | Trigger
    | Workflow
)


def _attributes(thing: Thing) -> dict[str, object]:
    return {
        FILE_NAMES.get(each.name, each.name): getattr(thing, each.name)
        for each in dataclasses.fields(thing)
        if each.compare and each.name not in _NOT_COMPARED
    }


def _things(catalog: DeclaredCatalog) -> Iterator[tuple[str, Thing]]:
    for account in catalog.accounts.values():
        yield f"accounts.{account.id}", account
    for database in catalog.databases.values():
        yield f"databases.{database.id}", database
        for name, each in database.fields.items():
            yield f"databases.{database.id}.fields.{name}", each
    for resource in catalog.resources.values():
        yield f"resources.{resource.id}", resource
        for name, each in resource.fields.items():
            yield f"resources.{resource.id}.fields.{name}", each
    for id_, listed in catalog.suppressions.items():
        yield f"suppressions.{id_}", listed
    yield from ((f"segments.{id_}", each) for id_, each in catalog.segments.items())
    yield from ((f"endpoints.{id_}", each) for id_, each in catalog.endpoints.items())
    yield from ((f"triggers.{id_}", each) for id_, each in catalog.triggers.items())
    yield from ((f"workflows.{id_}", each) for id_, each in catalog.workflows.items())


def _text(value: object) -> str:
    match value:
        case None | "":
            return "none"
        case bool():
            return str(value).lower()
        case tuple() | frozenset() | Mapping():
            return ", ".join(_list_texts(value)) or "none"
        case _:
            return str(value)


def _show(name: str, value: object) -> str:
    if name not in ("filter", "when", "was") or value is None:
        return _text(value)
    shown = json.encode(value).decode()
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _warn_of_no_filter(thing: Thing, name: str) -> str:
    """Return what is said of a dynamic segment that has no members (S9)."""
    if not isinstance(thing, Segment) or name not in ("kind", "filter"):
        return ""
    if thing.kind is SegmentKind.STATIC or thing.filter is not None:
        return ""
    return " (without a filter, it has no members)"


def _list_texts(
    value: tuple[object, ...] | frozenset[object] | Mapping[object, object],
) -> list[str]:
    match value:
        case Mapping():
            return [f"{name} = {each}" for name, each in value.items()]
        case frozenset():
            return list(map(str, sorted(value, key=str)))
        case _:
            return list(map(str, value))


def _changes_of(path: str, old: Thing, new: Thing) -> Iterator[Change]:
    before, after = _attributes(old), _attributes(new)
    for name, value in after.items():
        if before[name] != value:
            loses_data = _LOSES_DATA_OF.get((type(new), name), _LOSES_DATA.get(name))
            yield Change(
                kind=ChangeKind.CHANGE,
                path=path,
                detail=f"{name}: {_show(name, before[name])} → {_show(name, value)}"
                + _warn_of_no_filter(new, name),
                loses_data=loses_data is not None and loses_data(before[name], value),
            )


def plan(current: DeclaredCatalog, declared: DeclaredCatalog) -> list[Change]:
    """List what turns `current` into `declared`: as declared, then what is removed."""
    before, after = dict(_things(current)), dict(_things(declared))
    changes: list[Change] = []
    for path, thing in after.items():
        if path in before:
            changes += _changes_of(path, before[path], thing)
        else:
            detail = str(thing.type) if isinstance(thing, Field) else thing.name
            detail += _warn_of_no_filter(thing, "filter")
            changes.append(Change(kind=ChangeKind.ADD, path=path, detail=detail))

    changes += [
        Change(
            kind=ChangeKind.REMOVE,
            path=path,
            # The others hold nothing of their own; with an endpoint go the events
            # that it has not taken yet.
            loses_data=not isinstance(thing, Account | Trigger | Workflow),
        )
        for path, thing in before.items()
        if path not in after
    ]
    return changes


def _database_fields(catalog: DeclaredCatalog) -> dict[tuple[int, str], Field]:
    return {
        (database.id, name): each
        for database in catalog.databases.values()
        for name, each in database.fields.items()
    }


def field_changes(
    current: DeclaredCatalog, declared: DeclaredCatalog
) -> list[FieldChange]:
    """List the fields of databases that differ; what is stored may have to follow."""
    old = _database_fields(current)
    new = _database_fields(declared)
    return [
        FieldChange(
            database_id=database_id,
            name=name,
            old=old.get((database_id, name)),
            new=new.get((database_id, name)),
        )
        for database_id, name in sorted(old.keys() | new.keys())
        if old.get((database_id, name)) != new.get((database_id, name))
    ]
