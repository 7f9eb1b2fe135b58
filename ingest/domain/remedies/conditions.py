"""Errors of conditions, and of previews of segments."""

from ingest.domain.remedies.kinds import ErrorKind, kind

CONDITIONS: tuple[ErrorKind, ...] = (
    kind(
        "invalid_condition",
        "Must be a condition",
        "Must have only one of {}",
        "Must have at least one condition",
        "Must have an operator",
        "Must be a test of a field",
        "Must be the name of a field",
        remedy="Use exactly one of all, any, not, field, subscription, and segment.",
    ),
    kind(
        "condition_too_large",
        "Must not be nested deeper than {}",
        "Must not have more than {} tests",
        "Must be a list of 1 to {} values",
        remedy="Use a smaller condition, or name another segment.",
    ),
    kind(
        "unknown_condition_key",
        "Unknown key",
        "Unknown operator",
        "Does not apply to {}",
        remedy="Use a key or an operator from the list in parentheses.",
    ),
    kind(
        "unknown_condition_name",
        "The {} has no field {}",
        "The database has no segment {}",
        "The database has no resource {}",
        remedy="Use a name of the catalog of this database.",
    ),
    kind(
        "invalid_condition_value",
        "Must be one tag",
        "Must be a string, a number, or true or false",
        "Must be the domain of an email, such as mail.ru",
        "Must be a duration",
        "Must be one to {} names, separated by dots",
        remedy="Use a value that fits the type of the field.",
    ),
    kind(
        "preview_unavailable",
        "The preview took too long",
        "Another preview is running",
        code=503,
        remedy="Try again later, or use penstock segment preview.",
    ),
)
