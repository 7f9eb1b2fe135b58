"""The paths of merges."""

from ingest.domain.profile_merges import Survivor
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.responses import describe_operation
from ingest.doors.http.openapi.schemas import JsonSchema, describe_parameter
from ingest.doors.http.openapi.undo import describe_undo
from ingest.wire.merges import MAX_PROFILES
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import AcceptedReply, ErrorReply, MergeReply, UndoReply
from ingest.wire.undo import MAX_REASON

_ID: JsonSchema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
_SHARED = ("token", "format", "db_id", "sync", DRY_RUN)


def build_merge() -> JsonSchema:
    """Describe the merge of several profiles."""
    own: JsonSchema = {
        "profiles": {
            "type": "array",
            "minItems": 2,
            "maxItems": MAX_PROFILES,
            "items": {"anyOf": [_ID, {"type": "object"}]},
            "description": "IDs, or objects with `matching` and its key, which need the"
            " scope `read`",
        },
        "survivor": {
            "type": "string",
            "default": Survivor.OLDEST.value,
            "description": "Profile that survives: its ID, "
            + ", ".join(f"`{word}`" for word in Survivor),
        },
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Field to rule, such as `sum`, or to the ID of the profile"
            " whose value is kept",
        },
        "reason": {
            "type": "string",
            "maxLength": MAX_REASON,
            "description": "Reason for the merge",
        },
    }
    ada, grace = ({"email": f"{name}@example.com"} for name in ("ada", "grace"))
    example = {"db_id": 1, "profiles": [ada, grace], "dry_run": True}
    return {
        "operationId": "profiles_merge",
        "tags": ["Profiles"],
        "summary": "Merge profiles of one person",
        **_describe(own, ("db_id", "profiles"), example, refer(MergeReply, ErrorReply)),
    }


def build_unmerge() -> JsonSchema:
    """Describe the undo of a merge."""
    own: JsonSchema = {
        "merge_id": {
            "type": "string",
            "format": "uuid",
            "description": "`import_id` of the merge",
        },
        "profile_id": {**_ID, "description": "Profile that was merged into another"},
        **describe_undo(),
    }
    example = {"db_id": 1, "profile_id": "6b04f28ad691ecc2e1a166f2"}
    return {
        "operationId": "profiles_unmerge",
        "tags": ["Profiles"],
        "summary": "Part profiles that were merged",
        **_describe(own, ("db_id",), example, refer(UndoReply, ErrorReply)),
    }


def _describe(
    own: JsonSchema, required: tuple[str, ...], example: JsonSchema, done: JsonSchema
) -> JsonSchema:
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in _SHARED} | own,
        "required": list(required),
        "xml": {"name": "xml"},
    }
    names = ("Format", "Prefer", "Idempotency-Key")
    return {
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names],
        **describe_operation(body, example, done, refer(AcceptedReply)),
    }
