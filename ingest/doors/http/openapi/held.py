"""The paths of held imports."""

from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.responses import describe_operation
from ingest.doors.http.openapi.schemas import JsonSchema, describe_parameter
from ingest.wire.held import MAX_REASON, HeldAction
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import DecidedReply, ErrorReply, HeldCasesReply


def build_held() -> JsonSchema:
    """Describe the list of cases."""
    names = ("token", "format", "db_id")
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in names},
        "required": ["db_id"],
        "xml": {"name": "xml"},
    }
    return {
        "operationId": "held_list",
        "summary": "List held imports, by case",
        **_describe([], body, {"db_id": 1}, refer(HeldCasesReply, ErrorReply)),
    }


def build_resolve(place: JsonSchema) -> JsonSchema:
    """Describe the decision on a case."""
    own: JsonSchema = {
        "action": {"type": "string", "enum": [*HeldAction]},
        "profile_id": {
            "type": "string",
            "pattern": "^[0-9a-f]{24}$",
            "description": "Candidate to apply the imports to, for `pick`",
        },
        "reason": {
            "type": "string",
            "maxLength": MAX_REASON,
            "description": "Reason, for the receipts; required for `reject`",
        },
    }
    names = ("token", "format", DRY_RUN)
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in names} | own,
        "required": ["action"],
        "xml": {"name": "xml"},
    }
    example: JsonSchema = {"action": "reject", "reason": "test data"}
    return {
        "operationId": "held_resolve",
        "summary": "Decide a case of held imports",
        **_describe([place], body, example, refer(DecidedReply, ErrorReply)),
    }


def _describe(
    parameters: list[JsonSchema],
    body: JsonSchema,
    example: JsonSchema,
    done: JsonSchema,
) -> JsonSchema:
    return {
        "tags": ["Receipts"],
        "parameters": [*parameters, {"$ref": "#/components/parameters/Format"}],
        **describe_operation(body, example, done),
    }
