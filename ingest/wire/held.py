"""Requests for a decision on held imports."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from marshmallow import ValidationError

from ingest.domain.errors import InvalidRequest
from ingest.domain.names import one_of
from ingest.domain.releases import Decision
from ingest.wire.parameters import parse_text

#: Longest reason for a rejection, in characters.
MAX_REASON = 200


class HeldAction(StrEnum):
    """The decisions on a case of held imports."""

    PICK = "pick"
    #: Search again: one profile may match now.
    RETRY = "retry"
    REJECT = "reject"


def load_decision(
    document: Mapping[str, object], candidates: Collection[str]
) -> Decision:
    """Read what is decided of a case of these candidates; raise InvalidRequest."""
    action = _find(document, "action")
    if action not in list(HeldAction):
        raise InvalidRequest(f"Unknown action{one_of(HeldAction)}", "action")
    if action == HeldAction.REJECT:
        return _reject(_find(document, "reason"))
    if action == HeldAction.RETRY:
        return Decision()
    profile_id = _find(document, "profile_id").lower()
    if profile_id not in candidates:
        raise InvalidRequest("Must be one of the candidates", "profile_id")
    return Decision(profile_id=profile_id)


def _reject(reason: str) -> Decision:
    if len(reason) > MAX_REASON:
        raise InvalidRequest(f"Too long (at most {MAX_REASON} characters)", "reason")
    return Decision(rejection=f"Rejected by an operator ({reason})")


def _find(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    try:
        text = "" if value is None else parse_text(value).strip()
    except ValidationError as error:
        raise InvalidRequest(str(error.messages[0]), name) from error
    if not text:
        raise InvalidRequest("Missing parameter", name)
    return text
