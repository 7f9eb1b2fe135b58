"""Group commit: imports accepted at the same time share one pipeline to Redis."""

import asyncio
import time
from asyncio import Future, Task
from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis.exceptions import RedisError

from ingest.domain.entry_ids import entry_time
from ingest.domain.errors import Unavailable
from ingest.streams.backlog import Backlog
from ingest.streams.connections import connect
from ingest.streams.lanes import Addition, AppendCommand
from ingest.streams.partitioning import INTAKE_CLIENT
from ingest.streams.queues import (
    NOTES_EXPIRE_SECONDS,
    SETTLED_KEY,
    notes_key,
)
from ingest.telemetry import metrics
from ingest.wire.acceptance_log import gather_records

#: What one pipeline carries at most: a batch must fit a socket timeout.
_MAX_ENTRIES = 500
_MAX_BYTES = 16 * 1024 * 1024


class Appended(Struct, frozen=True, kw_only=True):
    """Redis acknowledged the entry."""

    entry_id: bytes
    #: A drain listens on every stream, or a bell for this one is pending: whichever
    #: it is will find the entry, for it looks again after that is over.
    attended: bool


class _Entry(Struct, frozen=True):
    addition: Addition
    #: What the journal of acceptance says of it; empty for nothing.
    mark: bytes
    #: The note of an import whose caller asks for it later; None for no such caller.
    note: tuple[bytes, bytes] | None
    done: Future[Appended]


