"""`penstock console`: serve the pages by which an operator sees and operates."""

import click
import uvicorn

from ingest.commands.servers import build_server, open_listener
from ingest.console.app import create_console
from ingest.settings import Settings, read_settings
from ingest.telemetry.logs import configure_logging

#: Given to pages that are being made when it is told to stop.
_GRACE_SECONDS = 5


def make_server(settings: Settings) -> uvicorn.Server:
    """Return the server of the console."""
    return build_server(
        create_console(settings), settings, grace_seconds=_GRACE_SECONDS
    )


@click.command(
    epilog="""\b
Examples:
  penstock console
  penstock console --host 0.0.0.0 --port 9109
  penstock token create ada --scope admin --scope import    # may upload files"""
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
    make_server(settings).run(sockets=[open_listener(host, port, fd)])
