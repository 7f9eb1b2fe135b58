"""Operations over HTTP: one row for each path with a body that is read."""

from collections.abc import Mapping

from ingest.doors.http.openapi.parameters import (
    KEY_NAMES,
    PROFILE_ID,
    WHOSE,
    ApiOperation,
    describe_batch,
    describe_change,
    describe_membership,
    describe_one,
    describe_query,
    describe_start,
)
from ingest.doors.http.openapi.schemas import (
    ID,
    REGISTRATION,
    JsonSchema,
    build_subscription_properties,
)
from ingest.wire.reply_types import (
    AcceptedReply,
    DatabasesReply,
    DeletionReply,
    FieldsReply,
    ImportedReply,
    MergesReply,
    ProfileReply,
    ProfilesFoundReply,
    ProfilesReply,
    ResourceReply,
    ResourcesReply,
    SegmentCountReply,
    SegmentMembersReply,
    SegmentPreviewReply,
    SegmentsReply,
    StatusesReply,
    SubscriptionReply,
    SubscriptionsReply,
    SuppressionAddedReply,
    SuppressionChecksReply,
    SuppressionListsReply,
    SuppressionRemovedReply,
)
from ingest.wire.suppressions import MAX_CONTACTS

_PAYLOAD: Mapping[str, JsonSchema] = {
    "custom_data": {"type": "object", "description": "Sent to the receiver"},
    "content": {"type": "object", "description": "Template variables"},
    "timeout": {"type": "object", "description": "`days`, `hours`, `minutes`"},
    "attach": {"type": "array", "items": {"type": "object"}},
}
_TRIGGER: Mapping[str, JsonSchema] = {
    "trigger_id": {**ID, "description": "Trigger with the event `api_call`"},
    **_PAYLOAD,
}
_WORKFLOW: Mapping[str, JsonSchema] = {
    "workflow_id": {**ID, "description": "Workflow of the catalog"},
    **_PAYLOAD,
}
_CONTACT = build_subscription_properties()
_SUBSCRIPTION: Mapping[str, object] = {
    "db_id": 1,
    "profile_id": PROFILE_ID,
    "resource_id": 1,
    "channel": "email",
    "email": "ada@example.com",
}
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
_STARTED: tuple[Mapping[str, object], ...] = ({"data": {"email": "ada@example.com"}},)

_SEGMENT = {**ID, "description": "Segment"}
_SUPPRESS: JsonSchema = {
    "type": "boolean",
    "default": True,
    "description": "Put the contacts on the suppression list that the database names"
    " in `forget`",
}
_LISTED: Mapping[str, JsonSchema] = {
    "list_id": {**ID, "description": "Suppression list"},
    "contacts": {
        "type": "array",
        "maxItems": MAX_CONTACTS,
        "items": {"type": ["string", "object"]},
        "description": "Emails, phones with a country code, or objects with `channel`"
        " and the contact as in a subscription",
    },
    "sha256": {
        "type": "array",
        "maxItems": MAX_CONTACTS,
        "items": {"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"},
        "description": "SHA-256 of lower-case emails, or of phones such as"
        " `+442079460018`; besides or instead of `contacts`",
    },
}
_ADDITION: Mapping[str, JsonSchema] = {
    **_LISTED,
    "reason": {"type": "string", "maxLength": 200},
    "source": {"type": "string", "maxLength": 200},
    "expires_at": {
        "type": ["string", "integer"],
        "description": "When the entry ends (RFC 3339, or Unix time)",
    },
}
_FILTER: JsonSchema = {
    "type": "object",
    "description": "Condition: exactly one of `all`, `any`, `not`, `field`,"
    " `subscription`, and `segment`",
}

