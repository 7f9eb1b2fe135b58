"""Explanations of how an import found its profile."""

from collections.abc import Mapping

from ingest.domain.imports import Matching, Operation, State
from ingest.domain.lookups import FIELD_PREFIX

#: What each mode searches, in this order (contract 3.1).
_SEARCHED: Mapping[str, str] = {
    Matching.EMAIL: "the profile's email, then its email subscriptions",
    Matching.EMAIL_PROFILE: "the profile's email",
    Matching.EMAIL_SUB: "email subscriptions",
    Matching.PHONE: "the profile's phones, then its sms subscriptions",
    Matching.PHONE_SUB: "sms subscriptions",
    Matching.PROFILE_ID: "the profile's id",
    Matching.PUSH_SUB: "push subscriptions",
    Matching.CUSTOM: "a field of the profile",
    Matching.CUSTOM_SUB: "a field of the subscriptions",
    Matching.EMAIL_PHONE: "the profile's email, then its phones",
    Matching.EMAIL_PHONE_SUB: "email subscriptions, then sms subscriptions",
}
#: What found a profile, by the kind of key.
_KEYS: Mapping[str, str] = {
    "email": "its own email",
    "phone": "one of its own phones",
    "email_sub": "the email of one of its subscriptions",
    "phone_sub": "the phone of one of its sms subscriptions",
    "push_sub": "one of its push subscriptions",
    "profile_id": "its id",
    "former_id": "the id of a profile that was merged into it",
    "scan": "a field that is not indexed",
    "scan_sub": "a field of one of its subscriptions",
}


#: Of operations that do not match.
_UNMATCHED: Mapping[str, str] = {
    Operation.ADD: "`add` does not match: it always creates a profile.",
    Operation.FORGET_KEY: "A former key of the profile was removed.",
    Operation.MERGE: "A merge belongs to the profile that survives.",
    Operation.UNDO: "An undo belongs to the profile of the import that it undoes.",
}


def describe_key(kind: str) -> str:
    """Describe a kind of match key: `its own email`."""
    name = kind.removeprefix(FIELD_PREFIX)
    return _KEYS.get(kind, f"the field {name}")


def explain_match(
    *, operation: str, matching: str, state: str, matched_by: str | None
) -> str:
    """Return a sentence or two on how an import found its profile, or none."""
    if operation in _UNMATCHED:
        return _UNMATCHED[operation]
    searched = f"Matching {matching} searches {_SEARCHED.get(matching, 'a key')}."
    if matched_by is not None:
        return f"{searched} One profile was found, by {describe_key(matched_by)}."
    if state == State.CREATED:
        return f"{searched} No profile had the key, so a new one was created."
    if state == State.DEAD:
        return f"{searched} The import failed with an internal error."
    return f"{searched} The import was rejected and nothing was written."
