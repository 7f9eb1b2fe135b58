"""`penstock health`: ask, for a process manager, whether a restart would help."""

import socket

import click

from ingest.commands.databases import database_options, redis_options
from ingest.doctor.health import Health, look
from ingest.domain.progress import STALL_SECONDS


@click.command(
    epilog="""\b
Exit status:
  0  it gets on, or a server is away and a restart would not help
  1  it makes no progress: restart it
  2  wrong usage
\b
Examples:
  penstock health worker       (every 20 seconds; restart after three failures)
  penstock health upkeep       (for beat too)"""
)
@click.argument("role", type=click.Choice(["worker", "upkeep"]))
@click.option(
    "--host",
    default=socket.gethostname,
    help="The host whose worker it is.  [default: this one]",
)
@click.option(
    "--stalled-after",
    "seconds",
    type=click.FloatRange(min=1),
    default=STALL_SECONDS,
    show_default=True,
    help="Seconds without a commit while entries wait, or without a sweep.",
)
@redis_options
@database_options
def health(
    role: str,
    host: str,
    seconds: float,
    redis_url: str,
    partitions: int,
    database_url: str,
) -> None:
    """Say whether the worker of this host gets on; for liveness probes.

    It is judged by what waits and what is committed, not by its process: a worker that
    hangs lives. A batch that takes long, and a Postgres or Redis that is away, are no
    reason to restart it.
    """
    found = look(database_url, redis_url, partitions, seconds)
    blame = found.blame_sweep(seconds) if role == "upkeep" else found.blame_drains(host)
    if blame:
        raise click.ClickException(blame)
    click.echo(_describe(found))


def _describe(found: Health) -> str:
    if found.away:
        return f"{found.away} is away; a restart would not help"
    others = "; ".join(stall.text for stall in found.stalls)
    return f"well, but elsewhere {others}" if others else "well"
