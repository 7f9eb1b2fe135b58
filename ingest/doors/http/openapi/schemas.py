"""The shapes of requests, as JSON Schema, made from what reads them.

Told are the forms that a client should send; the text form of each is taken too.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from ingest.domain.catalog import Channel, Field, FieldType
from ingest.domain.declarations import PARAMETERS, list_names
from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.imports import Level, Matching, OnAmbiguous, Otherwise
from ingest.domain.lanes import Lane
from ingest.domain.statuses import STATUSES
from ingest.domain.subscription_drafts import MAX_PRIORITY
from ingest.domain.subscription_fields import SYSTEM_SUBSCRIPTION_FIELDS
from ingest.domain.updates import Action
from ingest.domain.views import ProfileId
from ingest.wire import envelopes, parameters
from ingest.wire.promises import DRY_RUN

JsonSchema = dict[str, object]

_TEXT: JsonSchema = {"type": "string"}
_INT64: JsonSchema = {
    "type": "integer",
    "minimum": -(2**63),
    "maximum": 2**63 - 1,
}
ID: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
_ADDRESSES: tuple[JsonSchema, ...] = (
    {"type": "string", "format": "ipv4"},
    {"type": "string", "format": "ipv6"},
)
_STATUS: JsonSchema = {"enum": [*STATUSES, *STATUSES.values()]}
_CHANNEL: JsonSchema = {"type": "string", "enum": [*Channel]}
PROFILE_ID: JsonSchema = msgspec.json.schema(ProfileId)

_BY_PARSER: Mapping[Callable[[object], object], JsonSchema] = {
    parameters.parse_text: _TEXT,
    parameters.parse_digits_or_text: _TEXT,
    parameters.parse_id: ID,
    parameters.parse_ids: {"type": "array", "items": ID},
    parameters.parse_flag: {"type": "boolean"},
    parameters.parse_mode: {"type": "string", "enum": [*Matching]},
    parameters.parse_policy: {"type": "string", "enum": [*OnAmbiguous]},
    parameters.parse_as_of: {"type": "string", "format": "date-time"},
    parameters.read_basis: {"$ref": "#/components/schemas/Consent"},
    parameters.parse_otherwise: {"type": "string", "enum": [*Otherwise]},
    parameters.parse_lane: {"type": "string", "enum": [*Lane]},
    parameters.parse_scalar: {"type": ["string", "number", "boolean"]},
    parameters.parse_document: {"type": "object"},
}
#: What a value of each type may look like (contract 4.3, 4.4, 5).
FIELD_TYPES: Mapping[FieldType, JsonSchema] = {
    FieldType.INT: _INT64,
    FieldType.FLOAT: {"type": "number"},
    FieldType.UNICODE: _TEXT,
    FieldType.DATE: {
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date"},
        ]
    },
    FieldType.BOOL: {"type": "boolean"},
    FieldType.ENUM: _TEXT,
    FieldType.IP: _ADDRESSES[0],
    FieldType.TAGS: {"type": "array", "items": _TEXT},
    FieldType.OBJECT: {"type": "object"},
    FieldType.ARR_OBJECT: {"type": "array", "items": {"type": "object"}},
    FieldType.VERSION: _TEXT,
    FieldType.SEX: {"enum": ["male", "female", 0, 1, 2]},
    FieldType.COUNTRY: _TEXT,
    FieldType.TIMEZONE: {"type": "string", "examples": ["Europe/Moscow"]},
    FieldType.STATUS: _STATUS,
    FieldType.ANY_IP: {"anyOf": [*_ADDRESSES]},
}

_MEANINGS: Mapping[str, str] = {
    "token": "API token, unless it is in the Authorization header or the query",
    "format": "Format of the response: `json` or `xml`",
    "sync": "`false`: respond with 202 as soon as the import is accepted",
    "lane": "`bulk`: imports of the lane `live` may be applied first",
    DRY_RUN: "`true`: respond with what would change, and write nothing",
    **{one.name: one.meaning for one in PARAMETERS},
}
#: Parameters with shapes of their own.
_OTHERS: Mapping[str, JsonSchema] = {
    "format": {"type": "string", "enum": ["json", "xml"]},
    DRY_RUN: {"type": "boolean"},
    "data": {"$ref": "#/components/schemas/ProfileData"},
    "segment_id": {**ID, "description": "Static segment"},
    "times": {
        "type": "boolean",
        "description": "`true`: list when the values were written",
    },
    "channel": {**_CHANNEL, "description": "Channel of the subscription"},
    "id": {**ID, "description": "Resource"},
    "from_id": {**PROFILE_ID, "description": "`from_id` of the previous response"},
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "default": 100,
        "description": "Maximum number of profiles in a response",
    },
    "elements": {
        "type": "array",
        "items": {
            "anyOf": [
                {"$ref": "#/components/schemas/ProfileData"},
                {"$ref": "#/components/schemas/WrappedProfile"},
            ]
        },
        "description": "Profiles: plain fields, or objects with parameters of their "
        "own",
    },
}


def describe_parameter(name: str) -> JsonSchema:
    """Return the schema of a top-level parameter."""
    read_by = envelopes.PARSERS.get(name)
    schema = dict(_BY_PARSER[read_by]) if read_by else {}
    if meaning := _MEANINGS.get(name):
        schema["description"] = meaning
    return schema | _OTHERS.get(name, {})


def describe_parameters(
    names: Iterable[str], required: Iterable[str], **others: JsonSchema
) -> JsonSchema:
    """Return the schema of an object with these parameters."""
    shown: dict[str, object] = {name: describe_parameter(name) for name in names}
    schema: JsonSchema = {"type": "object", "properties": shown | others}
    return schema | {"required": [*required], "xml": {"name": "xml"}}


def _describe_fields(fields: Mapping[str, Field]) -> dict[str, object]:
    return {name: _describe_field(field) for name, field in fields.items()}


def _describe_field(field: Field) -> JsonSchema:
    change = {"$ref": "#/components/schemas/Change"}
    schema: JsonSchema = {"anyOf": [FIELD_TYPES[field.type], change, {"type": "null"}]}
    return schema | ({"title": field.title} if field.title else {})


_EMAIL: JsonSchema = {"type": "string", "format": "email"}
_PHONE: JsonSchema = {"type": "string", "examples": ["+442079460018"]}


_PROFILE_DATA: JsonSchema = {
    "type": "object",
    "description": "Fields by name: the fields below and those of the database."
    " Null changes nothing, empty text clears.",
    "properties": {
        "email": _EMAIL,
        "phones": {"type": "array", "items": _PHONE},
        "subscriptions": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Subscription"},
        },
        **_describe_fields(SYSTEM_FIELDS),
    },
}
_CHANGE: JsonSchema = {
    "type": "object",
    "description": "Update function instead of a value",
    "properties": {
        "action": {"type": "string", "enum": [*Action]},
        "value": {"description": "Operand; not needed for `unset`"},
        "submatch": {
            "type": "string",
            "description": "For `upsert`: path of a property, with dots",
        },
    },
    "required": ["action"],
}


_CONSENT: JsonSchema = {
    "type": "object",
    "description": "Basis of a status: who agreed to what, where, and when",
    "properties": {
        "raise": {
            "type": "boolean",
            "description": "`true`: it may replace an older opt-out",
        },
        "source": {**_TEXT, "maxLength": 200, "examples": ["checkout"]},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "When the person decided. Default: on acceptance",
        },
        "ip": {"anyOf": [*_ADDRESSES]},
        "url": {**_TEXT, "maxLength": 2000},
        "text": {**_TEXT, "maxLength": 1000, "description": "What the person read"},
        "version": {**_TEXT, "maxLength": 100},
        "confirmed": {
            "type": "boolean",
            "description": "`true`: the person confirmed elsewhere",
        },
    },
    "required": ["source"],
    "additionalProperties": False,
}


#: What `subscriptions/set` says of a registration (contract 6.1).
REGISTRATION: Mapping[str, JsonSchema] = {
    "date": {"type": "string", "format": "date-time"},
    "ip": {"anyOf": [*_ADDRESSES]},
    "url": {**_TEXT, "maxLength": 2000},
}


def build_request_schemas() -> dict[str, JsonSchema]:
    """Return the shapes that several requests share, by name."""
    return {
        "ProfileData": _PROFILE_DATA,
        "WrappedProfile": describe_parameters(list_names(Level.ELEMENT), ["data"]),
        "Change": _CHANGE,
        "Consent": _CONSENT,
        "Subscription": {
            "type": "object",
            "description": "Identified by resource, channel, and contact;"
            " each channel has its own kind of contact",
            "properties": build_subscription_properties(),
            "required": ["channel"],
        },
    }


def build_subscription_properties() -> dict[str, JsonSchema]:
    """Return what a subscription is sent as (contract 6.1)."""
    chat: JsonSchema = {
        "type": "object",
        "description": "telegram_bot: `id`; whatsapp, viber, notify: `phone`",
        "properties": {"id": {"type": ["integer", "string"]}, "phone": _PHONE},
    }
    fields = _describe_fields(SYSTEM_SUBSCRIPTION_FIELDS)
    return {
        "resource_id": ID,
        "channel": _CHANNEL,
        "status": {"enum": [*STATUSES, *STATUSES.values(), -1]},
        "priority": {"type": "integer", "minimum": -1, "maximum": MAX_PRIORITY},
        "custom_fields": {"type": "object", "properties": fields},
        "cats": {"type": "array", "items": _TEXT},
        "consent": {"$ref": "#/components/schemas/Consent"},
        "email": _EMAIL,
        "phone": _PHONE,
        "provider": {"type": "string", "examples": ["android-firebase"]},
        "subscription_id": _TEXT,
        "cc_data": chat,
    }
