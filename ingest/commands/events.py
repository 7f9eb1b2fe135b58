"""`penstock events`: list events and show their deliveries."""

from dataclasses import asdict
from uuid import UUID

import click
from rich.console import Console
from rich.text import Text

from ingest.commands.databases import database_options
from ingest.commands.outputs import (
    color_of,
    make_console,
    make_table,
    moment,
    print_json,
    print_pairs,
)
from ingest.commands.receipts import show_value
from ingest.store.database import connect
from ingest.store.events.delivery_pages import (
    DeliveryLine,
    list_deliveries,
    parse_delivery_cursor,
)
from ingest.store.events.read import EventDelivery, EventRecord, find_event


@click.group(epilog="\b\nExample:\n  penstock events list --state failed")
def events() -> None:
    """Show events and their deliveries."""


@events.command(
    "list",
    epilog="""\b
Examples:
  penstock events list --state failed
  penstock events list --endpoint 1 -n 100 --json

\b
Exit status:
  0  listed, even if no delivery fits the filter
  1  Postgres is unavailable
  2  usage error""",
)
@click.option(
    "--state",
    type=click.Choice(["pending", "delivered", "failed"]),
    help="Only deliveries in this state.",
)
@click.option(
    "--endpoint",
    "endpoint_id",
    type=int,
    metavar="ID",
    help="Only deliveries to this endpoint.",
)
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Number of deliveries to show.",
)
@click.option("--before", metavar="CURSOR", help="Continue from a previous page.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@database_options
def list_(
    state: str | None,
    endpoint_id: int | None,
    count: int,
    before: str | None,
    as_json: bool,
    database_url: str,
) -> None:
    """List deliveries of events, the newest first. Times are in UTC.

    With --state pending, deliveries are sorted by their next attempt, the latest first.
    Other filters are applied to the latest 5,000 events.
    """
    with connect(database_url) as connection:
        page = list_deliveries(
            connection,
            state=state,
            endpoint_id=endpoint_id,
            before=parse_delivery_cursor(before) if before else None,
            limit=count,
        )
    if as_json:
        for line in page.deliveries:
            print_json(line, indent=False)
    elif page.deliveries:
        table = make_table(
            "event",
            "created",
            "kind",
            "endpoint",
            "state",
            "attempts",
            "due",
            "last error",
        )
        for line in page.deliveries:
            table.add_row(*_cells(line))
        make_console().print(table)
    if page.next is not None:
        click.echo(f"For older deliveries: --before {page.next}", err=True)


def _cells(line: DeliveryLine) -> tuple[str | Text, ...]:
    due = moment(line.next_attempt_at) if line.state == "pending" else ""
    if line.blocked:
        due = "after an earlier event"
    return (
        str(line.event_id),
        moment(line.created_at),
        line.kind,
        line.endpoint,
        Text(line.state, style=color_of(line.state)),
        str(line.attempts),
        due,
        line.last_error or "",
    )


@events.command(
    epilog="""\b
Examples:
  penstock events show 5d2f2c1e-5f0c-5a52-9a10-3c1f0a6f6a01
  penstock events show 5d2f2c1e-5f0c-5a52-9a10-3c1f0a6f6a01 --json

\b
Exit status:
  0  the event is shown
  1  no such event, or Postgres is unavailable
  2  usage error"""
)
@click.argument("event_id", metavar="ID", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def show(event_id: UUID, as_json: bool, database_url: str) -> None:
    """Show an event and its delivery attempts."""
    with connect(database_url) as connection:
        event = find_event(connection, event_id)
    if event is None:
        raise click.ClickException(
            f"Event {event_id} not found; it may have expired. To list events: "
            "penstock events list"
        )
    if as_json:
        print_json(asdict(event))
        return
    console = make_console()
    _show_event(console, event)
    for delivery in event.deliveries:
        _show_delivery(console, delivery)


def _show_event(console: Console, event: EventRecord) -> None:
    print_pairs(
        console,
        [
            ("event", str(event.id)),
            ("kind", event.kind),
            ("import", str(event.import_id)),
            ("profile", f"{event.profile_id} of database {event.database_id}"),
            ("profile sequence", str(event.profile_sequence or "none")),
            ("created", moment(event.created_at)),
            ("payload", show_value(event.detail)),
        ],
    )


def _show_delivery(console: Console, delivery: EventDelivery) -> None:
    line = Text(delivery.state, style=color_of(delivery.state))
    line.append(f"  to {delivery.endpoint}", style="default")
    line.append(f"  for {', '.join(delivery.triggers)}", style="dim")
    if delivery.blocked:
        line.append("  after an earlier event of the profile", style="default")
    elif delivery.state == "pending":
        line.append(f"  due {moment(delivery.next_attempt_at)}", style="default")
    console.print(line)
    if not delivery.attempts:
        return
    table = make_table("attempt", "at", "duration", "status", "error")
    for attempt in delivery.attempts:
        table.add_row(
            str(attempt.number),
            moment(attempt.attempted_at),
            f"{attempt.duration_ms} ms",
            "" if attempt.status is None else str(attempt.status),
            attempt.error,
        )
    console.print(table)
