"""`penstock imports`: find, list, follow, and explain imports."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.commands.aliases import aliased
from ingest.commands.databases import database_options, redis_options
from ingest.commands.filters import filter_options
from ingest.commands.outputs import (
    color_of,
    make_console,
    make_table,
    moment,
    print_json,
)
from ingest.commands.receipts import receipt_document, show_receipt
from ingest.domain.terms import read_term
from ingest.store.database import Connection, connect
from ingest.store.events.read import list_events
from ingest.store.receipts.pages import (
    ImportFilter,
    follow_imports,
    list_imports,
)
from ingest.store.receipts.read import Cursor, ImportLine, find_import, parse_cursor
from ingest.store.searches import SearchHits, search
from ingest.streams.states import open_streams

#: The exit status when an import was accepted and has not been applied yet.
WAITING = 3
_POLL_SECONDS = 1.0
#: Batches commit in another order than they begin: so far back is looked again.
_OVERLAP = timedelta(seconds=2)
_AT_ONCE = 1000


@click.group(
    cls=aliased(tail="list"), epilog="\b\nExample:\n  penstock imports list --failed"
)
def imports() -> None:
    """Find, list, and explain imports."""


@imports.command(
    epilog="""\b
Examples:
  penstock imports show 01a20b4f-1cd3-744b-9db7-53600be31cb2
  penstock imports show 01a20b4f-1cd3-744b-9db7-53600be31cb2 --json

\b
Exit status:
  0  processed; the receipt is shown
  1  no such import, or a server is unavailable
  2  usage error
  3  accepted, and still waiting"""
)
@click.argument("import_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
@redis_options
@click.pass_context
def show(
    context: click.Context,
    import_id: UUID,
    as_json: bool,
    database_url: str,
    redis_url: str,
    partitions: int,
) -> None:
    """Show the receipt of an import.

    A receipt has the outcome, match, changes, errors, and times.
    """
    with connect(database_url) as connection:
        record = find_import(connection, import_id)
        events = list_events(connection, import_id) if record else []
    if record is None:
        _report_waiting(context, import_id, redis_url, partitions)
    elif as_json:
        print_json(receipt_document(record, events))
    else:
        show_receipt(make_console(), record, events)


def _report_waiting(
    context: click.Context, import_id: UUID, redis_url: str, partitions: int
) -> None:
    streams = open_streams(redis_url, partitions)
    try:
        waits = streams.holds(import_id)
    finally:
        streams.close()
    if waits:
        click.echo(
            f"Import {import_id} is accepted and waiting. "
            "To see the backlog: penstock status"
        )
        context.exit(WAITING)
    raise click.ClickException(
        f"No receipt for import {import_id}. The ID is wrong, the import is still "
        "waiting, or the receipt has expired. To see the backlog: penstock status"
    )


@imports.command(
    epilog="""\b
Examples:
  penstock imports find ada@example.com
  penstock imports find "+44 20 7946 0018"
  penstock imports find order-4711 --json

