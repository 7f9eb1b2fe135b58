"""`penstock profiles merges`: which profiles were merged, when, and by whom."""

from uuid import UUID

import click

from ingest.commands.databases import database_options
from ingest.commands.outputs import make_console, make_table, moment, print_json
from ingest.commands.profile_terms import find_profile
from ingest.store.database import connect
from ingest.store.profiles.merge_pages import MergeLine, list_merges


@click.command(
    epilog="""\b
Examples:
  penstock profiles merges
  penstock profiles merges ada@example.com
  penstock profiles merges --database 1 --limit 200 --json

\b
Exit status:
  0  listed, even if there are none
  1  no profile or several profiles found, or Postgres is unavailable
  2  usage error"""
)
@click.argument("term", required=False, metavar="[PROFILE]")
@click.option("--database", type=int, metavar="ID", help="Profile database.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Number of merges to list.",
)
@click.option(
    "--before", type=click.UUID, metavar="MERGE", help="Continue after this merge."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def merges(
    term: str | None,
    database: int | None,
    limit: int,
    before: UUID | None,
    as_json: bool,
    database_url: str,
) -> None:
    """List merges of profiles, the latest first.

    PROFILE is a profile ID, an email, or a phone: only what became this profile is
    listed. Merges are listed as long as their receipts are kept. To part merged
    profiles: penstock profiles unmerge.
    """
    with connect(database_url) as connection:
        profile = find_profile(connection, term, database) if term else None
        page = list_merges(
            connection,
            profile.database_id if profile else database,
            profile.id if profile else None,
            before,
            limit,
        )
    if as_json:
        print_json({"merges": page.merges, "next": page.next})
        return
    table = make_table(
        "merge", "database", "merged", "profile", "merged profiles", "by", "undone"
    )
    for line in page.merges:
        table.add_row(*_show(line))
    make_console().print(table)
    if page.next is not None:
        click.echo(f"For older merges: --before {page.next}", err=True)


def _show(line: MergeLine) -> tuple[str, ...]:
    by = f"{line.by}: {line.reason}" if line.reason else line.by
    # Without the receipt of the undo, its time is not known.
    undone = moment(line.undone_at) or "yes"
    return (
        str(line.merge_id),
        str(line.database_id),
        moment(line.merged_at),
        line.survivor_id,
        " ".join(line.profiles),
        by,
        undone if line.undone_by else "",
    )
