"""`penstock profiles find`: people by a part of what they are known by."""

from datetime import UTC, datetime

import click

from ingest.commands.databases import database_options
from ingest.commands.outputs import make_console, make_table, moment, print_json
from ingest.domain.counts import count
from ingest.domain.durations import describe_seconds
from ingest.domain.errors import InvalidRequest
from ingest.domain.people import read_words
from ingest.store.database import connect
from ingest.store.people.find import (
    COUNTED,
    SHOWN,
    PeopleFound,
    PeopleSearch,
    find_people,
)
from ingest.store.people.progress import SearchProgress, load_progress

#: A lag that is longer is shown.
_LAG_SECONDS = 10.0


@click.command(
    epilog="""\b
Examples:
  penstock profiles find lovelace
  penstock profiles find "ada love" --database 1
  penstock profiles find "020 7946" --json

\b
Exit status:
  0  people found
  1  no people found, or Postgres is unavailable
  2  usage error"""
)
@click.argument("text")
@click.option(
    "--database",
    "database_id",
    type=int,
    metavar="ID",
    help="Only in this profile database.",
)
@click.option(
    "--segment", "segment_id", type=int, metavar="ID", help="Only in this segment."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def find(
    text: str,
    database_id: int | None,
    segment_id: int | None,
    as_json: bool,
    database_url: str,
) -> None:
    """Find people by part of a name or contact.

    TEXT is part of a name, an email, or a phone, or several words of them, in any
    order. At most 50 people are shown, those changed last first.
    """
    try:
        words = read_words(text)
    except InvalidRequest as error:
        raise click.BadParameter(error.faults[0].message, param_hint="TEXT") from None
    if not words:
        raise click.BadParameter("Enter at least 2 characters", param_hint="TEXT")
    wanted = PeopleSearch(words=words, database_id=database_id, segment_id=segment_id)
    with connect(database_url) as connection:
        with connection.transaction():
            found = find_people(connection, wanted, datetime.now(UTC))
        progress = load_progress(connection)
    if as_json:
        print_json(
            {
                "people": [
                    {
                        "database_id": one.database_id,
                        "profile_id": one.profile_id,
                        "name": one.name,
                        "email": one.email,
                        "phones": one.phones,
                        "updated_at": one.updated_at,
                    }
                    for one in found.people
                ],
                "count": min(found.count, COUNTED),
                "more": found.count > COUNTED or found.is_partial,
                "suggestion": found.suggestion,
            }
        )
    else:
        _show(found, progress)
    if not found.people:
        raise click.exceptions.Exit(1)


def _show(found: PeopleFound, progress: SearchProgress) -> None:
    if found.people:
        table = make_table("profile", "database", "name", "email", "phones", "changed")
        for one in found.people:
            phones = ", ".join(one.phones)
            table.add_row(
                one.profile_id,
                str(one.database_id),
                one.name,
                one.email or "",
                phones,
                moment(one.updated_at),
            )
        make_console().print(table)
    for line in _list_notes(found, progress):
        click.echo(line, err=True)


def _list_notes(found: PeopleFound, progress: SearchProgress) -> list[str]:
    notes = []
    if found.count > COUNTED:
        notes.append(
            f"First {SHOWN} of more than {COUNTED:,}. Add a character to see fewer."
        )
    elif found.count > SHOWN:
        notes.append(f"First {SHOWN} of {count(found.count, 'person', 'people')}.")
    if found.is_partial:
        notes.append("The search took too long. Add a character or a word.")
    elif not found.people:
        notes.append("No profiles found.")
    if found.suggestion:
        notes.append(f"Did you mean {found.suggestion}?")
    return [*notes, *_list_delays(progress)]


def _list_delays(progress: SearchProgress) -> list[str]:
    """Return what cannot be found yet."""
    lag = progress.lag_seconds or 0.0
    if not progress.indexed:
        return ["The search is not set up. See: penstock doctor"]
    if not progress.is_filled:
        share = f"{100 * progress.share:.0f} %"
        return [f"The search is being prepared ({share}): some are not found yet."]
    if lag > _LAG_SECONDS:
        return [f"Changes of the last {describe_seconds(lag)} are not found yet."]
    return []
