"""Errors of the state that a request meets: earlier requests, load, servers."""

from ingest.domain.remedies.kinds import ErrorKind, kind

STATES: tuple[ErrorKind, ...] = (
    kind(
        "idempotency_key_reused",
        "Already used by another request",
        "Another upload already used this key",
        code=409,
        remedy="Use a new idempotency key or feedback_id for each request.",
    ),
    kind(
        "confirmation_requested",
        "Confirmation was requested already",
        code=429,
        remedy="Request it again at the time that the message gives. resend_after and"
        " resend_limit are keys of confirm in the catalog.",
    ),
    kind(
        "rate_limited",
        "The API token's rate limit is exceeded",
        code=429,
        remedy="Retry after the seconds in Retry-After.",
    ),
    kind(
        "overloaded",
        "Too many imports are waiting",
        "Too many uploads are in progress",
        "Too many dry runs are waiting",
        "Too many exports are in progress",
        "The spool is full",
        code=429,
        remedy="Retry after the seconds in Retry-After.",
    ),
    kind(
        "unavailable",
        "The queue is unavailable",
        "The queue is nearly full",
        "The queue does not accept imports now",
        "The queue failed during this batch",
        "The catalog is not loaded yet",
        "The job cannot be started now",
        "The spool cannot be written",
        "Receipts are temporarily unavailable",
        "Too many read requests are waiting",
        "Too many request bodies are being read",
        "Postgres is unavailable",
        "Postgres is read-only; nothing was written",
        "Postgres reported an error: {}",
        "No worker did the dry run in time; nothing was written",
        "No worker answered in time; read the receipts",
        "The dry run could not be done now; nothing was written",
        "The export took too long",
        code=503,
        remedy="Retry with the same Idempotency-Key after the seconds in Retry-After.",
    ),
    kind(
        "internal_error",
        "Internal error",
        code=500,
        remedy="The import is valid and kept as a dead letter. Fix the cause, then"
        " replay it: penstock dead-letters replay.",
    ),
    kind(
        "no_geo_database",
        "No location was added",
        code=404,
        remedy="Set GEOIP_DATABASE, or omit detect_geo.",
    ),
    kind(
        "more_errors",
        "{} more errors are not listed",
        remedy="Correct the listed errors first.",
    ),
)
