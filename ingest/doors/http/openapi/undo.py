"""The paths of undo."""

from ingest.doors.http.job_views import JobReply
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.responses import describe_operation
from ingest.doors.http.openapi.schemas import ID, JsonSchema, describe_parameter
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import (
    AcceptedReply,
    ErrorReply,
    UndoPreviewReply,
    UndoReply,
)
from ingest.wire.undo import MAX_LISTED, MAX_REASON


def describe_undo() -> JsonSchema:
    """Return the parameters of every undo."""
    return {
        "reason": {
            "type": "string",
            "maxLength": MAX_REASON,
            "description": "Reason for the receipt",
        },
        "restore_consent": {
            "type": "boolean",
            "description": "Also restore statuses that allow more; needs `reason`",
        },
    }


#: What is not begun.
_PREVIEW = refer(UndoPreviewReply, ErrorReply)
_PREVIEWED = "Result of a dry run, or application error"


def build_undo_many() -> JsonSchema:
    """Describe the undo of listed imports, or of those of a period."""
    own: JsonSchema = {
        "import_ids": {
            "type": "array",
            "items": {"type": "string", "format": "uuid"},
            "minItems": 1,
            "maxItems": MAX_LISTED,
            "description": "Imports of one database; instead of a period",
        },
        "since": {
            "type": "string",
            "format": "date-time",
            "description": "Start of a period, in which imports were applied; needs"
            " `db_id`",
        },
        "until": {
            "type": "string",
            "format": "date-time",
            "description": "End of the period. Default: the time of the request",
        },
        "token_id": {
            **ID,
            "description": "Only what this token sent. Default: everything in the"
            " period; for a token without `admin`, what it sent itself",
        },
    }
    body: JsonSchema = {
        "type": "object",
        "properties": {
            name: describe_parameter(name)
            for name in ("token", "format", "db_id", DRY_RUN)
        }
        | own
        | describe_undo(),
        "xml": {"name": "xml"},
    }
    example: JsonSchema = {
        "db_id": 1,
        "since": "2026-11-29T10:00:00Z",
        "until": "2026-11-29T11:00:00Z",
        "reason": "wrong file",
    }
    names = ("Format", "Idempotency-Key")
    return {
        "operationId": "imports_undo",
        "tags": ["Receipts"],
        "summary": "Undo listed imports, or those of a period",
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names],
        **describe_operation(body, example, _PREVIEW, refer(JobReply), _PREVIEWED),
    }


def build_undo(place: JsonSchema, *, of_job: bool) -> JsonSchema:
    """Describe the undo of one import, or of all of a job."""
    names = ("token", "format", DRY_RUN, *(() if of_job else ("sync",)))
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in names}
        | describe_undo(),
        "xml": {"name": "xml"},
    }
    preview = {} if of_job else {"dry_run": True}
    parameters = ("Format", *(() if of_job else ("Prefer",)), "Idempotency-Key")
    accepted = refer(JobReply if of_job else AcceptedReply)
    done = refer(UndoPreviewReply if of_job else UndoReply, ErrorReply)
    example: JsonSchema = {**preview, "reason": "wrong file"}
    described = (
        describe_operation(body, example, done, accepted, _PREVIEWED)
        if of_job
        else describe_operation(body, example, done, accepted)
    )
    return {
        "operationId": "job_undo" if of_job else "undo",
        "tags": ["Jobs" if of_job else "Receipts"],
        "summary": "Undo all imports of a job" if of_job else "Undo an import",
        "parameters": [
            place,
            *({"$ref": f"#/components/parameters/{name}"} for name in parameters),
        ],
        **described,
    }
