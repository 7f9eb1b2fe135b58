"""The codes that callers meet: one table for docs/errors.md, the document and its page.

Which code a fault has is said in ingest/domain/errors.py; what a code says to a
caller is said here (contract 13; contract 14, points 1 and 2).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """What `error` may be, and what a caller makes of it."""

    code: int
    meaning: str
    #: How it comes over HTTP.
    http: str
    #: What to do.
    advice: str


def _answered(code: int) -> str:
    """Say how a code comes that is mostly decided about a request that was read."""
    return f"200; {code} where no body was read"


ERRORS: tuple[ErrorCode, ...] = (
    ErrorCode(
        code=0,
        meaning="Done, or accepted and safe",
        http="200; 202 if not applied yet",
        advice="After 202, ask for the receipt at `Location`",
    ),
    ErrorCode(
        code=400,
        meaning="A parameter or value is missing or wrong, or the body is malformed",
        http=_answered(400),
        advice="Correct what `error_text` names; the receipt names every fault",
    ),
    ErrorCode(
        code=401,
        meaning="No API token was sent",
        http=_answered(401),
        advice="Send `token` in the body, or `Authorization: Bearer`",
    ),
    ErrorCode(
        code=402,
        meaning="Reserved: a tariff's limit, of which there are none here",
        http="never sent",
        advice="Nothing",
    ),
    ErrorCode(
        code=403,
        meaning="The token is unknown, or lacks the right or the database",
        http=_answered(403),
        advice="See `penstock token list`",
    ),
    ErrorCode(
        code=404,
        meaning="The database, resource, segment, profile, receipt or path is unknown",
        http=_answered(404),
        advice="Check the id, or the path",
    ),
    ErrorCode(
        code=405,
        meaning="The path takes another method",
        http="405",
        advice="Use the method that `Allow` names",
    ),
    ErrorCode(
        code=408,
        meaning="The body did not come in its time",
        http="408",
        advice="Send it again; nothing was accepted",
    ),
    ErrorCode(
        code=409,
        meaning="Several profiles match, another one holds a unique value, or another"
        " request has the idempotency key",
        http="200",
        advice="Match by a better key, free the value, or take another key; nothing"
        " was written",
    ),
    ErrorCode(
        code=413,
        meaning="The body is too large",
        http="413",
        advice="Split it",
    ),
    ErrorCode(
        code=415,
        meaning="The body is neither JSON nor XML, or is compressed",
        http="415",
        advice="Set `Content-Type`; send no `Content-Encoding`",
    ),
    ErrorCode(
        code=429,
        meaning="Too many imports are waiting, or the token has asked more than its"
        " rate",
        http="429",
        advice="Send it again after `Retry-After` seconds",
    ),
    ErrorCode(
        code=431,
        meaning="The path and headers of the request are too long",
        http="431",
        advice="Send fewer or shorter headers, and values in the body",
    ),
    ErrorCode(
        code=440,
        meaning="Reserved: elsewhere an unknown token, which is 403 here",
        http="never sent",
        advice="Nothing",
    ),
    ErrorCode(
        code=500,
        meaning="Something of ours broke; an import that was accepted is kept",
        http="500; 200 from an import that was accepted",
        advice="Look for `Correlation-Id` or `Import-Id` in the log",
    ),
    ErrorCode(
        code=503,
        meaning="The queue or the database cannot be reached, or too many bodies "
        "are being read",
        http="503",
        advice="Send it again after `Retry-After` seconds; it may have been accepted",
    ),
)
