"""`penstock status`: show throughput, backlog, and time to drain."""

import time
from contextlib import suppress
from datetime import UTC, datetime

import click
from rich.live import Live

from ingest.commands.databases import database_options, redis_options
from ingest.commands.outputs import make_console, print_json
from ingest.commands.status_view import render_status, status_document
from ingest.domain.flow import FlowMeter
from ingest.status.pipeline import PipelineStatus, read_status, sample
from ingest.store.database import Connection, connect
from ingest.streams.states import Streams, open_streams

#: Rates need two samples; with --once, they are this far apart.
_APART_SECONDS = 1.0


@click.command(
    epilog="""\b
Examples:
  penstock status
  penstock status --once
  penstock status --json | jq .drain_seconds

\b
Exit status:
  0  success
  1  Postgres or Redis is unavailable
  2  usage error"""
)
@click.option("--once", is_flag=True, help="Print the status once and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON once and exit.")
@click.option(
    "--every",
    type=click.FloatRange(0.2, 60),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between updates.",
)
@database_options
@redis_options
def status(
    once: bool,
    as_json: bool,
    every: float,
    database_url: str,
    redis_url: str,
    partitions: int,
) -> None:
    """Show throughput, backlog, oldest waiting import, time to drain, and outcomes.

    On a terminal, the status is updated until Ctrl-C; otherwise it is printed once.
    Rates are those of the last minute, or of one second if printed once.
    """
    streams = open_streams(redis_url, partitions)
    try:
        with connect(database_url) as connection:
            if once or as_json or not make_console().is_terminal:
                _show_once(connection, streams, as_json=as_json)
            else:
                # Ctrl-C is the way to end it.
                with suppress(KeyboardInterrupt):
                    _watch(connection, streams, every)
    finally:
        streams.close()


def _look(connection: Connection, streams: Streams, meter: FlowMeter) -> PipelineStatus:
    state = streams.read()
    sample(meter, state, time.monotonic())
    return read_status(connection, state, meter.flow())


def _show_once(connection: Connection, streams: Streams, *, as_json: bool) -> None:
    meter = FlowMeter()
    _look(connection, streams, meter)
    time.sleep(_APART_SECONDS)
    seen = _look(connection, streams, meter)
    now = datetime.now(UTC)
    if as_json:
        print_json(status_document(seen, now))
    else:
        make_console().print(render_status(seen, now))


def _watch(connection: Connection, streams: Streams, every: float) -> None:
    meter = FlowMeter()
    console = make_console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            seen = _look(connection, streams, meter)
            rendered = render_status(seen, datetime.now(UTC))
            live.update(rendered, refresh=True)
            time.sleep(every)
