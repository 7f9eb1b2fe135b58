"""What can be asked over HTTP: one row for each path with a body that is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ingest.doors.openapi_schemas import (
    ID,
    Schema,
    build_subscription_properties,
    describe_parameter,
    describe_parameters,
)

PROFILE_ID = "6b04f28ad691ecc2e1a166f2"

_SAID = ("token", "format")
_WHOSE = (*_SAID, "sync", "db_id")
_KEY_NAMES = (
    *("matching", "email", "phone", "profile_id", "provider", "subscription_id"),
    *("field_name", "field_value", "resource_id"),
)
_FLAGS = ("skip_triggers", "skip_invalid_subscriptions")
_SEGMENTS = ("add_to_segments", "remove_from_segments")
_IMPORT = (*_WHOSE, *_KEY_NAMES, *_FLAGS, "detect_geo", *_SEGMENTS)
_ADD = (*_WHOSE, *_FLAGS, "detect_geo", *_SEGMENTS)
_ONE = ("db_id", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One path, what it is sent and what it answers when all is well."""

    path: str
    tag: Literal["Import", "Read", "Catalogue"]
    summary: str
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    #: The name of the shape of the answer.
    answer: str
    #: A request that works on the demo catalogue, without its token.
    example: Mapping[str, object]
    #: The name of the shape of the answer to an import that still waits, if any.
    accepted: str | None = None
    others: Mapping[str, Schema] = field(default_factory=dict)

    def describe_body(self) -> Schema:
        """Return the schema of the request's body."""
        return describe_parameters(self.parameters, self.required, **self.others)


def _one(path: str, summary: str, *, example: Mapping[str, object]) -> Asking:
    """Describe a request of one import."""
    adds = path.endswith("/add")
    return Asking(
        path=f"/api/v1.1/profiles/{path.strip('/')}",
        tag="Import",
        summary=summary,
        parameters=(*(_ADD if adds else _IMPORT), "data"),
        required=_ONE,
        answer="Imported",
        accepted="Accepted",
        example=example,
    )


def _batch(path: str, summary: str, *, example: Mapping[str, object]) -> Asking:
    adds = path.startswith("add")
    return Asking(
        path=f"/api/v1.1/profiles/{path}",
        tag="Import",
        summary=summary,
        parameters=_ADD if adds else _IMPORT,
        required=_ONE,
        answer="ImportedBatch",
        accepted="AcceptedBatch",
        example=example,
        others={"data": _ELEMENTS},
    )


def _membership(path: str, summary: str) -> Asking:
    return Asking(
        path=f"/api/v1.1/profiles/segstatic/{path}",
        tag="Import",
        summary=summary,
        parameters=(*_WHOSE, "profile_id", "segment_id", "skip_triggers"),
        required=("db_id", "profile_id", "segment_id"),
        answer="Imported",
        accepted="Accepted",
        example={"db_id": 1, "profile_id": PROFILE_ID, "segment_id": 1},
    )


def _query(
    path: str,
    summary: str,
    answer: str,
    *names: str,
    required: tuple[str, ...] = (),
    others: Mapping[str, Schema] = MappingProxyType({}),
    example: Mapping[str, object] = MappingProxyType({}),
) -> Asking:
    return Asking(
        path=f"/api/v1.1/{path}",
        tag="Read" if path.startswith(("profiles", "subscriptions")) else "Catalogue",
        summary=summary,
        parameters=(*_SAID, *names),
        required=required,
        answer=answer,
        others=others,
        example=example,
    )


_ELEMENTS: Schema = describe_parameter("elements")
_START_PARTS: Mapping[str, Schema] = {
    "trigger_id": {**ID, "description": "Trigger that is started by a call"},
    "custom_data": {"type": "object", "description": "Passed on to the receiver"},
    "content": {"type": "object", "description": "Variables of a template"},
    "timeout": {"type": "object", "description": "`days`, `hours`, `minutes`"},
    "attach": {"type": "array", "items": {"type": "object"}},
}
_CONTACT = build_subscription_properties()
_ADA: Mapping[str, object] = {
    "_fname": "Ada",
    "phones": ["+442079460018"],
    "points": {"action": "incr", "value": 10},
    "subscriptions": [
        {"channel": "email", "email": "ada@example.com", "resource_id": 1}
    ],
}
_BY_EMAIL = {"db_id": 1, "matching": "email", "email": "ada@example.com"}
_BY_CODE = {"matching": "custom", "field_name": "code", "field_value": 5}
_BATCH: tuple[Mapping[str, object], ...] = (
    {"email": "ada@example.com", "_lname": "Lovelace"},
    {"email": "grace@example.com", "data": {"_fname": "Grace"}, "detect_geo": True},
)

