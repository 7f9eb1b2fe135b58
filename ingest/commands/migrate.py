"""`penstock migrate`: apply database migrations."""

import click

from ingest.commands.databases import database_options
from ingest.store.database import connect
from ingest.store.migrate import migrate as apply_migrations


@click.command(epilog="\b\nExample:\n  DATABASE_URL=postgresql://… penstock migrate")
@database_options
def migrate(database_url: str) -> None:
    """Apply the migrations of this release to Postgres.

    Safe to run at each start, and by several processes at the same time.
    """
    with connect(database_url, application_name="penstock-migrate") as connection:
        applied = apply_migrations(connection)
    for name in applied:
        click.echo(f"Applied {name}.")
    if not applied:
        click.echo("The schema is up to date.")
