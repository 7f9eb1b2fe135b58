"""Requests for a decision on held imports."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from marshmallow import ValidationError

from ingest.domain.errors import InvalidRequest
from ingest.domain.names import one_of
from ingest.wire.dry_runs import HeldDecision
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
    document: Mapping[str, object], case_id: UUID, *, dry_run: bool
) -> HeldDecision:
    """Read what is decided of a case; raise InvalidRequest."""
    action = _find(document, "action")
    if action not in list(HeldAction):
        raise InvalidRequest(f"Unknown action{one_of(HeldAction)}", "action")
    profile_id = reason = ""
    if action == HeldAction.PICK:
        profile_id = _find(document, "profile_id").strip().lower()
    if action == HeldAction.REJECT:
        reason = _find(document, "reason").strip()
        if len(reason) > MAX_REASON:
            message = f"Too long (at most {MAX_REASON} characters)"
            raise InvalidRequest(message, "reason")
    return HeldDecision(
        case_id=case_id,
        profile_id=profile_id or None,
        rejection=f"Rejected by an operator ({reason})" if reason else "",
        dry_run=dry_run,
    )


def _find(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if value is None or value == "":
        raise InvalidRequest("Missing parameter", name)
    try:
        return parse_text(value)
    except ValidationError as error:
        raise InvalidRequest(str(error.messages[0]), name) from error
