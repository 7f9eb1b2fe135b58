"""The shape of a catalog file: its tables, their keys and the types of their values.

Files are read and written by it. Keys are the attributes of the records, under the
names of `FILE_NAMES`. Shape only: what needs two values at once is in `catalog_rules`.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_dump, validate

from ingest.domain.catalog import (
    Channel,
    EventKind,
    Field,
    FieldType,
    Novelty,
    SegmentKind,
    SuppressionAction,
)
from ingest.domain.consent import REQUIREMENTS, ConsentPolicy
from ingest.domain.deliveries import CONCURRENCY
from ingest.domain.errors import InvalidValue
from ingest.domain.event_batches import LARGEST_BATCH, parse_linger
from ingest.domain.fields import parse as parse_value
from ingest.domain.imports import OnAmbiguous, Otherwise
from ingest.domain.intervals import parse_bounded, parse_duration, to_timedelta
from ingest.domain.phones import REGIONS
from ingest.domain.plans import FILE_NAMES
from ingest.domain.statuses import DECIDED, STATUSES
from ingest.domain.tokens import SOURCE, SOURCE_TEXT

#: Contract section 5; the other types belong to fields of the system's own.
DATABASE_FIELD_TYPES = (
    FieldType.INT,
    FieldType.FLOAT,
    FieldType.UNICODE,
    FieldType.DATE,
    FieldType.BOOL,
    FieldType.ENUM,
    FieldType.IP,
    FieldType.TAGS,
    FieldType.OBJECT,
    FieldType.ARR_OBJECT,
)
RESOURCE_FIELD_TYPES = (*DATABASE_FIELD_TYPES, FieldType.VERSION)

#: A custom field of such a name could not be told from the profile's own.
RESERVED_NAMES = ("email", "phones", "subscriptions", "id", "db_id", "profile_id")

_IDS = validate.Range(min=1, max=2**31 - 1)
_STORABLE = validate.Regexp(r"[^\0]*\Z", error="Must not contain the NUL character.")
_TEXT = validate.And(
    validate.Length(max=200),
    validate.Regexp(r"\s*\S", error="Must not be blank."),
    _STORABLE,
)
_FIELD_NAME = validate.Regexp(
    r"[A-Za-z][A-Za-z0-9_]{0,63}\Z",
    error="Must be a letter, then letters, digits, or _ (at most 64).",
)
_URL = validate.And(
    validate.URL(schemes={"http", "https"}, require_tld=False),
    _STORABLE,
)
_QUEUE = validate.Regexp(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z",
    error="Must be letters, digits, '.', '_', or '-' (at most 100).",
)
_RATE = validate.Range(min=0.1, max=10_000)
_SOURCE = validate.Regexp(rf"{SOURCE}\Z", error=SOURCE_TEXT)
_REGION = validate.OneOf(
    REGIONS, error="Must be a two-letter country code (ISO 3166), such as RU."
)
_REQUIRED = f"Must be one of: {', '.join(REQUIREMENTS)}."
_NOT_RESERVED = validate.NoneOf(
    RESERVED_NAMES, error=f"Must not be a reserved name ({', '.join(RESERVED_NAMES)})."
)


#: Links to confirm a subscription by are valid for no longer.
_LONGEST_WAIT = timedelta(days=366)
_STATUS = validate.OneOf(STATUSES, error="Must be one of {choices}.")
_DECIDED = validate.OneOf(DECIDED, error="Must be one of {choices}.")


def _check_zone(name: str) -> None:
    """Refuse what is no time zone."""
    try:
        parse_value(Field(name="", type=FieldType.TIMEZONE), name)
    except InvalidValue as error:
        raise ValidationError(f"{error}.") from error


def _check_every(text: str) -> None:
    """Refuse what is no length of time."""
    try:
        parse_duration(text)
    except InvalidValue as error:
        raise ValidationError(f"{error}.") from error


def _check_delay(text: str) -> None:
    """Refuse what is no length of time that an event can wait (T4)."""
    _check_bounded(text, "1m", "30d")


def _check_disable_after(text: str) -> None:
    """Refuse what is no length of time that an endpoint may fail (T7)."""
    _check_bounded(text, "1h", "30d")


def _check_bounded(text: str, least: str, most: str) -> None:
    try:
        parse_bounded(text, least, most)
    except InvalidValue as error:
        raise ValidationError(f"{error}.") from error


def _check_linger(text: str) -> None:
    """Refuse what is no length of time that a batch waits (T6)."""
    try:
        parse_linger(text)
    except InvalidValue as error:
        raise ValidationError(f"{error}.") from error


def _check_wait(text: str) -> None:
    """Refuse what is no length of time, and more than people wait for."""
    _check_every(text)
    if to_timedelta(parse_duration(text)) > _LONGEST_WAIT:
        raise ValidationError("Must be at most 365d.")


def _id() -> fields.Integer:
    return fields.Integer(strict=True, required=True, validate=_IDS)


def _text() -> fields.String:
    return fields.String(required=True, validate=_TEXT)


def _optional_id() -> fields.Integer:
    return fields.Integer(strict=True, validate=_IDS, load_default=None)


def _flag() -> fields.Boolean:
    return fields.Boolean(load_default=False, truthy={True}, falsy={False})


def _list(inner: fields.Field[Any]) -> fields.List[Any]:
    return fields.List(inner, load_default=list)


def _consent() -> fields.Enum[ConsentPolicy]:
    return fields.Enum(ConsentPolicy, by_value=True, load_default=None)


def _own_fields(inner: fields.Field[Any]) -> fields.List[Any]:
    # `fields` itself is marshmallow's.
    return fields.List(inner, load_default=list, attribute="fields", data_key="fields")


def _ranks() -> fields.Dict:
    return fields.Dict(
        keys=fields.String(validate=_SOURCE),
        values=fields.Integer(strict=True, validate=validate.Range(min=0, max=1000)),
        load_default=dict,
    )


#: What of an owner is a table, and no list of records.
_TABLES = frozenset({"sources", "field_sources"})


class _TableSchema(Schema):
    """One table of the file and its record."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Give the field its name in the file."""
        field_obj.data_key = field_obj.data_key or FILE_NAMES.get(field_name)

    def get_attribute(self, obj: object, attr: str, default: object) -> object:
        """Return what is written of a record: sets in order."""
        value: object = super().get_attribute(obj, attr, default)
        return sorted(value) if isinstance(value, frozenset) else value

    @post_dump
    def _leave_out_defaults(
        self, table: Mapping[str, Any], **_: object
    ) -> dict[str, Any]:
        defaults = {
            field.data_key or name: field.load_default
            for name, field in self.fields.items()
        }
        return {
            key: value
            for key, value in table.items()
            if value not in (None, [], {}) and value != defaults[key]
        }


