"""The streams of accepted imports as operators look at them; nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from redis import Redis

from ingest.streams.connections import connect_blocking
from ingest.streams.queues import heartbeat_key, stream_key

#: Entries of each stream among which an import is looked for.
_LOOKED_AT = 2000
#: An import is accepted so long after the moment in its id, at most, and before it by
#: as much as clocks differ.
_AFTER_MILLISECONDS = 60_000
_BEFORE_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """One partition's stream."""

    partition: int
    waiting: int
    #: None when nothing waits.
    oldest_accepted_at: datetime | None
    #: Ever accepted, as Redis counts it; None before version 7.
    accepted: int | None


class Streams:
    """Looks at the streams of every partition."""

    def __init__(self, redis_url: str, partitions: int) -> None:
        self._redis: Redis = connect_blocking(redis_url, client_name="penstock-look")
        self._keys = [stream_key(partition) for partition in range(partitions)]

    def close(self) -> None:
        """Give up the connection."""
        self._redis.close()

    def states(self) -> list[StreamState]:
        """Return how each stream stands, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for partition, key in enumerate(self._keys):
            pipeline.xlen(key)
            pipeline.xrange(key, count=1)
            pipeline.xinfo_stream(key)
            pipeline.hget(heartbeat_key(partition), "sent")
        # A stream that nothing was ever accepted to is not there.
        replies = pipeline.execute(raise_on_error=False)
        return [
            _state(partition, *replies[4 * partition : 4 * partition + 4])
            for partition in range(len(self._keys))
        ]

    def holds(self, import_id: UUID) -> bool:
        """Tell whether `import_id` is seen to wait.

        A bounded look: among the first entries of each stream from the moment in the
        id on; for an id that tells none, among the first of all.
        """
        begin, end = _span(import_id)
        pipeline = self._redis.pipeline(transaction=False)
        for key in self._keys:
            pipeline.xrange(key, begin, end, count=_LOOKED_AT)
        wanted = str(import_id).encode()
        return any(wanted in payload for payload in _payloads(pipeline.execute()))


def _state(
    partition: int, length: Any, head: Any, info: Any, heartbeats: Any
) -> StreamState:
    for reply in (length, head, heartbeats):
        if isinstance(reply, Exception):
            raise reply
    known = isinstance(info, dict)
    accepted = info.get("entries-added") if known else 0
    return StreamState(
        partition=partition,
        waiting=int(length),
        oldest_accepted_at=_moment(head[0][0]) if head else None,
        # Heartbeats are entries, but nobody's imports.
        accepted=None if accepted is None else int(accepted) - int(heartbeats or 0),
    )


def _moment(entry_id: bytes) -> datetime:
    """Return when Redis took an entry: its id begins with the milliseconds."""
    return datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)


def _span(import_id: UUID) -> tuple[str, str]:
    if import_id.version != 7:
        return "-", "+"
    milliseconds = import_id.int >> 80
    begin = max(0, milliseconds - _BEFORE_MILLISECONDS)
    return str(begin), str(milliseconds + _AFTER_MILLISECONDS)


def _payloads(replies: list[Any]) -> Iterator[bytes]:
    for rows in replies:
        for _, fields in rows:
            yield from fields.values()
