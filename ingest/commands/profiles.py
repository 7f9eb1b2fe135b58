"""`penstock profiles`: find people; show a profile and its imports; merge profiles."""

from collections.abc import Iterator

import click
from msgspec import to_builtins
from rich.console import Console

from ingest.commands.databases import database_options
from ingest.commands.imports import lines_table
from ingest.commands.merge_lists import merges
from ingest.commands.outputs import make_console, make_table, moment, print_json
from ingest.commands.people import find
from ingest.commands.profile_merges import forget_key, merge, unmerge
from ingest.commands.profile_phones import phones
from ingest.commands.profile_terms import find_profile
from ingest.commands.receipts import show_value
from ingest.domain.former_keys import name_former
from ingest.domain.profiles import Profile
from ingest.domain.views import view_profile, view_times
from ingest.store.database import connect
from ingest.store.profiles.aliases import list_former_ids
from ingest.store.receipts.pages import ImportPage, list_history
from ingest.store.receipts.read import parse_cursor


@click.group(epilog="\b\nExample:\n  penstock profiles show ada@example.com")
def profiles() -> None:
    """Find, show, and merge profiles."""


profiles.add_command(find)
profiles.add_command(phones)
profiles.add_command(merge)
profiles.add_command(merges)
profiles.add_command(unmerge)
profiles.add_command(forget_key)


@profiles.command(
    epilog="""\b
Examples:
  penstock profiles show ada@example.com
  penstock profiles show 6b04f28ad691ecc2e1a166f2 --database 1 --json

\b
Exit status:
  0  the profile is shown
  1  no profile or several profiles found, or Postgres is unavailable
  2  usage error"""
)
@click.argument("term")
@click.option(
    "--database",
    "database_id",
    type=int,
    metavar="ID",
    help="Only in this profile database.",
)
@click.option(
    "--imports",
    "count",
    type=click.IntRange(0, 1000),
    default=20,
    show_default=True,
    help="Number of its imports to show.",
)
@click.option("--before", metavar="CURSOR", help="Continue from a previous page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def show(
    term: str,
    database_id: int | None,
    count: int,
    before: str | None,
    as_json: bool,
    database_url: str,
) -> None:
    """Show a profile and its import history.

    TERM is a profile ID, an email, or a phone. Emails and phones are compared as in
    matching.
    """
    cursor = parse_cursor(before) if before else None
    with connect(database_url) as connection:
        profile = find_profile(connection, term, database_id)
        page = list_history(
            connection, profile.database_id, profile.id, cursor, max(count, 1)
        )
        former = list_former_ids(connection, profile.database_id, [profile.id])
    former_ids = former.get(profile.id, [])
    if as_json:
        document = view_profile(profile)
        if profile.stamps is not None:
            document["times"] = to_builtins(view_times(profile))
        if former_ids:
            document |= {"former_ids": former_ids, "former_keys": profile.former_keys}
        history = page.imports if count else []
        print_json({"profile": document, "imports": history, "next": _next(page)})
        return
    console = make_console()
    _show_profile(console, profile, former_ids)
    if count:
        console.print(lines_table(page.imports))
        if page.next is not None:
            click.echo(f"For older imports: --before {page.next}", err=True)


def _next(page: ImportPage) -> str | None:
    return None if page.next is None else str(page.next)


def _show_profile(console: Console, profile: Profile, former_ids: list[str]) -> None:
    table = make_table("field", "value", title=f"Profile {profile.id}")
    for name, value in _facts(profile, former_ids):
        table.add_row(name, value)
    console.print(table)
    if profile.subscriptions:
        listed = make_table("resource", "channel", "contact", "status", "priority")
        for key, one in profile.subscriptions.items():
            status = f"{one.status} (deleted)" if one.deleted else one.status
            listed.add_row(
                str(key.resource_id),
                key.channel,
                key.contact,
                status,
                str(one.priority),
            )
        console.print(listed)
    if profile.stamps is not None:
        dated = make_table("value", "of", "last added to", "rank", title="Times")
        for written in view_times(profile):
            last = moment(written.last) if written.last else ""
            row = (written.path, moment(written.at), last, str(written.rank))
            dated.add_row(*row)
        console.print(dated)


def _facts(profile: Profile, former_ids: list[str]) -> Iterator[tuple[str, str]]:
    yield "database", str(profile.database_id)
    yield "email", show_value(profile.email)
    yield "phones", show_value(list(profile.phones))
    for name, value in sorted(profile.fields.items()):
        yield name, show_value(value)
    yield "segments", show_value(sorted(profile.segments))
    if former_ids:
        yield "former ids", show_value(former_ids)
    for path, former in sorted(profile.former_keys.items()):
        yield name_former(path), show_value(list(former))
    yield "created", moment(profile.created_at)
    yield "updated", moment(profile.updated_at)
    yield "version", str(profile.version)
