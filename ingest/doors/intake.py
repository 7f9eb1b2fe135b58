"""Everything the HTTP door of one process needs, with one lifetime."""

import logging
from secrets import token_hex

from ingest import metrics
from ingest.doors.accept import Accepted
from ingest.doors.appends import Appends
from ingest.doors.catalog_cache import CatalogCache
from ingest.doors.doorbell import Doorbell
from ingest.doors.outcomes import OutcomeBoard
from ingest.doors.readers import Readers
from ingest.doors.receipts import Receipts
from ingest.settings import Settings
from ingest.store.receipts import Answer
from ingest.wire.entries import encode

logger = logging.getLogger(__name__)


class Intake:
    """Queues accepted imports and waits for what comes of them."""

    def __init__(self, settings: Settings) -> None:
        # The name by which drains tell this process of outcomes.
        reply_to = token_hex(8)
        self.settings = settings
        self.catalog = CatalogCache(settings.database_url)
        self.receipts = Receipts(settings.database_url)
        self.readers = Readers(settings.database_url)
        self.appends = Appends(
            settings.redis_url,
            partitions=settings.partitions,
            max_waiting=settings.max_waiting,
            reply_to=reply_to,
        )
        self._board = OutcomeBoard(settings.redis_url, self.receipts, reply_to=reply_to)
        self._doorbell = Doorbell(settings.redis_url)

    async def start(self) -> None:
        """Connect; a server that is away now is waited for, not insisted on."""
        self._doorbell.start()
        self._board.start()
        await self.catalog.start()

    async def stop(self) -> None:
        """Let go of everything; by now nobody waits."""
        await self.appends.close()
        await self._board.stop()
        await self.catalog.stop()
        await self.receipts.close()
        await self.readers.close()
        self._doorbell.stop()

    async def enqueue(
        self, accepted: Accepted, *, wait_seconds: float
    ) -> Answer | None:
        """Queue an import; return its answer, or None if it is not applied in time.

        Once this has appended it, the import is applied whether or not anyone waits.
        """
        import_, awaited = accepted.import_, wait_seconds > 0
        with self._board.expecting(import_.import_id) as outcome:
            appended = await self.appends.append(
                accepted.partition, encode(import_), awaited=awaited
            )
            if not appended.attended:
                self._doorbell.ring(accepted.partition)
            metrics.ACCEPTED.labels(import_.door).inc()
            logger.debug("accepted", extra={"import_id": str(import_.import_id)})
            if not awaited:
                return None
            return await self._board.wait(import_.import_id, outcome, wait_seconds)
