"""Selection of dead letters for a command: by number, by filter, or all."""

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import click

from ingest.commands.filters import Moment
from ingest.store.dead_letters.read import Selection

_Command = TypeVar("_Command", bound=Callable[..., object])


def _filter_options(command: _Command) -> _Command:
    options = (
        click.option(
            "--fingerprint", metavar="TEXT", help="Only dead letters of this group."
        ),
        click.option(
            "--database",
            "database_id",
            type=int,
            metavar="ID",
            help="Only dead letters of this profile database.",
        ),
        click.option(
            "--since",
            type=Moment(),
            metavar="TIME",
            help="Only those that failed at or after this time (UTC).",
        ),
        click.option(
            "--until",
            type=Moment(),
            metavar="TIME",
            help="Only those that failed before this time (UTC).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its `selection`, made of filters; all dead letters without any."""

    @functools.wraps(command)
    def run(
        *,
        fingerprint: str | None,
        database_id: int | None,
        since: datetime | None,
        until: datetime | None,
        **others: object,
    ) -> None:
        selection = Selection(
            fingerprint=fingerprint, database_id=database_id, since=since, until=until
        )
        command(selection=selection, **others)

    return _filter_options(run)


def selected(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its `selection`: by number, by filter, or with --all."""

    @functools.wraps(command)
    def run(
        *,
        letter_ids: tuple[int, ...],
        everything: bool,
        selection: Selection,
        **others: object,
    ) -> None:
        if not letter_ids and not everything and selection == Selection():
            raise click.UsageError(
                "Select dead letters by number, by filter (--fingerprint, --database, "
                "--since, --until), or with --all."
            )
        command(selection=replace(selection, ids=list(letter_ids) or None), **others)

    ids = click.argument("letter_ids", metavar="[NUMBER]...", type=int, nargs=-1)
    all_ = click.option(
        "--all", "everything", is_flag=True, help="Select all open dead letters."
    )
    return ids(filtered(all_(run)))
