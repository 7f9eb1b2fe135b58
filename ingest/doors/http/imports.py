"""The endpoints of one import each, and the receipts of all."""

from collections.abc import Callable, Mapping
from uuid import UUID

from falcon.asgi import Response

from ingest.domain.answers import Answer
from ingest.domain.errors import NotFound
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import Accepted, accept, check_reader
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.conflicts import find_candidates
from ingest.doors.http.dry_runs import reply_dry_run
from ingest.doors.http.idempotency import find_key, mark_replayed
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply, reply_accepted, reply_answer
from ingest.doors.http.requests import authenticate, find_secret
from ingest.doors.http.submissions import Submission
from ingest.doors.http.tracing import traced
from ingest.doors.receipts import StoredReceipt
from ingest.wire.envelopes import Envelope

#: Reads the parameters of a request; raises InvalidRequest.
ImportLoader = Callable[[Mapping[str, object]], Envelope]


class ImportResource:
    """POST of one profile, whose request `load` understands."""

    def __init__(self, intake: Intake, load: ImportLoader) -> None:
        self._intake = intake
        self._load = load

    async def on_post(self, req: Call, resp: Response) -> None:
        """Decode, accept, wait, reply."""
        # Whoever is refused all the same is refused before the body is read.
        await self._intake.admission.admit()
        request, token = await authenticate(req, resp, self._intake, may_be_dry=True)
        envelope, accepted = await self._accept(req, request, token)
        if request.dry_run:
            await self._try(req, resp, accepted, token)
            return
        answer = await submit(
            self._intake, req, resp, accepted, synchronous=envelope.synchronous
        )
        if answer is None:
            import_id = accepted.import_.import_id
            reply_accepted(req, resp, import_id, self._intake.settings)
        else:
            database_id = accepted.import_.database_id
            named = await find_candidates(self._intake, token, database_id, [answer])
            mirror = self._intake.settings.mirror_errors
            told = named.get(answer.import_id, ())
            reply_answer(req, resp, answer, mirror=mirror, candidates=told)

    async def _try(
        self, req: Call, resp: Response, accepted: Accepted, token: Token
    ) -> None:
        """Reply with what would come of an import; nothing is written."""
        tried = await self._intake.dry_runs.run([accepted])
        reads = token.allows(Scope.READ, accepted.import_.database_id)
        mirror = self._intake.settings.mirror_errors
        reply_dry_run(req, resp, tried, reads=reads, mirror=mirror)

    async def _accept(
        self, req: Call, request: Decoded, token: Token
    ) -> tuple[Envelope, Accepted]:
        """Check what is asked, and whether `token` may."""
        envelope = self._load(request.document)
        namer = self._intake.catalog.get_namer()
        # A dry run uses up no name.
        dry = request.dry_run
        key = None if dry else await find_key(req, request, token.id, namer)
        accepted = accept(
            envelope,
            token=token,
            catalog=self._intake.catalog.get_catalog(),
            partitions=self._intake.settings.partitions,
            door="http",
            name=key.name() if key else None,
        )
        return envelope, traced(req, accepted)


async def submit(
    intake: Intake,
    req: Call,
    resp: Response,
    accepted: Accepted,
    *,
    synchronous: bool,
) -> Answer | None:
    """Queue an import and wait as the caller prefers; None if it is not applied yet."""
    import_ = accepted.import_
    await intake.admission.admit()
    submission = Submission(intake, req, resp, synchronous=synchronous)
    if import_.fingerprint is not None:
        await submission.claim(import_.name)
    resp.set_header("Import-Id", str(import_.import_id))
    answer = await intake.enqueue(accepted, wait_seconds=submission.wait_seconds)
    submission.end(is_late=answer is None)
    # The guard may be gone; the receipt knows which request its import came of.
    if answer is not None and answer.accepted_at not in (None, import_.accepted_at):
        mark_replayed(resp)
    return answer


class ReceiptResource:
    """The outcome of one import."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, import_id: str) -> None:
        """Answer with the receipt, to those who may read there or sent the import."""
        req.settle_format()
        token = await self._intake.catalog.get_token(find_secret(req))
        receipt = await find_stored(self._intake, import_id)
        reads = check_reader(token, receipt.reply.db_id, receipt.token_id)
        reply(req, resp, 200, receipt.show(stored=reads))


async def find_stored(intake: Intake, import_id: str) -> StoredReceipt:
    """Return the receipt of an import, or that it waits; raise NotFound."""
    id_ = _parse_import_id(import_id)
    receipt = await intake.receipts.find_receipt(id_)
    receipt = receipt or await intake.find_waiting(id_)
    if receipt is None:
        raise _no_receipt()
    return receipt


def _parse_import_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise _no_receipt() from error


def _no_receipt() -> NotFound:
    return NotFound("Import not found, or its receipt has expired")
