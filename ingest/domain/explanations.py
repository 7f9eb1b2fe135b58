"""What came of an import in words, and what to do about it."""

from collections.abc import Mapping

from ingest.domain.imports import Matching, Operation, State
from ingest.domain.lookups import FIELD_PREFIX

#: What each mode searches, in the order in which it does (contract 3.1).
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
    "scan": "a field that is not indexed",
    "scan_sub": "a field of one of its subscriptions",
}
_ADVICE: Mapping[int, str] = {
    400: "Correct this value where the import comes from, and send it again.",
    401: "Send an API token: in the body, or as Authorization: Bearer.",
    403: "Use a token that has the right and the database: penstock token list.",
    404: "Check the id that was sent; penstock catalog show lists what there is.",
    409: "Match by a better key, or free the value that another profile holds.",
    413: "Split it into several imports.",
    500: "Ours to mend: it is kept whole as a dead letter. Mend the cause, replay it.",
}


def describe_key(kind: str) -> str:
    """Say what a kind of match key is: `its own email`."""
    name = kind.removeprefix(FIELD_PREFIX)
    return _KEYS.get(kind, f"the field {name}")


def explain_match(
    *, operation: str, matching: str, state: str, matched_by: str | None
) -> str:
    """Say in a sentence or two how an import came to its profile, or to none."""
    if operation == Operation.ADD:
        return "An add searches for no profile: it always makes a new one."
    searched = f"Matching {matching} searches {_SEARCHED.get(matching, 'a key')}."
    if matched_by is not None:
        return f"{searched} One profile was found, by {describe_key(matched_by)}."
    if state == State.CREATED:
        return f"{searched} No profile had the key, so a new one was made."
    if state == State.DEAD:
        return f"{searched} It did not come to an end: something of ours broke."
    return f"{searched} It was refused, and nothing was written."


def advise(code: int, path: str = "") -> str:
    """Say what to do about a fault with this error code."""
    if code == 404 and not path:
        return "No profile has the key. To make one where none is found, use import."
    return _ADVICE.get(code, "Look for the import's id in the log of the workers.")
