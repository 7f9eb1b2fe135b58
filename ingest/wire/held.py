"""Requests for a decision on held imports."""

from collections.abc import Mapping
from enum import StrEnum

from marshmallow import ValidationError
from msgspec import Struct

from ingest.domain.errors import InvalidRequest
from ingest.domain.names import one_of
from ingest.domain.releases import Decision
from ingest.wire.parameters import parse_text

#: Longest reason for a rejection, in characters.
MAX_REASON = 200


class HeldAction(StrEnum):
    """The decisions on a case of held imports."""

    PICK = "pick"
    #: The candidates become one first.
    MERGE = "merge"
    #: Search again: one profile may match now.
    RETRY = "retry"
    REJECT = "reject"


class HeldRequest(Struct, frozen=True, kw_only=True):
    """A request for a decision."""

    action: HeldAction
    #: The candidate, for `pick`; and for `merge`, if there is one only by now.
    profile_id: str = ""
    #: Given for `reject`.
    reason: str = ""

    def decide(self, *, by: str) -> Decision:
        """Return the decision; of a merge, what is left to decide when it is done."""
        rejects = self.action is HeldAction.REJECT
        return Decision(
            profile_id=self.profile_id or None,
            rejection=f"Rejected by an operator ({self.reason})" if rejects else "",
            action=self.action.value,
            by=by,
            reason=self.reason,
        )


def load_held_request(
    document: Mapping[str, object], candidates: Mapping[str, str]
) -> HeldRequest:
    """Read what is decided of a case; raise InvalidRequest.

    `candidates` are its profiles, by each id that they have or had.
    """
    action = _find(document, "action")
    if action not in list(HeldAction):
        raise InvalidRequest(f"Unknown action{one_of(HeldAction)}", "action")
    reason = _read(document, "reason")
    if len(reason) > MAX_REASON:
        raise InvalidRequest(f"Too long (at most {MAX_REASON} characters)", "reason")
    living = sorted({*candidates.values()})
    profile_id = ""
    if action == HeldAction.PICK:
        named = _find(document, "profile_id").lower()
        if named not in candidates:
            message = f"Must be one of the candidates ({', '.join(living)})"
            raise InvalidRequest(message, "profile_id")
        profile_id = candidates[named]
    if action == HeldAction.MERGE and len(living) == 1:
        # They have become one since.
        profile_id = living[0]
    if action == HeldAction.REJECT:
        _find(document, "reason")
    return HeldRequest(action=HeldAction(action), profile_id=profile_id, reason=reason)


def _find(document: Mapping[str, object], name: str) -> str:
    text = _read(document, name)
    if not text:
        raise InvalidRequest("Missing parameter", name)
    return text


def _read(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    try:
        return "" if value is None else parse_text(value).strip()
    except ValidationError as error:
        raise InvalidRequest(str(error.messages[0]), name) from error
