"""`penstock up`: run the complete stack on this machine."""

import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from ingest.domain.progress import STALL_SECONDS
from ingest.local.answers import attach
from ingest.local.group import Options, ProbeAnswer, run_group
from ingest.local.state import StateInUse, open_state

_SUMMARY = """\
Penstock is {state}.

  HTTP      {http}
  console   {console}
  metrics   {metrics}
  database  {database}
  redis     {redis}
  token     {token}
  admin     {admin_token}
  logs      {logs}
"""


def _tell(line: str) -> None:
    """Print a line of progress; ignore a closed terminal."""
    with suppress(OSError):
        click.echo(f"penstock: {line}", err=True)


def _announce(answer: ProbeAnswer, *, as_json: bool, logs: Path, state: str) -> None:
    if as_json:
        click.echo(json.dumps(answer))
        return
    shown = {
        **answer,
        "token": answer["token"] or "(penstock token create NAME)",
        "admin_token": answer["admin_token"]
        or "(penstock token create NAME --scope admin)",
    }
    click.echo(_SUMMARY.format(**shown, logs=logs, state=state))


@click.command(epilog="Example: penstock up --http-port 8080 --workers 2")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".state"),
    show_default=True,
    help="Directory for data, logs, and passwords; reused by the next start.",
)
@click.option(
    "--http-port",
    type=click.IntRange(0, 65535),
    help="HTTP port; 0 is any.  [default: 8080, or any if in use]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Number of worker processes.",
)
@click.option(
    "--intakes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of intake processes.",
)
@click.option(
    "--stalled-after",
    "stall_seconds",
    type=click.FloatRange(min=1),
    default=STALL_SECONDS,
    show_default=True,
    help="Restart workers after this many seconds without progress.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON when ready."
)
def up(
    state_dir: Path,
    http_port: int | None,
    workers: int,
    intakes: int,
    stall_seconds: float,
    as_json: bool,
) -> None:
    """Run the complete stack until Ctrl-C: servers, intakes, workers, console.

    If DATABASE_URL and REDIS_URL are set, their servers are used. Otherwise PostgreSQL
    and Redis are started from PENSTOCK_POSTGRES_BIN and PENSTOCK_REDIS_BIN, from the
    installed wheels, or from PATH.

    If a stack is already running on this state directory, the command prints its
    addresses and attaches to it.
    """
    options = Options(
        state_dir=state_dir,
        http_port=http_port,
        workers=workers,
        intakes=intakes,
        stall_seconds=stall_seconds,
    )
    announce = partial(_announce, as_json=as_json, logs=state_dir / "logs")
    ready = "ready; Ctrl-C stops it"
    while True:
        try:
            run_group(
                options, os.environ, tell=_tell, announce=partial(announce, state=ready)
            )
        except StateInUse as error:
            _tell(f"already running: {error}")
            answer = attach(open_state(state_dir), _tell)
            if answer is None:
                _tell("the running stack has ended; starting again")
                continue
            announce(answer, state="already running; attached")
        return
