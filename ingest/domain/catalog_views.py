"""The catalog as it is read back (contract 6.4, 6.5 and 12)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from ingest.domain.catalog import (
    Channel,
    Database,
    Field,
    FieldType,
    Resource,
    Segment,
    SegmentKind,
)

#: System fields have types of their own; callers know only those of contract 5.
_API_TYPES: Mapping[FieldType, FieldType] = {
    FieldType.SEX: FieldType.ENUM,
    FieldType.COUNTRY: FieldType.UNICODE,
    FieldType.TIMEZONE: FieldType.UNICODE,
    FieldType.STATUS: FieldType.INT,
    FieldType.ANY_IP: FieldType.IP,
}
#: Which list the values of a system field are from (contract 6.5).
_DICTIONARIES: Mapping[str, str] = {
    "_device_type": "devices",
    "_os_tz": "tz",
    "_os_language": "languages",
    "_tz": "tz",
}
#: Of subscriptions alone: a profile's `_os` is any text.
_SUBSCRIPTION_DICTIONARIES = {**_DICTIONARIES, "_os": "oses"}
_SEXES = ("male", "female")
#: A database has these too, though no import reads them by a type.
CONTACTS = (
    Field(name="email", type=FieldType.UNICODE, title="Email", system=True),
    # A list of text, as tags are.
    Field(name="phones", type=FieldType.TAGS, title="Phones", system=True),
)


class DatabaseView(Struct, frozen=True, kw_only=True):
    """A database without its fields."""

    id: int
    name: str


class ResourceView(Struct, frozen=True, kw_only=True):
    """A resource without its fields."""

    id: int
    name: str
    url: str
    channels: list[Channel]
    dbs_ids: list[int]
    cats: list[str]


class SegmentView(Struct, frozen=True, kw_only=True):
    """A segment, and whether its members are known."""

    id: int
    name: str
    kind: SegmentKind
    #: `building` while members of a dynamic one are still missing.
    state: Literal["static", "built", "building", "no filter"]
    filter: Mapping[str, Any] | UnsetType = UNSET


class FieldView(Struct, frozen=True, kw_only=True):
    """A field of a database or of a resource."""

    category: Literal["system", "custom"]
    name: str
    required: bool
    title: str
    type: FieldType
    options: Sequence[str] | UnsetType = UNSET
    dictionary: str | UnsetType = UNSET


def view_database(database: Database) -> DatabaseView:
    """Show a database."""
    return DatabaseView(id=database.id, name=database.name)


def view_segment(segment: Segment) -> SegmentView:
    """Show a segment."""
    state: Literal["static", "built", "building", "no filter"] = "built"
    if segment.kind is SegmentKind.STATIC:
        state = "static"
    elif segment.filter is None:
        state = "no filter"
    elif segment.building:
        state = "building"
    return SegmentView(
        id=segment.id,
        name=segment.name,
        kind=segment.kind,
        state=state,
        filter=UNSET if segment.filter is None else segment.filter,
    )


def view_database_fields(database: Database) -> list[FieldView]:
    """List what `data` may hold, system fields first."""
    return _view_fields([*CONTACTS, *database.fields.values()], _DICTIONARIES)


def view_resource(resource: Resource, database_ids: Collection[int]) -> ResourceView:
    """Show a resource; of its databases, those among `database_ids`."""
    return ResourceView(
        id=resource.id,
        name=resource.name,
        url=resource.url,
        channels=sorted(resource.channels),
        dbs_ids=sorted(resource.database_ids & set(database_ids)),
        cats=sorted(resource.categories),
    )


def view_resource_fields(
    resource: Resource, channel: Channel | None
) -> list[FieldView]:
    """List what `custom_fields` may hold on `channel`, or on any (contract 6.5)."""
    fields = [
        field
        for field in resource.fields.values()
        if channel is None or not field.channels or channel in field.channels
    ]
    return _view_fields(fields, _SUBSCRIPTION_DICTIONARIES)


def _view_fields(
    fields: Iterable[Field], dictionaries: Mapping[str, str]
) -> list[FieldView]:
    return [
        _view_field(field, dictionaries.get(field.name, ""))
        for field in sorted(fields, key=lambda field: not field.system)
    ]


def _view_field(field: Field, dictionary: str) -> FieldView:
    options = _SEXES if field.type is FieldType.SEX else field.options
    return FieldView(
        category="system" if field.system else "custom",
        name=field.name,
        required=field.required,
        title=field.title or field.name,
        type=_API_TYPES.get(field.type, field.type),
        options=options or UNSET,
        dictionary=(field.system and dictionary) or UNSET,
    )
