"""The paths by which people confirm subscriptions."""

from ingest.domain.confirmation_tokens import TOKEN_LENGTH
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.parameters import PROFILE_ID
from ingest.doors.http.openapi.responses import describe_operation, select_responses
from ingest.doors.http.openapi.schemas import (
    JsonSchema,
    build_subscription_properties,
    describe_parameter,
)
from ingest.wire.confirmations import MAX_URL
from ingest.wire.reply_types import AcceptedReply, ErrorReply, ImportedReply

_TOKEN: JsonSchema = {
    "name": "token",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": f"^[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}$"},
    "description": "Token of the event `confirmation_requested`",
}


def build_confirm() -> JsonSchema:
    """Describe how a page of the operator confirms."""
    own: JsonSchema = {
        "confirmation": {
            "type": "string",
            "description": "Token, or ID of the confirmation",
        },
        "ip": {"type": "string", "description": "Address of the person"},
        "url": {
            "type": "string",
            "maxLength": MAX_URL,
            "description": "Address of the page",
        },
    }
    shared = ("token", "format", "sync")
    example: JsonSchema = {
        "confirmation": "7f1d2ab1-5f0c-5a52-9a10-3c1f0a6f6a01",
        "ip": "203.0.113.7",
    }
    return {
        "operationId": "subscriptions_confirm",
        "tags": ["Import"],
        "summary": "Confirm a subscription for its person",
        **_describe(own, shared, ("confirmation",), example),
    }


def build_confirm_request() -> JsonSchema:
    """Describe the request for another event."""
    sent = build_subscription_properties()
    own: JsonSchema = {name: sent[name] for name in ("resource_id", "cc_data")}
    shared = ("token", "format", "sync", "db_id", "profile_id", "channel")
    contact = ("email", "phone", "provider", "subscription_id")
    required = ("db_id", "profile_id", "resource_id", "channel")
    example: JsonSchema = {
        "db_id": 1,
        "profile_id": PROFILE_ID,
        "resource_id": 1,
        "channel": "email",
        "email": "ada@example.com",
    }
    return {
        "operationId": "subscriptions_confirm_request",
        "tags": ["Import"],
        "summary": "Send the link to confirm a subscription again",
        **_describe(own, (*shared, *contact), required, example, named=True),
    }


def _describe(
    own: JsonSchema,
    shared: tuple[str, ...],
    required: tuple[str, ...],
    example: JsonSchema,
    *,
    named: bool = False,
) -> JsonSchema:
    body: JsonSchema = {
        "type": "object",
        "properties": {name: describe_parameter(name) for name in shared} | own,
        "required": list(required),
        "xml": {"name": "xml"},
    }
    names = ("Format", "Prefer", *(("Idempotency-Key",) if named else ()))
    return {
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in names],
        **describe_operation(
            body, example, refer(ImportedReply, ErrorReply), refer(AcceptedReply)
        ),
    }


def build_page() -> JsonSchema:
    """Describe the page of a link, and its button."""
    return {
        "get": _describe_page("confirmation_page", "Show the button of a link"),
        "post": _describe_page("confirmation_button", "Confirm by a link"),
    }


def _describe_page(name: str, summary: str) -> JsonSchema:
    page: JsonSchema = {"text/html": {"schema": {"type": "string"}}}
    meanings = {
        "200": "The page",
        "202": "Accepted, not applied yet",
        "303": "Confirmed; leads to `redirect` of the resource",
        "410": "Unknown or expired, or the subscription has changed",
        "503": "Retry after `Retry-After` seconds",
    }
    return {
        "operationId": name,
        "tags": ["Import"],
        "summary": summary,
        "security": [],
        "parameters": [_TOKEN],
        "responses": {
            **{
                status: {"description": text, "content": page}
                for status, text in meanings.items()
            },
            **select_responses(408, 431, 500),
        },
    }
