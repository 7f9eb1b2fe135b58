"""Filter options of the commands that list imports."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import click

from ingest.domain.imports import State

_Command = TypeVar("_Command", bound=Callable[..., object])


class Moment(click.DateTime):
    """A moment in UTC."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        """Read the moment."""
        return super().convert(value, param, ctx).replace(tzinfo=UTC)


def _moment_option(name: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(name, type=Moment(), metavar="MOMENT", help=text)


def filter_options(command: _Command) -> _Command:
    """Give a command the filters of imports: its parameters are their names."""
    options = (
        click.option(
            "--state",
            type=click.Choice(State, case_sensitive=False),
            help="Only imports with this outcome.",
        ),
        click.option(
            "--error",
            type=int,
            metavar="CODE",
            help="Only imports with this error code.",
        ),
        click.option("--failed", is_flag=True, help="Only rejected and dead imports."),
        click.option(
            "--protected",
            is_flag=True,
            help="Only imports that did not raise a status.",
        ),
        click.option(
            "--database",
            "database_id",
            type=int,
            metavar="ID",
            help="Only imports of this profile database.",
        ),
        _moment_option(
            "--since", "Only imports processed at or after this time (UTC)."
        ),
        _moment_option("--until", "Only imports processed before this time (UTC)."),
    )
    for option in reversed(options):
        command = option(command)
    return command