ASKINGS: tuple[ApiOperation, ...] = (
    describe_one(
        "import",
        "Create or update a profile",
        example={**_BY_EMAIL, "data": _ADA},
    ),
    describe_one(
        "update",
        "Update the matching profile",
        example={**_BY_EMAIL, "data": {"_lname": "Lovelace"}},
    ),
    describe_one(
        "add",
        "Create a profile without matching",
        example={"db_id": 1, "data": {"email": "alan@example.com"}},
    ),
    describe_batch(
        "import_batch",
        "Create or update a batch of profiles",
        example={"db_id": 1, "matching": "email", "data": [*_BATCH]},
    ),
    describe_batch(
        "update_batch",
        "Update a batch of profiles",
        example={"db_id": 1, "data": [{"email": "ada@example.com", "score": 1.5}]},
    ),
    describe_batch(
        "add_batch",
        "Create a batch of profiles",
        example={"db_id": 1, "data": [{"_fname": "Kurt"}, {"_fname": "Emmy"}]},
    ),
    describe_membership("add", "Add a profile to a static segment"),
    describe_membership("remove", "Remove a profile from a static segment"),
    ApiOperation(
        path="/api/v1.1/subscriptions/set",
        tag="Import",
        summary="Create or update a subscription",
        parameters=(*WHOSE, "profile_id", "skip_triggers"),
        required=("db_id", "profile_id", "resource_id", "channel"),
        answer=ImportedReply,
        accepted=AcceptedReply,
        others={**_CONTACT, **REGISTRATION},
        example={**_SUBSCRIPTION, "status": "subscribed"},
    ),
    describe_change(
        "delete",
        "Delete a subscription",
        example=_SUBSCRIPTION,
    ),
    describe_change("restore", "Restore a deleted subscription", example=_SUBSCRIPTION),
    describe_change(
        "undelete", "Restore a deleted subscription (alias)", example=_SUBSCRIPTION
    ),
    describe_change("suspend_all", "Suspend the subscriptions of a profile"),
    describe_change("unsuspend_all", "Resume the suspended subscriptions of a profile"),
    describe_start(
        "campaigns/triggers/start",
        "Start a trigger for a stored profile",
        others=_TRIGGER,
        example={"trigger_id": 7, **_BY_EMAIL, "custom_data": {"order": 5}},
    ),
    describe_start(
        "campaigns/triggers/import_and_start",
        "Create or update a profile and start a trigger for it",
        others=_TRIGGER,
        example={"trigger_id": 7, **_BY_CODE, "data": {"_fname": "Ada"}},
    ),
    describe_start(
        "campaigns/triggers/import_and_start_batch",
        "Create or update profiles and start a trigger for each",
        others=_TRIGGER,
        example={"trigger_id": 7, "data": [*_STARTED]},
    ),
    describe_start(
        "workflows/start",
        "Start a workflow for a stored profile",
        others=_WORKFLOW,
        example={"workflow_id": 3, **_BY_EMAIL},
    ),
    describe_start(
        "workflows/import_and_start",
        "Create or update a profile and start a workflow for it",
        others=_WORKFLOW,
        example={"workflow_id": 3, **_BY_EMAIL, "data": {"_fname": "Ada"}},
    ),
    describe_start(
        "workflows/import_and_start_batch",
        "Create or update profiles and start a workflow for each",
        others=_WORKFLOW,
        example={"workflow_id": 3, "data": [*_STARTED]},
    ),
    describe_query(
        "profiles/get",
        "Get the matching profile",
        ProfileReply,
        "db_id",
        *KEY_NAMES,
        "times",
        required=("db_id",),
        example=_BY_EMAIL,
    ),
    describe_query(
        "profiles/list",
        "List the profiles of a database",
        ProfilesReply,
        *("db_id", "from_id", "limit"),
        required=("db_id",),
        example={"db_id": 1, "limit": 10},
    ),
    describe_query(
        "profiles/merges",
        "List the merges of a database, or of the matching profile",
        MergesReply,
        *("db_id", *KEY_NAMES, "limit"),
        required=("db_id",),
        others={
            "from_id": {
                "type": "string",
                "format": "uuid",
                "description": "`from_id` of the previous response",
            }
        },
        example={"db_id": 1, "limit": 10},
    ),
    describe_query(
        "profiles/find",
        "Find profiles by part of a name, an email, or a phone",
        ProfilesFoundReply,
        "db_id",
        required=("db_id", "search"),
        others={
            "search": {"type": "string", "minLength": 2, "maxLength": 100},
            "segment_id": _SEGMENT,
        },
        example={"db_id": 1, "search": "lovel"},
    ),
    describe_query(
        "profiles/segments",
        "List the segments of the matching profile",
        SegmentsReply,
        "db_id",
        *KEY_NAMES,
        required=("db_id",),
        example=_BY_EMAIL,
    ),
    describe_query(
        "subscriptions/get",
        "Get a subscription",
        SubscriptionReply,
        *("db_id", "profile_id", "channel", "email", "phone"),
        *("provider", "subscription_id"),
        required=("db_id", "profile_id", "resource_id", "channel"),
        others={name: _CONTACT[name] for name in ("resource_id", "cc_data")},
        example=_SUBSCRIPTION,
    ),
    describe_query(
        "subscriptions/list",
        "List the subscriptions of a profile",
        SubscriptionsReply,
        *("db_id", "profile_id"),
        required=("db_id", "profile_id"),
        example={"db_id": 1, "profile_id": PROFILE_ID},
    ),
    describe_query(
        "subscriptions/history",
        "List the statuses that the subscriptions of a profile have and had",
        StatusesReply,
        *("db_id", "profile_id", "channel", "email", "phone"),
        *("provider", "subscription_id"),
        required=("db_id", "profile_id"),
        others={name: _CONTACT[name] for name in ("resource_id", "cc_data")},
        example={"db_id": 1, "profile_id": PROFILE_ID},
    ),
    describe_query(
        "profiles/delete",
        "Delete the matching profile and all its data",
        DeletionReply,
        "db_id",
        *KEY_NAMES,
        required=("db_id",),
        others={"suppress": _SUPPRESS},
        example=_BY_EMAIL,
    ),
    describe_query(
        "segments/list",
        "List the segments of a database",
        SegmentsReply,
        "db_id",
        required=("db_id",),
        example={"db_id": 1},
    ),
    describe_query(
        "segments/count",
        "Count the members of a segment",
        SegmentCountReply,
        "db_id",
        required=("db_id", "segment_id"),
        others={"segment_id": _SEGMENT},
        example={"db_id": 1, "segment_id": 1},
    ),
    describe_query(
        "segments/members",
        "List the members of a segment",
        SegmentMembersReply,
        *("db_id", "from_id", "limit"),
        required=("db_id", "segment_id"),
        others={"segment_id": _SEGMENT},
        example={"db_id": 1, "segment_id": 1, "limit": 10},
    ),
    describe_query(
        "segments/preview",
        "Count the profiles that a filter matches",
        SegmentPreviewReply,
        "db_id",
        required=("db_id", "filter"),
        others={"filter": _FILTER},
        example={"db_id": 1, "filter": {"field": "points", "ge": 100}},
    ),
    describe_query(
        "suppressions/list",
        "List the suppression lists",
        SuppressionListsReply,
    ),
    describe_query(
        "suppressions/add",
        "Add contacts to a suppression list",
        SuppressionAddedReply,
        required=("list_id",),
        others=_ADDITION,
        example={"list_id": 3, "contacts": ["ada@example.com"], "reason": "letter"},
    ),
    describe_query(
        "suppressions/remove",
        "Remove contacts from a suppression list",
        SuppressionRemovedReply,
        required=("list_id",),
        others=_LISTED,
        example={"list_id": 3, "contacts": ["ada@example.com"]},
    ),
    describe_query(
        "suppressions/check",
        "Find the suppression lists that contacts are on",
        SuppressionChecksReply,
        others=_LISTED,
        example={"contacts": ["ada@example.com"]},
    ),
    describe_query("databases/list", "List databases", DatabasesReply),
    describe_query(
        "databases/fields_get",
        "List the fields of a database",
        FieldsReply,
        "db_id",
        required=("db_id",),
        example={"db_id": 1},
    ),
    describe_query("resources/list", "List resources", ResourcesReply),
    describe_query(
        "resources/get",
        "Get a resource",
        ResourceReply,
        "id",
        required=("id",),
        example={"id": 1},
    ),
    describe_query(
        "resources/fields_get",
        "List the subscription fields of a resource",
        FieldsReply,
        *("id", "channel"),
        required=("id",),
        example={"id": 1, "channel": "push"},
    ),
)
