"""Uploads of jobs: bodies read by threads as fast as their rows are accepted."""

import asyncio
import io
import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from ingest.domain.errors import Overloaded
from ingest.doors.files.jobs.undo_jobs import UndoRun, run_undo
from ingest.doors.files.jobs.uploads import Upload, Uploaded, import_upload
from ingest.doors.http.bodies import BodyCut
from ingest.doors.http.calls import Call
from ingest.settings import Settings
from ingest.store.jobs.progress import Job

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

logger = logging.getLogger(__name__)

_Work = TypeVar("_Work", Upload, UndoRun)
_Done = TypeVar("_Done")
_Seen = TypeVar("_Seen")

#: A caller who sends nothing for so long is gone.
_IDLE_SECONDS = 60.0


class _Body(io.RawIOBase):
    """The body of a request, for a thread to read as it comes.

    Nothing is taken off the socket before it is asked for, so that a caller is as fast
    as the rows are accepted.
    """

    def __init__(self, call: Call, loop: AbstractEventLoop) -> None:
        self._call = call
        self._loop = loop
        self._chunks: AsyncIterator[bytes] = aiter(call.stream)
        self._left = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Return what has come, at the latest when something comes."""
        view = memoryview(buffer)
        if not self._left:
            self._left = self._receive()
        data, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(data)] = data
        return len(data)

    def _receive(self) -> bytes:
        coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        try:
            data = coming.result(_IDLE_SECONDS)
        except TimeoutError as error:
            coming.cancel()
            raise BodyCut(f"No data arrived for {_IDLE_SECONDS:g} seconds") from error
        if not data and self._call.is_cut:
            raise BodyCut("The body ended before it was complete")
        return data

    async def _next(self) -> bytes:
        return await anext(self._chunks, b"")


class Uploads:
    """Imports what comes over HTTP, a few uploads at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.max_uploads, "uploads")
        self._running: set[Upload | UndoRun] = set()

    async def close(self) -> None:
        """Stop what is read, and wait until that is saved."""
        for upload in self._running:
            upload.stop.set()
        await asyncio.to_thread(self._threads.shutdown)

    def admit(self) -> None:
        """Raise Overloaded while as many uploads are read as may be."""
        if len(self._running) >= self._settings.max_uploads:
            raise Overloaded("Too many uploads are in progress")

    async def run(self, upload: Upload) -> Uploaded:
        """Import an upload to the end of its body; raises what that raises."""
        running = self._start(upload, import_upload)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The server stops, and has a moment for requests that it has cut short.
            upload.stop.set()
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            return await running

    async def begin(self, upload: Upload) -> Job:
        """Begin to import a file that is there as a whole; return its job.

        It goes on without its caller, and its end is told of in the job. Raises what
        keeps it from beginning, and Overloaded while as much is done as may be.
        """
        loop = asyncio.get_running_loop()
        began: Future[Job] = loop.create_future()

        def tell(job: Job) -> None:
            loop.call_soon_threadsafe(began.set_result, job)

        running = self._start(replace(upload, began=tell), import_upload)
        running.add_done_callback(lambda _: upload.body.close())
        both: set[Future[Any]] = {began, running}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not began.done():
            return (await running).job
        running.add_done_callback(_note_failure)
        return began.result()

    async def look(self, work: Callable[[], _Seen]) -> _Seen:
        """Run what looks at the beginning of a file; raises what that raises."""
        self.admit()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work)

    def start_undo(self, undo: UndoRun) -> None:
        """Begin to undo; raise Overloaded while as much is done as may be.

        What ends it before its end is told of in the job, which somebody may resume.
        """
        self._start(undo, run_undo).add_done_callback(_note_failure)

    def _start(
        self, work: _Work, process: Callable[[Settings, _Work], _Done]
    ) -> Future[_Done]:
        self.admit()
        self._running.add(work)
        running = asyncio.get_running_loop().run_in_executor(
            self._threads, process, self._settings, work
        )
        # The thread may go on for a while when nobody waits any more.
        running.add_done_callback(lambda _: self._running.discard(work))
        return running


def _note_failure(running: Future[Any]) -> None:
    """Log what ended a job that nobody waits for."""
    if not running.cancelled() and (error := running.exception()):
        logger.error("job interrupted", extra={"error_class": type(error).__name__})


def open_body(req: Call) -> io.RawIOBase:
    """Return the body of `req`, for another thread to read."""
    return _Body(req, asyncio.get_running_loop())
