"""Everything the console needs, with one lifetime."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from redis.exceptions import RedisError

from ingest.console.sessions import FAILURE_SECONDS, Brake, Sessions
from ingest.domain.errors import Overloaded, Unavailable
from ingest.domain.flow import Flow, FlowMeter
from ingest.domain.lanes import Lane
from ingest.domain.rollups import Range
from ingest.doors.accept import Accepted
from ingest.doors.appends import BlockingAppends
from ingest.doors.files.console_spool import ConsoleSpool
from ingest.doors.files.jobs.undo_jobs import UndoRun, run_undo
from ingest.doors.http.readers import Readers
from ingest.doors.http.uploads import Uploads
from ingest.settings import Settings
from ingest.status.glance import Glance, read_glance
from ingest.status.pipeline import sample
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.jobs.progress import Job
from ingest.store.rollups.counting import read_clock
from ingest.store.uploads import drop_expired_uploads
from ingest.streams.states import Streams, StreamsState, open_streams
from ingest.telemetry import metrics
from workers.replay import Replay, Replayed

logger = logging.getLogger(__name__)

_APPLICATION = "penstock-console"
_T = TypeVar("_T")

#: Jobs that are undone at once.
_MAX_UNDOS = 2

#: How often the streams are looked at, so that rates are known when somebody asks.
_SAMPLE_SECONDS = 5.0
#: A Postgres that is away is looked for once in so many samples.
_AWAY_SAMPLES = 12
#: For so long the overview shows what was read once.
_GLANCE_SECONDS = 5.0
#: How often files are removed whose time has come.
_SWEEP_SECONDS = 60.0


class Services:
    """Servers that views read from, and sessions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sessions = Sessions()
        self.brake = Brake(FAILURE_SECONDS)
        self._readers = Readers(settings.database_url, application_name=_APPLICATION)
        self._streams = open_streams(settings.redis_url, settings.partitions)
        # One at a time: the streams share a connection, replays take long.
        self._redis_thread = ThreadPoolExecutor(1, "streams")
        self._replay_thread = ThreadPoolExecutor(1, "replay")
        self._files_threads = ThreadPoolExecutor(2, "files")
        # An undo of a job takes as long as its import.
        self._undo_threads = ThreadPoolExecutor(_MAX_UNDOS, "undos")
        self._undos: set[UndoRun] = set()
        self._meter = FlowMeter()
        self._glances: dict[Range, Glance] = {}
        #: Since when Postgres does not answer; None while it does.
        self.away_since: datetime | None = None
        #: Files that were uploaded, and jobs that import them.
        self.spool = ConsoleSpool(settings)
        self.uploads = Uploads(settings)
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to look at the streams, and to remove old files."""
        self._running = [
            asyncio.create_task(self._sample()),
            asyncio.create_task(self._sweep()),
        ]

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for undo in self._undos:
            undo.stop.set()
        await self.uploads.close()
        for threads in (
            self._undo_threads,
            self._redis_thread,
            self._replay_thread,
            self._files_threads,
        ):
            await asyncio.to_thread(threads.shutdown)
        self._streams.close()
        await self._readers.close()

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """Return what `work` reads, all of it from one snapshot."""
        try:
            found = await self._readers.read(work)
        except Unavailable:
            self.away_since = self.away_since or datetime.now(UTC)
            raise
        self.away_since = None
        return found

    async def write(self, work: Callable[[Connection], _T]) -> _T:
        """Commit what `work` does in one transaction, unless it raises."""
        return await self._readers.write(work)

    async def look_at_file(self, work: Callable[[], _T]) -> _T:
        """Return what `work` finds in a file, off the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._files_threads, work)

    async def look(self, work: Callable[[Streams], _T]) -> _T:
        """Return what `work` sees in the streams; raise Unavailable without Redis."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._redis_thread, work, self._streams)
        except (RedisError, OSError) as error:
            raise Unavailable("Redis is unavailable") from error

    async def replay(
        self, letter_ids: Sequence[int], by: str, *, dry_run: bool
    ) -> Sequence[Replayed]:
        """Replay dead letters; return the outcome of each."""

        def work(connection: Connection) -> Sequence[Replayed]:
            worker = Replay(
                connection,
                by=by,
                geoip_database=self.settings.geoip_database,
                limits=self.settings.profile_limits,
            )
            return worker.run(letter_ids, dry_run=dry_run)

        return await self.apply(work)

    async def apply(self, work: Callable[[Connection], _T]) -> _T:
        """Return what `work` applies, in transactions of its own."""

        def connect_and_work() -> _T:
            with connect(
                self.settings.database_url, application_name=_APPLICATION
            ) as connection:
                return work(connection)

        with unavailable_while_away():
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._replay_thread, connect_and_work)

    async def append(self, accepted: Accepted) -> None:
        """Queue an import of an operator; raise Unavailable without Redis."""

        def append() -> None:
            appends = BlockingAppends(
                self.settings, client_name=_APPLICATION, lane=Lane.LIVE
            )
            appends.start()
            try:
                appends.append([accepted])
            finally:
                appends.close()

        import_ = accepted.import_
        await asyncio.get_running_loop().run_in_executor(self._redis_thread, append)
        metrics.note_accepted(import_.door, [import_.database_id])

    def admit_undo(self) -> None:
        """Raise Overloaded while as many jobs are undone as may be."""
        if len(self._undos) >= _MAX_UNDOS:
            raise Overloaded("Too many jobs are being undone. Try again later")

    def start_undo(self, undo: UndoRun) -> None:
        """Begin to undo a job, which goes on when nobody looks.

        What ends it before its end is told of in its own job.
        """
        self._undos.add(undo)
        running = asyncio.get_running_loop().run_in_executor(
            self._undo_threads, run_undo, self.settings, undo
        )

        def end(ended: asyncio.Future[Job]) -> None:
            self._undos.discard(undo)
            if not ended.cancelled() and (error := ended.exception()):
                name = type(error).__name__
                logger.error("undo interrupted", extra={"error_class": name})

        running.add_done_callback(end)

    async def read_glance(self, range_: Range) -> Glance:
        """Return the pipeline over a range, as it was a few seconds ago at most."""
        now = datetime.now(UTC)
        kept = self._glances.get(range_)
        is_fresh = kept and (now - kept.now).total_seconds() < _GLANCE_SECONDS
        if kept is not None and is_fresh and self.away_since is None:
            return kept
        glance = await self.read(partial(read_glance, range_=range_, now=now))
        self._glances[range_] = glance
        return glance

    async def read_flow(self) -> tuple[StreamsState, Flow] | None:
        """Return the streams now, and their rates; None while Redis does not answer."""
        try:
            state = await self._sample_streams()
        except Unavailable:
            return None
        return state, self._meter.flow()

    async def _sample_streams(self) -> StreamsState:
        state = await self.look(Streams.read)
        sample(self._meter, state, time.monotonic())
        return state

    async def _sample(self) -> None:
        is_told, samples = False, 0
        while True:
            try:
                await self._sample_streams()
                is_told = False
            except Unavailable:
                # A line an outage, not one every few seconds.
                if not is_told:
                    logger.warning("streams unavailable")
                is_told = True
            # It is known since when Postgres is away, whoever looks. While it is, the
            # pool logs each try.
            if self.away_since is None or samples % _AWAY_SAMPLES == 0:
                with suppress(Unavailable):
                    await self.read(read_clock)
            samples += 1
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _sweep(self) -> None:
        """Remove files whose time has come, and those that nobody knows any more."""
        while True:
            with suppress(Unavailable, OSError):
                drop = partial(drop_expired_uploads, now=datetime.now(UTC))
                known = await self.write(drop)
                gone = await self.look_at_file(partial(self.spool.sweep, known))
                if gone:
                    logger.info("uploads removed", extra={"files": gone})
            await asyncio.sleep(_SWEEP_SECONDS)
