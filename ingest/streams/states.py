"""The state of the streams of accepted imports, for all who show it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from redis import Redis

from ingest.domain.entry_ids import entry_time
from ingest.streams.connections import connect_blocking
from ingest.streams.queues import (
    SWEPT_KEY,
    bulk_keys_key,
    heartbeat_key,
    live_index_key,
    stream_key,
)

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
    #: Those of `waiting` that imports of the live lane may go before.
    bulk: int = 0
    #: None when nothing waits but those.
    oldest_live_accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsState:
    """The streams of all partitions at one moment."""

    #: By the clock of Redis, as are ids of entries and the sweep.
    at: datetime
    streams: Sequence[StreamState]
    #: When the sweep last ran; None for never.
    swept_at: datetime | None

    @property
    def waiting(self) -> int:
        """Imports waiting, over all partitions."""
        return sum(each.waiting for each in self.streams)

    @property
    def bulk(self) -> int:
        """Imports waiting in the bulk lane, over all partitions."""
        return sum(each.bulk for each in self.streams)

    @property
    def oldest_accepted_at(self) -> datetime | None:
        """When the oldest waiting import was accepted; None when none waits."""
        moments = [each.oldest_accepted_at for each in self.streams]
        return min((each for each in moments if each is not None), default=None)

    @property
    def accepted(self) -> int | None:
        """Imports ever accepted, over all partitions; None if Redis does not count."""
        counts = [each.accepted for each in self.streams]
        known = [each for each in counts if each is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def swept_seconds(self) -> float | None:
        """Seconds since the sweep ran; None for never."""
        return (
            None if self.swept_at is None else (self.at - self.swept_at).total_seconds()
        )


class Streams:
    """Reads the streams of all partitions over one connection."""

    def __init__(self, client: Redis, partitions: int) -> None:
        self._redis = client
        self._keys = [stream_key(partition) for partition in range(partitions)]

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def read(self) -> StreamsState:
        """Read every stream, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(SWEPT_KEY)
        for partition, key in enumerate(self._keys):
            pipeline.xlen(key)
            pipeline.xrange(key, count=1)
            pipeline.xinfo_stream(key)
            pipeline.hget(heartbeat_key(partition), "sent")
            pipeline.exists(bulk_keys_key(partition))
            pipeline.xlen(live_index_key(partition))
            pipeline.xrange(live_index_key(partition), count=1)
        # A stream that nothing was ever accepted to is not there.
        moment, swept, *replies = pipeline.execute(raise_on_error=False)
        _raise_errors(moment, swept)
        seconds, micros = moment
        return StreamsState(
            at=datetime.fromtimestamp(seconds + micros / 1e6, UTC),
            swept_at=None if swept is None else datetime.fromtimestamp(int(swept), UTC),
            streams=[
                _state(partition, *replies[7 * partition : 7 * partition + 7])
                for partition in range(len(self._keys))
            ],
        )

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


def _raise_errors(*replies: Any) -> None:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


def _state(
    partition: int,
    length: Any,
    head: Any,
    info: Any,
    heartbeats: Any,
    *lanes: Any,
) -> StreamState:
    _raise_errors(length, head, heartbeats, *lanes)
    has_bulk, live, live_head = lanes
    known = isinstance(info, dict)
    accepted = info.get("entries-added") if known else 0
    return StreamState(
        partition=partition,
        waiting=int(length),
        oldest_accepted_at=_first_time(head),
        bulk=max(0, int(length) - int(live)) if has_bulk else 0,
        oldest_live_accepted_at=_first_time(live_head if has_bulk else head),
        # Heartbeats are entries, but nobody's imports.
        accepted=None if accepted is None else int(accepted) - int(heartbeats or 0),
    )


def _first_time(rows: Any) -> datetime | None:
    return entry_time(rows[0][0].decode()) if rows else None


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


def open_streams(redis_url: str, partitions: int) -> Streams:
    """Return a reader of the streams with a connection of its own."""
    client = connect_blocking(redis_url, client_name="penstock-status")
    return Streams(client, partitions)
