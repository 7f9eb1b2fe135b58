"""`penstock events`: list events, show their deliveries, and resend them."""

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.text import Text

from ingest.commands.count_display import CountDisplay
from ingest.commands.databases import (
    database_options,
    find_settings,
    state_dir_option,
)
from ingest.commands.endpoint import unknown_endpoint
from ingest.commands.filters import Moment
from ingest.commands.outputs import (
    color_of,
    make_console,
    make_table,
    moment,
    print_json,
    print_pairs,
)
from ingest.commands.receipts import show_value
from ingest.domain.counts import count
from ingest.domain.resends import Resend, Resendable
from ingest.store.database import Connection, connect
from ingest.store.events.delivery_pages import (
    DELIVERY_STATES,
    DeliveryLine,
    list_deliveries,
    parse_delivery_cursor,
)
from ingest.store.events.endpoints import find_target, select_endpoints
from ingest.store.events.read import EventDelivery, EventRecord, find_event
from ingest.store.events.resends import (
    count_events,
    find_event_place,
    resend_all,
    resend_event,
)
from ingest.store.faults import unavailable_while_away
from workers.delivery_dispatcher import make_means
from workers.delivery_lanes import send_sample


@click.group(epilog="\b\nExample:\n  penstock events list --state failed")
def events() -> None:
    """Show events and their deliveries, and resend them."""


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
    type=click.Choice(DELIVERY_STATES),
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
    Skipped deliveries were not sent, because the condition of their trigger no longer
    held. Other filters are applied to the latest 5,000 events.
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
  penstock events resend 5d2f2c1e-5f0c-5a52-9a10-3c1f0a6f6a01
  penstock events resend --endpoint 1 --since 2026-11-28 --dry-run
  penstock events resend --endpoint 1 --since 2026-11-28T06:00 --state all

\b
Exit status:
  0  the deliveries are due again, or there were none to resend
  1  no such event or endpoint, or Postgres is unavailable
  2  usage error"""
)
@click.argument("event_id", metavar="[ID]", type=click.UUID, required=False)
@click.option("--endpoint", "endpoint_id", type=int, metavar="ID", help="Endpoint.")
@click.option(
    "--since", type=Moment(), metavar="MOMENT", help="Events from this time, in UTC."
)
@click.option(
    "--until", type=Moment(), metavar="MOMENT", help="Events before it.  [default: now]"
)
@click.option(
    "--state",
    type=click.Choice([one.value for one in Resendable]),
    default=Resendable.FAILED.value,
    show_default=True,
    help="Only deliveries in this state, with --since.",
)
@click.option("--dry-run", is_flag=True, help="Show the number; resend nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def resend(database_url: str, *, as_json: bool, **options: Any) -> None:
    """Resend an event, or the events of a time range.

    Receivers get the same ID and body again, and can ignore what they have processed.
    Events of a time range are resent to one endpoint. Pending deliveries are not
    resent: they are sent anyway. Retries start again from the beginning of their
    schedule.
    """
    with unavailable_while_away(), connect(database_url) as connection:
        if options["event_id"] is not None:
            resent = _resend_one(connection, options)
        else:
            resent = _resend_range(connection, options)
        endpoint_id = options["endpoint_id"]
        disabled = _is_disabled(connection, endpoint_id) if endpoint_id else False
    if as_json:
        print_json({"resent": resent, "dry_run": options["dry_run"]})
        return
    would = "Would resend" if options["dry_run"] else "Resent"
    click.echo(f"{would} {count(resent, 'delivery', 'deliveries')}.")
    if disabled and resent:
        click.echo(
            f"Endpoint {endpoint_id} is disabled. They are sent after: penstock "
            f"endpoint enable {endpoint_id}",
            err=True,
        )


def _resend_one(connection: Connection, options: Mapping[str, Any]) -> int:
    event_id = options["event_id"]
    if options["since"] or options["until"]:
        raise click.UsageError("--since and --until are for a range, without an ID")
    if find_event_place(connection, event_id) is None:
        raise _not_found(event_id)
    endpoint_id, dry_run = options["endpoint_id"], options["dry_run"]
    return resend_event(connection, event_id, endpoint_id, dry_run=dry_run)


def _resend_range(connection: Connection, options: Mapping[str, Any]) -> int:
    if options["endpoint_id"] is None or options["since"] is None:
        raise click.UsageError("Give the ID of an event, or --endpoint and --since")
    if find_target(connection, options["endpoint_id"]) is None:
        raise unknown_endpoint(options["endpoint_id"])
    wanted = Resend(
        endpoint_id=options["endpoint_id"],
        since=options["since"],
        until=options["until"] or datetime.now(UTC),
        state=Resendable(options["state"]),
    )
    resent = done = 0
    with CountDisplay("Events", count_events(connection, wanted)) as display:
        for page in resend_all(connection, wanted, dry_run=options["dry_run"]):
            resent, done = resent + page.resent, done + page.events
            display.show(done)
    return resent


def _is_disabled(connection: Connection, endpoint_id: int) -> bool:
    return any(
        each.id == endpoint_id and each.disabled_at
        for each in select_endpoints(connection)
    )


@events.command(
    epilog="""\b
