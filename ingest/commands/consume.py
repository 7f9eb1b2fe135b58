"""`penstock consume`: accept imports from a queue."""

import logging
import os
import signal
import socket
from dataclasses import dataclass
from secrets import token_hex
from threading import Event

import click

from ingest.domain.errors import PenstockError
from ingest.doors.broker.amqp_broker import QueueOutlet, QueueSource
from ingest.doors.broker.appends import BrokerAppends
from ingest.doors.broker.catalog import BrokerCatalog
from ingest.doors.broker.consumer import Consumer
from ingest.doors.broker.redis_stream import StreamOutlet, StreamSource
from ingest.doors.broker.results import Reporter
from ingest.doors.broker.sources import MessageSource, Outlet
from ingest.settings import Settings, read_settings
from ingest.streams.partitioning import check_partitions
from ingest.telemetry import metrics
from ingest.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)

_SCHEMES = ("amqp://", "amqps://", "pyamqp://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Queue to consume, and its options."""

    #: Names the stream or the queue; results go to it with `_result` behind.
    queue: str = "database_import"
    #: None for the Redis that imports are queued in.
    amqp_url: str | None = None
    prefetch: int = 200
    claim_after_seconds: float = 10.0
    ttl_seconds: float = 86_400.0


def _make_source(settings: Settings, door: Door) -> MessageSource:
    if door.amqp_url is not None:
        return QueueSource(door.amqp_url, door.queue, prefetch=door.prefetch)
    return StreamSource(
        settings.redis_url,
        door.queue,
        consumer=f"{socket.gethostname()}-{os.getpid()}-{token_hex(4)}",
        count=door.prefetch,
        claim_after_seconds=door.claim_after_seconds,
    )


def _make_outlet(settings: Settings, door: Door) -> Outlet:
    """Return an outlet; each thread needs its own."""
    if door.amqp_url is not None:
        return QueueOutlet(door.amqp_url, door.queue, ttl_seconds=door.ttl_seconds)
    return StreamOutlet(settings.redis_url, door.queue, ttl_seconds=door.ttl_seconds)


def serve(settings: Settings, door: Door, stop: Event) -> None:
    """Consume messages and publish results until stopped.

    Then the messages that were read are accepted and acknowledged, and results are
    published for as long as the default wait.
    """
    reply_to = token_hex(8)
    source = _make_source(settings, door)
    appends = BrokerAppends(settings, door=source.name, reply_to=reply_to)
    catalog = BrokerCatalog(settings)
    reporter = Reporter(
        settings,
        _make_outlet(settings, door),
        door=source.name,
        reply_to=reply_to,
        stop=stop,
    )
    outlet = _make_outlet(settings, door)
    consumer = Consumer(
        settings, source=source, outlet=outlet, appends=appends, catalog=catalog
    )
    appends.start()
    reporter.start()
    try:
        consumer.run(stop)
    finally:
        appends.close()
        reporter.stop()
        catalog.close()
    if reporter.has_failed:
        raise PenstockError("Results could not be published. See the log.")


@click.command(
    epilog="""\b
Examples:
  penstock consume
  penstock consume --amqp amqp://user:password@rabbit:5672/vhost"""
)
@click.option("--redis-stream", metavar="NAME", help="Read this stream in REDIS_URL.")
@click.option(
    "--amqp",
    metavar="URL",
    help="Read a queue of this broker; or set PENSTOCK_AMQP_BROKER.",
)
@click.option(
    "--queue",
    default="database_import",
    show_default=True,
    metavar="NAME",
    help="Name of the queue or stream.",
)
@click.option(
    "--prefetch",
    type=click.IntRange(1, 1000),
    default=200,
    show_default=True,
    help="Maximum number of unacknowledged messages.",
)
@click.option(
    "--claim-after",
    type=click.FloatRange(1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Redis: claim messages that another consumer has held for this long.",
)
@click.option(
    "--result-ttl",
    type=click.FloatRange(1),
    default=86_400.0,
    show_default=True,
    metavar="SECONDS",
    help="Time to keep results.",
)
def consume(
    redis_stream: str | None,
    amqp: str | None,
    queue: str,
    prefetch: int,
    claim_after: float,
    result_ttl: float,
) -> None:
    """Accept imports from a queue until stopped.

    Reads JSON messages from the Redis stream `database_import`, or from the AMQP queue
    of that name. Results are written to `database_import_result`. Messages that can
    never be imported are moved to `database_import_dead`.
    """
    if amqp and redis_stream:
        raise click.UsageError("Use either --redis-stream or --amqp, not both.")
    settings = read_settings()
    url = None if redis_stream else amqp or settings.amqp_broker or None
    if url and not url.startswith(_SCHEMES):
        raise click.UsageError(f"The AMQP URL must start with {', '.join(_SCHEMES)}.")
    configure_logging(settings.log_level)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    door = Door(
        queue=redis_stream or queue,
        amqp_url=url,
        prefetch=prefetch,
        claim_after_seconds=claim_after,
        ttl_seconds=result_ttl,
    )
    check_partitions(settings.redis_url, settings.partitions)
    metrics.note_start("consumer")
    logger.info("consumer started", extra={"queue": door.queue, "amqp": bool(url)})
    serve(settings, door, stop)
