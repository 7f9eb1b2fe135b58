"""The path that resends events."""

from ingest.domain.resends import Resendable
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.responses import describe_operation
from ingest.doors.http.openapi.schemas import JsonSchema, describe_parameter
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import ErrorReply, ResentReply


def build_resend() -> JsonSchema:
    """Describe the resending of events."""
    own: JsonSchema = {
        "event_id": _say("string", "Event; without it, events of a time range", "uuid"),
        "endpoint_id": _say("integer", "Endpoint; required for a time range"),
        "since": _say("string", "Events from this time", "date-time"),
        "until": _say("string", "Events before this time (default: now)", "date-time"),
        "state": {
            "type": "string",
            "enum": [*Resendable],
            "default": Resendable.FAILED.value,
            "description": "Deliveries of a time range to resend; `all` are those that "
            "failed or were delivered",
        },
        "from_id": _say("string", "`from_id` of the last response", "uuid"),
    }
    names = ("token", "format", DRY_RUN)
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in names} | own,
        "xml": {"name": "xml"},
    }
    example: JsonSchema = {
        "endpoint_id": 1,
        "since": "2026-11-28T06:00:00Z",
        "state": "failed",
    }
    return {
        "operationId": "events_resend",
        "tags": ["Receipts"],
        "summary": "Resend events to an endpoint",
        "parameters": [{"$ref": "#/components/parameters/Format"}],
        **describe_operation(body, example, refer(ResentReply, ErrorReply)),
    }


def _say(kind: str, description: str, format_: str = "") -> JsonSchema:
    schema: JsonSchema = {"type": kind, "description": description}
    return {**schema, "format": format_} if format_ else schema
