"""`penstock health`: check for a process manager that a worker makes progress."""

import socket

import click

from ingest.commands.databases import database_options, redis_options
from ingest.doctor.health import Health, look
from ingest.domain.progress import STALL_SECONDS


@click.command(
    epilog="""\b
Exit status:
  0  healthy, or Redis or Postgres is unavailable (a restart would not help)
  1  no progress; restart the worker
  2  usage error
\b
Examples:
  penstock health worker       (every 20 seconds; restart after three failures)
  penstock health upkeep       (for beat too)"""
)
@click.argument("role", type=click.Choice(["worker", "upkeep"]))
@click.option(
    "--host",
    default=socket.gethostname,
    help="Host of the worker.  [default: this host]",
)
@click.option(
    "--stalled-after",
    "seconds",
    type=click.FloatRange(min=1),
    default=STALL_SECONDS,
    show_default=True,
    help="Seconds without a commit while imports wait, or without a sweep.",
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
    """Check whether this host's worker makes progress. For liveness probes.

    Health is measured by progress, not by whether the process exists: a hung worker is
    still alive. A long batch, or an unavailable Postgres or Redis, does not count as
    unhealthy.
    """
    found = look(database_url, redis_url, partitions, seconds)
    blame = found.blame_sweep(seconds) if role == "upkeep" else found.blame_drains(host)
    if blame:
        raise click.ClickException(blame)
    click.echo(_describe(found))


def _describe(found: Health) -> str:
    if found.away:
        return f"healthy: {found.away} is unavailable; a restart would not help"
    others = "; ".join(stall.text for stall in found.stalls)
    return f"healthy; stalled on another host: {others}" if others else "healthy"