class Appends:
    """Appends imports to their streams, one pipeline in flight at a time.

    While one pipeline is under way the next gathers: alone, an import waits for
    nobody; in a crowd, a thousand cost little more than one.
    """

    def __init__(
        self, redis_url: str, *, partitions: int, backlog: Backlog, reply_to: str
    ) -> None:
        self._redis = connect(
            redis_url, client_name=INTAKE_CLIENT, partitions=partitions
        )
        self._partitions = partitions
        self._reply_to = reply_to.encode()
        self._backlog = backlog
        self._gathered: deque[_Entry] = deque()
        self._flight: Task[None] | None = None
        # By how much the clock of Redis is ahead of ours, as it was when it last told.
        self._ahead_seconds = 0.0

    async def look(self) -> None:
        """Note in the backlog what waits; raise Unavailable without Redis."""
        await self._send([])

    async def append(
        self,
        addition: Addition,
        *,
        mark: bytes = b"",
        note: tuple[bytes, bytes] | None = None,
    ) -> Appended:
        """Append an import to the stream of its partition.

        Returns once Redis has acknowledged this very entry; drains tell this process
        of its outcome if that is awaited. Unavailable means that it was perhaps
        appended all the same; its import_id makes a repeat harmless.
        """
        return await self.enlist(addition, mark=mark, note=note)

    def enlist(
        self,
        addition: Addition,
        *,
        mark: bytes = b"",
        note: tuple[bytes, bytes] | None = None,
    ) -> Future[Appended]:
        """Do as `append` without waiting: what is enlisted first stands first."""
        loop = asyncio.get_running_loop()
        entry = _Entry(addition, mark, note, loop.create_future())
        self._gathered.append(entry)
        self._backlog.promise(1)
        if self._flight is None:
            self._flight = loop.create_task(self._fly())
        return entry.done

    def find_minute(self) -> int:
        """Return the minute it is by the clock of Redis, as `notes_key` counts them."""
        return int(time.time() + self._ahead_seconds) // 60

    async def ping(self) -> bool:
        """Say whether Redis answers."""
        try:
            await self._redis.ping()
        except (RedisError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Wait for what is under way, then disconnect."""
        if self._flight is not None:
            await self._flight
        await self._redis.aclose()

    async def _fly(self) -> None:
        """Send batch after batch until nothing more has gathered."""
        batch: list[_Entry] = []
        try:
            while self._gathered:
                batch = self._take_batch()
                await self._send(batch)
        except Unavailable as error:
            # What gathered meanwhile had only found the same Redis, seconds later.
            _refuse([*batch, *self._gathered], error)
            self._backlog.keep(len(self._gathered))
            self._gathered.clear()
        finally:
            self._flight = None

    def _take_batch(self) -> list[_Entry]:
        batch = [self._gathered.popleft()]
        size = len(batch[0].addition.payload)
        while self._gathered and len(batch) < _MAX_ENTRIES:
            size += len(self._gathered[0].addition.payload)
            if size > _MAX_BYTES:
                break
            batch.append(self._gathered.popleft())
        return batch

    async def _send(self, batch: list[_Entry]) -> None:
        """Append `batch`, then look who attends and how much waits: one round trip."""
        loop = asyncio.get_running_loop()
        surveys = not self._backlog.is_surveyed(loop.time())
        marks = ((each.addition.partition, each.mark) for each in batch if each.mark)
        command = AppendCommand(
            self._partitions,
            (entry.addition for entry in batch),
            gather_records(marks),
            reply_to=self._reply_to,
        )
        notes = dict(entry.note for entry in batch if entry.note is not None)
        try:
            reply, *survey = await self._execute(command, notes, surveys=surveys)
        except (RedisError, OSError) as error:
            raise Unavailable("The queue is unavailable") from error
        finally:
            self._backlog.keep(len(batch))

        appended = command.read(reply)
        for entry, told in zip(batch, appended.ids, strict=True):
            attended = appended.listened or entry.addition.partition in appended.rung
            _settle(entry.done, told, attended=attended)
        if batch:
            self._compare_clocks(appended.ids[-1])
            metrics.APPEND_BATCH_SIZE.observe(len(batch))
        # One that was refused tells nothing of what waits.
        if isinstance(reply, list):
            self._backlog.note(
                loop.time(),
                waiting=appended.waiting,
                added_bytes=sum(len(entry.addition.payload) for entry in batch),
            )
        if surveys:
            self._survey(loop.time(), *survey)

    async def _execute(
        self, command: AppendCommand, notes: Mapping[bytes, bytes], *, surveys: bool
    ) -> list[Any]:
        """Return the reply to `command`, and those of a survey.

        Notes are written with the entries or not at all. In commands of their own:
        redis-py's transactions take longer.
        """
        pipeline = self._redis.pipeline(transaction=False)
        if notes:
            pipeline.execute_command("MULTI")
        pipeline.execute_command(*command.parts)
        if notes:
            key = notes_key(self.find_minute())
            # The client's types do not take bytes for fields.
            mapping: Any = notes
            pipeline.hset(key, mapping=mapping)
            pipeline.expire(key, NOTES_EXPIRE_SECONDS)
            pipeline.execute_command("EXEC")
        begun = len(pipeline)
        if surveys:
            pipeline.get(SETTLED_KEY)
            pipeline.info("memory")
        replies = await pipeline.execute(raise_on_error=False)
        reply = replies[begun - 1]
        # Of a transaction it is the first.
        if notes and isinstance(reply, list):
            reply = reply[0]
        return [reply, *replies[begun:]]

    def _compare_clocks(self, reply: object) -> None:
        """See by an entry's id what time Redis has."""
        if isinstance(reply, bytes):
            taken_at = entry_time(reply.decode())
            self._ahead_seconds = taken_at.timestamp() - time.time()

    def _survey(self, now: float, settled: object, memory: object) -> None:
        """Remember what Redis told of the work that was done, and of its memory."""
        self._backlog.survey(
            now,
            settled=int(settled) if isinstance(settled, bytes) else 0,
            memory=memory if isinstance(memory, dict) else {},
        )


def _settle(done: Future[Appended], reply: object, *, attended: bool) -> None:
    """Tell the waiter: an error of Redis (OOM, READONLY, MISCONF) means not taken."""
    if done.done():
        return
    if isinstance(reply, bytes):
        done.set_result(Appended(entry_id=reply, attended=attended))
    else:
        refusal = Unavailable("The queue does not accept imports now")
        refusal.__cause__ = reply if isinstance(reply, Exception) else None
        done.set_exception(refusal)


def _refuse(entries: list[_Entry], error: Unavailable) -> None:
    for entry in entries:
        if not entry.done.done():
            entry.done.set_exception(error)
