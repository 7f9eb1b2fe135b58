"""Everything the HTTP door of one process needs, with one lifetime."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from uuid import UUID

from msgspec import UNSET, UnsetType

from ingest.domain.answers import Answer
from ingest.domain.errors import Unavailable
from ingest.domain.lanes import Lane
from ingest.doors.accept import Accepted, to_addition
from ingest.doors.dry_runs import DryRuns
from ingest.doors.http.admission import Admission
from ingest.doors.http.appends import Appended, Appends
from ingest.doors.http.bodies import Bodies
from ingest.doors.http.catalog_cache import CatalogCache
from ingest.doors.http.guards import Guards
from ingest.doors.http.idempotency import HEADER
from ingest.doors.http.rates import Rates
from ingest.doors.http.readers import Readers
from ingest.doors.http.spooler import Spooler
from ingest.doors.http.uploads import Uploads
from ingest.doors.http.waiting_notes import Notes, dump_note
from ingest.doors.outcomes import Expected, OutcomeBoard
from ingest.doors.receipts import Receipts, StoredReceipt
from ingest.settings import Settings
from ingest.streams.backlog import Backlog
from ingest.streams.doorbell import Doorbell
from ingest.telemetry import metrics
from ingest.telemetry.tracing import open_tracer
from ingest.wire.acceptance_log import dump_mark
from ingest.wire.reply_types import WaitingReply

logger = logging.getLogger(__name__)


class Intake:
    """Queues accepted imports and waits for what comes of them."""

    def __init__(self, settings: Settings) -> None:
        # The name by which drains tell this process of outcomes.
        reply_to = token_hex(8)
        self.settings = settings
        backlog = Backlog(
            max_waiting=settings.max_waiting, memory_ratio=settings.redis_memory_ratio
        )
        self.catalog = CatalogCache(settings)
        self.receipts = Receipts(settings.database_url)
        self.readers = Readers(settings.database_url)
        self.appends = Appends(
            settings.redis_url,
            partitions=settings.partitions,
            backlog=backlog,
            reply_to=reply_to,
        )
        self.admission = Admission(backlog, self.appends.look)
        self.bodies = Bodies(settings.max_bodies_bytes)
        self.uploads = Uploads(settings)
        self.spooler = Spooler(settings)
        self.guards = Guards(settings.redis_url)
        self.rates = Rates(settings.redis_url)
        self.notes = Notes(settings.redis_url)
        self.dry_runs = DryRuns(settings.redis_url)
        self.tracer = open_tracer("penstock-intake")
        self._board = OutcomeBoard(
            settings.redis_url, self.receipts, reply_to=reply_to, named_by=HEADER
        )
        self._doorbell = Doorbell(settings.redis_url)

    async def start(self) -> None:
        """Connect; a server that is away now is waited for, not insisted on."""
        metrics.note_start("intake")
        self._doorbell.start()
        self._board.start()
        await self.catalog.start()
        self.spooler.start()

    async def stop(self) -> None:
        """Let go of everything; by now nobody waits."""
        await self.spooler.close()
        await self.uploads.close()
        self.bodies.close()
        await self.guards.close()
        await self.rates.close()
        await self.notes.close()
        await self.dry_runs.close()
        await self.appends.close()
        await self._board.stop()
        await self.catalog.stop()
        await self.receipts.close()
        await self.readers.close()
        self._doorbell.stop()
        await asyncio.to_thread(self.tracer.close)

    async def enqueue(
        self, accepted: Accepted, *, wait_seconds: float
    ) -> Answer | None:
        """Queue an import; return its answer, or None if it is not applied in time.

        Whoever is told None can ask for it from then on: see `notes`. Once this has
        appended it, the import is applied whether or not anyone waits.
        """
        import_, awaited = accepted.import_, wait_seconds > 0
        with self._board.expecting(import_.name) as expected:
            appended = await self.appends.append(
                to_addition(accepted, Lane.LIVE, awaited=awaited),
                mark=dump_mark(import_),
                note=None if awaited else dump_note(import_),
            )
            if not appended.attended:
                self._doorbell.ring(accepted.partition)
            metrics.note_accepted(import_.door, [import_.database_id])
            logger.debug("accepted", extra={"import_id": str(import_.import_id)})
            if not awaited:
                return None
            answer = await self._board.wait(expected, wait_seconds)
        if answer is None:
            await self.notes.leave(
                dict([dump_note(import_)]), self.appends.find_minute()
            )
        return answer

    async def find_waiting(self, import_id: UUID) -> StoredReceipt | None:
        """Return what is told of an import without a receipt; None for none known."""
        note = (await self.notes.find([import_id])).get(import_id)
        if note is None:
            return None
        said = WaitingReply(
            import_id=import_id,
            db_id=note.database_id,
            accepted_at=note.accepted_at,
            expected_at=await self.estimate(),
        )
        return StoredReceipt(token_id=note.token_id, reply=said)

    async def estimate(self) -> datetime | UnsetType:
        """Say when what waits now should be applied; UNSET if that is not known."""
        seconds = await self.admission.estimate_seconds()
        if seconds is None:
            return UNSET
        return datetime.now(UTC) + timedelta(seconds=seconds)

    async def enqueue_all(
        self,
        chunks: Iterable[Sequence[Accepted]],
        *,
        count: int,
        wait_seconds: float,
        lane: Lane,
    ) -> dict[UUID, Answer]:
        """Queue imports in their order; return the answers that come in time.

        There are `count` at most, and they were admitted.

        The next chunk is taken when Redis has this one, so that a long batch holds
        up nobody. Unavailable may come half-way, and says how far it got.
        """
        awaited = wait_seconds > 0
        several: list[Expected] = []
        notes: dict[bytes, bytes] = {}
        done = 0
        with ExitStack() as expected:
            with self.admission.promising(count) as promise:
                for chunk in chunks:
                    several.extend(
                        expected.enter_context(self._board.expecting(one.import_.name))
                        for one in chunk
                        if awaited
                    )
                    notes.update(dump_note(one.import_) for one in chunk if awaited)
                    promise.keep(len(chunk))
                    appended, failure = await self._append_chunk(
                        chunk, awaited=awaited, lane=lane
                    )
                    done += appended
                    if failure is not None:
                        raise _failed_after(done) from failure
            answers = await self._board.wait_all(several, wait_seconds)
        for applied in answers:
            notes.pop(applied.bytes, None)
        if notes:
            await self.notes.leave(notes, self.appends.find_minute())
        return answers

    async def _append_chunk(
        self, chunk: Sequence[Accepted], *, awaited: bool, lane: Lane
    ) -> tuple[int, BaseException | None]:
        """Append `chunk`; return how many Redis has, and why it has not all."""
        replies = await asyncio.gather(
            # A chunk of none must give way too.
            asyncio.sleep(0),
            *(
                self.appends.enlist(
                    to_addition(one, lane, awaited=awaited),
                    mark=dump_mark(one.import_),
                    note=None if awaited else dump_note(one.import_),
                )
                for one in chunk
            ),
            return_exceptions=True,
        )
        databases: list[int] = []
        failure = None
        for one, reply in zip(chunk, replies[1:], strict=True):
            if isinstance(reply, BaseException):
                failure = reply
                continue
            databases.append(one.import_.database_id)
            if isinstance(reply, Appended) and not reply.attended:
                self._doorbell.ring(one.partition)
        if chunk:
            metrics.note_accepted(chunk[0].import_.door, databases)
        return len(databases), failure


def _failed_after(count: int) -> Unavailable:
    """Say what a caller must know before it sends a batch again."""
    if not count:
        return Unavailable("The queue is unavailable")
    return Unavailable(
        f"The queue failed during this batch ({count} elements are accepted and will "
        "be applied; others may be)"
    )
