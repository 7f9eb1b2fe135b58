"""The answers that come of more than one request, with their statuses."""

from collections.abc import Mapping

from ingest.domain.remedies.codes import ERRORS
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.schemas import JsonSchema
from ingest.wire.reply_types import ErrorReply

#: By HTTP status, what a request meets whose body is read or may be.
_SHARED: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthenticated",
    403: "Forbidden",
    404: "NotFound",
    408: "BodyTooSlow",
    409: "Conflict",
    413: "BodyTooLarge",
    415: "UnsupportedMediaType",
    429: "Overloaded",
    431: "HeadTooLong",
    500: "InternalError",
    503: "Unavailable",
}
#: What is told of the rate of a limited token.
RATE_HEADERS = ("RateLimit-Policy", "RateLimit")
_RETRYABLE = frozenset({429, 503})
#: Met with PENSTOCK_MIRROR_ERRORS only, where a body is read.
_MIRRORED = (401, 403, 404, 409)
_MEANINGS = {row.code: row.meaning for row in ERRORS}


def describe_answers(description: str, schema: JsonSchema) -> dict[str, object]:
    """Return a response in either format."""
    return {
        "description": description,
        "content": {
            media_type: {"schema": schema}
            for media_type in ("application/json", "application/xml")
        },
    }


def build_responses() -> dict[str, object]:
    """Return the responses that requests share, by name."""
    return {name: _build(status) for status, name in _SHARED.items()}


def _build(status: int) -> dict[str, object]:
    described = describe_answers(_MEANINGS[status], refer(ErrorReply))
    names = ["Retry-After"] if status in _RETRYABLE else []
    names += RATE_HEADERS if status == 429 else ()
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return described | ({"headers": headers} if headers else {})


def select_responses(*statuses: int) -> JsonSchema:
    """Return faults of a request, by their statuses."""
    return {str(status): _refer(status, _MEANINGS[status]) for status in statuses}


def describe_faults() -> JsonSchema:
    """Return the faults of a request with a body."""
    return select_responses(*_SHARED) | {
        str(status): _refer(
            status, f"{_MEANINGS[status]} (only with `PENSTOCK_MIRROR_ERRORS`)"
        )
        for status in _MIRRORED
    }


def describe_operation(
    body: JsonSchema,
    example: JsonSchema,
    done: JsonSchema,
    accepted: JsonSchema | None = None,
    answered: str = "Success or application error: check `error`",
) -> JsonSchema:
    """Return what is sent to change something, and the answers.

    `done` is that of status 200, which is `answered`; `accepted` that of 202, if any.
    """
    responses = {"200": describe_answers(answered, done)}
    if accepted is not None:
        responses["202"] = describe_answers("Accepted, not applied yet", accepted)
    return {
        "security": [{"bearer": []}, {"query": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "example": example}},
        },
        "responses": {**responses, **describe_faults()},
    }


def _refer(status: int, description: str) -> JsonSchema:
    name = _SHARED[status]
    return {"$ref": f"#/components/responses/{name}", "description": description}
