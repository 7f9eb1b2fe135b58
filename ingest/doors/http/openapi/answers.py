"""The shapes of answers, as JSON Schema: what the code writes, in words of its own."""

from ingest.domain.catalog import Channel, FieldType
from ingest.domain.imports import SUCCESS_TEXT, Matching, Operation, State
from ingest.domain.remedies.codes import ERRORS
from ingest.domain.statuses import STATUSES
from ingest.doors.http.openapi.schemas import ID, PROFILE_ID, JsonSchema

_TEXT: JsonSchema = {"type": "string"}
_TEXTS: JsonSchema = {"type": "array", "items": _TEXT}
_MOMENT: JsonSchema = {"type": "string", "format": "date-time"}
_IMPORT_ID: JsonSchema = {"type": "string", "format": "uuid"}
_CODE: JsonSchema = {"type": "integer", "enum": [row.code for row in ERRORS]}
_DONE: JsonSchema = {"type": "integer", "enum": [0]}


def refer(name: str) -> JsonSchema:
    """Return a reference to a shape of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _describe(required: dict[str, JsonSchema], **optional: JsonSchema) -> JsonSchema:
    """Return the schema of an object with these members."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": [*required],
        "xml": {"name": "xml"},
    }


def _describe_success(**members: JsonSchema) -> JsonSchema:
    return _describe({"error": _DONE, "error_text": _TEXT, **members})


def _list(name: str) -> JsonSchema:
    return {"type": "array", "items": refer(name)}


def _describe_list(name: str) -> JsonSchema:
    return _describe_success(data=_list(name))


def build_answer_schemas() -> dict[str, JsonSchema]:
    """Return the shapes of answers, by name."""
    accepted = _describe_success(import_id=_IMPORT_ID)
    imported = _describe_success(profile_id=PROFILE_ID)
    imported["examples"] = [
        {
            "error": 0,
            "error_text": SUCCESS_TEXT,
            "profile_id": "6b04f28ad691ecc2e1a166f2",
        }
    ]
    return {
        "Error": _build_error(),
        "State": _describe_success(),
        "Imported": imported,
        "Accepted": accepted,
        "ImportedBatch": _describe_success(
            result={
                "type": "array",
                "description": "One for each element, in the same order",
                "items": {"anyOf": [refer("Imported"), refer("Error")]},
            }
        ),
        "AcceptedBatch": _build_accepted_batch(),
        "Receipt": _build_receipt(),
        "Waiting": _build_waiting(),
        "BatchReceipts": _build_batch_receipts(),
        "Fault": _build_fault(),
        **_build_profile_schemas(),
        **_build_subscription_schemas(),
        **_build_catalog_schemas(),
    }


def _build_error() -> JsonSchema:
    code: JsonSchema = {
        "type": "integer",
        "enum": [row.code for row in ERRORS if row.code],
    }
    # The id is of an import that was saved, though its trigger could not be started.
    error = _describe({"error": code, "error_text": _TEXT}, profile_id=PROFILE_ID)
    error["examples"] = [
        {"error": 400, "error_text": "Incorrect phone: data.subscriptions[1].phone"}
    ]
    return error


def _build_accepted_batch() -> JsonSchema:
    outcomes = [refer("Imported"), refer("Accepted"), refer("Error")]
    return _describe_success(
        result={"type": "array", "items": {"anyOf": outcomes}},
        import_ids={"type": "array", "items": _IMPORT_ID},
    )


def _build_fault() -> JsonSchema:
    return _describe(
        {
            "code": _CODE,
            "message": _TEXT,
            "path": _TEXT,
            "text": _TEXT,
            "reason": _TEXT,
            "remedy": _TEXT,
        },
    )


def _build_receipt() -> JsonSchema:
    """Describe a receipt, as ingest.doors.receipts shows it."""
    faults = _list("Fault")
    change = _describe({"path": _TEXT}, old={}, new={})
    change["description"] = "`old` and `new` require the scope `read`"
    return _describe(
        {
            "import_id": _IMPORT_ID,
            "db_id": ID,
            "door": _TEXT,
            "operation": {"type": "string", "enum": [*Operation]},
            "matching": {"type": "string", "enum": [*Matching]},
            "matched_by": {"type": ["string", "null"]},
            "state": {"type": "string", "enum": [*State]},
            "error": _CODE,
            "error_text": _TEXT,
            "faults": faults,
            "profile_id": {"type": ["string", "null"]},
            "changes": {"type": "array", "items": change},
            "skipped": faults,
            "warnings": faults,
            "skip_triggers": {"type": "boolean"},
            "accepted_at": _MOMENT,
            "started_at": _MOMENT,
            "applied_at": _MOMENT,
        }
    )


