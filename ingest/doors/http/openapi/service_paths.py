"""The paths that are like no other: quick import, receipts, health and the document."""

from ingest.domain.exports import ExportFormat
from ingest.domain.remedies.codes import ERRORS
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.confirmations import (
    build_confirm,
    build_confirm_request,
    build_page,
)
from ingest.doors.http.openapi.held import build_held, build_resolve
from ingest.doors.http.openapi.merges import build_merge, build_unmerge
from ingest.doors.http.openapi.resends import build_resend
from ingest.doors.http.openapi.responses import (
    describe_answers,
    describe_faults,
    select_responses,
)
from ingest.doors.http.openapi.schemas import JsonSchema, describe_parameter
from ingest.doors.http.openapi.undo import build_undo, build_undo_many
from ingest.wire.reply_types import (
    BatchReceiptsReply,
    ErrorReply,
    ReceiptReply,
    SuccessReply,
    WaitingReply,
)

_MEANINGS = {row.code: row.meaning for row in ERRORS}
_FORMAT: JsonSchema = {"$ref": "#/components/parameters/Format"}


def build_other_paths() -> dict[str, object]:
    """Return what there is beside the paths of ingest.doors.http.openapi.operations."""
    return {
        "/api/integrations/any/profile_import": {"post": _build_quick()},
        "/api/v1.1/profiles/export": {"post": _build_export()},
        "/api/v1.1/profiles/merge": {"post": build_merge()},
        "/api/v1.1/profiles/unmerge": {"post": build_unmerge()},
        "/api/v1.1/batches/{batch}": {"get": _build_batch_receipts()},
        "/api/v1.1/imports/{import_id}": {"get": _build_receipt()},
        "/api/v1.1/imports/{import_id}/undo": {
            "post": build_undo(_IMPORT, of_job=False)
        },
        "/api/v1.1/imports/undo": {"post": build_undo_many()},
        "/api/v1.1/imports/held": {"post": build_held()},
        "/api/v1.1/imports/{import_id}/resolve": {"post": build_resolve(_IMPORT)},
        "/api/v1.1/subscriptions/confirm": {"post": build_confirm()},
        "/api/v1.1/subscriptions/confirm_request": {"post": build_confirm_request()},
        "/confirm/{token}": build_page(),
        "/api/v1.1/events/resend": {"post": build_resend()},
        "/health/live": {"get": _build_health("live", "Check that the process runs")},
        "/health/ready": {
            "get": _build_health("ready", "Check that imports can be accepted", 503)
        },
        "/": {
            "get": _build_static(
                "front", "Get the start page", {"text/html": {"type": "string"}}
            )
        },
        "/openapi.json": {
            "get": _build_static(
                "openapi",
                "Get the OpenAPI document",
                {"application/json": {"type": "object"}},
            )
        },
        "/docs": {
            "get": _build_static(
                "docs",
                "Get the API reference as a page",
                {"text/html": {"type": "string"}},
            )
        },
    }


def _build_quick() -> JsonSchema:
    """Describe the quick import, which answers in plain text (contract 10.4)."""
    body = _build_quick_body()
    example = {"db_id": 1, "email": "ada@example.com", "_fname": "Ada"}
    types = ("application/x-www-form-urlencoded", "application/json")
    refused = (400, 403, 404, 409, 413, 415, 500)
    return {
        "operationId": "quick_import",
        "tags": ["Import"],
        "summary": "Import a profile from a web form",
        "parameters": [{"$ref": "#/components/parameters/Idempotency-Key"}],
        "requestBody": {
            "required": True,
            "content": {name: {"schema": body, "example": example} for name in types},
        },
        "responses": {
            "200": _say("Imported"),
            "202": _say("Accepted, not applied yet"),
            **{str(status): _say(_MEANINGS[status]) for status in refused},
            # Answered before there is anything to say of the import itself.
            **select_responses(429, 503),
        },
    }


