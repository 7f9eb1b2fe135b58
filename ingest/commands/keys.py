"""`penstock keys`: rebuild or prune match keys."""

import json
import time
from collections.abc import Iterator

import click

from ingest.commands.databases import database_options
from ingest.domain.counts import count
from ingest.store.database import connect
from ingest.store.profiles.key_makers import Makers
from ingest.store.profiles.key_rebuild import prune_keys, rebuild_keys

#: Between two lines of progress.
_PROGRESS_SECONDS = 5.0


_as_json = click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")


@click.group(epilog="\b\nExample:\n  penstock keys rebuild")
def keys() -> None:
    """Rebuild match keys, or remove those that no profile has.

    Match keys depend on libraries (phonenumbers, email-validator, Unicode tables).
    After an upgrade of one of them, `penstock doctor` and the workers' log report keys
    that differ.
    """


@keys.command(epilog="\b\nExample:\n  penstock keys rebuild")
@_as_json
@database_options
def rebuild(*, database_url: str, as_json: bool) -> None:
    """Add the match keys of this release.

    Runs over all profiles while imports continue. Old keys are kept, so workers of the
    previous release can still run; run the command again after they have stopped. If
    interrupted, the command continues where it stopped.
    """
    with connect(database_url, application_name="penstock-keys") as connection:
        made = _follow(rebuild_keys(connection), "profiles")
    _print(
        made,
        f"{count(made.looked_at, 'profile')} checked, {count(made.changed, 'key')} "
        "added",
        as_json,
    )
    if made.refused and not as_json:
        click.echo(
            f"{count(made.refused, 'key')} not added: another profile has the value, "
            "or the profile already has that subscription. These profiles are "
            "unchanged."
        )


@keys.command(epilog="\b\nExample:\n  penstock keys prune")
@_as_json
@database_options
def prune(*, database_url: str, as_json: bool) -> None:
    """Remove match keys that no profile has.

    Run it after all workers run this release; older workers may need the removed keys.
    Runs while imports continue. If interrupted, the command continues where it
    stopped.
    """
    with connect(database_url, application_name="penstock-keys") as connection:
        made = _follow(prune_keys(connection), "keys")
    _print(
        made,
        f"{count(made.looked_at, 'key')} checked, {made.changed:,} removed",
        as_json,
    )


def _print(made: Makers, text: str, as_json: bool) -> None:
    counts = {
        "checked": made.looked_at,
        "changed": made.changed,
        "skipped": made.refused,
    }
    click.echo(json.dumps(counts) if as_json else text)


def _follow(steps: Iterator[Makers], rows: str) -> Makers:
    """Run `steps`, print the progress every few seconds, and return the last."""
    printed_at, last = time.monotonic(), next(steps)
    for last in steps:
        if time.monotonic() - printed_at >= _PROGRESS_SECONDS:
            printed_at = time.monotonic()
            click.echo(f"{last.looked_at} {rows} checked ...", err=True)
    return last