def _build_waiting() -> JsonSchema:
    """Describe what is told of an import that has no receipt yet."""
    return _describe(
        {
            "import_id": _IMPORT_ID,
            "db_id": ID,
            "state": {"type": "string", "const": "waiting"},
            "accepted_at": _MOMENT,
        },
        expected_at=_MOMENT,
    )


def _build_batch_receipts() -> JsonSchema:
    """Describe what came of each import of a batch."""
    one = _describe(
        {
            "index": {"type": "integer"},
            "import_id": _IMPORT_ID,
            "state": {"type": "string", "enum": [*State, "waiting"]},
        },
        error=_CODE,
        error_text=_TEXT,
        profile_id={"type": ["string", "null"]},
        accepted_at=_MOMENT,
    )
    return _describe_success(
        state={"type": "string", "enum": ["waiting", "applied"]},
        waiting={"type": "integer"},
        expected_at=_MOMENT,
        result={"type": "array", "items": one},
    )


def _build_profile_schemas() -> dict[str, JsonSchema]:
    """Describe profiles, as ingest.domain.views shows them."""
    profile = _describe(
        {"id": PROFILE_ID, "db_id": ID},
        email=_TEXT,
        phones=_TEXTS,
        subscriptions=_list("ReadSubscription"),
        _createtime=_MOMENT,
    )
    profile["description"] = "All fields with a value, by name"
    page = _describe(
        {"error": _DONE, "error_text": _TEXT, "data": _list("Profile")},
        from_id={**PROFILE_ID, "description": "Present if there may be another page"},
    )
    return {
        "Profile": profile,
        "ProfileAnswer": _describe_success(data=refer("Profile")),
        "ProfilesAnswer": page,
        "DeletionAnswer": _describe_success(data=_describe({"profile_id": PROFILE_ID})),
    }


def _build_subscription_schemas() -> dict[str, JsonSchema]:
    """Describe subscriptions, as ingest.domain.views shows them."""
    settings: dict[str, JsonSchema] = {
        "resource_id": ID,
        "channel": {"type": "string", "enum": [*Channel]},
        "priority": {"type": "integer"},
        "status": {"type": "string", "enum": [*STATUSES]},
    }
    extras: dict[str, JsonSchema] = {
        "custom_fields": {"type": "object"},
        "cats": _TEXTS,
    }
    contact: JsonSchema = {"type": "object"}
    nested = ("email_data", "phone_data", "push_data", "cc_data")
    read: dict[str, JsonSchema] = {
        **settings,
        "hash_id": _TEXT,
        "is_delete": {"type": "boolean"},
    }
    flat = ("email", "phone", "provider", "subscription_id")
    return {
        "ReadSubscription": _describe(read, **extras, **dict.fromkeys(nested, contact)),
        "FlatSubscription": _describe(
            settings, **extras, **dict.fromkeys(flat, _TEXT), cc_data=contact
        ),
        "SubscriptionAnswer": _describe_success(data=refer("ReadSubscription")),
        "SubscriptionsAnswer": _describe_list("FlatSubscription"),
    }


def _build_catalog_schemas() -> dict[str, JsonSchema]:
    """Describe the catalog, as ingest.domain.catalog_views shows it."""
    ids: JsonSchema = {"type": "array", "items": ID}
    channels: JsonSchema = {"type": "array", "items": {"enum": [*Channel]}}
    return {
        "Database": _describe({"id": ID, "name": _TEXT}),
        "Resource": _describe(
            {
                "id": ID,
                "name": _TEXT,
                "url": _TEXT,
                "channels": channels,
                "dbs_ids": ids,
                "cats": _TEXTS,
            }
        ),
        "Field": _describe(
            {
                "category": {"enum": ["system", "custom"]},
                "name": _TEXT,
                "required": {"type": "boolean"},
                "title": _TEXT,
                "type": {"type": "string", "enum": [*FieldType]},
            },
            options=_TEXTS,
            dictionary=_TEXT,
        ),
        "DatabasesAnswer": _describe_list("Database"),
        "ResourcesAnswer": _describe_list("Resource"),
        "ResourceAnswer": _describe_success(data=refer("Resource")),
        "FieldsAnswer": _describe_list("Field"),
    }
