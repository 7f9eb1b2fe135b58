"""Errors of undo."""

from ingest.domain.remedies.kinds import ErrorKind, kind

UNDO: tuple[ErrorKind, ...] = (
    kind(
        "already_undone",
        "Already undone by {}",
        code=0,
        remedy="Nothing to do. To apply the import again, undo that undo.",
    ),
    kind(
        "undone_while_held",
        "Undone",
        code=409,
        remedy="Nothing to do: the import was undone before it was applied. To apply"
        " it, send it again.",
    ),
    kind(
        "receipt_gone",
        "The receipt is no longer kept",
        "The import changed nothing",
        "The profile was deleted",
        code=410,
        remedy="This import cannot be undone. Import the correct values instead.",
    ),
    kind(
        "too_many_imports_since",
        "The profile has too many imports since",
        code=410,
        remedy="Import the correct values instead.",
    ),
    kind(
        "value_differs",
        "The value differs from the receipts",
        "Changed during the undo",
        code=409,
        remedy="The value was changed in another way, such as by SQL. Import the"
        " correct value instead.",
    ),
    kind(
        "value_taken_since",
        "Taken by profile {}",
        code=409,
        remedy="Remove the value from that profile, then import it.",
    ),
    kind(
        "segment_gone",
        "A segment is no longer in the catalog",
        code=404,
        remedy="Declare the segment again, then undo the import again.",
    ),
)
