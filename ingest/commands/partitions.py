"""`penstock partitions`: show or change the number of partitions."""

from collections.abc import Mapping
from contextlib import closing

import click

from ingest.commands.databases import database_options, redis_url_option
from ingest.commands.outputs import make_console, make_table, moment, print_json
from ingest.store.database import connect
from ingest.store.partitions.leases import (
    Partition,
    list_partitions,
    replace_partitions,
)
from ingest.streams.partitioning import Partitions, StreamsInUse


@click.group(
    epilog="\b\nExamples:\n  penstock partitions show\n  penstock partitions set 8"
)
def partitions() -> None:
    """Show or change the number of partitions.

    With more partitions, more workers can apply imports at the same time. All
    processes must have the same PENSTOCK_PARTITIONS; a process with another number does
    not start.
    """


@partitions.command(epilog="\b\nExample:\n  penstock partitions show --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
@redis_url_option
def show(as_json: bool, database_url: str, redis_url: str) -> None:
    """Show partitions, backlog, and processes."""
    with closing(Partitions(redis_url)) as known:
        layout = known.look()
    with connect(database_url) as connection:
        rows = {each.number: each for each in list_partitions(connection)}
    listed = [
        {
            "partition": number,
            "waiting": layout.waiting.get(number, 0),
            "position": rows[number].position if number in rows else None,
            "drained_at": rows[number].drained_at if number in rows else None,
        }
        for number in sorted({*layout.waiting, *rows})
    ]
    if as_json:
        document = {
            "partitions": layout.count,
            "connected": dict(layout.connected),
            "streams": listed,
        }
        print_json(document)
        return
    _print_layout(layout, rows)


def _print_layout(layout: StreamsInUse, rows: Mapping[int, Partition]) -> None:
    """Print one line for each partition in Redis or Postgres."""
    console = make_console()
    table = make_table("partition", "waiting", "position", "drained at")
    for number in sorted({*layout.waiting, *rows}):
        row = rows.get(number)
        table.add_row(
            str(number),
            str(layout.waiting.get(number, 0)),
            row.position if row else "not read yet",
            moment(row.drained_at if row else None),
        )
    console.print(table)
    console.print(
        f"partitions: {layout.count or 'unknown; no process has started yet'}"
    )
    for name, count in layout.connected.items():
        console.print(f"{name}: {count} connections")


@partitions.command(
    "set",
    epilog="""\b
Example:
  penstock partitions set 8""",
)
@click.argument("count", type=click.IntRange(min=1))
@database_options
@redis_url_option
def set_(count: int, database_url: str, redis_url: str) -> None:
    """Change the number of partitions to COUNT.

    Refused while imports wait or while processes with another number are connected:
    imports with the same key would go to different streams and lose their order.
    Stop intakes and consumers. Wait until `penstock partitions show` shows no waiting
    imports. Stop the workers, set the number, and start all processes with it as
    PENSTOCK_PARTITIONS.
    """
    with (
        closing(Partitions(redis_url)) as known,
        connect(database_url) as connection,
        connection.transaction(),
    ):
        # Should this commit fail after Redis has changed, no worker starts until it is
        # run again.
        replace_partitions(connection, count)
        known.change(count)
    click.echo(
        f"Set {count} partitions. Start all processes with PENSTOCK_PARTITIONS={count}."
    )
