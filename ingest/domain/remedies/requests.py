"""Errors of a request: its parameters, its matching key, its body, its token."""

from ingest.domain.remedies.kinds import ErrorKind, kind

PARAMETERS: tuple[ErrorKind, ...] = (
    kind(
        "missing_parameter",
        "Missing parameter",
        "Missing field",
        remedy="Add a value for the parameter.",
    ),
    kind(
        "unknown_parameter",
        "Unknown parameter",
        remedy="Use a parameter that the API lists at /docs, or omit it.",
    ),
    kind(
        "ignored_parameter",
        "Ignored parameter",
        "Ignored input",
        "Ignored {} more inputs",
        code=0,
        remedy="Correct the name, or omit it.",
    ),
    kind(
        "not_supported",
        "Not supported",
        remedy="Omit the parameter. To test an import without writing, send dry_run for"
        " the whole request. To test a file: penstock import --dry-run.",
    ),
    kind(
        "unknown_value",
        "Must be one of {}",
        "Unknown format",
        "Unknown lane",
        "Unknown policy",
        "Unknown operation",
        remedy="Use one of the words that the message gives.",
    ),
    kind(
        "invalid_profile_id",
        "Must be a profile ID",
        remedy="Use the profile_id of an earlier response.",
    ),
    kind(
        "invalid_idempotency_key",
        "Must be 1 to 255 printable ASCII characters",
        remedy="Use a UUID as Idempotency-Key.",
    ),
    kind(
        "invalid_search",
        "Enter at least {} characters",
        "Search for at most {} characters",
        "Search for at most {} words",
        remedy="Search for part of a name, an email, or a phone.",
    ),
    kind(
        "too_many_elements",
        "Too many elements",
        "Too many elements for the token's burst",
        remedy="Split the batch.",
    ),
    kind(
        "files_not_imported",
        "Uploaded files are not imported",
        remedy="Omit the file, or send unknown=ignore.",
    ),
)
MATCHING: tuple[ErrorKind, ...] = (
    kind(
        "unknown_matching",
        "Unknown matching mode",
        "This matching mode does not apply to deletion",
        remedy="Use one of the modes that the message gives.",
    ),
    kind(
        "missing_matching",
        "Missing matching",
        remedy="Name the mode in matching, or send one key only.",
    ),
    kind(
        "missing_key",
        "Missing matching key",
        remedy="Add the value by which the profile is matched.",
    ),
    kind(
        "field_not_matchable",
        "Fields of this type cannot be used for matching",
        remedy="Match by a field of another type.",
    ),
    kind(
        "not_found_again",
        "The new profile could not be found by this key again",
        remedy="Add the subscription to data. The next import then finds the profile.",
    ),
    kind(
        "search_too_slow",
        "The search by {} took too long",
        remedy="Declare the field with match = true in the catalog.",
    ),
    kind(
        "ambiguous_match",
        "{} profiles match: {}",
        "{} profiles match (not merged, {}): {}",
        "Several profiles match",
        code=409,
        remedy="Match by a key that only one profile has, or merge the profiles."
        " Nothing was written.",
    ),
    kind(
        "no_matching_profile",
        "No matching profile",
        code=404,
        remedy="Correct the key. To create a profile if none matches, use import.",
    ),
    kind(
        "profile_not_found",
        "Profile not found",
        code=404,
        remedy="Correct profile_id. This mode finds profiles; it does not create them.",
    ),
)
REFERENCES: tuple[ErrorKind, ...] = (
    kind(
        "database_not_found",
        "Database not found",
        code=404,
        remedy="Correct db_id. To list databases: penstock catalog show.",
    ),
    kind(
        "resource_not_found",
        "Resource not found",
        code=404,
        remedy="Correct the ID. To list resources: penstock catalog show.",
    ),
    kind(
        "segment_not_found",
        "Segment not found",
        code=404,
        remedy="Use the ID of a segment of this database.",
    ),
    kind(
        "segment_not_static",
        "Only a static segment can have members added or removed",
        remedy="Use a static segment; a dynamic one follows its rule.",
    ),
    kind(
        "suppression_list_not_found",
        "Suppression list not found",
        code=404,
        remedy="Correct list_id. To list them: penstock suppression list.",
    ),
    kind(
        "trigger_not_found",
        "Trigger not found",
        "Workflow not found",
        code=404,
        remedy="Correct trigger_id or workflow_id. To list them: penstock catalog "
        "show.",
    ),
    kind(
        "event_not_found",
        "Event not found",
        code=404,
        remedy="Check the ID: events are kept for PENSTOCK_RECEIPT_DAYS. To list "
        "deliveries: penstock events list.",
    ),
    kind(
        "endpoint_not_found",
        "Endpoint not found",
        code=404,
        remedy="Correct endpoint_id. To list endpoints: penstock endpoint list.",
    ),
    kind(
        "unknown_delivery_state",
        "Unknown state",
        remedy="Use failed, delivered, or all.",
    ),
    kind(
        "invalid_uuid",
        "Must be a UUID",
        remedy="Use an ID of an earlier response.",
    ),
    kind(
        "trigger_not_startable",
        "The trigger cannot be started by an API call",
        remedy="Use a trigger whose event is api_call.",
    ),
    kind(
        "subscription_not_found",
        "Subscription not found",
        code=404,
        remedy="Correct the channel, the resource, or the contact.",
    ),
    kind(
        "import_not_found",
        "Import not found, or its receipt has expired",
        "Batch not found",
        "Batch not found, or its receipts have expired",
        code=404,
        remedy="Check the ID; receipts are kept for PENSTOCK_RECEIPT_DAYS.",
    ),
    kind(
        "job_not_found",
        "Job not found",
        "The job has not read any row yet",
        code=404,
        remedy="Check the ID, or wait until the job has started.",
    ),
)
PATHS: tuple[ErrorKind, ...] = (
    kind(
        "path_not_found",
        "Path not found",
        code=404,
        remedy="Correct the path. The API is described at /docs.",
    ),
    kind(
        "method_not_allowed",
        "Method not allowed",
        code=405,
        remedy="Use a method that the header Allow lists.",
    ),
)
BODIES: tuple[ErrorKind, ...] = (
    kind(
        "empty_body",
        "The body is empty",
        remedy="Send a JSON or XML document as the request body.",
    ),
    kind(
        "malformed_body",
        "The body is not JSON: {}",
        "The body must be a JSON object",
        "Duplicate member name",
        "An integer does not fit in 64 bits: {}",
        "The body is not XML: {}",
        "An element contains both text and elements: {}",
        "An element with xsi:nil must be empty: {}",
        "The root element must be <{}>, not <{}>",
        "A document type declaration (DOCTYPE) is not allowed",
        "The body must be a multipart form",
        "Missing boundary of the multipart form",
        remedy="Correct the document at the place that the message gives.",
    ),
    kind(
        "invalid_encoding",
        "Unknown encoding {}",
        "Unsupported encoding {}",
        "The body is not in its declared encoding {}",
        "The form is not in the encoding {}",
        "The name of a form field must be UTF-8",
        "The value must be {}",
        "The query string must be UTF-8",
        remedy="Send UTF-8, or name the encoding in Content-Type.",
    ),
    kind(
        "body_too_complex",
        "The body has too many values",
        "The body has too many tags",
        "An object has too many members",
        "An element has too many members",
        "The form has too many fields",
        remedy="Split the request.",
    ),
    kind(
        "body_too_large",
        "The body is too large",
        "The message is too large",
        "The file is too large",
        code=413,
        remedy="Split the request.",
    ),
    kind(
        "body_too_slow",
        "The body took too long to arrive",
        code=408,
        remedy="Send the request again; nothing was accepted.",
    ),
    kind(
        "unsupported_media_type",
        "The body must be JSON or XML",
        "A body with Content-Encoding is not supported",
        code=415,
        remedy="Set Content-Type, and send no Content-Encoding.",
    ),
)
TOKENS: tuple[ErrorKind, ...] = (
    kind(
        "token_required",
        "API token required",
        code=401,
        remedy="Send token in the body, or the header Authorization: Bearer.",
    ),
    kind(
        "unknown_token",
        "Unknown API token",
        code=403,
        remedy="Use an active token. To list tokens: penstock token list.",
    ),
    kind(
        "missing_scope",
        "The API token lacks the {} scope",
        code=403,
        remedy="Use a token with this scope. To create one: penstock token create.",
    ),
    kind(
        "database_not_allowed",
        "The API token has no access to this database",
        code=403,
        remedy="Use a token for this database. To list tokens: penstock token list.",
    ),
    kind(
        "unknown_account",
        "Unknown account",
        "The account does not own this database",
        code=403,
        remedy="Correct account_id or db_id. To list both: penstock catalog show.",
    ),
)
