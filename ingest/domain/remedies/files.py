"""Errors of a row of a file, and of the parameters of a job."""

from ingest.domain.remedies.kinds import ErrorKind, kind

FILES: tuple[ErrorKind, ...] = (
    kind(
        "malformed_row",
        "Incorrect quoting",
        "More values than columns",
        remedy="Quote values that contain the delimiter, and double quotation marks in"
        ' them, such as "a ""b"", c".',
    ),
    kind(
        "missing_quotation_mark",
        "A quotation mark may be missing: {}",
        remedy="Close the quotation mark, or import with trust_quotes if the value is"
        " correct.",
    ),
    kind(
        "invalid_cell_list",
        "Must be a JSON list{}",
        remedy='Use a JSON list, such as ["tea", "coffee"], or values and commas.',
    ),
    kind(
        "malformed_card",
        "Incorrect vCard",
        remedy="Correct the card, or export the contacts again.",
    ),
    kind(
        "open_notation",
        "The dates of {} may be day first or month first, {}",
        "The comma of the numbers of {} may be the decimal mark or {}",
        remedy="Name the notation of the column, as in the message.",
    ),
    kind(
        "mixed_notation",
        "The dates of {} are in two orders: {}",
        "The numbers of {} have two decimal marks, {}",
        remedy="Write all values of the column in one notation, or skip the column.",
    ),
    kind(
        "cell_not_clearable",
        "This field cannot be cleared",
        "Another column clears this field",
        "Another column sets this field",
        remedy="Leave the cell empty, or give it a value in one column only.",
    ),
    kind(
        "digits_lost",
        "More than 15 digits (the spreadsheet has lost some)",
        remedy="Format the cell as text, and enter the number again.",
    ),
    kind(
        "wrong_file_encoding",
        "Not valid in the encoding of the file",
        remedy="Correct the row, or name the encoding of the file, such as cp1252.",
    ),
    kind(
        "unknown_column",
        "Unknown column {}",
        "No field is called {}",
        "Several fields are titled {}",
        "Several columns contain {}",
        "The column {} is not a {} field",
        "The first row looks like data, not like a header {}",
        "A column has the target {} twice",
        "Unknown part of {}: {}",
        "{} needs a column of {}",
        remedy="Map the column to a field, such as E-mail=email, or skip it: E-mail=.",
    ),
    kind(
        "invalid_file_option",
        "Only one decimal mark is allowed",
        "Only one order of dates is allowed",
        "Must be one character, or `tab`",
        "Must be one character",
        "Must be a comma, a semicolon, `|`, or `tab`",
        "Only CSV has a delimiter",
        "Must not be a line end or NUL",
        "{} must be different characters",
        "Must be COLUMN=FIELD",
        "Sent more than once",
        "Must be a date format, {}",
        "Must be , or . (the decimal mark)",
        "Must be two words separated by /, for {}",
        "{} and {} read the same text as different dates",
        "{} cannot mean both {}",
        "Must be COLUMN=VALUE",
        "Must be COLUMN: WORD=STATUS, …, not {}",
        "Must be TOML: {}",
        "Must be a table",
        "Line {} must be COLUMN=FIELD, not {}",
        "Options for statuses are for tables",
        remedy="Correct the option or parameter that the message names.",
    ),
    kind(
        "no_columns",
        "Only tables have columns to suggest targets for",
        remedy="Import the file without a suggestion. Its members are fields.",
    ),
    kind(
        "not_importable",
        "Members of a Telegram chat cannot be imported: {}",
        remedy="Collect emails or phones, with consent, from the people themselves.",
    ),
    kind(
        "unknown_status_word",
        "No status is known by {}",
        "Unknown status {} of {}",
        remedy="Pass the status of the word with words, such as Status:"
        " cleaned=hardbounced.",
    ),
    kind(
        "unanswered_consent",
        "The column {} may contain consent {}",
        "The column with the statuses is missing, {}",
        "{} had the same columns on {}, and all its rows had the status {}",
        remedy="Map the column, or skip it, or set the status of all rows.",
    ),
    kind(
        "job_conflict",
        "The import of {} started with other options. {}",
        "The import of {} was canceled. {}",
        "Missing field to match by with {}: {}",
        "This file has the rejects of job {}",
        "This file has the rejects of an import into database {}",
        remedy="Pass the options that the message names.",
    ),
    kind(
        "other_errors",
        "Other errors",
        remedy="Correct the listed errors first, then import the rejects again.",
    ),
)
