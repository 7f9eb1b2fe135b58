"""Metrics read from Redis: backlog, its age, and the server."""

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from ingest.domain.flow import FlowMeter
from ingest.exporter import families
from ingest.exporter.states import DEADLINE_SECONDS
from ingest.status.pipeline import sample
from ingest.streams.connections import connect_blocking
from ingest.streams.queues import CELERY_KEY_PREFIX, DRAINS, DRY_RUNS_KEY, UPKEEP
from ingest.streams.states import Streams, StreamsState

_QUEUES = (DRAINS, UPKEEP)


class RedisState:
    """Asks Redis; one connection."""

    name = "redis"

    def __init__(self, redis_url: str, partitions: int) -> None:
        self._redis = connect_blocking(
            redis_url,
            client_name="penstock-exporter",
            timeout_seconds=DEADLINE_SECONDS,
        )
        self._streams = Streams(self._redis, partitions)
        self._meter = FlowMeter()

    def read(self) -> list[Metric]:
        """Read the streams, Celery's queues, and what INFO reports."""
        started = time.monotonic()
        self._redis.ping()
        round_trip = time.monotonic() - started
        streams = self._streams.read()
        pipeline = self._redis.pipeline(transaction=False)
        for queue in _QUEUES:
            pipeline.llen(f"{CELERY_KEY_PREFIX}{queue}")
        pipeline.llen(DRY_RUNS_KEY)
        pipeline.info()
        *queues, dry_runs, info = pipeline.execute()
        return [
            families.DRY_RUNS_WAITING.one(dry_runs),
            families.REDIS_ROUND_TRIP.one(round_trip),
            families.TASKS_WAITING.many(
                ((queue,), length)
                for queue, length in zip(_QUEUES, queues, strict=True)
            ),
            *self._describe_backlog(streams),
            *_describe_server(info),
        ]

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _describe_backlog(self, state: StreamsState) -> Iterator[Metric]:
        yield families.WAITING.many(
            ((each.partition,), each.waiting) for each in state.streams
        )
        yield families.WAITING_BULK.many(
            ((each.partition,), each.bulk) for each in state.streams
        )
        yield families.OLDEST_LIVE_ACCEPTED.many(
            ((each.partition,), each.oldest_live_accepted_at.timestamp())
            for each in state.streams
            if each.oldest_live_accepted_at is not None
        )
        yield families.OLDEST_ACCEPTED.many(
            ((each.partition,), each.oldest_accepted_at.timestamp())
            for each in state.streams
            if each.oldest_accepted_at is not None
        )
        sample(self._meter, state, time.monotonic())
        drain_seconds = self._meter.flow().drain_seconds
        if drain_seconds is not None:
            yield families.TIME_TO_DRAIN.one(drain_seconds)
        elif self._meter.is_measured:
            yield families.TIME_TO_DRAIN.one(math.inf)


def _describe_server(info: Mapping[str, Any]) -> Iterator[Metric]:
    yield families.REDIS_CLIENTS.one(info["connected_clients"])
    yield families.REDIS_MEMORY.one(info["used_memory"])
    yield families.REDIS_MEMORY_LIMIT.one(info["maxmemory"])
    yield families.REDIS_KEEPS.one(info["maxmemory_policy"] == "noeviction")
    yield families.REDIS_EVICTED.one(info["evicted_keys"])
    yield families.REDIS_AOF.one(info["aof_enabled"])
    yield families.REDIS_AOF_OK.one(info["aof_last_write_status"] == "ok")
    yield families.REDIS_RDB_OK.one(info["rdb_last_bgsave_status"] == "ok")
