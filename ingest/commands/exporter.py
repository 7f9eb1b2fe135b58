"""`penstock exporter`: serve metrics for Prometheus."""

import logging
import os
import signal
from threading import Event

import click
from prometheus_client import start_http_server

from ingest.exporter.registry import open_registry
from ingest.settings import read_settings
from ingest.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)


@click.command(epilog="Example: penstock exporter --port 9108")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", default=9108, show_default=True, help="Port to bind.")
@click.option(
    "--no-servers",
    is_flag=True,
    help="Serve process metrics only; another exporter reads Redis and Postgres.",
)
def exporter(host: str, port: int, no_servers: bool) -> None:
    """Serve metrics for Prometheus on /metrics.

    The metrics of intakes and workers are read from PROMETHEUS_MULTIPROC_DIR, which
    all processes of a host must share. Redis and Postgres are queried at each scrape.
    If pods share no directory, run an exporter with --no-servers in each pod, and one
    without it.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    stop = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())

    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    with open_registry(settings, directory, servers=not no_servers) as registry:
        server, _ = start_http_server(port, host, registry)
        logger.info("exporter started", extra={"port": server.server_port})
        stop.wait()
        server.shutdown()
