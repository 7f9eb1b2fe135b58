"""`penstock audit`: reconcile accepted imports with their outcomes."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import UUID

import click
import psycopg
from redis.exceptions import RedisError

from ingest.commands.databases import database_options, redis_options
from ingest.commands.outputs import make_console, make_table, moment, print_json
from ingest.domain.counts import count
from ingest.ledger.audit import Audit, Balance, audit, find_unknown, restart
from ingest.store.database import Connection, connect
from ingest.streams.acceptance_log import Journal

_COLUMNS = (
    *("accepted", "created", "updated", "unchanged", "rejected", "dead", "removed"),
)
#: Missing imports listed on a terminal; JSON lists all.
_NAMED = 20


class _Undetermined(click.ClickException):
    """The audit could not determine whether imports missing."""

    exit_code = 3


@click.command(
    "audit",
    epilog="""\b
Examples:
  penstock audit
  penstock audit --database 1 --json | jq .missing
  penstock audit --ids accepted.txt

\b
Exit status:
  0  balanced: every accepted import is processed or waiting
  1  imports missing; they are listed
  2  usage error
  3  undetermined: Postgres or Redis is unavailable, or Redis was wiped or
     restored since the ledger began""",
)
@click.option("--database", type=int, metavar="ID", help="Only this profile database.")
@click.option(
    "--ids",
    type=click.File(),
    metavar="FILE",
    help="Check a producer's import IDs instead, one per line; - is standard input.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option(
    "--restart",
    "afresh",
    is_flag=True,
    help="Reset the ledger: treat it as balanced and clear the list of missing "
    "imports.",
)
@database_options
@redis_options
def audit_command(
    database: int | None,
    ids: TextIO | None,
    as_json: bool,
    afresh: bool,
    database_url: str,
    **streams: Any,
) -> None:
    """Reconcile accepted imports with their outcomes, for each profile database.

    accepted = created + updated + unchanged + rejected + dead + removed + waiting. The
    command runs while imports continue; it locks each partition for a moment. Counts
    are kept longer than receipts. With --ids, an import is missing if it has no
    receipt, no dead letter, and no stream entry; run it before receipts expire
    (PENSTOCK_RECEIPT_DAYS).
    """
    journal = Journal(**streams)
    try:
        with connect(database_url) as connection:
            if afresh:
                restart(connection, journal)
            if ids is None:
                told = audit(connection, journal, datetime.now(UTC))
                _report(_select(told, database), as_json=as_json)
            else:
                _report_ids(_find_missing(connection, journal, _read_ids(ids)), as_json)
    except psycopg.OperationalError as error:
        raise _Undetermined(f"Postgres: {error}") from error
    except RedisError as error:
        raise _Undetermined(f"Redis: {error}") from error
    finally:
        journal.close()


def _select(told: Audit, database: int | None) -> Audit:
    if database is None:
        return told
    return Audit(
        balances=[one for one in told.balances if one.database_id == database],
        missing=[one for one in told.missing if one.database_id == database],
    )


def _report(told: Audit, *, as_json: bool) -> None:
    """Print what was found, and end with its status."""
    if as_json:
        print_json(
            {
                "balanced": told.is_balanced and told.is_certain,
                "databases": [_document(one) for one in told.balances],
                "missing": [asdict(one) for one in told.missing],
            }
        )
    else:
        _print(told)
    if not told.is_balanced:
        raise click.exceptions.Exit(1)
    if not told.is_certain:
        raise _Undetermined(
            "The ledger has more outcomes than accepted imports. This happens after "
            "an upgrade from a release without a ledger, or after Redis was wiped or "
            "restored. To find lost imports, check a producer's list with --ids. To "
            "reset the ledger: penstock audit --restart"
        )


def _document(one: Balance) -> dict[str, object]:
    return {**asdict(one), "imbalance": one.imbalance}


def _print(told: Audit) -> None:
    console = make_console()
    table = make_table("database", *_COLUMNS, "waiting", "imbalance")
    for one in told.balances:
        counts = (str(getattr(one, name)) for name in (*_COLUMNS, "waiting"))
        table.add_row(str(one.database_id), *counts, str(one.imbalance))
    if told.balances:
        console.print(table)
    else:
        console.print("No imports accepted yet.")
    for lost in told.missing[:_NAMED]:
        accepted = moment(lost.accepted_at)
        console.print(
            f"missing: {lost.import_id}, database {lost.database_id},"
            f" accepted {accepted}"
        )
    if len(told.missing) > _NAMED:
        console.print(f"{len(told.missing) - _NAMED} more; --json lists all")
    if told.is_balanced and told.is_certain:
        console.print("balanced")


def _read_ids(lines: Iterable[str]) -> list[UUID]:
    """Read ids, one a line; empty lines are none."""
    ids = []
    for number, line in enumerate(lines, start=1):
        if text := line.strip():
            try:
                ids.append(UUID(text))
            except ValueError as error:
                raise click.UsageError(
                    f"Line {number} must be an import ID: {text}"
                ) from error
    return ids


def _find_missing(
    connection: Connection, journal: Journal, import_ids: list[UUID]
) -> tuple[int, list[UUID]]:
    """Return how many IDs were checked, and those that are missing."""
    waiting = {
        mark.import_id
        for partition in journal.partitions
        for mark in journal.read_waiting(partition)
    }
    # Entries go after their receipts are committed, so that receipts are read last.
    unknown = find_unknown(connection, set(import_ids) - waiting)
    return len(set(import_ids)), [id_ for id_ in import_ids if id_ in unknown]


def _report_ids(found: tuple[int, list[UUID]], as_json: bool) -> None:
    checked, missing = found
    if as_json:
        print_json({"checked": checked, "missing": missing})
    else:
        for import_id in missing:
            click.echo(str(import_id))
        click.echo(f"{len(missing)} of {count(checked, 'import')} missing", err=True)
    if missing:
        raise click.exceptions.Exit(1)
