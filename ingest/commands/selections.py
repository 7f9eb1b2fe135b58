"""Which dead letters a command works on: by number, or by what they have in common."""

import functools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import click

from ingest.commands.filters import Moment
from ingest.store.letter_queries import Selection

_Command = TypeVar("_Command", bound=Callable[..., object])


def _filter_options(command: _Command) -> _Command:
    options = (
        click.option(
            "--fingerprint", metavar="TEXT", help="Of this group only; see: dead list"
        ),
        click.option(
            "--database", "database_id", type=int, metavar="ID", help="Of this database"
        ),
        click.option(
            "--since", type=Moment(), metavar="TIME", help="Buried then or later (UTC)"
        ),
        click.option(
            "--until", type=Moment(), metavar="TIME", help="Buried before then (UTC)"
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its `selection`, made of filters; all letters without any."""

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
    """Give a command its `selection`: letters by number, by filters, or really all."""

    @functools.wraps(command)
    def run(
        *,
        letter_ids: tuple[int, ...],
        everything: bool,
        selection: Selection,
        **others: object,
    ) -> None:
        if not letter_ids and not everything and selection == Selection():
            raise click.UsageError("Name letters, filter them, or say --all.")
        command(selection=replace(selection, ids=list(letter_ids) or None), **others)

    ids = click.argument("letter_ids", metavar="[NUMBER]...", type=int, nargs=-1)
    all_ = click.option("--all", "everything", is_flag=True, help="Every open letter.")
    return ids(filtered(all_(run)))
