"""Uploads that are answered before they are imported: kept, then imported."""

import asyncio
import logging
import time
from asyncio import Future
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Event
from uuid import UUID

from ingest.domain.errors import PenstockError, Unavailable
from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.spool import (
    Spool,
    SpooledJob,
    expire,
    import_spooled,
)
from ingest.doors.files.jobs.uploads import Upload, connected
from ingest.settings import Settings
from ingest.store.jobs.progress import finish_job, touch_jobs

logger = logging.getLogger(__name__)

#: Between two looks at what other processes have left.
_LOOK_SECONDS = 5.0


class Spooler:
    """Keeps bodies, and imports a few of them at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._spool = Spool(settings) if settings.spool_dir else None
        self._threads = ThreadPoolExecutor(settings.max_uploads, "spool")
        # Bodies are written while others are imported.
        self._writers = ThreadPoolExecutor(settings.max_uploads, "spool-writer")
        self._running: dict[UUID, SpooledJob] = {}
        self._arrived = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a directory for bodies."""
        return self._spool is not None

    def start(self) -> None:
        """Take up what was left, and whatever comes; raise OSError."""
        if self._spool is not None:
            self._spool.create()
            self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Stop what is imported, and wait until that is saved."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        for spooled in self._running.values():
            spooled.stop.set()
        for threads in (self._writers, self._threads):
            await asyncio.to_thread(threads.shutdown)

    def check_room(self, length: int) -> None:
        """Raise BodyTooLarge for what never fits, SpoolFull for what does not now."""
        if self._spool is not None:
            self._spool.check_room(length)

    async def keep(self, job_id: UUID, upload: Upload) -> None:
        """Keep a body; raise what that raises, which is told of in the job too."""
        if self._spool is None:
            raise Unavailable("The spool cannot be written")
        loop = asyncio.get_running_loop()
        write = partial(self._spool.keep, job_id, upload)
        try:
            await loop.run_in_executor(self._writers, write)
        except PenstockError as error:
            end = partial(self._interrupt, job_id, str(error))
            with suppress(PenstockError):
                await loop.run_in_executor(self._writers, end)
            raise
        self._arrived.set()

    def _interrupt(self, job_id: UUID, text: str) -> None:
        with connected(self._settings) as connection:
            now = datetime.now(UTC)
            finish_job(connection, job_id, JobState.INTERRUPTED, now, text)

    async def _look(self) -> None:
        """Import what is there, as far as there are threads, until this is canceled."""
        while True:
            self._arrived.clear()
            try:
                await self._take_up()
            except OSError as error:
                logger.warning("spool unavailable", extra={"reason": str(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), _LOOK_SECONDS)

    async def _take_up(self) -> None:
        spool = self._spool
        if spool is None:
            return
        now = time.time()
        await asyncio.to_thread(spool.drop_abandoned, now)
        waiting = [
            job_id
            for job_id in await asyncio.to_thread(spool.list_whole)
            if job_id not in self._running
        ]
        for job_id in waiting:
            if len(self._running) < self._settings.max_uploads:
                work = expire if spool.is_expired(job_id, now) else import_spooled
                spooled = SpooledJob(job_id=job_id, stop=Event())
                self._running[job_id] = spooled
                started = asyncio.get_running_loop().run_in_executor(
                    self._threads, work, self._settings, spool, spooled
                )
                started.add_done_callback(partial(self._end, job_id))
        left = [job_id for job_id in waiting if job_id not in self._running]
        if left:
            with suppress(Unavailable):
                await asyncio.to_thread(self._touch, left)

    def _touch(self, job_ids: list[UUID]) -> None:
        with connected(self._settings) as connection:
            touch_jobs(connection, job_ids, datetime.now(UTC))

    def _end(self, job_id: UUID, ended: Future[None]) -> None:
        del self._running[job_id]
        if not ended.cancelled() and (error := ended.exception()):
            name = type(error).__name__
            logger.error("job interrupted", extra={"error_class": name})
