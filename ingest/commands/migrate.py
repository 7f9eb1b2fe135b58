"""`penstock migrate`: apply database migrations."""

import click
from psycopg.errors import Diagnostic

from ingest.commands.databases import database_options
from ingest.store.database import connect
from ingest.store.migrate import find_unfinished, load_applied
from ingest.store.migrate import migrate as apply_migrations


@click.command(epilog="\b\nExample:\n  DATABASE_URL=postgresql://… penstock migrate")
@click.option(
    "--finish",
    is_flag=True,
    help="Also remove what only the previous release needs. Its processes must have "
    "stopped.",
)
@database_options
def migrate(database_url: str, *, finish: bool) -> None:
    """Apply the migrations of this release to Postgres.

    Safe to run at each start, and by several processes at the same time.
    """
    with connect(database_url, application_name="penstock-migrate") as connection:
        connection.add_notice_handler(_show)
        applied = apply_migrations(connection, finish=finish)
        unfinished = find_unfinished(load_applied(connection))
    for name in applied:
        click.echo(f"Applied {name}.")
    if not applied:
        click.echo("The schema is up to date.")
    if unfinished:
        click.echo(
            "The upgrade is not finished. When no process of the previous release "
            "runs: penstock migrate --finish"
        )


def _show(notice: Diagnostic) -> None:
    """Show the progress that a long migration reports, and no remark of Postgres."""
    if notice.severity_nonlocalized == "INFO":
        click.echo(notice.message_primary, err=True)
