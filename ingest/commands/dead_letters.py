"""`penstock dead-letters`: inspect dead letters, replay them, or discard them."""

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

from ingest.commands.aliases import aliased
from ingest.commands.databases import database_options, redis_options
from ingest.commands.dead_letter_lists import (
    discard,
    echo_json,
    list_,
    show,
    whoami,
)
from ingest.commands.outputs import ask
from ingest.commands.selections import selected
from ingest.domain.counts import count
from ingest.settings import read_profile_limits
from ingest.store.database import connect
from ingest.store.dead_letters.read import Selection, find_letter_ids
from ingest.streams.stream import open_stream
from workers.dead_letter_moves import dead_letter_entry
from workers.replay import Replay, Replayed

#: Letters replayed in one transaction, at most.
_BATCH_SIZE = 200
#: As Redis gives them: milliseconds, and a number.
_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


@click.group(
    "dead-letters",
    cls=aliased(bury="add", drop="discard"),
    epilog="\b\nExample:\n  penstock dead-letters list"
    "\n  penstock dead-letters show 12",
)
def dead_letters() -> None:
    """Inspect, replay, or discard imports that failed with an internal error.

    Dead letters are grouped by a fingerprint: the class of the error and the innermost
    Penstock function in its traceback.
    """


dead_letters.add_command(list_)
dead_letters.add_command(show)
dead_letters.add_command(discard)


@dead_letters.command(
    epilog="""\b
Exit status:
  0  the entry is a dead letter now, or was applied before
  1  no such entry, or an error of a server; the last line gives the reason
  2  usage error
\b
Examples:
  penstock dead-letters add 2 --reason "ends the worker"
  penstock dead-letters add 2 1764396000000-0 --reason "ends the worker" --yes""",
)
@click.argument("partition", type=click.IntRange(min=0))
@click.argument("entry", default="", metavar="[ENTRY]")
@click.option("--reason", required=True, help="Reason, kept with the dead letter.")
@click.option(
    "--by", default=whoami, help="Operator to record.  [default: current user]"
)
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@database_options
@redis_options
def add(
    partition: int,
    entry: str,
    is_sure: bool,
    as_json: bool,
    database_url: str,
    **options: Any,
) -> None:
    """Move a stream entry to the dead letters.

    Moves the first entry of PARTITION, or ENTRY. Use it for an entry that fails each
    time and blocks the entries behind it, as `penstock doctor` or the alert
    PenstockPartitionFails reports. The import is kept complete, and its producer gets
    error 500. Fix the cause, then apply the import with `penstock dead-letters replay`.
    """
    if partition >= options["partitions"]:
        last = options["partitions"] - 1
        raise click.UsageError(f"PARTITION must be from 0 to {last}.")
    if entry and not _ENTRY_ID.fullmatch(entry):
        raise click.UsageError("ENTRY must be an entry ID, such as 1764396000000-0.")
    which = f"entry {entry}" if entry else "the first entry"
    question = f"Move {which} of partition {partition} to the dead letters?"
    ask(question, is_sure=is_sure, as_json=as_json)
    logging.getLogger("workers").addHandler(logging.NullHandler())
    with (
        connect(database_url, application_name="penstock-dead-letters") as connection,
        closing(open_stream(options["redis_url"], options["partitions"])) as stream,
    ):
        why = {"by": options["by"], "reason": options["reason"]}
        moved = dead_letter_entry(connection, stream, partition, entry, **why)
    if as_json:
        echo_json(structs.asdict(moved))
        return
    whose = f", import {moved.import_id}" if moved.import_id else ""
    if moved.state == "added":
        click.echo(f"Moved entry {moved.entry_id}{whose} to the dead letters.")
    else:
        cause = "it was processed before" if moved.import_id else "it is not an import"
        click.echo(f"Removed entry {moved.entry_id}{whose}; {cause}.")


def _document(one: Replayed) -> dict[str, object]:
    return asdict(one) | {"is_resolved": one.is_resolved}


def _print(replayed: Sequence[Replayed]) -> None:
    table = Table("dead letter", "state", "error", "profile", "changed", "overtaken by")
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


@dead_letters.command(
    epilog="""\b
Exit status:
  0  every selected dead letter was applied or rejected
  1  some failed again or cannot be decoded, and stay open
  2  usage error
\b
Example:
  penstock dead-letters replay --fingerprint 5f0c61b0a1d2 --dry-run"""
)
@selected
@click.option("--dry-run", is_flag=True, help="Show the result; write nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.option(
    "--geoip-database",
    envvar="GEOIP_DATABASE",
    show_envvar=True,
    default="",
    help="MaxMind database for imports with detect_geo.",
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
    """Process dead letters again.

    They are processed in the order in which they were accepted. Each is applied at most
    once, even if the command is repeated or interrupted. Imports that were accepted
    after a dead letter may have been applied before it: `overtaken by` counts those of
    the same profile.
    """
    # What fails again is listed below.
    logging.getLogger("workers").addHandler(logging.NullHandler())
    with connect(database_url, application_name="penstock-replay") as connection:
        found = find_letter_ids(connection, selection)
        question = f"Replay {count(len(found), 'dead letter')}?"
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
        click.echo(f"{len(replayed) - left} {resolved}, {left} still open")
    if left:
        raise SystemExit(1)
