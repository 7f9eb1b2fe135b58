"""The codes of `error`: what each means, how it comes over HTTP, what to do.

Which code an error has is decided in ingest/domain/errors.py (contract 13; contract
14, points 1 and 2).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """One value of `error`."""

    code: int
    #: The reason of an error with this code that has none of its own.
    reason: str
    meaning: str
    #: The status over HTTP.
    http: str
    remedy: str


def _answered(code: int) -> str:
    """Return the statuses of a code that mostly answers a request that was read."""
    return f"200; {code} if no body was read"


ERRORS: tuple[ErrorCode, ...] = (
    ErrorCode(
        code=0,
        reason="",
        meaning="Success: applied, or accepted",
        http="200; 202 if not applied yet",
        remedy="After 202, read the receipt at `Location`.",
    ),
    ErrorCode(
        code=400,
        reason="invalid_request",
        meaning="A parameter or value is missing or invalid, or the body is malformed",
        http=_answered(400),
        remedy="Correct what `error_text` names; the receipt lists all errors.",
    ),
    ErrorCode(
        code=401,
        reason="token_required",
        meaning="No API token was sent",
        http=_answered(401),
        remedy="Send `token` in the body, or `Authorization: Bearer`.",
    ),
    ErrorCode(
        code=402,
        reason="reserved",
        meaning="Reserved; Penstock never returns it",
        http="never",
        remedy="None.",
    ),
    ErrorCode(
        code=403,
        reason="forbidden",
        meaning="The API token is unknown, or lacks the scope or the profile database",
        http=_answered(403),
        remedy="To list tokens: `penstock token list`.",
    ),
    ErrorCode(
        code=404,
        reason="not_found",
        meaning="A database, resource, segment, profile, receipt, or path is not found",
        http=_answered(404),
        remedy="Check the ID or the path.",
    ),
    ErrorCode(
        code=405,
        reason="method_not_allowed",
        meaning="The path does not support this method",
        http="405",
        remedy="Use a method that `Allow` lists.",
    ),
    ErrorCode(
        code=408,
        reason="body_too_slow",
        meaning="The body took too long to arrive",
        http="408",
        remedy="Send the request again; nothing was accepted.",
    ),
    ErrorCode(
        code=409,
        reason="conflict",
        meaning="Several profiles match, another profile holds a unique value, or"
        " another request used the idempotency key",
        http="200",
        remedy="Match by a better key, remove the value from the other profile, or use"
        " another idempotency key; nothing was written.",
    ),
    ErrorCode(
        code=410,
        reason="gone",
        meaning="The import to undo is no longer known, or changed nothing",
        http=_answered(410),
        remedy="Import the correct values instead.",
    ),
    ErrorCode(
        code=413,
        reason="body_too_large",
        meaning="The body is too large",
        http="413",
        remedy="Split the request.",
    ),
    ErrorCode(
        code=415,
        reason="unsupported_media_type",
        meaning="The body must be JSON or XML, or is compressed",
        http="415",
        remedy="Set `Content-Type`; send no `Content-Encoding`.",
    ),
    ErrorCode(
        code=429,
        reason="overloaded",
        meaning="Too many imports are waiting, or the API token's rate limit is"
        " exceeded",
        http="429",
        remedy="Retry after `Retry-After` seconds.",
    ),
    ErrorCode(
        code=431,
        reason="headers_too_large",
        meaning="The path and headers of the request are too long",
        http="431",
        remedy="Send fewer or shorter headers, and values in the body.",
    ),
    ErrorCode(
        code=440,
        reason="reserved",
        meaning="Reserved; elsewhere an unknown token, for which Penstock returns 403",
        http="never",
        remedy="None.",
    ),
    ErrorCode(
        code=500,
        reason="internal_error",
        meaning="Internal error; accepted imports are kept",
        http="500; 200 from an import that was accepted",
        remedy="Search the logs for `Correlation-Id` or `Import-Id`.",
    ),
    ErrorCode(
        code=503,
        reason="unavailable",
        meaning="Redis or Postgres is unavailable, or too many bodies are being read",
        http="503",
        remedy="Retry after `Retry-After` seconds; the import may have been accepted.",
    ),
)
