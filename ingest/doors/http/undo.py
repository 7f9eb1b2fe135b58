"""The endpoint that takes one import back."""

from datetime import UTC, datetime
from uuid import UUID

from falcon.asgi import Response
from msgspec import UNSET
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain.errors import Forbidden, Gone
from ingest.domain.identities import ImportName
from ingest.domain.imports import Outcome
from ingest.domain.remedies.table import explain_fault
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import Accepted, check_right, place
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.idempotency import find_key
from ingest.doors.http.imports import find_stored, submit
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply, reply_accepted, reply_answer
from ingest.doors.http.requests import read_request
from ingest.doors.http.tracing import traced
from ingest.doors.receipts import StoredReceipt
from ingest.wire.reply_types import (
    KeptView,
    ReceiptReply,
    ReversedView,
    UndoReply,
)
from ingest.wire.undo import UndoRequest, UndoTarget, load_undo, make_undo


class UndoResource:
    """POST to take back one import; the undo is an import, with a receipt."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Call, resp: Response, import_id: str) -> None:
        """Check who asks, queue the undo, wait, reply."""
        await self._intake.admission.admit()
        request = await read_request(req, self._intake, may_be_dry=True)
        token = await self._intake.catalog.get_token(request.secret)
        await self._intake.rates.spend(token, resp)
        told = load_undo(request.document)
        target = await find_stored(self._intake, import_id)
        check_undo(token, target.reply.db_id, target.token_id)
        accepted = await self._accept(req, request, token, told, target)
        reads = token.allows(Scope.READ, target.reply.db_id)
        if request.dry_run:
            await self._try(req, resp, accepted, reads=reads)
            return
        answer = await submit(
            self._intake, req, resp, accepted, synchronous=told.synchronous
        )
        if answer is None:
            reply_accepted(req, resp, accepted.import_.import_id, self._intake.settings)
            return
        done = await self._intake.receipts.find_receipt(answer.import_id)
        if done is None or not isinstance(done.reply, ReceiptReply):
            reply_answer(req, resp, answer, mirror=self._mirrors)
            return
        shown = done.show(stored=reads)
        if isinstance(shown, ReceiptReply):
            self._reply(req, resp, _describe(shown))

    @property
    def _mirrors(self) -> bool:
        return self._intake.settings.mirror_errors

    async def _accept(
        self,
        req: Call,
        request: Decoded,
        token: Token,
        told: UndoRequest,
        target: StoredReceipt,
    ) -> Accepted:
        """Give the undo its id and its place in the order."""
        namer = self._intake.catalog.get_namer()
        key = None
        if not request.dry_run:
            key = await find_key(req, request, token.id, namer)
        import_ = make_undo(
            told,
            _find_target(target),
            key.name() if key else ImportName(import_id=uuid7()),
            accepted_at=datetime.now(UTC),
            door="http",
            token_id=token.id,
        )
        catalog = self._intake.catalog.get_catalog()
        partitions = self._intake.settings.partitions
        return traced(req, place(import_, catalog, partitions))

    async def _try(
        self, req: Call, resp: Response, accepted: Accepted, *, reads: bool
    ) -> None:
        """Reply with what an undo would take back; nothing is written."""
        tried = await self._intake.dry_runs.run([accepted])
        (outcome,) = tried.outcomes
        said = _foresee(outcome, accepted.import_.import_id, reads=reads)
        said = replace(said, dry_run=True, behind=tried.behind, import_id=UNSET)
        self._reply(req, resp, said)

    def _reply(self, req: Call, resp: Response, said: UndoReply) -> None:
        status = said.error if self._mirrors and said.error else 200
        reply(req, resp, status, said)


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


def _find_target(target: StoredReceipt) -> UndoTarget:
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
        reversed=[
            ReversedView(path=one.path, from_=one.old, to=one.new)
            for one in receipt.changes
        ],
        kept=receipt.kept or [],
        cannot=receipt.faults,
        warnings=receipt.warnings,
    )


def _foresee(outcome: Outcome, import_id: UUID, *, reads: bool) -> UndoReply:
    return UndoReply(
        error=outcome.error,
        error_text=outcome.error_text,
        import_id=import_id,
        undoes=outcome.undoes or UNSET,
        state=outcome.state,
        profile_id=outcome.profile_id or UNSET,
        reversed=[
            ReversedView(path=path, from_=old, to=new)
            if reads
            else ReversedView(path=path)
            for path, (old, new) in outcome.changes.items()
        ],
        kept=[
            KeptView(path=one.path, reason=one.reason, by=one.by or UNSET)
            for one in outcome.kept
        ],
        cannot=[explain_fault(fault) for fault in outcome.faults],
        warnings=[explain_fault(fault) for fault in outcome.warnings],
    )
