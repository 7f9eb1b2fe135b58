"""`penstock profiles phones`: list and rewrite invalid stored phone numbers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from uuid_utils.compat import uuid7

from ingest.commands.databases import find_settings
from ingest.commands.outputs import make_console, make_table, print_json
from ingest.domain.catalog import Catalog, Database
from ingest.domain.consent import Authority, Basis
from ingest.domain.imports import Import, Key, Matching, Operation
from ingest.domain.lanes import Lane
from ingest.domain.phone_repairs import Repair, dump_repair, find_repair
from ingest.domain.phones import REGIONS
from ingest.domain.profiles import Profile
from ingest.doors.accept import Accepted, place
from ingest.doors.appends import BlockingAppends
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect
from ingest.store.profiles.phones import find_holders
from ingest.store.profiles.profile_rows import list_ids, load_profiles
from ingest.streams.partitioning import FILES_CLIENT

#: Profiles looked at together.
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A profile with invalid phone numbers, and their repair."""

    profile: Profile
    repair: Repair
    #: Other profiles that already have the new numbers; then nothing is rewritten.
    others: Sequence[str]

    @property
    def action(self) -> str:
        """The action: `rewrite`, `collides`, or `unreadable`."""
        if self.others:
            return "collides"
        return "rewrite" if self.repair.keys else "unreadable"


@click.command(
    epilog="""\b
Examples:
  penstock profiles phones --database 1
  penstock profiles phones --database 1 --region RU --apply

\b
Exit status:
  0  all numbers are valid or were rewritten
  1  invalid numbers remain: they collide, are unreadable, or --apply is missing
  2  usage error"""
)
@click.option(
    "--database",
    "database_id",
    type=int,
    required=True,
    metavar="ID",
    help="Profile database.",
)
@click.option(
    "--region",
    type=click.Choice(sorted(REGIONS), case_sensitive=False),
    metavar="CC",
    help="Country of numbers without a code.  [default: phone_region]",
)
@click.option("--apply", "is_applied", is_flag=True, help="Rewrite the numbers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".state"),
    show_default=True,
    help="State directory of `penstock up`, used if no URL is set.",
)
def phones(
    database_id: int,
    region: str | None,
    is_applied: bool,
    as_json: bool,
    state_dir: Path,
) -> None:
    """List or rewrite invalid phone numbers.

    The command lists stored numbers; --apply rewrites them. Each profile is changed by
    imports of its own, which have receipts and fire no triggers. A number that another
    profile already has is not rewritten: correct one of the two profiles first.
    """
    settings = find_settings(state_dir)
    with connect(settings.database_url) as connection:
        catalog = load_catalog(connection)
        database = catalog.databases.get(database_id)
        if database is None:
            raise click.ClickException(
                f"Database {database_id} not found. To list databases: penstock "
                "catalog show"
            )
        region = region or database.phone_region
        found = list(_find_all(connection, database, region))
    if is_applied:
        _apply(settings, catalog, found)
    counts = Counter(one.action for one in found)
    if as_json:
        print_json(
            {
                "applied": is_applied,
                "region": region,
                "counts": dict(counts),
                "profiles": [_document(one) for one in found],
            }
        )
    else:
        _show(found, counts, is_applied=is_applied)
    done = counts["rewrite"] if is_applied else 0
    if len(found) > done:
        raise SystemExit(1)


def _find_all(
    connection: Connection, database: Database, region: str | None
) -> Iterator[Found]:
    """Return every profile with such a number, in the order of ids."""
    after = ""
    taken: dict[str, str] = {}
    while ids := list_ids(connection, database.id, after, _PAGE):
        after = ids[-1]
        profiles = load_profiles(connection, [(database.id, id_) for id_ in ids])
        pairs = [(one, find_repair(one, region)) for one in profiles]
        wanted = {key for _, repair in pairs if repair for key in repair.keys}
        holders = find_holders(connection, database.id, wanted) if wanted else {}
        for profile, repair in pairs:
            if repair is None:
                continue
            others = {id_ for key in repair.keys for id_ in holders.get(key, ())}
            others |= {taken[key] for key in repair.keys if key in taken}
            others.discard(profile.id)
            if not others:
                taken |= dict.fromkeys(repair.keys, profile.id)
            yield Found(profile=profile, repair=repair, others=sorted(others))


def _apply(settings: Settings, catalog: Catalog, found: Sequence[Found]) -> None:
    appends = BlockingAppends(settings, client_name=FILES_CLIENT, lane=Lane.BULK)
    appends.start()
    try:
        for one in found:
            if one.action == "rewrite":
                appends.append(list(_accept(settings, catalog, one)))
    finally:
        appends.close()


def _accept(settings: Settings, catalog: Catalog, one: Found) -> Iterator[Accepted]:
    for data in dump_repair(one.profile, one.repair):
        import_ = Import(
            import_id=uuid7(),
            accepted_at=datetime.now(UTC),
            door="file",
            token_id=None,
            database_id=one.profile.database_id,
            matching=Matching.PROFILE_ID,
            key=Key(profile_id=one.profile.id),
            data=data,
            operation=Operation.UPDATE,
            skip_triggers=True,
            # The status moves with the number, whatever guards it.
            consent=Basis(raises=True, source="phone number rewritten"),
            authority=Authority.OPERATOR,
        )
        yield place(import_, catalog, settings.partitions)


def _document(one: Found) -> dict[str, Any]:
    return {
        "profile_id": one.profile.id,
        "action": one.action,
        "numbers": {old: new or None for old, new in one.repair.numbers.items()},
        "others": list(one.others),
    }


def _show(found: Sequence[Found], counts: Counter[str], *, is_applied: bool) -> None:
    if not found:
        click.echo("All stored phone numbers are valid.")
        return
    table = make_table("profile", "number", "rewritten to", "collides with")
    for one in found:
        for old, new in one.repair.numbers.items():
            table.add_row(one.profile.id, old, new or "?", ", ".join(one.others))
    make_console().print(table)
    verb = "Rewrote" if is_applied else "Can be rewritten:"
    click.echo(
        f"{verb} {counts['rewrite']}. Not rewritten: {counts['collides']} that collide,"
        f" {counts['unreadable']} unreadable."
    )
    if not is_applied and counts["rewrite"]:
        click.echo("To rewrite them, run the same command with --apply.")