\b
Exit status:
  0  at least one import or profile found
  1  none found, or Postgres is unavailable
  2  usage error"""
)
@click.argument("term")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def find(term: str, as_json: bool, database_url: str) -> None:
    """Find imports and profiles by TERM.

    TERM is an import ID, a profile ID, an email, a phone, or the feedback_id of a
    message from a queue. Emails and phones are compared as in matching. Rejected
    imports have no profile, so they cannot be found by email or phone. To list them:
    `penstock imports list --failed`.
    """
    if not term.strip():
        raise click.UsageError(
            "TERM must be an import ID, a profile ID, an email, a phone, or a "
            "feedback_id."
        )
    with connect(database_url) as connection:
        hits = search(connection, read_term(term))
    if as_json:
        print_json({"imports": hits.imports, "profiles": hits.profiles})
    if not hits.imports and not hits.profiles:
        raise click.ClickException(
            "No import or profile found. Rejected imports have no profile; to list "
            "them: penstock imports list --failed"
        )
    if not as_json:
        _show_hits(make_console(), hits)


def _show_hits(console: Console, hits: SearchHits) -> None:
    if hits.imports:
        console.print(lines_table(hits.imports))
    if hits.profiles:
        table = make_table("database", "profile", "found by", "email", "phones")
        for hit in hits.profiles:
            table.add_row(
                str(hit.database_id),
                hit.profile_id,
                ", ".join(hit.found_by),
                hit.email or "",
                ", ".join(hit.phones),
            )
        console.print(table)
        first = hits.profiles[0]
        console.print(
            f"To see the import history: penstock profiles show {first.profile_id} "
            f"--database {first.database_id}",
            style="dim",
        )


def lines_table(lines: Sequence[ImportLine]) -> Table:
    """Return imports as a table, a line each."""
    table = make_table(
        "applied", "import", "database", "state", "matched by", "profile", "error"
    )
    for line in lines:
        table.add_row(*_cells(line))
    return table


def _cells(line: ImportLine) -> Iterator[str | Text]:
    yield moment(line.applied_at)
    yield str(line.import_id)
    yield str(line.database_id)
    yield Text(line.state, style=color_of(line.state))
    yield line.matched_by or ""
    yield line.profile_id or ""
    yield f"{line.error} {line.error_text}" if line.error else ""


@imports.command(
    "list",
    epilog="""\b
Examples:
  penstock imports list --failed -n 50
  penstock imports list --follow --database 1
  penstock imports list --error 409 --since 2026-01-31T08:00 --json

\b
Exit status:
  0  listed, even if no import fits the filter
  1  Postgres is unavailable
  2  usage error""",
)
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Number of imports to show.",
)
@click.option(
    "-f", "--follow", is_flag=True, help="Keep listing new imports until Ctrl-C."
)
@click.option("--before", metavar="CURSOR", help="Continue from a previous page.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@filter_options
@database_options
def list_(
    count: int,
    follow: bool,
    before: str | None,
    as_json: bool,
    database_url: str,
    **wanted: Any,
) -> None:
    """List the latest imports, the newest last. Times are in UTC.

    A filter is applied to the latest 20,000 imports. The option that continues with
    older ones is printed on standard error.
    """
    chosen = ImportFilter(**wanted)
    with connect(database_url) as connection:
        cursor = parse_cursor(before) if before else None
        page = list_imports(connection, chosen, cursor, count)
        _print_lines(page.imports[::-1], as_json=as_json)
        if page.next is not None and not follow:
            click.echo(f"For older imports: --before {page.next}", err=True)
        if follow:
            known = {line.import_id: line.applied_at for line in page.imports}
            # Ctrl-C is the way to end it.
            with suppress(KeyboardInterrupt):
                for fresh in _follow(connection, chosen, known):
                    _print_lines(fresh, as_json=as_json)


def _follow(
    connection: Connection, wanted: ImportFilter, known: dict[UUID, datetime]
) -> Iterator[list[ImportLine]]:
    """Yield what is applied from now on, until interrupted."""
    after = Cursor(datetime.now(UTC) - _OVERLAP, UUID(int=0))
    while True:
        lines = follow_imports(connection, wanted, after, _AT_ONCE)
        fresh = [line for line in lines if line.import_id not in known]
        known |= {line.import_id: line.applied_at for line in fresh}
        if fresh:
            yield fresh
        if len(lines) == _AT_ONCE:
            after = Cursor(lines[-1].applied_at, lines[-1].import_id)
            continue
        if lines:
            latest = lines[-1].applied_at - _OVERLAP
            after = Cursor(max(after.applied_at, latest), UUID(int=0))
        known = {each: at for each, at in known.items() if at >= after.applied_at}
        time.sleep(_POLL_SECONDS)


def _print_lines(lines: Sequence[ImportLine], *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            print_json(line, indent=False)
    elif lines:
        make_console().print(lines_table(lines))
