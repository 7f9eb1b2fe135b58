"""Which Postgres a command works on: the one told, or that of a running `up`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])

_STATE_DIR = "penstock.state_dir"


def _running_database(state_dir: Path) -> str:
    """Read the URL that `penstock up` leaves in its state directory."""
    try:
        url = json.loads((state_dir / "servers.json").read_bytes())["database"]
    except (OSError, ValueError, KeyError, TypeError):
        url = None
    if not isinstance(url, str):
        raise click.UsageError(
            f"DATABASE_URL is not set, and no `penstock up` has left its own in "
            f"{state_dir}. Set it, such as postgresql://user:password@host:5432/name, "
            "or start `penstock up` first."
        )
    return url


def _keep_state_dir(
    context: click.Context, _parameter: click.Parameter, value: Path
) -> None:
    context.meta[_STATE_DIR] = value


def _find_database(
    context: click.Context, _parameter: click.Parameter, value: str | None
) -> str:
    return value or _running_database(context.meta[_STATE_DIR])


def database_options(command: _Command) -> _Command:
    """Give a command its `database_url`, and the options that say which."""
    told = click.option(
        "--database-url",
        envvar="DATABASE_URL",
        show_envvar=True,
        metavar="URL",
        callback=_find_database,
        help="Postgres to work on; a URL with a password belongs in the environment.",
    )
    running = click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(".state"),
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=_keep_state_dir,
        help="Where `penstock up` runs; without DATABASE_URL, its Postgres is used.",
    )
    return told(running(command))
