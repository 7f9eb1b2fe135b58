"""`penstock intake`: accept imports over HTTP."""

import math

import click
import uvicorn

from ingest.commands.servers import build_server, open_listener
from ingest.doors.http.app import create_app
from ingest.doors.http.calls import UPLOADS
from ingest.garbage import collect_rarely
from ingest.local.priority import give_way
from ingest.settings import Settings, read_settings
from ingest.streams.partitioning import check_partitions
from ingest.telemetry.logs import configure_logging

#: Given to answers that are ready when the wait of their callers ends.
_GRACE_SECONDS = 2


def make_server(settings: Settings) -> uvicorn.Server:
    """Return the server of one intake process.

    On SIGTERM it accepts no more connections and sends outcomes to waiting callers for
    up to the default wait. The other callers then get 202.
    """
    return build_server(
        create_app(settings),
        settings,
        grace_seconds=math.ceil(settings.wait_seconds) + _GRACE_SECONDS,
        open_ended=UPLOADS,
    )


@click.command(
    epilog="Example: DATABASE_URL=... REDIS_URL=... penstock intake --port 8080"
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", default=8080, show_default=True, help="Port to bind; 0 is any.")
@click.option("--fd", type=int, help="Serve on this inherited listening socket.")
@click.option(
    "--nice",
    type=click.IntRange(0, 19),
    default=0,
    show_default=True,
    help="Niceness, to favor workers on the same machine.",
)
def intake(host: str, port: int, fd: int | None, nice: int) -> None:
    """Accept imports over HTTP until stopped."""
    give_way(nice)
    settings = read_settings()
    configure_logging(settings.log_level)
    check_partitions(settings.redis_url, settings.partitions)
    listener = open_listener(host, port, fd)
    server = make_server(settings)
    collect_rarely()
    server.run(sockets=[listener])