class _OwnerSchema(_TableSchema):
    """One whose record holds others, by their ids or names."""

    def get_attribute(self, obj: object, attr: str, default: object) -> object:
        """Return what is written of a record, those that it holds as a list."""
        value = super().get_attribute(obj, attr, default)
        return (
            [*value.values()]
            if isinstance(value, Mapping) and attr not in _TABLES
            else value
        )


class AccountSchema(_TableSchema):
    """One of `[[accounts]]`."""

    id = _id()
    name = _text()
    raise_consent = _flag()
    notify_id = _optional_id()


class ResourceFieldSchema(_TableSchema):
    """One of `[[resources.fields]]`."""

    name = fields.String(required=True, validate=_FIELD_NAME)
    type = fields.String(required=True, validate=validate.OneOf(RESOURCE_FIELD_TYPES))
    title = fields.String(load_default="", validate=_STORABLE)
    required = _flag()
    options = _list(fields.String(validate=_TEXT))
    channels = _list(fields.Enum(Channel, by_value=True))


class DatabaseFieldSchema(_TableSchema):
    """One of `[[databases.fields]]`."""

    name = fields.String(required=True, validate=[_FIELD_NAME, _NOT_RESERVED])
    type = fields.String(required=True, validate=validate.OneOf(DATABASE_FIELD_TYPES))
    title = fields.String(load_default="", validate=_STORABLE)
    required = _flag()
    default = fields.Raw()
    options = _list(fields.String(validate=_TEXT))
    match = _flag()
    unique = _flag()
    merge = fields.String(load_default="", validate=_STORABLE)


class DatabaseSchema(_OwnerSchema):
    """One of `[[databases]]`."""

    id = _id()
    account_id = _id()
    name = _text()
    default_resource_id = _optional_id()
    ignore_unknown_fields = _flag()
    phone_region = fields.String(load_default=None, validate=_REGION)
    timezone = fields.String(load_default="UTC", validate=_check_zone)
    consent = _consent()
    forget_list_id = _optional_id()
    claims = _flag()
    times = _flag()
    sources = _ranks()
    field_sources = fields.Dict(
        keys=fields.String(validate=_TEXT), values=_ranks(), load_default=dict
    )
    on_ambiguous = fields.Enum(
        OnAmbiguous, by_value=True, load_default=OnAmbiguous.REJECT
    )
    otherwise = fields.Enum(Otherwise, by_value=True, load_default=Otherwise.REJECT)
    merge_keys = fields.List(
        fields.String(validate=_TEXT), load_default=lambda: ["email"]
    )
    merge_blocked = _list(fields.String(validate=_TEXT))
    merge_limit = fields.Integer(
        strict=True, validate=validate.Range(min=1, max=100), load_default=5
    )
    own_fields = _own_fields(fields.Nested(DatabaseFieldSchema))


