"""What can be asked over HTTP: one row for each path with a body that is read."""

from collections.abc import Mapping

from ingest.doors.openapi.asking import (
    KEY_NAMES,
    PROFILE_ID,
    WHOSE,
    Asking,
    describe_batch,
    describe_change,
    describe_membership,
    describe_one,
    describe_query,
    describe_start,
)
from ingest.doors.openapi.schemas import ID, Schema, build_subscription_properties

_PAYLOAD: Mapping[str, Schema] = {
    "custom_data": {"type": "object", "description": "Passed on to the receiver"},
    "content": {"type": "object", "description": "Variables of a template"},
    "timeout": {"type": "object", "description": "`days`, `hours`, `minutes`"},
    "attach": {"type": "array", "items": {"type": "object"}},
}
_TRIGGER: Mapping[str, Schema] = {
    "trigger_id": {**ID, "description": "Trigger that is started by a call"},
    **_PAYLOAD,
}
_WORKFLOW: Mapping[str, Schema] = {
    "workflow_id": {**ID, "description": "Workflow of the catalogue"},
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

ASKINGS: tuple[Asking, ...] = (
    describe_one(
        "import",
        "Create a profile, or update the one that matches",
        example={**_BY_EMAIL, "data": _ADA},
    ),
    describe_one(
        "update",
        "Update the profile that matches; 404 if there is none",
        example={**_BY_EMAIL, "data": {"_lname": "Lovelace"}},
    ),
    describe_one(
        "add",
        "Create a profile, whether or not a similar one exists",
        example={"db_id": 1, "data": {"email": "alan@example.com"}},
    ),
    describe_batch(
        "import_batch",
        "Create or update many profiles, in their order",
        example={"db_id": 1, "matching": "email", "data": [*_BATCH]},
    ),
    describe_batch(
        "update_batch",
        "Update many profiles",
        example={"db_id": 1, "data": [{"email": "ada@example.com", "score": 1.5}]},
    ),
    describe_batch(
        "add_batch",
        "Create many profiles",
        example={"db_id": 1, "data": [{"_fname": "Kurt"}, {"_fname": "Emmy"}]},
    ),
    describe_membership("add", "Put a profile into a static segment"),
    describe_membership("remove", "Take a profile out of a static segment"),
    Asking(
        path="/api/v1.1/subscriptions/set",
        tag="Import",
        summary="Add a subscription to a profile, or change it",
        parameters=(*WHOSE, "profile_id", "skip_triggers"),
        required=("db_id", "profile_id", "resource_id", "channel"),
        answer="Imported",
        accepted="Accepted",
        others=_CONTACT,
        example={**_SUBSCRIPTION, "status": "subscribed"},
    ),
    describe_change(
        "delete",
        "Delete a subscription of a profile; it can be restored",
        example=_SUBSCRIPTION,
    ),
    describe_change(
        "restore", "Restore a deleted subscription, as it was", example=_SUBSCRIPTION
    ),
    describe_change(
        "undelete", "The same as `subscriptions/restore`", example=_SUBSCRIPTION
    ),
    describe_change(
        "suspend_all", "Suspend what is subscribed of a profile's subscriptions"
    ),
    describe_change("unsuspend_all", "Subscribe again what is suspended of them"),
    describe_start(
        "campaigns/triggers/start",
        "Start a trigger with a profile that is there; 404 if there is none",
        others=_TRIGGER,
        example={"trigger_id": 7, **_BY_EMAIL, "custom_data": {"order": 5}},
    ),
    describe_start(
        "campaigns/triggers/import_and_start",
        "Create or update a profile, then start a trigger with it",
        others=_TRIGGER,
        example={"trigger_id": 7, **_BY_CODE, "data": {"_fname": "Ada"}},
    ),
    describe_start(
        "campaigns/triggers/import_and_start_batch",
        "Do that with many profiles",
        others=_TRIGGER,
        example={"trigger_id": 7, "data": [*_STARTED]},
    ),
    describe_start(
        "workflows/start",
        "Put a profile that is there into a workflow; 404 if there is none",
        others=_WORKFLOW,
        example={"workflow_id": 3, **_BY_EMAIL},
    ),
    describe_start(
        "workflows/import_and_start",
        "Create or update a profile, then put it into a workflow",
        others=_WORKFLOW,
        example={"workflow_id": 3, **_BY_EMAIL, "data": {"_fname": "Ada"}},
    ),
    describe_start(
        "workflows/import_and_start_batch",
        "Put many profiles into a workflow",
        others=_WORKFLOW,
        example={"workflow_id": 3, "data": [*_STARTED]},
    ),
    describe_query(
        "profiles/get",
        "Read the profile that matches",
        "ProfileAnswer",
        "db_id",
        *KEY_NAMES,
        required=("db_id",),
        example=_BY_EMAIL,
    ),
    describe_query(
        "profiles/list",
        "Read the profiles of a database, page by page",
        "ProfilesAnswer",
        *("db_id", "from_id", "limit"),
        required=("db_id",),
        example={"db_id": 1, "limit": 10},
    ),
    describe_query(
        "subscriptions/get",
        "Read one subscription of a profile",
        "SubscriptionAnswer",
        *("db_id", "profile_id", "channel", "email", "phone"),
        *("provider", "subscription_id"),
        required=("db_id", "profile_id", "resource_id", "channel"),
        others={name: _CONTACT[name] for name in ("resource_id", "cc_data")},
        example=_SUBSCRIPTION,
    ),
    describe_query(
        "subscriptions/list",
        "Read the subscriptions of a profile",
        "SubscriptionsAnswer",
        *("db_id", "profile_id"),
        required=("db_id", "profile_id"),
        example={"db_id": 1, "profile_id": PROFILE_ID},
    ),
    describe_query(
        "profiles/delete",
        "Delete the profile that matches, with all that is known of it",
        "DeletionAnswer",
        "db_id",
        *KEY_NAMES,
        required=("db_id",),
        example=_BY_EMAIL,
    ),
    describe_query(
        "databases/list", "Read which databases there are", "DatabasesAnswer"
    ),
    describe_query(
        "databases/fields_get",
        "Read what `data` may hold",
        "FieldsAnswer",
        "db_id",
        required=("db_id",),
        example={"db_id": 1},
    ),
    describe_query(
        "resources/list", "Read which resources there are", "ResourcesAnswer"
    ),
    describe_query(
        "resources/get",
        "Read what a resource has: channels, databases, categories",
        "ResourceAnswer",
        "id",
        required=("id",),
        example={"id": 1},
    ),
    describe_query(
        "resources/fields_get",
        "Read what `custom_fields` of a subscription may hold",
        "FieldsAnswer",
        *("id", "channel"),
        required=("id",),
        example={"id": 1, "channel": "push"},
    ),
)