Examples:
  penstock events test --endpoint 1
  penstock events test --endpoint 1 --json

\b
Exit status:
  0  the endpoint accepted the event
  1  it did not, there is no such endpoint, or Postgres is unavailable
  2  usage error"""
)
@click.option(
    "--endpoint", "endpoint_id", type=int, required=True, metavar="ID", help="Endpoint."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def test(endpoint_id: int, state_dir: Path, *, as_json: bool) -> None:
    """Send a test event, and show the response.

    The event is signed like any event, and its type is `test`. It belongs to no
    profile, is sent once, and is not recorded.
    """
    settings = find_settings(state_dir)
    with unavailable_while_away(), connect(settings.database_url) as connection:
        target = find_target(connection, endpoint_id)
    if target is None:
        raise unknown_endpoint(endpoint_id)
    started = time.monotonic()
    attempt = asyncio.run(send_sample(target, make_means(settings)))
    milliseconds = round((time.monotonic() - started) * 1000)
    if as_json:
        told = {"status": attempt.status, "error": attempt.error}
        print_json({**told, "duration_ms": milliseconds})
    elif attempt.is_delivered:
        status = f" with {attempt.status}" if attempt.status else ""
        place = target.url or f"queue {target.queue}"
        click.echo(f"{place} accepted the event{status} after {milliseconds} ms.")
    else:
        click.echo(f"Not accepted after {milliseconds} ms: {attempt.error}", err=True)
    if not attempt.is_delivered:
        sys.exit(1)


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
        raise _not_found(event_id)
    if as_json:
        print_json(asdict(event))
        return
    console = make_console()
    _show_event(console, event)
    for delivery in event.deliveries:
        _show_delivery(console, delivery)


def _not_found(event_id: UUID) -> click.ClickException:
    return click.ClickException(
        f"Event {event_id} not found; it may have expired. To list events: "
        "penstock events list"
    )


def _show_event(console: Console, event: EventRecord) -> None:
    print_pairs(
        console,
        [
            ("event", str(event.id)),
            ("kind", event.kind),
            ("import", str(event.import_id or f"none ({event.cause})")),
            ("profile", _describe_profile(event)),
            ("profile sequence", str(event.profile_sequence or "none")),
            ("created", moment(event.created_at)),
            ("payload", show_value(event.detail)),
        ],
    )


def _describe_profile(event: EventRecord) -> str:
    if event.profile_id is None:
        return "none"
    return f"{event.profile_id} of database {event.database_id}"


def _show_delivery(console: Console, delivery: EventDelivery) -> None:
    line = Text(delivery.state, style=color_of(delivery.state))
    line.append(f"  to {delivery.endpoint}", style="default")
    line.append(f"  for {', '.join(delivery.triggers)}", style="dim")
    if delivery.batch_id is not None:
        line.append(f"  in batch {delivery.batch_id}", style="dim")
    if delivery.state == "skipped":
        line.append("  because its condition no longer held", style="default")
    elif delivery.blocked:
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
