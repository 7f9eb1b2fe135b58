"""`penstock catalog`: plan, apply, and print the catalog."""

import tomllib
from dataclasses import asdict
from typing import BinaryIO

import click
from rich.console import Console
from rich.text import Text

from ingest.commands.databases import database_options, has_secret
from ingest.commands.outputs import print_json
from ingest.domain.plans import (
    Change,
    ChangeKind,
    DeclaredCatalog,
    list_confirming,
    list_undecided,
    list_unheard,
    plan,
)
from ingest.store.catalog.load import load_declared, lock_catalog
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.segments.builds import list_builds
from ingest.wire.catalog_files import (
    InvalidCatalogFile,
    dump_catalog_file,
    load_catalog_file,
)

#: Mark and color of each kind of change.
_MARKS = {
    ChangeKind.ADD: ("+", "green"),
    ChangeKind.CHANGE: ("~", "yellow"),
    ChangeKind.REMOVE: ("-", "red"),
}


@click.group(epilog="\b\nExample:\n  penstock catalog apply catalog.toml --dry-run")
def catalog() -> None:
    """Plan, apply, or print the catalog.

    The catalog declares databases, fields, resources, segments, triggers, and
    endpoints.
    """


def _read(file: BinaryIO) -> DeclaredCatalog:
    try:
        return load_catalog_file(file.read())
    except InvalidCatalogFile as error:
        faults = "\n  ".join(str(error).splitlines())
        raise click.ClickException(
            f"{file.name} has errors; nothing was applied:\n  {faults}"
        ) from error


def _line(change: Change) -> Text:
    mark, color = _MARKS[change.kind]
    line = Text(f"{mark} {change.path}", style=color)
    if change.detail:
        line.append(f"  {change.detail}", style="default")
    if change.loses_data:
        line.append("  deletes stored data", style="bold red")
    return line


def _show_plan(
    changes: list[Change], declared: DeclaredCatalog, database_url: str
) -> None:
    if not changes:
        click.echo("No changes.")
        return
    console = Console(highlight=False, soft_wrap=True)
    for change in changes:
        console.print(_line(change))
    counts = (
        f"{sum(change.kind is kind for change in changes)} to {kind}"
        for kind in ChangeKind
    )
    console.print(", ".join(counts))
    # Of these nothing says who may raise a status (C4).
    names = list_undecided(declared)
    if names:
        click.echo(
            f"Without a consent policy: {', '.join(names)}. Files do not raise"
            " opt-outs; HTTP requests and messages do. To decide, set consent for each."
        )
    _show_confirming(declared, database_url)


def _show_confirming(declared: DeclaredCatalog, database_url: str) -> None:
    """Name what the resources lack whose subscriptions people confirm (D2)."""
    if unheard := list_unheard(declared):
        click.echo(
            f"No trigger sends links: {', '.join(unheard)}. To send them, declare a"
            " trigger with the event confirmation_requested for each database."
        )
    confirming = list_confirming(declared)
    if confirming and not has_secret(database_url):
        click.echo(
            f"PENSTOCK_SECRET is not set here: {', '.join(confirming)}. No link is"
            " sent or valid until all intakes and upkeep workers have it."
        )


def _refuse_loss(changes: list[Change]) -> None:
    lossy = sum(change.loses_data for change in changes)
    if lossy:
        raise click.ClickException(
            f"Nothing was applied: {lossy} of these changes would delete stored data. "
            "To apply them anyway, add --allow-data-loss."
        )


def _save(
    database_url: str, planned: DeclaredCatalog, declared: DeclaredCatalog
) -> None:
    with connect(database_url) as connection, connection.transaction():
        lock_catalog(connection)
        if load_declared(connection) != planned:
            raise click.ClickException(
                "Nothing was applied: the catalog changed after this plan was made. "
                "Run the command again and review the new plan."
            )
        save_catalog(connection, declared)


def _show_builds(database_url: str) -> None:
    """Name the segments whose members are still to be found."""
    with connect(database_url) as connection:
        building = [one.segment_id for one in list_builds(connection)]
    if building:
        named = ", ".join(map(str, sorted(building)))
        click.echo(
            f"Segments that are being built: {named}. To see the progress: penstock "
            "segment list"
        )


@catalog.command(epilog="\b\nExample:\n  penstock catalog apply catalog.toml --dry-run")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Show the plan; change nothing.")
@click.option(
    "--allow-data-loss", is_flag=True, help="Allow changes that delete stored data."
)
@click.option("--yes", is_flag=True, help="Do not prompt.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; requires --yes or --dry-run."
)
@database_options
def apply(
    file: BinaryIO,
    dry_run: bool,
    allow_data_loss: bool,
    yes: bool,
    as_json: bool,
    database_url: str,
) -> None:
    """Apply a catalog file after showing the plan.

    Shows the changes that FILE makes, prompts, and applies them. Either all changes are
    applied, or none. While stored profiles are converted to a changed field, accepted
    imports wait; they are applied afterward.
    """
    if as_json and not yes and not dry_run:
        raise click.UsageError("--json does not prompt; add --yes or --dry-run.")
    declared = _read(file)
    with connect(database_url) as connection:
        current = load_declared(connection)
    changes = plan(current, declared)
    applies = bool(changes) and not dry_run
    if not as_json:
        _show_plan(changes, declared, database_url)
    if applies and not allow_data_loss:
        _refuse_loss(changes)
    if applies and not yes:
        click.confirm("Apply these changes?", abort=True)
    if applies:
        _save(database_url, current, declared)
    if as_json:
        print_json({"changes": [asdict(each) for each in changes], "applied": applies})
    elif applies:
        click.echo("Applied.")
        _show_builds(database_url)


@catalog.command(epilog="\b\nExample:\n  penstock catalog show > catalog.toml")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def show(as_json: bool, database_url: str) -> None:
    """Print the catalog as a TOML file.

    The file is valid for `catalog apply`.
    """
    with connect(database_url) as connection:
        text = dump_catalog_file(load_declared(connection))
    if as_json:
        print_json(tomllib.loads(text))
    else:
        click.echo(text, nl=False)
