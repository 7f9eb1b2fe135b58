"""What Redis knows: how much waits, since when, and how Redis itself is."""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
from prometheus_client.core import Metric
from redis.backoff import NoBackoff
from redis.retry import Retry

from ingest.exporter import families
from ingest.exporter.states import DEADLINE_SECONDS
from ingest.streams.queues import CELERY_KEY_PREFIX, DRAINS, UPKEEP, stream_key

_QUEUES = (DRAINS, UPKEEP)
#: The net rate is measured over the scrapes of this long.
_WINDOW_SECONDS = 60.0


class Backlog:
    """The waiting imports at each scrape, and when they will be gone."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def note(self, now: float, waiting: int) -> None:
        """Remember that `waiting` imports waited at `now` (seconds)."""
        self._samples.append((now, waiting))
        # One sample past the window stays, so that rare scrapes have two.
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_SECONDS:
            self._samples.popleft()

    def seconds_left(self) -> float | None:
        """Return backlog ÷ net rate: infinite if it does not shrink, None if unknown.

        The net rate is what is applied less what is accepted.
        """
        if self._samples and self._samples[-1][1] == 0:
            return 0.0
        if len(self._samples) < 2:
            return None
        (began_at, before), (ended_at, waiting) = self._samples[0], self._samples[-1]
        gone = before - waiting
        return waiting * (ended_at - began_at) / gone if gone > 0 else math.inf


class RedisState:
    """Asks Redis; one connection."""

    name = "redis"

    def __init__(self, redis_url: str, partitions: int) -> None:
        self._streams = [stream_key(partition) for partition in range(partitions)]
        self._backlog = Backlog()
        self._redis = redis.Redis.from_url(
            redis_url,
            client_name="penstock-exporter",
            max_connections=1,
            socket_timeout=DEADLINE_SECONDS,
            socket_connect_timeout=DEADLINE_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def read(self) -> list[Metric]:
        """Read the streams, Celery's queues and what INFO tells."""
        started = time.monotonic()
        self._redis.ping()
        round_trip = time.monotonic() - started
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self._streams:
            pipeline.xlen(stream)
            pipeline.xrange(stream, count=1)
        for queue in _QUEUES:
            pipeline.llen(f"{CELERY_KEY_PREFIX}{queue}")
        pipeline.info()
        *replies, info = pipeline.execute()
        streams, queues = replies[: -len(_QUEUES)], replies[-len(_QUEUES) :]
        return [
            families.REDIS_ROUND_TRIP.one(round_trip),
            families.TASKS_WAITING.many(
                ((queue,), length)
                for queue, length in zip(_QUEUES, queues, strict=True)
            ),
            *self._describe_backlog(streams[::2], streams[1::2]),
            *_describe_server(info),
        ]

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _describe_backlog(
        self, lengths: Sequence[int], heads: Sequence[Sequence[tuple[bytes, object]]]
    ) -> Iterator[Metric]:
        self._backlog.note(time.monotonic(), sum(lengths))
        yield families.WAITING.many(
            ((partition,), length) for partition, length in enumerate(lengths)
        )
        yield families.OLDEST_ACCEPTED.many(
            # An entry's id begins with the milliseconds at which Redis took it.
            ((partition,), int(rows[0][0].partition(b"-")[0]) / 1000)
            for partition, rows in enumerate(heads)
            if rows
        )
        left = self._backlog.seconds_left()
        if left is not None:
            yield families.TIME_TO_DRAIN.one(left)


def _describe_server(info: Mapping[str, Any]) -> Iterator[Metric]:
    yield families.REDIS_CLIENTS.one(info["connected_clients"])
    yield families.REDIS_MEMORY.one(info["used_memory"])
    yield families.REDIS_MEMORY_LIMIT.one(info["maxmemory"])
    yield families.REDIS_KEEPS.one(info["maxmemory_policy"] == "noeviction")
    yield families.REDIS_EVICTED.one(info["evicted_keys"])
    yield families.REDIS_AOF.one(info["aof_enabled"])
    yield families.REDIS_AOF_OK.one(info["aof_last_write_status"] == "ok")
    yield families.REDIS_RDB_OK.one(info["rdb_last_bgsave_status"] == "ok")
