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
        "several_databases",
        "The imports are of several databases",
        remedy="Undo the imports of each database by a request of its own.",
    ),
    kind(
        "invalid_undo_list",
        "Must be a list of 1 to {} imports",
        remedy="List the imports by their IDs, or undo them by their time.",
    ),
    kind(
        "too_many_to_preview",
        "Too many imports for a dry run",
        remedy="Preview them with: penstock undo --dry-run, or in shorter periods.",
    ),
    kind(
        "invalid_period",
        "Must be after since",
        remedy="Use an until that is later than since, or omit it.",
    ),
    kind(
        "segment_gone",
        "A segment is no longer in the catalog",
        code=404,
        remedy="Declare the segment again, then undo the import again.",
    ),
)
