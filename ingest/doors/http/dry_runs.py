"""Dry runs over HTTP: what is answered."""

from collections.abc import Sequence
from uuid import UUID

from falcon.asgi import Response
from msgspec import UNSET, UnsetType

from ingest.domain.errors import InvalidRequest, Rejected
from ingest.domain.imports import Outcome
from ingest.domain.remedies.table import explain_fault
from ingest.doors.http.calls import Call
from ingest.doors.http.outcome_views import view_changes, view_kept
from ingest.doors.http.replies import reply
from ingest.wire.dry_runs import DryRunAnswer
from ingest.wire.replies import to_reply
from ingest.wire.reply_types import (
    DryRunBatchReply,
    DryRunElementReply,
    DryRunReceipt,
    DryRunReply,
    Reply,
)

#: Elements that one request may try.
MAX_ELEMENTS = 1000


def check_count(count: int) -> None:
    """Raise InvalidRequest for more elements than one dry run may have."""
    if count > MAX_ELEMENTS:
        raise InvalidRequest(
            f"Too many elements (at most {MAX_ELEMENTS} in a dry run)", "data"
        )


def reply_dry_run(
    req: Call, resp: Response, answer: DryRunAnswer, *, reads: bool, mirror: bool
) -> None:
    """Answer with what would come of one import; stored values to those who read."""
    (outcome,) = answer.outcomes
    status = outcome.error if mirror and outcome.error else 200
    said = DryRunReply(
        error=outcome.error,
        error_text=outcome.error_text,
        profile_id=_show_id(outcome),
        behind=answer.behind,
        receipt=_view(outcome, reads=reads),
    )
    reply(req, resp, status, said)


def describe_dry_batch(
    places: Sequence[UUID | Rejected], answer: DryRunAnswer, *, reads: bool
) -> DryRunBatchReply:
    """Say what would come of each element, or why it was refused."""
    outcomes = iter(answer.outcomes)
    result: list[Reply] = []
    for place in places:
        if isinstance(place, Rejected):
            result.append(to_reply(place))
            continue
        outcome = next(outcomes)
        result.append(
            DryRunElementReply(
                error=outcome.error,
                error_text=outcome.error_text,
                profile_id=_show_id(outcome),
                receipt=_view(outcome, reads=reads),
            )
        )
    return DryRunBatchReply(behind=answer.behind, result=result)


def _show_id(outcome: Outcome) -> str | UnsetType:
    return outcome.profile_id or UNSET


def _view(outcome: Outcome, *, reads: bool) -> DryRunReceipt:
    return DryRunReceipt(
        state=outcome.state,
        matched_by=outcome.matched_by,
        changes=view_changes(outcome, reads=reads),
        faults=[explain_fault(fault) for fault in outcome.faults],
        skipped=[explain_fault(fault) for fault in outcome.skipped],
        warnings=[explain_fault(fault) for fault in outcome.warnings],
        kept=view_kept(outcome, reads=reads) or UNSET,
        candidates=list(outcome.candidates) if reads and outcome.candidates else UNSET,
    )
