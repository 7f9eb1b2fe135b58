"""`penstock keys`: what profiles are matched by, made anew by this release."""

import json
import time
from collections.abc import Iterator

import click

from ingest.commands.databases import database_options
from ingest.store.database import connect
from ingest.store.key_makers import Makers
from ingest.store.key_rebuild import prune_keys, rebuild_keys

#: Between two lines of progress.
_TELL_SECONDS = 5.0


_as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")


@click.group(epilog="\b\nExample:\n  penstock keys rebuild")
def keys() -> None:
    """Make match keys anew, or remove those that nobody holds.

    Libraries make them (phonenumbers, email-validator, Unicode's tables), of which
    another version may make others: `penstock doctor` and the workers' log say so.
    """


@keys.command(epilog="\b\nExample:\n  penstock keys rebuild")
@_as_json
@database_options
def rebuild(*, database_url: str, as_json: bool) -> None:
    """Give every profile the match keys that this release makes.

    Imports go on. None of the old keys is removed, so workers of the release before may
    go on too; run it again once they are gone, for the profiles that they have made
    meanwhile. What is broken off goes on where it was.
    """
    with connect(database_url, application_name="penstock-keys") as connection:
        made = _follow(rebuild_keys(connection), "profiles")
    _print(
        made, f"{made.looked_at} profiles looked at, {made.changed} keys made", as_json
    )
    if made.refused and not as_json:
        click.echo(
            f"{made.refused} keys were not made: another profile holds the value, or"
            " the profile has that subscription already. They keep what they had."
        )


@keys.command(epilog="\b\nExample:\n  penstock keys prune")
@_as_json
@database_options
def prune(*, database_url: str, as_json: bool) -> None:
    """Remove the match keys that no profile holds.

    For when no worker of another release runs any more: it would not find profiles
    whose keys it makes otherwise. Imports go on. What is broken off goes on where it
    was.
    """
    with connect(database_url, application_name="penstock-keys") as connection:
        made = _follow(prune_keys(connection), "keys")
    _print(made, f"{made.looked_at} keys looked at, {made.changed} removed", as_json)


def _print(made: Makers, text: str, as_json: bool) -> None:
    counts = {name: getattr(made, name) for name in ("looked_at", "changed", "refused")}
    click.echo(json.dumps(counts) if as_json else text)


def _follow(steps: Iterator[Makers], rows: str) -> Makers:
    """Go through `steps`, tell now and then how far they are, and return the last."""
    told_at, last = time.monotonic(), next(steps)
    for last in steps:
        if time.monotonic() - told_at >= _TELL_SECONDS:
            told_at = time.monotonic()
            click.echo(f"{last.looked_at} {rows} looked at ...", err=True)
    return last
