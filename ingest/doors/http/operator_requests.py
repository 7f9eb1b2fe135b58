"""Requests of operators that are imports themselves: undo and merge."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from falcon.asgi import Response
from msgspec import Struct
from uuid_utils.compat import uuid7

from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Outcome
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import Accepted, place
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.idempotency import find_key
from ingest.doors.http.imports import submit
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply, reply_accepted, reply_answer
from ingest.doors.http.tracing import traced
from ingest.wire.reply_types import ReceiptReply, Reply

_R = TypeVar("_R", bound=Reply)


class MakeImport(Protocol):
    """Makes the import that is asked for."""

    def __call__(
        self,
        name: ImportName,
        *,
        accepted_at: datetime,
        door: str,
        token_id: int | None,
    ) -> Import:
        """Return it, called `name`."""


class OperatorRequest(Struct, frozen=True, kw_only=True):
    """A request of an operator, and by whom."""

    request: Decoded
    token: Token
    make: MakeImport
    #: Wait for the outcome rather than for the acceptance.
    synchronous: bool


class Shown(Struct, Generic[_R], frozen=True, kw_only=True):
    """The ways to show what came of it."""

    #: Of what was done, by its receipt.
    describe: Callable[[ReceiptReply], _R]
    #: Of a dry run; whether old and new values are shown, and how many imports waited.
    foresee: Callable[[Outcome, bool, int], _R]


async def apply_request(
    intake: Intake, req: Call, resp: Response, asked: OperatorRequest, shown: Shown[_R]
) -> None:
    """Queue the import that is asked for, wait, and reply; or try it."""
    accepted = await _accept(intake, req, asked)
    import_ = accepted.import_
    reads = asked.token.allows(Scope.READ, import_.database_id)
    if asked.request.dry_run:
        tried = await intake.dry_runs.run([accepted])
        _reply(intake, req, resp, shown.foresee(tried.outcomes[0], reads, tried.behind))
        return
    answer = await submit(intake, req, resp, accepted, synchronous=asked.synchronous)
    if answer is None:
        reply_accepted(req, resp, import_.import_id, intake.settings)
        return
    done = await intake.receipts.find_receipt(answer.import_id)
    if done is None or not isinstance(done.reply, ReceiptReply):
        reply_answer(req, resp, answer, mirror=intake.settings.mirror_errors)
        return
    receipt = done.show(stored=reads)
    if isinstance(receipt, ReceiptReply):
        _reply(intake, req, resp, shown.describe(receipt))


async def _accept(intake: Intake, req: Call, asked: OperatorRequest) -> Accepted:
    """Give the import its id and its place in the order."""
    key = None
    if not asked.request.dry_run:
        namer = intake.catalog.get_namer()
        key = await find_key(req, asked.request, asked.token.id, namer)
    name = key.name() if key else ImportName(import_id=uuid7())
    import_ = asked.make(
        name, accepted_at=datetime.now(UTC), door="http", token_id=asked.token.id
    )
    catalog, partitions = intake.catalog.get_catalog(), intake.settings.partitions
    return traced(req, place(import_, catalog, partitions))


def _reply(intake: Intake, req: Call, resp: Response, said: Reply) -> None:
    status = said.error if intake.settings.mirror_errors and said.error else 200
    reply(req, resp, status, said)
