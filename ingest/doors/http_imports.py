"""The import endpoint and its receipts."""

from uuid import UUID

from falcon.asgi import Request, Response

from ingest import metrics
from ingest.domain.errors import NotFound
from ingest.domain.imports import Operation
from ingest.domain.tokens import Action
from ingest.doors.accept import Accepted, accept, check_right
from ingest.doors.http_replies import reply, reply_accepted, reply_answer
from ingest.doors.http_requests import Decoded, find_secret, read_request
from ingest.doors.intake import Intake
from ingest.doors.prefer import choose_wait, dump_applied, parse_prefer
from ingest.wire.envelopes import Envelope, load_envelope


class ImportResource:
    """POST of one profile."""

    def __init__(self, intake: Intake, operation: Operation) -> None:
        self._intake = intake
        self._operation = operation
        self._seconds = metrics.INTAKE_SECONDS.labels("http")

    async def on_post(self, req: Request, resp: Response) -> None:
        """Decode, accept, wait, reply."""
        with self._seconds.time():
            envelope, accepted = await self._accept(
                await read_request(req, self._intake.settings)
            )
            await self._intake.appends.admit()
            import_id = str(accepted.import_.import_id)
            resp.set_header("Import-Id", import_id)

            preferences = parse_prefer(req.get_header("Prefer"))
            answer = await self._intake.enqueue(
                accepted,
                wait_seconds=choose_wait(
                    preferences,
                    synchronous=envelope.synchronous,
                    default_seconds=self._intake.settings.wait_seconds,
                ),
            )
            if applied := dump_applied(preferences, answered_async=answer is None):
                resp.set_header("Preference-Applied", applied)
            if answer is None:
                reply_accepted(req, resp, import_id)
            else:
                mirror = self._intake.settings.mirror_errors
                reply_answer(req, resp, answer, mirror=mirror)

    async def _accept(self, request: Decoded) -> tuple[Envelope, Accepted]:
        """Check who asks, then what is asked."""
        token = await self._intake.catalog.get_token(request.secret)
        envelope = load_envelope(request.document, operation=self._operation)
        accepted = accept(
            envelope,
            token=token,
            catalog=self._intake.catalog.get_catalog(),
            partitions=self._intake.settings.partitions,
            door="http",
        )
        return envelope, accepted


class ReceiptResource:
    """What came of one import."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Request, resp: Response, import_id: str) -> None:
        """Answer with the receipt, to those who may read or import there."""
        token = await self._intake.catalog.get_token(find_secret(req))
        receipt = await self._intake.receipts.find_receipt(_parse_import_id(import_id))
        if receipt is None:
            raise _no_receipt()
        check_right(token, int(str(receipt["db_id"])), Action.READ, Action.IMPORT)
        reply(req, resp, 200, receipt)


def _parse_import_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise _no_receipt() from error


def _no_receipt() -> NotFound:
    # Streams are not searched: which of the two it is, only time can tell.
    return NotFound("No receipt yet: either it still waits or the id is unknown")
