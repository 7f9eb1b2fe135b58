"""The options by which commands that list imports are told which."""

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
    """Give a command `state`, `error`, `failed`, `database_id`, `since`, `until`."""
    options = (
        click.option(
            "--state",
            type=click.Choice(State, case_sensitive=False),
            help="Only those that ended so.",
        ),
        click.option("--error", type=int, metavar="CODE", help="Only this error code."),
        click.option("--failed", is_flag=True, help="Only those that failed."),
        click.option(
            "--database",
            "database_id",
            type=int,
            metavar="ID",
            help="Only those of this database.",
        ),
        _moment_option("--since", "Only those applied then or later (UTC)."),
        _moment_option("--until", "Only those applied before (UTC)."),
    )
    for option in reversed(options):
        command = option(command)
    return command