ASKINGS: tuple[Asking, ...] = (
    _one(
        "import",
        "Create a profile, or update the one that matches",
        example={**_BY_EMAIL, "data": _ADA},
    ),
    _one(
        "update",
        "Update the profile that matches; 404 if there is none",
        example={**_BY_EMAIL, "data": {"_lname": "Lovelace"}},
    ),
    _one(
        "add",
        "Create a profile, whether or not a similar one exists",
        example={"db_id": 1, "data": {"email": "alan@example.com"}},
    ),
    _batch(
        "import_batch",
        "Create or update many profiles, in their order",
        example={"db_id": 1, "matching": "email", "data": [*_BATCH]},
    ),
    _batch(
        "update_batch",
        "Update many profiles",
        example={"db_id": 1, "data": [{"email": "ada@example.com", "score": 1.5}]},
    ),
    _batch(
        "add_batch",
        "Create many profiles",
        example={"db_id": 1, "data": [{"_fname": "Kurt"}, {"_fname": "Emmy"}]},
    ),
    _membership("add", "Put a profile into a static segment"),
    _membership("remove", "Take a profile out of a static segment"),
    Asking(
        path="/api/v1.1/subscriptions/set",
        tag="Import",
        summary="Add a subscription to a profile, or change it",
        parameters=(*_WHOSE, "profile_id", "skip_triggers"),
        required=("db_id", "profile_id", "resource_id", "channel"),
        answer="Imported",
        accepted="Accepted",
        others=_CONTACT,
        example={
            "db_id": 1,
            "profile_id": PROFILE_ID,
            "resource_id": 1,
            "channel": "email",
            "email": "ada@example.com",
            "status": "subscribed",
        },
    ),
    Asking(
        path="/api/v1.1/campaigns/triggers/import_and_start",
        tag="Import",
        summary="Create or update a profile, then start a trigger with it",
        parameters=(*_IMPORT, "data"),
        required=("trigger_id", "data"),
        answer="Imported",
        accepted="Accepted",
        others=_START_PARTS,
        example={"trigger_id": 7, **_BY_CODE, "data": {"_fname": "Ada"}},
    ),
    Asking(
        path="/api/v1.1/campaigns/triggers/import_and_start_batch",
        tag="Import",
        summary="Do that with many profiles",
        parameters=_IMPORT,
        required=("trigger_id", "data"),
        answer="ImportedBatch",
        accepted="AcceptedBatch",
        others={**_START_PARTS, "data": _ELEMENTS},
        example={"trigger_id": 7, "data": [{"data": {"email": "ada@example.com"}}]},
    ),
    _query(
        "profiles/get",
        "Read the profile that matches",
        "ProfileAnswer",
        "db_id",
        *_KEY_NAMES,
        required=("db_id",),
        example=_BY_EMAIL,
    ),
    _query(
        "profiles/list",
        "Read the profiles of a database, page by page",
        "ProfilesAnswer",
        *("db_id", "from_id", "limit"),
        required=("db_id",),
        example={"db_id": 1, "limit": 10},
    ),
    _query(
        "subscriptions/get",
        "Read one subscription of a profile",
        "SubscriptionAnswer",
        *("db_id", "profile_id", "channel", "email", "phone"),
        *("provider", "subscription_id"),
        required=("db_id", "profile_id", "resource_id", "channel"),
        others={name: _CONTACT[name] for name in ("resource_id", "cc_data")},
        example={
            "db_id": 1,
            "profile_id": PROFILE_ID,
            "resource_id": 1,
            "channel": "email",
            "email": "ada@example.com",
        },
    ),
    _query(
        "subscriptions/list",
        "Read the subscriptions of a profile",
        "SubscriptionsAnswer",
        *("db_id", "profile_id"),
        required=("db_id", "profile_id"),
        example={"db_id": 1, "profile_id": PROFILE_ID},
    ),
    _query(
        "profiles/delete",
        "Delete the profile that matches, with all that is known of it",
        "DeletionAnswer",
        "db_id",
        *_KEY_NAMES,
        required=("db_id",),
        example=_BY_EMAIL,
    ),
    _query("databases/list", "Read which databases there are", "DatabasesAnswer"),
    _query(
        "databases/fields_get",
        "Read what `data` may hold",
        "FieldsAnswer",
        "db_id",
        required=("db_id",),
        example={"db_id": 1},
    ),
    _query("resources/list", "Read which resources there are", "ResourcesAnswer"),
    _query(
        "resources/get",
        "Read what a resource has: channels, databases, categories",
        "ResourceAnswer",
        "id",
        required=("id",),
        example={"id": 1},
    ),
    _query(
        "resources/fields_get",
        "Read what `custom_fields` of a subscription may hold",
        "FieldsAnswer",
        *("id", "channel"),
        required=("id",),
        example={"id": 1, "channel": "push"},
    ),
)
