"""The endpoint that takes one import back, and what parting two profiles shares."""

from functools import partial

from falcon.asgi import Response
from msgspec import UNSET

from ingest.domain.errors import Forbidden, Gone
from ingest.domain.imports import SUCCESS_TEXT, Outcome, State
from ingest.domain.releases import withdraw
from ingest.domain.remedies.table import explain_fault
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_right
from ingest.doors.http.calls import Call
from ingest.doors.http.held import not_held
from ingest.doors.http.imports import find_stored
from ingest.doors.http.intake import Intake
from ingest.doors.http.operator_requests import OperatorRequest, Shown, apply_request
from ingest.doors.http.outcome_views import view_kept
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import authenticate
from ingest.doors.receipts import StoredReceipt
from ingest.wire.dry_runs import HeldDecision
from ingest.wire.reply_types import ReceiptReply, ReversedView, UndoReply
from ingest.wire.undo import UndoTarget, load_undo, make_undo


class UndoResource:
    """POST to take back one import; the undo is an import, with a receipt."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response, import_id: str) -> None:
        """Check who asks, queue the undo, wait, reply."""
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        told = load_undo(request.document)
        target = await find_stored(self._intake, import_id)
        check_undo(token, target.reply.db_id, target.token_id)
        if target.reply.state == State.HELD:
            held = HeldDecision(
                import_ids=[target.reply.import_id],
                decision=withdraw(told.reason, by=token.title),
                dry_run=request.dry_run,
            )
            reply(req, resp, 200, await self._withdraw(held))
            return
        asked = OperatorRequest(
            request=request,
            token=token,
            make=partial(make_undo, told, find_target(target)),
            synchronous=told.synchronous,
        )
        await apply_request(self._intake, req, resp, asked, UNDO)

    async def _withdraw(self, held: HeldDecision) -> UndoReply:
        """Reject an import that is held: nothing else is to be taken back (U11)."""
        decided = await self._intake.dry_runs.decide(held)
        if not decided.outcomes:
            raise not_held()
        return UndoReply(
            dry_run=True if held.dry_run else UNSET,
            error=0,
            error_text=SUCCESS_TEXT,
            undoes=decided.outcomes[0].import_id,
            state=decided.outcomes[0].state,
            reversed=[],
            kept=[],
            cannot=[],
            warnings=[],
        )


def check_undo(token: Token, database_id: int, sender_id: int | None) -> None:
    """Raise Forbidden unless `token` may undo what the token `sender_id` sent."""
    if token.allows(Scope.ADMIN, database_id):
        return
    check_right(token, database_id, Scope.ADMIN, Scope.IMPORT)
    if sender_id != token.id:
        raise Forbidden(
            "The API token lacks the admin scope (it can undo only its own imports)",
            "token",
        )


def find_target(target: StoredReceipt) -> UndoTarget:
    """Return what is to be undone; raise Gone if it changed nothing."""
    receipt = target.reply
    profile_id = receipt.profile_id if isinstance(receipt, ReceiptReply) else None
    if profile_id is None:
        raise Gone(f"The import changed nothing (it is {receipt.state})")
    return UndoTarget(
        import_id=receipt.import_id, database_id=receipt.db_id, profile_id=profile_id
    )


def _describe(receipt: ReceiptReply) -> UndoReply:
    return UndoReply(
        error=receipt.error,
        error_text=receipt.error_text,
        import_id=receipt.import_id,
        undoes=receipt.undoes,
        state=receipt.state,
        profile_id=receipt.profile_id or UNSET,
        profiles=receipt.profiles,
        reversed=[
            ReversedView(path=one.path, from_=one.old, to=one.new)
            for one in receipt.changes
        ],
        kept=receipt.kept or [],
        cannot=receipt.faults,
        warnings=receipt.warnings,
    )


def _foresee(outcome: Outcome, reads: bool, behind: int) -> UndoReply:
    return UndoReply(
        dry_run=True,
        behind=behind,
        error=outcome.error,
        error_text=outcome.error_text,
        undoes=outcome.undoes or UNSET,
        state=outcome.state,
        profile_id=outcome.profile_id or UNSET,
        profiles=list(outcome.profiles) or UNSET,
        reversed=[
            ReversedView(path=path, from_=old, to=new)
            if reads
            else ReversedView(path=path)
            for path, (old, new) in outcome.changes.items()
        ],
        kept=view_kept(outcome),
        cannot=[explain_fault(fault) for fault in outcome.faults],
        warnings=[explain_fault(fault) for fault in outcome.warnings],
    )


#: How an undo is shown.
UNDO = Shown(describe=_describe, foresee=_foresee)