class ConfirmSchema(_TableSchema):
    """`confirm` of one of `[[resources]]`."""

    channels = fields.List(
        fields.Enum(Channel, by_value=True),
        # Always written: a table of nothing but defaults says that there is one.
        load_default=lambda: [Channel.EMAIL],
        validate=validate.Length(min=1, error="Must not be empty."),
    )
    expires = fields.String(load_default="14d", validate=_check_wait)
    resend_after = fields.String(load_default="1d", validate=_check_wait)
    resend_limit = fields.Integer(
        strict=True, validate=validate.Range(min=0, max=100), load_default=3
    )
    redirect = fields.String(load_default="", validate=_URL)
    one_click = _flag()


class ResourceSchema(_OwnerSchema):
    """One of `[[resources]]`."""

    id = _id()
    account_id = _id()
    name = _text()
    url = fields.String(load_default="", validate=_STORABLE)
    database_ids = _list(fields.Integer(strict=True, validate=_IDS))
    channels = _list(fields.Enum(Channel, by_value=True))
    categories = _list(fields.String(validate=_TEXT))
    raise_new_priority = _flag()
    consent = _consent()
    consent_requires = _list(
        fields.String(validate=validate.OneOf(REQUIREMENTS, error=_REQUIRED))
    )
    consent_history = _flag()
    suppress_on = _list(fields.String(validate=_DECIDED))
    suppress_list_id = _optional_id()
    confirm = fields.Nested(ConfirmSchema, load_default=None)
    unconfirmed_days = fields.Integer(
        strict=True, validate=validate.Range(min=1, max=3650), load_default=None
    )
    own_fields = _own_fields(fields.Nested(ResourceFieldSchema))


class SuppressionListSchema(_TableSchema):
    """One of `[[suppressions]]`."""

    id = _id()
    account_id = _id()
    name = _text()
    resource_ids = _list(fields.Integer(strict=True, validate=_IDS))
    channels = _list(fields.Enum(Channel, by_value=True))
    action = fields.Enum(
        SuppressionAction, by_value=True, load_default=SuppressionAction.STORE
    )
    status = fields.String(load_default="unsubscribed", validate=_DECIDED)


class SegmentSchema(_TableSchema):
    """One of `[[segments]]`."""

    id = _id()
    database_id = _id()
    name = _text()
    kind = fields.Enum(SegmentKind, by_value=True, load_default=SegmentKind.STATIC)
    filter = fields.Raw(load_default=None)
    announce = _flag()


class EndpointSchema(_TableSchema):
    """One of `[[endpoints]]`."""

    id = _id()
    account_id = _id()
    name = _text()
    url = fields.String(load_default="", validate=_URL)
    queue = fields.String(load_default="", validate=_QUEUE)
    rate = fields.Float(load_default=None, validate=_RATE)
    concurrency = fields.Integer(
        strict=True, load_default=CONCURRENCY, validate=validate.Range(min=1, max=256)
    )
    batch = fields.Integer(
        strict=True,
        load_default=None,
        validate=validate.Range(min=1, max=LARGEST_BATCH),
    )
    linger = fields.String(load_default="", validate=_check_linger)
    disable_after = fields.String(load_default="", validate=_check_disable_after)


class TriggerSchema(_TableSchema):
    """One of `[[triggers]]`."""

    id = _id()
    name = _text()
    database_id = _id()
    endpoint_id = _id()
    event = fields.Enum(EventKind, by_value=True, required=True)
    resource_id = _optional_id()
    channel = fields.Enum(Channel, by_value=True, load_default=None)
    novelties = _list(fields.Enum(Novelty, by_value=True))
    segment_id = _optional_id()
    changed = _own_fields(fields.String(validate=_TEXT))
    statuses = _list(fields.String(validate=_STATUS))
    from_statuses = _list(fields.String(validate=_STATUS))
    when = fields.Raw(load_default=None)
    was = fields.Raw(load_default=None)
    include = _list(fields.String(validate=_TEXT))
    once = _flag()
    every = fields.String(load_default="", validate=_check_every)
    delay = fields.String(load_default="", validate=_check_delay)
    recheck = _flag()


class WorkflowSchema(_TableSchema):
    """One of `[[workflows]]`."""

    id = _id()
    name = _text()
    database_id = _id()
    endpoint_id = _id()


class CatalogSchema(_OwnerSchema):
    """The whole file."""

    accounts = _list(fields.Nested(AccountSchema))
    databases = _list(fields.Nested(DatabaseSchema))
    resources = _list(fields.Nested(ResourceSchema))
    suppressions = _list(fields.Nested(SuppressionListSchema))
    segments = _list(fields.Nested(SegmentSchema))
    endpoints = _list(fields.Nested(EndpointSchema))
    triggers = _list(fields.Nested(TriggerSchema))
    workflows = _list(fields.Nested(WorkflowSchema))


CATALOG = CatalogSchema()
