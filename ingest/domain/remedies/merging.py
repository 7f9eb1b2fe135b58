"""Errors of merges."""

from ingest.domain.remedies.kinds import ErrorKind, kind

MERGES: tuple[ErrorKind, ...] = (
    kind(
        "invalid_profiles",
        "Must be a list of 2 to {} profiles",
        "Must be a profile ID, or an object with a matching key",
        remedy="List the profiles by their IDs, or by keys such as"
        ' {"email": "ada@example.com"}.',
    ),
    kind(
        "one_profile_already",
        "These are one profile already",
        remedy="Nothing to do. Every old ID and key finds the profile.",
    ),
    kind(
        "unknown_rule",
        "Unknown rule",
        "Unknown survivor",
        "The status that forbids most is kept",
        remedy="Use one of the words that the message gives, the ID of one of the"
        " profiles, or omit the field.",
    ),
    kind(
        "row_cannot_merge",
        "A row cannot merge profiles",
        code=403,
        remedy="Omit on_ambiguous in the row, and send it with the upload.",
    ),
    kind(
        "rejected_by_operator",
        "Rejected by an operator",
        code=409,
        remedy="Send the import again with a key that only one profile has.",
    ),
    kind(
        "not_decided",
        "Not decided in time",
        code=409,
        remedy="Send the import again. Decide held imports with: penstock held list.",
    ),
    kind(
        "policy_undecided",
        "Not decided by the policy {}",
        code=0,
        remedy="Decide the import with: penstock held list. What an automatic merge"
        " needs is set by merge_keys, merge_blocked, and merge_limit of the database.",
    ),
    kind(
        "candidate_deleted",
        "A candidate was deleted",
        code=409,
        remedy="Send the import again.",
    ),
    kind(
        "not_held",
        "No imports are held under this ID",
        "No profile has this ID, email, or phone",
        "Several profiles found",
        code=404,
        remedy="Open the list of held imports, or search for the profile.",
    ),
    kind(
        "merged_since",
        "The profile was merged: undo the merge {} first",
        code=409,
        remedy="Undo that merge, then try again.",
    ),
    kind(
        "undone_merge",
        "The undo of a merge cannot be undone",
        code=410,
        remedy="Merge the profiles again with profiles/merge.",
    ),
    kind(
        "imports_since_merge",
        "The imports since the merge stay with this profile",
        code=0,
        remedy="Check the history of the profile. If an import belongs to another one,"
        " undo it and send it again.",
    ),
    kind(
        "former_key_not_found",
        "The profile has no such former key",
        code=404,
        remedy="List the former keys with: penstock profiles show.",
    ),
    kind(
        "not_a_merge",
        "This import is not a merge",
        "Must be the ID of a merge",
        "Send either merge_id or profile_id",
        remedy="Use the import_id that the merge answered, or the ID of a profile that"
        " was merged.",
    ),
    kind(
        "merge_not_found",
        "No merge of this profile is known",
        code=404,
        remedy="Check the ID. Profiles of a restored export cannot be parted.",
    ),
)
