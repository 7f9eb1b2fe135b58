"""`penstock console`: serve the pages by which an operator sees and operates."""

import math
import socket

import click
import uvicorn

from ingest.commands.intake import listen
from ingest.console.app import create_console
from ingest.doors.http.arrivals import Arrivals
from ingest.doors.http.protocol import bound_heads
from ingest.settings import Settings, read_settings
from ingest.telemetry.logs import configure_logging

#: Given to pages that are being made when it is told to stop.
_GRACE_SECONDS = 5.0


def make_server(settings: Settings) -> uvicorn.Server:
    """Return the server of the console."""
    return uvicorn.Server(
        uvicorn.Config(
            Arrivals(create_console(settings), settings),
            loop="uvloop",
            http=bound_heads(settings.max_head_bytes),
            ws="none",
            # The proxy in front tells by X-Forwarded-Proto that it is spoken HTTPS to,
            # which can only make a cookie stricter.
            proxy_headers=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(_GRACE_SECONDS),
        )
    )


@click.command(
    epilog="""\b
Examples:
  penstock console
  penstock console --host 0.0.0.0 --port 9109
  penstock token create ada --scope admin    # may log in"""
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", default=9109, show_default=True, help="Port to bind; 0 is any.")
@click.option("--fd", type=int, help="Serve on this inherited listening socket.")
def console(host: str, port: int, fd: int | None) -> None:
    """Serve the operator console.

    It shows throughput, imports, profiles, dead letters, and deliveries. Log in with a
    token that has the admin scope. If it is reached from another machine, put it behind
    HTTPS. Run exactly one process: logins are kept in its memory.
    """
    settings = read_settings()
    configure_logging(settings.log_level)
    listener = listen(host, port) if fd is None else socket.socket(fileno=fd)
    make_server(settings).run(sockets=[listener])
