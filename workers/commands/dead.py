"""`penstock dead`: look at dead letters, apply them again, or drop them."""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click
from msgspec import structs
from rich.console import Console
from rich.table import Table

from ingest.commands.databases import database_options, redis_options
from ingest.commands.dead_letters import ask, drop, echo_json, list_, show, whoami
from ingest.commands.selections import selected
from ingest.settings import read_profile_limits
from ingest.store.database import connect
from ingest.store.letter_queries import Selection, find_letter_ids
from ingest.stream import open_stream
from workers.burials import bury_entry
from workers.replay import Replay, Replayed

#: Letters replayed in one transaction, at most.
_BATCH_SIZE = 200
#: As Redis gives them: milliseconds, and a number.
_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@click.group(epilog="\b\nExample:\n  penstock dead list\n  penstock dead show 12")
def dead() -> None:
    """Look at imports that a fault of ours stopped; replay, drop or bury them.

    They are grouped by a fingerprint: the class of the error and the innermost of our
    functions it came from.
    """


dead.add_command(list_)
dead.add_command(show)
dead.add_command(drop)


@dead.command(
    "bury",
    epilog="""\b
Exit status:
  0  it is among the dead letters, or was applied before
  1  there is no such entry, or a server's error, which the last line tells
  2  wrong usage
\b
Examples:
  penstock dead bury 2 --reason "ends the worker"
  penstock dead bury 2 1764396000000-0 --reason "ends the worker" --yes""",
)
@click.argument("partition", type=click.IntRange(min=0))
@click.argument("entry", default="", metavar="[ENTRY]")
@click.option("--reason", required=True, help="Why; it is kept with the letter.")
@click.option("--by", default=whoami, help="Who does it.  [default: the user]")
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@database_options
@redis_options
def bury(
    partition: int,
    entry: str,
    is_sure: bool,
    as_json: bool,
    database_url: str,
    **told: Any,
) -> None:
    """Move an entry of a stream to the dead letters: the first of PARTITION, or ENTRY.

    For one that fails each time and holds up those behind it, as `penstock doctor` or
    the alert PenstockPartitionFails says. It is kept whole; its caller is told 500, and
    `penstock dead replay` applies it once the cause is mended.
    """
    if partition >= told["partitions"]:
        raise click.UsageError(f"There are {told['partitions']} partitions, from 0 on.")
    if entry and not _ENTRY_ID.fullmatch(entry):
        raise click.UsageError(f"{entry} is no entry's id, such as 1764396000000-0.")
    which = f"entry {entry}" if entry else "the first entry"
    ask(f"Bury {which} of partition {partition}?", is_sure=is_sure, as_json=as_json)
    logging.getLogger("workers").addHandler(logging.NullHandler())
    with (
        connect(database_url, application_name="penstock-bury") as connection,
        closing(open_stream(told["redis_url"], told["partitions"])) as stream,
    ):
        why = {"by": told["by"], "reason": told["reason"]}
        burial = bury_entry(connection, stream, partition, entry, **why)
    if as_json:
        echo_json(structs.asdict(burial))
        return
    whose = f", import {burial.import_id}" if burial.import_id else ""
    click.echo(f"{burial.state} entry {burial.entry_id}{whose}")


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
