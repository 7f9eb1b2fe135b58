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
        remedy="Map the column to a field, such as E-mail=email, or skip it: E-mail=.",
    ),
    kind(
        "invalid_file_option",
        "Only one decimal mark is allowed",
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
        remedy="Correct the option or parameter that the message names.",
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
