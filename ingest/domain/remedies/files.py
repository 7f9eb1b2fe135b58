"""Errors of a row of a file, and of the parameters of a job."""

from ingest.domain.remedies.kinds import ErrorKind, kind

FILES: tuple[ErrorKind, ...] = (
    kind(
        "malformed_row",
        "Quoted wrongly",
        "More values than columns",
        remedy="Double a quotation mark that is in a quoted value, and quote values"
        " that contain the delimiter.",
    ),
    kind(
        "missing_quotation_mark",
        "A quotation mark may be missing: {}",
        remedy="Close the quotation mark, or import with trust_quotes if the value is"
        " correct.",
    ),
    kind(
        "invalid_cell_list",
        "Not a JSON list",
        remedy='Use a JSON list, such as ["tea", "coffee"], or values and commas.',
    ),
    kind(
        "cell_not_clearable",
        "It cannot be cleared",
        "Another column clears it",
        "Another column sets it",
        remedy="Leave the cell empty, or give it a value in one column only.",
    ),
    kind(
        "digits_lost",
        "A number of more than 15 digits, some of which are lost",
        remedy="Format the cell as text, and enter the number again.",
    ),
    kind(
        "wrong_file_encoding",
        "Not in the encoding of the file",
        remedy="Name the encoding of the file, or correct the row.",
    ),
    kind(
        "unknown_column",
        "No column is called {}",
        "No field is called {}",
        "Several fields are titled {}",
        "Several columns hold {}",
        remedy="Map the column to a field, or skip it: map COLUMN=FIELD or COLUMN=.",
    ),
)
