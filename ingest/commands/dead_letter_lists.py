"""`penstock dead-letters`: list, show, and discard."""

import getpass
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import click
from rich.console import Console
from rich.table import Column, Table

from ingest.commands.databases import database_options
from ingest.commands.outputs import ask
from ingest.commands.selections import filtered, selected
from ingest.domain.counts import count
from ingest.store.database import connect
from ingest.store.dead_letters.read import (
    Letter,
    LetterGroup,
    Selection,
    find_letter,
    find_letter_ids,
    find_letter_of_import,
    list_letter_groups,
)
from ingest.store.dead_letters.write import (
    Resolution,
    ResolutionNote,
    resolve_dead_letters,
)
from ingest.wire.redaction import mask_error, mask_payload, mask_traceback


def whoami() -> str:
    """Return the name of the current user, or `unknown`."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def echo_json(document: object) -> None:
    """Print a document for a machine."""
    click.echo(json.dumps(document, indent=2, default=str, ensure_ascii=False))


def _group_document(group: LetterGroup) -> dict[str, object]:
    document = asdict(group)
    error, payload = document.pop("sample_error"), document.pop("sample_payload")
    return document | {"sample_error": mask_error(error, payload)}


def _group_row(group: LetterGroup) -> tuple[str, ...]:
    return (
        group.fingerprint,
        str(group.open),
        str(group.replayed + group.discarded),
        ", ".join(map(str, group.database_ids)),
        f"{group.first_at:%Y-%m-%d %H:%M}\n{group.last_at:%Y-%m-%d %H:%M}",
        str(group.sample_id),
        f"{mask_error(group.sample_error, group.sample_payload)}\n{group.place}",
    )


@click.command(
    "list", epilog="\b\nExample:\n  penstock dead-letters list --database 1 --json"
)
@filtered
@click.option("--all", "resolved", is_flag=True, help="Include resolved dead letters.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@database_options
def list_(
    selection: Selection, resolved: bool, as_json: bool, database_url: str
) -> None:
    """List dead letters, grouped by error and place. Times are in UTC."""
    selection = replace(selection, resolved=resolved)
    with connect(database_url) as connection:
        groups = list_letter_groups(connection, selection)
    if as_json:
        echo_json([_group_document(group) for group in groups])
        return
    if not groups:
        click.echo("No open dead letters.")
        return

    whole = partial(Column, no_wrap=True)
    table = Table(
        whole("fingerprint"), "open", "resolved", "databases", whole("first, last"),
        "sample", "error, place",
    )  # fmt: skip
    for group in groups:
        table.add_row(*_group_row(group))
    Console(markup=False).print(table)


def _letter_document(letter: Letter, *, reveal: bool) -> dict[str, object]:
    document = asdict(letter)
    if reveal:
        # Any bytes can be in it; those that are no text are escaped.
        shown = letter.payload.decode(errors="backslashreplace")
        return document | {"payload": shown}
    return document | {
        "payload": mask_payload(letter.payload),
        "error": mask_error(letter.error, letter.payload),
        "traceback": mask_traceback(letter.traceback),
    }


def _find(database_url: str, number: str) -> Letter:
    """Find a letter by its number, or by the id of its import."""
    with connect(database_url) as connection:
        letter_id: int | None
        if number.isdecimal():
            letter_id = int(number)
        else:
            try:
                letter_id = find_letter_of_import(connection, UUID(number))
            except ValueError as error:
                raise click.UsageError(
                    f"{number} is neither a dead letter number nor an import ID."
                ) from error
        letter = None if letter_id is None else find_letter(connection, letter_id)
    if letter is None:
        raise click.ClickException(
            f"Dead letter {number} not found. To list dead letters: "
            "penstock dead-letters list --all"
        )
    return letter


@click.command(epilog="\b\nExample:\n  penstock dead-letters show 12 --reveal")
@click.argument("number", metavar="NUMBER|IMPORT_ID")
@click.option("--reveal", is_flag=True, help="Show personal data.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@database_options
def show(number: str, reveal: bool, as_json: bool, database_url: str) -> None:
    """Show a dead letter with its traceback.

    Also shows its payload and error. Personal data is masked unless you pass --reveal.
    """
    document = _letter_document(_find(database_url, number), reveal=reveal)
    if as_json:
        echo_json(document)
        return
    payload, traceback = document.pop("payload"), document.pop("traceback")
    for name, value in document.items():
        if value is not None:
            click.echo(f"{name:13} {value}")
    click.echo("\npayload")
    click.echo(payload if reveal else json.dumps(payload, indent=2, ensure_ascii=False))
    click.echo(f"\ntraceback\n{traceback}")


@click.command(
    epilog="\b\nExample:\n  penstock dead-letters discard --fingerprint 5f0c61b0a1d2"
    ' --reason "sent by mistake"'
)
@selected
@click.option("--reason", required=True, help="Reason, kept with the dead letters.")
@click.option(
    "--by", default=whoami, help="Operator to record.  [default: current user]"
)
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@database_options
def discard(
    selection: Selection,
    reason: str,
    by: str,
    is_sure: bool,
    as_json: bool,
    database_url: str,
) -> None:
    """Resolve dead letters without applying them.

    Nothing is deleted. A discarded dead letter records who discarded it, when, and why,
    until its retention ends. Its receipt stays `dead`.
    """
    note = ResolutionNote(resolution=Resolution.DISCARDED, by=by, reason=reason)
    with connect(database_url) as connection:
        found = find_letter_ids(connection, selection)
        ask(
            f"Discard {count(len(found), 'dead letter')}?",
            is_sure=is_sure,
            as_json=as_json,
        )
        discarded = resolve_dead_letters(connection, found, note, datetime.now(UTC))
    if as_json:
        echo_json({"discarded": discarded})
    else:
        click.echo(f"Discarded {count(discarded, 'dead letter')}.")
