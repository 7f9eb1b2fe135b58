"""`penstock endpoint`: list event endpoints, show secrets, re-enable."""

import json

import click
from rich.console import Console
from rich.table import Table

from ingest.commands.databases import database_options
from ingest.store.database import connect
from ingest.store.events import endpoints
from ingest.store.events.endpoints import (
    EndpointState,
    describe_limits,
    describe_pending,
    describe_reason,
)


@click.group(epilog="\b\nExample:\n  penstock endpoint secret 1")
def endpoint() -> None:
    """List event endpoints, show their secrets, and re-enable them.

    Endpoints are declared in the catalog.
    """


def unknown_endpoint(endpoint_id: int) -> click.ClickException:
    """Return the error of an endpoint that there is not."""
    return click.ClickException(
        f"Endpoint {endpoint_id} not found. To list endpoints: penstock endpoint list"
    )


def _document(state: EndpointState) -> dict[str, object]:
    return {
        "id": state.id,
        "name": state.name,
        "target": state.target,
        "pending": state.pending,
        "delayed": state.delayed,
        "failed": state.failed,
        "skipped": state.skipped,
        "rate": state.rate,
        "concurrency": state.concurrency,
        "batch": state.batch,
        "linger": state.linger or None,
        "disable_after": state.disable_after or None,
        "failing_since": state.failing_since and state.failing_since.isoformat(),
        "paused_until": state.paused_until and state.paused_until.isoformat(),
        "disabled_at": state.disabled_at and state.disabled_at.isoformat(),
        "disabled_reason": state.disabled_reason or None,
    }


def _row(state: EndpointState) -> tuple[str, ...]:
    return (
        str(state.id),
        state.name,
        state.target,
        describe_pending(state),
        str(state.failed),
        str(state.skipped),
        describe_limits(state),
        f"{state.paused_until:%Y-%m-%d %H:%M}" if state.paused_until else "",
        f"{state.disabled_at:%Y-%m-%d %H:%M}{describe_reason(state.disabled_reason)}"
        if state.disabled_at
        else "",
    )


@endpoint.command("list", epilog="\b\nExample:\n  penstock endpoint list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@database_options
def list_(as_json: bool, database_url: str) -> None:
    """List endpoints and their deliveries.

    Up to 20,000 deliveries of a state are counted. Times are in UTC.
    """
    with connect(database_url) as connection:
        states = endpoints.select_endpoints(connection).fetchall()
    if as_json:
        click.echo(json.dumps([_document(each) for each in states], indent=2))
        return

    table = Table(
        "id",
        "name",
        "target",
        "pending",
        "failed",
        "skipped",
        "limits",
        "paused until",
        "disabled",
    )
    for each in states:
        table.add_row(*_row(each))
    Console(markup=False).print(table)


@endpoint.command(epilog="\b\nExample:\n  penstock endpoint secret 1")
@click.argument("endpoint_id", metavar="ID", type=int)
@database_options
def secret(endpoint_id: int, database_url: str) -> None:
    """Print the signing secret of an endpoint.

    The secret signs the deliveries. It is created when the endpoint is first applied
    from the catalog.
    """
    with connect(database_url) as connection:
        found = endpoints.find_secret(connection, endpoint_id)
    if found is None:
        raise unknown_endpoint(endpoint_id)
    click.echo(found)


@endpoint.command(epilog="\b\nExample:\n  penstock endpoint enable 1 --retry-failed")
@click.argument("endpoint_id", metavar="ID", type=int)
@click.option("--retry-failed", is_flag=True, help="Retry failed deliveries.")
@database_options
def enable(endpoint_id: int, retry_failed: bool, database_url: str) -> None:
    """Re-enable a disabled or paused endpoint.

    An endpoint is disabled after 410 Gone, or if every attempt failed for the time in
    `disable_after`, and paused after failures. Pending deliveries are sent first.
    """
    with connect(database_url) as connection:
        if not endpoints.enable_endpoint(
            connection, endpoint_id, retry_failed=retry_failed
        ):
            raise unknown_endpoint(endpoint_id)
    click.echo(f"Enabled endpoint {endpoint_id}.")
