"""`penstock dead`: look at dead letters, apply them again, or drop them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from ingest.commands.databases import database_options
from ingest.commands.dead_letters import ask, drop, echo_json, list_, show, whoami
from ingest.commands.selections import selected
from ingest.settings import read_profile_limits
from ingest.store.database import connect
from ingest.store.letter_queries import Selection, find_letter_ids
from workers.replay import Replay, Replayed

#: Letters replayed in one transaction, at most.
_BATCH_SIZE = 200


@click.group(epilog="\b\nExample:\n  penstock dead list\n  penstock dead show 12")
def dead() -> None:
    """Look at imports that a fault of ours stopped; replay or drop them.

    They are grouped by a fingerprint: the class of the error and the innermost of our
    functions it came from.
    """


dead.add_command(list_)
dead.add_command(show)
dead.add_command(drop)


def _document(one: Replayed) -> dict[str, object]:
    return asdict(one) | {"is_resolved": one.is_resolved}


def _print(replayed: Sequence[Replayed]) -> None:
    table = Table("letter", "state", "error", "profile", "changed", "overtaken by")
    for one in replayed:
        table.add_row(
            str(one.letter_id),
            one.state,
            one.error_text if one.error else "",
            one.profile_id or "",
            ", ".join(one.changed),
            str(one.overtaken_by or ""),
        )
    Console(markup=False).print(table)


def _run(
    replay: Replay, letter_ids: Sequence[int], *, dry_run: bool
) -> Iterator[Replayed]:
    for start in range(0, len(letter_ids), _BATCH_SIZE):
        yield from replay.run(letter_ids[start : start + _BATCH_SIZE], dry_run=dry_run)


@dead.command(
    epilog="""\b
Exit status:
  0  every letter is resolved: applied, or rejected for a reason of its own
  1  some died again or cannot be decoded, and stay open
  2  wrong usage
\b
Example:
  penstock dead replay --fingerprint 5f0c61b0a1d2 --dry-run"""
)
@selected
@click.option("--dry-run", is_flag=True, help="Show what would happen; keep nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option(
    "--geoip-database",
    envvar="GEOIP_DATABASE",
    show_envvar=True,
    default="",
    help="For imports that ask for detect_geo.",
)
@database_options
def replay(
    selection: Selection,
    dry_run: bool,
    is_sure: bool,
    as_json: bool,
    geoip_database: str,
    database_url: str,
) -> None:
    """Apply dead letters again, in the order in which they were accepted.

    Each is applied at most once, however often this is run or ends half-way. What was
    accepted after a letter may have been applied before it: `overtaken by` says how
    many imports of the same profile that are.
    """
    # What dies again is told below.
    logging.getLogger("workers").addHandler(logging.NullHandler())
    with connect(database_url, application_name="penstock-replay") as connection:
        found = find_letter_ids(connection, selection)
        question = f"Replay {len(found)} dead letters?"
        ask(question, is_sure=is_sure or dry_run, as_json=as_json)
        worker = Replay(
            connection,
            by=whoami(),
            geoip_database=geoip_database,
            limits=read_profile_limits(),
        )
        replayed = list(_run(worker, found, dry_run=dry_run))
    left = sum(not one.is_resolved for one in replayed)
    if as_json:
        letters = [_document(one) for one in replayed]
        echo_json({"dry_run": dry_run, "open": left, "letters": letters})
    else:
        _print(replayed)
        resolved = "would be resolved" if dry_run else "resolved"
        click.echo(f"{len(replayed) - left} {resolved}, {left} stay open")
    if left:
        raise SystemExit(1)
