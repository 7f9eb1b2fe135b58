"""Acceptance without a loop: a batch of messages' imports in one transaction."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from redis.exceptions import RedisError
from redis.typing import EncodableT, FieldT

from ingest.domain.errors import Overloaded, Unavailable
from ingest.doors.accept import Accepted
from ingest.doors.backlog import Backlog
from ingest.doors.connections import connect_blocking
from ingest.doors.doorbell import Doorbell
from ingest.partitioning import CONSUME_CLIENT
from ingest.queues import (
    LISTENER_KEY,
    SETTLED_KEY,
    pending_result,
    pending_results_key,
    stream_key,
)
from ingest.settings import Settings
from ingest.wire.entries import encode
from ingest.wire.journals import FIELD, dump_mark, gather_records
from ingest.wire.messages import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An import that may be queued, and the message that asked for it."""

    accepted: Accepted
    order: Order


class BrokerAppends:
    """Appends imports to their streams, and notes that their results are owed."""

    def __init__(self, settings: Settings, *, door: str, reply_to: str) -> None:
        self._redis = connect_blocking(
            settings.redis_url,
            client_name=CONSUME_CLIENT,
            partitions=settings.partitions,
        )
        self._doorbell = Doorbell(settings.redis_url)
        self._streams = [stream_key(number) for number in range(settings.partitions)]
        self._backlog = Backlog(
            max_waiting=settings.max_waiting, memory_ratio=settings.redis_memory_ratio
        )
        self._pending = pending_results_key(door)
        self._reply_to = reply_to.encode()

    def start(self) -> None:
        """Start ringing for drains."""
        self._doorbell.start()

    def close(self) -> None:
        """Ring what is pending, then disconnect."""
        self._doorbell.stop()
        self._redis.close()

    def has_room(self) -> bool:
        """Say whether imports may be appended; raise Unavailable without Redis."""
        if not self._backlog.is_surveyed(time.monotonic()):
            self._send([])
        try:
            self._backlog.check()
        except (Overloaded, Unavailable):
            return False
        return True

    def append(self, batch: Sequence[Taken]) -> None:
        """Append all of `batch` in its order, or none; raise Unavailable for none.

        After a lost reply nobody knows which; the import ids make a repeat harmless.
        """
        if batch:
            self._send(batch)

    def _send(self, batch: Sequence[Taken]) -> None:
        now = time.time()
        pipeline = self._redis.pipeline(transaction=True)
        for taken in batch:
            import_ = taken.accepted.import_
            owed_as = pending_result(import_.import_id, import_.fingerprint)
            pipeline.hset(self._pending, owed_as, _owed(taken, now).decode())
            fields: dict[FieldT, EncodableT] = {
                b"import": encode(import_),
                b"reply_to": self._reply_to,
            }
            pipeline.xadd(self._streams[taken.accepted.partition], fields)
        for journal, record in gather_records(
            (one.accepted.partition, dump_mark(one.accepted.import_)) for one in batch
        ):
            pipeline.xadd(journal, {FIELD: record})
        begun = len(pipeline)
        pipeline.exists(LISTENER_KEY)
        for stream in self._streams:
            pipeline.xlen(stream)
        pipeline.get(SETTLED_KEY)
        pipeline.info("memory")
        try:
            replies = pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable("The queue cannot be reached") from error
        listened, *lengths, settled, memory = replies[begun:]
        self._backlog.note(time.monotonic(), waiting=sum(lengths))
        self._backlog.survey(time.monotonic(), settled=int(settled or 0), memory=memory)
        if not listened:
            for partition in sorted({taken.accepted.partition for taken in batch}):
                self._doorbell.ring(partition)


def _owed(taken: Taken, now: float) -> bytes:
    """Write what a result needs to know of its message."""
    return orjson.dumps(
        {
            "feedback_id": taken.order.feedback_id,
            "matching_field": taken.order.envelope.matching.value,
            "fingerprint": taken.order.fingerprint,
            "at": now,
        }
    )
