"""`penstock migrate`: bring the schema up to date."""

import click

from ingest.commands.databases import database_options
from ingest.store.database import connect
from ingest.store.migrate import migrate as apply_migrations


@click.command(epilog="\b\nExample:\n  DATABASE_URL=postgresql://… penstock migrate")
@database_options
def migrate(database_url: str) -> None:
    """Bring the database's schema to this release.

    Safe to run at each start, and by several at once.
    """
    with connect(database_url, application_name="penstock-migrate") as connection:
        applied = apply_migrations(connection)
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("nothing to migrate")
