"""`penstock exporter`: serve what Prometheus scrapes."""

import logging
import os
import signal
from collections.abc import Iterator
from threading import Event

import click
import redis
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from ingest.logs import configure_logging
from ingest.queues import stream_key
from ingest.settings import read_settings

logger = logging.getLogger(__name__)

#: A scrape must end before Prometheus gives it up (10 seconds by default).
_TIMEOUT_SECONDS = 2.0


class StreamCollector(Collector):
    """Asks Redis, at each scrape, how much waits and since when."""

    def __init__(self, redis_url: str, partitions: int) -> None:
        self._streams = [stream_key(partition) for partition in range(partitions)]
        self._redis = redis.Redis.from_url(
            redis_url,
            client_name="penstock-exporter",
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges; `penstock_redis_up` alone when Redis does not answer."""
        up = GaugeMetricFamily("penstock_redis_up", "Whether Redis answers.")
        try:
            replies = self._ask()
        except (RedisError, OSError) as error:
            logger.warning("redis not read", extra={"reason": type(error).__name__})
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _describe(replies)

    def _ask(self) -> list[tuple[int, list[tuple[bytes, object]]]]:
        """Return the length and the first entry of each stream."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self._streams:
            pipeline.xlen(stream)
            pipeline.xrange(stream, count=1)
        replies = pipeline.execute()
        return list(zip(replies[::2], replies[1::2], strict=True))


def _describe(
    streams: list[tuple[int, list[tuple[bytes, object]]]],
) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "penstock_waiting", "Accepted imports not yet applied.", labels=["partition"]
    )
    oldest = GaugeMetricFamily(
        "penstock_oldest_accepted_timestamp_seconds",
        "When the oldest waiting import was accepted; absent when none waits.",
        labels=["partition"],
    )
    for partition, (length, entries) in enumerate(streams):
        waiting.add_metric([str(partition)], length)
        for entry_id, _ in entries:
            # An entry's id begins with the milliseconds at which Redis took it.
            milliseconds = int(entry_id.partition(b"-")[0])
            oldest.add_metric([str(partition)], milliseconds / 1000)
    yield waiting
    yield oldest


def make_registry(
    redis_url: str, partitions: int, metrics_dir: str | None
) -> CollectorRegistry:
    """Return what one scrape shows: every process's metrics, and the streams.

    Both are read anew at each scrape. Without `metrics_dir`, the streams only.
    """
    registry = CollectorRegistry()
    registry.register(StreamCollector(redis_url, partitions))
    if metrics_dir:
        os.makedirs(metrics_dir, exist_ok=True)
        MultiProcessCollector(registry, path=metrics_dir)  # type: ignore[no-untyped-call]
    return registry


@click.command(epilog="Example: penstock exporter --port 9108")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", default=9108, show_default=True, help="Port to bind.")
def exporter(host: str, port: int) -> None:
    """Serve metrics for Prometheus on /metrics.

    What intakes and workers count is read from PROMETHEUS_MULTIPROC_DIR, which all of
    them must share.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())

    registry = make_registry(
        settings.redis_url,
        settings.partitions,
        os.environ.get("PROMETHEUS_MULTIPROC_DIR"),
    )
    server, _ = start_http_server(port, host, registry)
    logger.info("exporter started", extra={"port": server.server_port})
    stop.wait()
    server.shutdown()
