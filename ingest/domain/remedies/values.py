"""Errors of one value of an import."""

from ingest.domain.remedies.kinds import ErrorKind, kind

VALUES: tuple[ErrorKind, ...] = (
    kind(
        "invalid_email",
        "Incorrect email",
        remedy="Use one address, such as ada@example.com.",
    ),
    kind(
        "email_not_settable",
        "An email can only be set",
        remedy="Send the email as a plain value, or use the action set.",
    ),
    kind(
        "invalid_phone",
        "Incorrect phone",
        remedy="Use international format, such as +442079460018.",
    ),
    kind(
        "invalid_date",
        "Incorrect date",
        remedy="Use 2001-12-31 or 2001-12-31T18:30:00Z.",
    ),
    kind(
        "invalid_as_of",
        "Incorrect as_of",
        remedy="Use RFC 3339, such as 2026-11-20T10:00:00Z, or Unix time.",
    ),
    kind(
        "future_as_of",
        "In the future",
        remedy="Send the time at which the values were true; check the sender's clock.",
    ),
    kind(
        "times_not_kept",
        "The database does not keep times",
        remedy="Omit as_of, or set times = true for the database in the catalog.",
    ),
    kind(
        "email_as_of",
        "An email has the as_of of its import",
        remedy="Send as_of as a parameter of the import.",
    ),
    kind(
        "invalid_ip",
        "Incorrect ip",
        remedy="Use an IP address, such as 192.0.2.1, or omit it.",
    ),
    kind(
        "invalid_characters",
        "Must not contain NUL or unpaired surrogates",
        "Must not contain the NUL character",
        remedy="Remove NUL characters and unpaired surrogates.",
    ),
    kind(
        "unknown_country",
        "Unknown country",
        remedy="Use a two-letter code, such as DE, or the name of a country.",
    ),
    kind(
        "unknown_time_zone",
        "Unknown time zone",
        remedy="Use an IANA name, such as Europe/Moscow.",
    ),
    kind(
        "invalid_version",
        "Incorrect version",
        remedy="Use numbers separated by dots, such as 14.2.",
    ),
    kind(
        "invalid_integer",
        "Must be an integer",
        remedy="Use a whole number, such as 42.",
    ),
    kind(
        "invalid_number",
        "Must be a number",
        remedy="Use a number, such as 20.5.",
    ),
    kind(
        "out_of_range",
        "Out of range",
        "Must be at most {}",
        remedy="Use a number in the range that the message gives.",
    ),
    kind(
        "invalid_boolean",
        "Must be true or false",
        remedy="Use true, false, 1, or 0.",
    ),
    kind(
        "invalid_sex",
        "Must be male or female",
        remedy="Use male or female, or omit it.",
    ),
    kind(
        "unknown_option",
        "Must be one of the field's options",
        remedy="Use one of the field's options, or add the option to the catalog.",
    ),
    kind(
        "invalid_tags",
        "Must be strings, as a list or separated by commas",
        remedy="Use strings separated by commas, or a list of strings.",
    ),
    kind("invalid_string", "Must be a string", remedy="Use a string."),
    kind(
        "invalid_scalar",
        "Must be a single value",
        remedy="Use one string or number, not a list or an object.",
    ),
    kind("invalid_json", "Must be JSON", remedy="Use valid JSON."),
    kind(
        "invalid_object",
        "Must be an object",
        remedy='Use a JSON object, such as {"key": "value"}.',
    ),
    kind(
        "invalid_objects",
        "Must be a list of objects",
        remedy='Use a list of JSON objects, such as [{"key": "value"}].',
    ),
    kind(
        "invalid_list",
        "Must be a list",
        remedy='Use a JSON list, such as ["a", "b"].',
    ),
    kind(
        "too_deep",
        "Nested too deeply (at most 64 levels)",
        "The body is nested too deeply",
        remedy="Reduce the nesting to the limit that the message gives.",
    ),
    kind(
        "limit_exceeded",
        "At most {} {} are allowed",
        "{} may be at most {} bytes",
        "{} may be at most {} characters",
        "Too long",
        remedy="Shorten the value to the limit that the message gives.",
    ),
    kind(
        "unknown_field",
        "Unknown field",
        "Unknown field {}",
        "Unknown subscription field {}",
        remedy="Use a field of the catalog (to list them: penstock catalog show), or"
        " add the field to it.",
    ),
    kind(
        "missing_required_field",
        "Missing required field",
        remedy="Add a value: this field is required.",
    ),
    kind(
        "unknown_action",
        "Unknown action",
        remedy="Use one of the actions that the message gives.",
    ),
    kind(
        "action_not_applicable",
        "Action {} does not apply to this field",
        "Action {} does not apply to phones",
        remedy="Use an action that fits the type of the field.",
    ),
    kind(
        "missing_action_value",
        "Missing value for this action",
        remedy='Add "value" next to "action".',
    ),
    kind(
        "invalid_submatch",
        "Incorrect submatch",
        "The submatch path crosses a value that is not an object",
        remedy="Use the path of a member, such as address.city.",
    ),
    kind(
        "value_taken",
        "Another profile holds this value",
        code=409,
        remedy="Match by a key of that profile, or remove the value from it first.",
    ),
    kind(
        "invalid_contact",
        "Must be an email or a phone",
        remedy="Use an address, or a phone such as +442079460018.",
    ),
    kind(
        "invalid_hash",
        "Must be 64 hexadecimal digits",
        remedy="Use the SHA-256 of the lower-case address, in hexadecimal.",
    ),
    kind(
        "suppressed",
        "The contact is suppressed",
        code=403,
        remedy="Leave the contact out. To see the entry: `penstock suppression check`.",
    ),
)
SUBSCRIPTIONS: tuple[ErrorKind, ...] = (
    kind(
        "unknown_channel",
        "Unknown channel",
        remedy="Use one of the channels that the message gives.",
    ),
    kind(
        "unknown_status",
        "Unknown status",
        remedy="Use one of the statuses that the message gives.",
    ),
    kind(
        "unknown_category",
        "Unknown category",
        remedy="Use a category of the resource (to list them: penstock catalog show),"
        " or add the category to it.",
    ),
    kind(
        "resource_not_in_database",
        "The resource does not belong to this database",
        remedy="Use a resource of this database, or add the database to the resource"
        " in the catalog.",
    ),
    kind(
        "unknown_confirmation",
        "Unknown or expired confirmation",
        code=404,
        remedy="Have the person subscribe again, or send another link, such as by"
        " subscriptions/confirm_request.",
    ),
    kind(
        "not_unconfirmed",
        "The subscription does not await confirmation",
        remedy="Send the link only for subscriptions that are unconfirmed.",
    ),
    kind(
        "channel_not_confirmed",
        "The resource does not confirm this channel",
        remedy="Add confirm to the resource in the catalog, with this channel.",
    ),
    kind(
        "channel_not_in_resource",
        "The resource does not have this channel",
        remedy="Use a channel of the resource, or add the channel in the catalog.",
    ),
    kind(
        "invalid_provider",
        "Incorrect provider",
        remedy="Use a push provider, such as ios-apns.",
    ),
    kind(
        "invalid_subscription_id",
        "Incorrect subscription ID",
        remedy="Use the ID that the push provider returned.",
    ),
    kind(
        "invalid_chat_id",
        "Incorrect chat ID",
        remedy="Use the chat ID of the messenger, such as 123456789.",
    ),
    kind(
        "deletion_not_supported",
        "Imports cannot delete subscriptions",
        remedy="Omit is_delete; set the status to unsubscribed instead.",
    ),
    kind(
        "functions_not_supported",
        "Subscriptions do not support update functions",
        remedy="Send subscriptions as a list of objects.",
    ),
)
