"""Servers of a command: from its options, or of a running `penstock up`."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from ingest.domain.errors import InvalidValue
from ingest.domain.secrets import parse_secret
from ingest.local.state import read_kept_secret
from ingest.settings import Settings, read_settings

_Command = TypeVar("_Command", bound=Callable[..., object])

_STATE_DIR = "penstock.state_dir"


#: Variable and example URL of each server in the record of a running stack.
_SERVERS = {
    "database": ("DATABASE_URL", "postgresql://user:password@host:5432/name"),
    "redis": ("REDIS_URL", "redis://host:6379/0"),
}


def _read_running(state_dir: Path, server: str) -> str | None:
    """Return the URL that a running `penstock up` wrote to its state directory."""
    try:
        url = json.loads((state_dir / "servers.json").read_bytes())[server]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if isinstance(url, str) else None


def _find_running(state_dir: Path, server: str) -> str:
    url = _read_running(state_dir, server)
    if url is None:
        variable, example = _SERVERS[server]
        raise click.UsageError(
            f"{variable} is not set, and no stack is running in {state_dir}. "
            f"Set {variable} (for example {example}), or run `penstock up`."
        )
    return url


def find_settings(state_dir: Path) -> Settings:
    """Read the settings; a server without a URL is that of a running `penstock up`."""
    for server, (variable, _) in _SERVERS.items():
        if not os.environ.get(variable):
            os.environ[variable] = _find_running(state_dir, server)
    if secret := find_secret(state_dir, os.environ["DATABASE_URL"]):
        os.environ["PENSTOCK_SECRET"] = secret.hex()
    return read_settings()


def find_secret(state_dir: Path, database_url: str) -> bytes | None:
    """Return the secret of the deployment that `database_url` is of; None for none.

    Without PENSTOCK_SECRET it is that of `penstock up`, if the database is. Raises
    click.UsageError for one that is no secret.
    """
    text = os.environ.get("PENSTOCK_SECRET", "")
    if not text and _read_running(state_dir, "database") == database_url:
        text = read_kept_secret(state_dir)
    try:
        return parse_secret(text) if text else None
    except InvalidValue as error:
        raise click.UsageError(f"PENSTOCK_SECRET: {error}") from error


def has_secret(database_url: str) -> bool:
    """Tell whether this command knows the secret; requires `database_options`."""
    state_dir = click.get_current_context().meta[_STATE_DIR]
    return find_secret(state_dir, database_url) is not None


#: For commands that take all of their settings from the environment.
state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".state"),
    show_default=True,
    help="Directory of `penstock up`, if no servers are set.",
)


def _keep_state_dir(
    context: click.Context, _parameter: click.Parameter, value: Path
) -> None:
    context.meta[_STATE_DIR] = value


def _find_database(
    context: click.Context, _parameter: click.Parameter, value: str | None
) -> str:
    return value or _find_running(context.meta[_STATE_DIR], "database")


def _find_redis(
    context: click.Context, _parameter: click.Parameter, value: str | None
) -> str:
    return value or _find_running(context.meta[_STATE_DIR], "redis")


def database_options(command: _Command) -> _Command:
    """Give a command its `database_url` and the options for it."""
    url = click.option(
        "--database-url",
        envvar="DATABASE_URL",
        show_envvar=True,
        metavar="URL",
        callback=_find_database,
        help="Postgres URL. Set it in the environment if it contains a password.",
    )
    running = click.option(
        "--state-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(".state"),
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=_keep_state_dir,
        help="State directory of `penstock up`, used if no URL is set.",
    )
    return url(running(command))


def redis_url_option(command: _Command) -> _Command:
    """Give a command its `redis_url`; requires `database_options`."""
    url = click.option(
        "--redis-url",
        envvar="REDIS_URL",
        show_envvar=True,
        metavar="URL",
        callback=_find_redis,
        help="Redis URL. Set it in the environment if it contains a password.",
    )
    return url(command)


def redis_options(command: _Command) -> _Command:
    """Give a command `redis_url` and `partitions`; requires `database_options`."""
    partitions = click.option(
        "--partitions",
        envvar="PENSTOCK_PARTITIONS",
        show_envvar=True,
        type=click.IntRange(min=1),
        default=4,
        show_default=True,
        help="Number of partitions.",
    )
    return redis_url_option(partitions(command))
