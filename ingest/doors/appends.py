"""Acceptance without a loop: a batch of imports in one transaction of Redis."""

import time
from collections.abc import Iterable, Mapping, Sequence

from redis.client import Pipeline
from redis.exceptions import RedisError

from ingest.domain.errors import Overloaded, Unavailable
from ingest.domain.lanes import Lane
from ingest.doors.accept import Accepted, to_addition
from ingest.settings import Settings
from ingest.streams.backlog import Backlog
from ingest.streams.connections import connect_blocking
from ingest.streams.doorbell import Doorbell
from ingest.streams.lanes import AppendCommand
from ingest.streams.queues import SETTLED_KEY
from ingest.wire.acceptance_log import dump_mark, gather_records

_NOTHING: Mapping[str, Mapping[str, str]] = {}


class BlockingAppends:
    """Appends imports to their streams, and rings for drains.

    `reply_to` is where their outcomes go; without it nobody is told of them.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client_name: str,
        lane: Lane,
        reply_to: str | None = None,
    ) -> None:
        self._redis = connect_blocking(
            settings.redis_url,
            client_name=client_name,
            partitions=settings.partitions,
        )
        self._doorbell = Doorbell(settings.redis_url)
        self._partitions = settings.partitions
        self._backlog = Backlog(
            max_waiting=settings.max_waiting, memory_ratio=settings.redis_memory_ratio
        )
        self._lane = lane
        self._reply_to = None if reply_to is None else reply_to.encode()

    def start(self) -> None:
        """Start ringing for drains."""
        self._doorbell.start()

    def close(self) -> None:
        """Ring what is pending, then disconnect."""
        self._doorbell.stop()
        self._redis.close()

    def has_room(self, count: int = 1) -> bool:
        """Say whether `count` imports may be appended; raise Unavailable without Redis.

        There is none while too many wait, or while Redis is nearly full.
        """
        self.count_waiting()
        try:
            self._backlog.check(count)
        except (Overloaded, Unavailable):
            return False
        return True

    def count_waiting(self) -> int:
        """Return how many imports wait, whoever accepted them, or did a moment ago."""
        if not self._backlog.is_surveyed(time.monotonic()):
            self.append([])
        return self._backlog.waiting

    def append(
        self,
        batch: Sequence[Accepted],
        notes: Mapping[str, Mapping[str, str]] = _NOTHING,
    ) -> None:
        """Append all of `batch` in its order, or none; raise Unavailable for none.

        `notes` are fields by the key of the hash that is to hold them, written with
        the batch or not at all. After a lost reply nobody knows which; the import ids
        make a repeat harmless.
        """
        pipeline = self._redis.pipeline(transaction=True)
        for key, fields in notes.items():
            for field, text in fields.items():
                pipeline.hset(key, field, text)
        command = self._write(batch)
        # redis-py leaves this one untyped.
        pipeline.execute_command(*command.parts)  # type: ignore[no-untyped-call]
        if not self._survey(pipeline, command):
            self._ring(batch)

    def _write(self, batch: Sequence[Accepted]) -> AppendCommand:
        awaited = self._reply_to is not None
        marks = ((one.partition, dump_mark(one.import_)) for one in batch)
        return AppendCommand(
            self._partitions,
            (to_addition(one, self._lane, awaited=awaited) for one in batch),
            gather_records(marks),
            reply_to=self._reply_to or b"",
        )

    def _survey(self, pipeline: Pipeline, command: AppendCommand) -> bool:
        """Execute `pipeline`, see what waits then, and say whether a drain listens."""
        pipeline.get(SETTLED_KEY)
        pipeline.info("memory")
        try:
            *_, reply, settled, memory = pipeline.execute()
            appended = command.read(reply)
            for told in appended.ids:
                if isinstance(told, Exception):
                    raise told
        except (RedisError, OSError) as error:
            raise Unavailable("The queue is unavailable") from error
        now = time.monotonic()
        self._backlog.note(now, waiting=appended.waiting)
        self._backlog.survey(now, settled=int(settled or 0), memory=memory)
        return appended.listened

    def _ring(self, batch: Iterable[Accepted]) -> None:
        for partition in sorted({accepted.partition for accepted in batch}):
            self._doorbell.ring(partition)
