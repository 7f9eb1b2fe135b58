"""Outcomes of all imports of a batch, at the address of its 202 (contract 16.2)."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from falcon.asgi import Response
from msgspec import UNSET

from ingest.domain.errors import NotFound
from ingest.domain.imports import SUCCESS_TEXT
from ingest.doors.accept import check_reader
from ingest.doors.http.batches import parse_address
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.replies import reply
from ingest.doors.http.requests import find_secret
from ingest.doors.http.waiting_notes import Note
from ingest.doors.receipts import ReceiptSummary
from ingest.wire.reply_types import BatchReceiptsReply, ElementView


class BatchReceiptsResource:
    """GET of what came of each import of one batch, as far as it is known."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_get(self, req: Call, resp: Response, batch: str) -> None:
        """Answer with the state of each, to those who may read there or sent it."""
        req.settle_format()
        token = await self._intake.catalog.get_token(find_secret(req))
        namer = self._intake.catalog.get_namer()
        names, count = parse_address(batch, token.id, namer)
        if count > self._intake.settings.max_batch_elements:
            raise NotFound("Batch not found")
        ids = [names.name(index).import_id for index in range(count)]
        applied = await self._intake.receipts.find_applied(ids)
        left = [id_ for id_ in ids if id_ not in applied]
        notes = await self._intake.notes.find(left) if left else {}
        if not applied and not notes:
            raise NotFound("Batch not found, or its receipts have expired")
        senders = {(one.db_id, one.token_id) for one in applied.values()}
        senders |= {(one.database_id, one.token_id) for one in notes.values()}
        for database_id, sender_id in senders:
            check_reader(token, database_id, sender_id)
        said = BatchReceiptsReply(
            state="waiting" if notes else "applied",
            waiting=len(notes),
            expected_at=await self._intake.estimate() if notes else UNSET,
            result=[*_describe(ids, applied, notes)],
        )
        # Ten thousand elements of XML take a while to write.
        await asyncio.to_thread(reply, req, resp, 200, said)


def _describe(
    ids: Sequence[UUID],
    applied: Mapping[UUID, ReceiptSummary],
    notes: Mapping[UUID, Note],
) -> Iterator[ElementView]:
    """Say what is known of each import, by the index of its element.

    Of what was refused at the door nothing is known; its answer has said why.
    """
    for index, id_ in enumerate(ids):
        if (one := applied.get(id_)) is not None:
            yield ElementView(
                index=index,
                import_id=id_,
                state=one.state,
                error=one.error,
                error_text=one.error_text or SUCCESS_TEXT,
                profile_id=one.profile_id,
            )
        elif (note := notes.get(id_)) is not None:
            yield ElementView(
                index=index,
                import_id=id_,
                state="waiting",
                accepted_at=note.accepted_at,
            )