def _build_quick_body() -> JsonSchema:
    names = ("token", "db_id", "email", "phone", "field_name", "field_value")
    properties = {name: describe_parameter(name) for name in names}
    matching: JsonSchema = {
        "type": "string",
        "description": "`email`, `email_profile`, `phone`, or the name of a field",
    }
    for name in ("resource_id", "trigger_id", "workflow_id"):
        properties[name] = {**describe_parameter(name), "type": "integer"}
    return {
        "type": "object",
        "description": "All other inputs are fields of the profile",
        "properties": {**properties, "matching": matching},
        "additionalProperties": {"type": "string"},
        "required": ["db_id"],
        "xml": {"name": "xml"},
    }


def _say(description: str) -> JsonSchema:
    text: JsonSchema = {"schema": {"type": "string"}}
    return {"description": description, "content": {"text/plain": text}}


_IMPORT: JsonSchema = {
    "name": "import_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}


def _build_export() -> JsonSchema:
    names = ("token", "db_id", "segment_id", "from_id")
    own: JsonSchema = {
        "format": {
            "type": "string",
            "enum": [one.value for one in ExportFormat],
            "default": ExportFormat.NDJSON.value,
            "description": "Format of the download; CSV has fields only",
        },
        "delimiter": {
            "type": "string",
            "enum": [",", ";", "|", "tab"],
            "default": ",",
            "description": "What separates the cells of CSV",
        },
        "ids": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 1000,
            "description": "Only these profiles, or those they were merged into",
        },
        "updated_since": {
            "type": "string",
            "format": "date-time",
            "description": "Only profiles that changed at this time or later",
        },
        "fields": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Only these members of `data`, or columns",
        },
    }
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in names} | own,
        "required": ["db_id"],
        "xml": {"name": "xml"},
    }
    return {
        "operationId": "profiles_export",
        "tags": ["Read"],
        "summary": "Download the profiles of a database",
        "security": [{"bearer": []}, {"query": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": {"db_id": 1}}},
        },
        "responses": {
            "200": {
                "description": "Profiles in the order of their IDs; the last line of"
                " NDJSON has `penstock.end`. An application error is JSON",
                "content": {
                    "application/x-ndjson": {"schema": {"type": "string"}},
                    "text/csv": {"schema": {"type": "string"}},
                    "application/json": {"schema": refer(ErrorReply)},
                    "application/xml": {"schema": refer(ErrorReply)},
                },
            },
            **describe_faults(),
        },
    }


def _build_receipt() -> JsonSchema:
    return {
        "operationId": "receipt",
        "tags": ["Receipts"],
        "summary": "Get the receipt of an import",
        "security": [{"bearer": []}, {"query": []}],
        "parameters": [_IMPORT, _FORMAT],
        "responses": {
            "200": describe_answers(
                "The receipt, or the state `waiting`",
                refer(ReceiptReply, WaitingReply),
            ),
            **select_responses(400, 401, 403, 404, 500, 503),
        },
    }


def _build_batch_receipts() -> JsonSchema:
    place: JsonSchema = {
        "name": "batch",
        "in": "path",
        "required": True,
        "description": "The batch, as in `Location`",
        "schema": {"type": "string"},
    }
    return {
        "operationId": "batch_receipts",
        "tags": ["Receipts"],
        "summary": "List the outcomes of a batch",
        "security": [{"bearer": []}, {"query": []}],
        "parameters": [place, _FORMAT],
        "responses": {
            "200": describe_answers(
                "Outcomes of the processed elements", refer(BatchReceiptsReply)
            ),
            **select_responses(400, 401, 403, 404, 500, 503),
        },
    }


def _build_health(name: str, summary: str, *statuses: int) -> JsonSchema:
    return {
        "operationId": f"health_{name}",
        "tags": ["Service"],
        "summary": summary,
        "security": [],
        "responses": {
            "200": describe_answers("Yes", refer(SuccessReply)),
            **{
                str(status): describe_answers(
                    "Not ready: the missing server or data", refer(ErrorReply)
                )
                for status in statuses
            },
        },
    }


def _build_static(
    name: str, summary: str, content: dict[str, JsonSchema]
) -> JsonSchema:
    shown = {media_type: {"schema": schema} for media_type, schema in content.items()}
    return {
        "operationId": name,
        "tags": ["Service"],
        "summary": summary,
        "security": [],
        "responses": {
            "200": {"description": "The document", "content": shown},
            "304": {"description": "Not modified (`If-None-Match`)"},
        },
    }
