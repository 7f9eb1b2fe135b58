"""`penstock segment`: list, show, preview, and audit segments, and build them again."""

import time
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

import click
import orjson
from msgspec import Struct

from ingest.commands.count_display import CountDisplay
from ingest.commands.databases import database_options
from ingest.commands.outputs import (
    make_console,
    make_table,
    print_json,
    print_pairs,
)
from ingest.domain.catalog import Catalog, Segment
from ingest.domain.catalog_views import view_segment
from ingest.domain.counts import count
from ingest.domain.dynamic_segments import parse_filter
from ingest.domain.errors import InvalidRequest
from ingest.domain.segment_order import list_dependents
from ingest.store.catalog.load import bump_version, load_catalog, lock_catalog
from ingest.store.database import Connection, connect, snapshot
from ingest.store.profiles.profile_rows import sample_ids
from ingest.store.segments.audit import SegmentMismatch, audit_all, audit_profiles
from ingest.store.segments.builds import (
    SegmentBuild,
    estimate_build,
    list_builds,
    request_builds,
)
from ingest.store.segments.members import (
    count_members,
    count_members_of,
    list_members,
    preview_members,
)

#: Between two looks at a build that is waited for.
_POLL_SECONDS = 0.5
#: Differences that are printed.
_SHOWN = 20


class SegmentLine(Struct, frozen=True, kw_only=True):
    """A segment as it is printed."""

    id: int
    database_id: int
    name: str
    kind: str
    #: `static`, `built`, `building`, or `no filter`.
    state: str
    members: int
    filter: Mapping[str, object] | None
    #: Percent of a build that are done, and seconds that it still takes.
    built_percent: float | None = None
    seconds_left: float | None = None


@click.group(epilog="\b\nExample:\n  penstock segment list")
def segment() -> None:
    """List, preview, rebuild, and audit segments.

    Segments are declared in the catalog. The upkeep worker builds dynamic segments.
    """


@segment.command("list", epilog="\b\nExample:\n  penstock segment list --json")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@database_options
def list_(as_json: bool, database_url: str) -> None:
    """List segments, their members, and builds."""
    with connect(database_url) as connection:
        lines = _read_lines(connection, load_catalog(connection))
    if as_json:
        print_json(lines)
        return
    table = make_table("id", "database", "name", "kind", "state", "members")
    for line in lines:
        table.add_row(
            str(line.id),
            str(line.database_id),
            line.name,
            line.kind,
            _show_state(line),
            f"{line.members:,}",
        )
    make_console().print(table)


@segment.command(epilog="\b\nExample:\n  penstock segment show 12")
@click.argument("segment_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def show(segment_id: int, as_json: bool, database_url: str) -> None:
    """Show a segment: its filter, members, and build."""
    with connect(database_url) as connection:
        catalog = load_catalog(connection)
        _find(catalog, segment_id)
        lines = _read_lines(connection, catalog)
    line = next(one for one in lines if one.id == segment_id)
    if as_json:
        print_json(line)
        return
    shown = "" if line.filter is None else orjson.dumps(line.filter).decode()
    print_pairs(
        make_console(),
        [
            ("segment", f"{line.id} {line.name}"),
            ("database", str(line.database_id)),
            ("kind", line.kind),
            ("state", _show_state(line)),
            ("members", f"{line.members:,}"),
            ("filter", shown),
            (
                "named by",
                ", ".join(map(str, sorted(_list_naming(catalog, segment_id)))),
            ),
        ],
    )


@segment.command(
    epilog="\b\nExample:\n  penstock segment preview --database 1 --filter "
    '\'{"field": "points", "ge": 100}\''
)
@click.option("--segment", "segment_id", type=int, metavar="ID", help="Its filter.")
@click.option("--database", "database_id", type=int, metavar="ID", help="Of a filter.")
@click.option("--filter", "text", metavar="JSON", help="A filter as JSON.")
@click.option(
    "--file",
    type=click.File("rb"),
    metavar="FILE",
    help="TOML or JSON file with the key `filter`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def preview(
    segment_id: int | None,
    database_id: int | None,
    text: str | None,
    file: BinaryIO | None,
    as_json: bool,
    database_url: str,
) -> None:
    """Count the profiles that a filter matches.

    Lists the first 20. Reads the database once; nothing is written.
    """
    with connect(database_url) as connection:
        catalog = load_catalog(connection)
        raw = _read_filter(text, file) if segment_id is None else None
        if segment_id is not None:
            declared = _find(catalog, segment_id)
            database_id, raw = declared.database_id, declared.filter
            if raw is None:
                raise click.ClickException(f"Segment {segment_id} has no filter.")
        if database_id is None or database_id not in catalog.databases:
            raise click.UsageError("Add --database with the ID of a database.")
        try:
            condition = parse_filter(raw, catalog, database_id)
        except InvalidRequest as error:
            faults = "\n  ".join(f"{one.path}: {one.message}" for one in error.faults)
            raise click.ClickException(f"The filter has errors:\n  {faults}") from error
        zone, now = catalog.databases[database_id].timezone, datetime.now(UTC)
        with snapshot(connection):
            found = preview_members(
                connection, database_id, condition, zone, now, seconds=None
            )
    if as_json:
        print_json(found)
        return
    click.echo(f"{count(found.profiles, 'profile')} of database {database_id}")
    for profile_id in found.profile_ids:
        click.echo(profile_id)


@segment.command(epilog="\b\nExample:\n  penstock segment members 12 --limit 10")
@click.argument("segment_id", metavar="ID", type=int)
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="List at most so many.",
)
@click.option("--from", "after", default="", metavar="ID", help="After this profile.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def members(
    segment_id: int, limit: int, after: str, as_json: bool, database_url: str
) -> None:
    """List the profile IDs of members, in order."""
    with connect(database_url) as connection:
        _find(load_catalog(connection), segment_id)
        ids = list_members(connection, segment_id, after, limit)
        total = count_members_of(connection, segment_id)
    if as_json:
        print_json({"members": total, "profile_ids": ids})
        return
    for profile_id in ids:
        click.echo(profile_id)
    click.echo(f"{len(ids):,} of {count(total, 'member')}", err=True)


@segment.command(epilog="\b\nExample:\n  penstock segment rebuild 12 --wait")
@click.argument("segment_ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--wait", is_flag=True, help="Show the progress until the end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def rebuild(
    segment_ids: tuple[int, ...], wait: bool, as_json: bool, database_url: str
) -> None:
    """Build dynamic segments again.

    Segments that name them are built too. The upkeep worker builds in chunks, during
    imports. A build causes no events unless the segment is declared with announce.
    --wait needs a running upkeep worker.
    """
    with connect(database_url) as connection:
        with connection.transaction():
            lock_catalog(connection)
            rebuilt = _list_rebuilt(load_catalog(connection), segment_ids)
            request_builds(connection, rebuilt, datetime.now(UTC))
            bump_version(connection)
        if wait:
            _wait(connection, rebuilt)
    if as_json:
        print_json({"segment_ids": sorted(rebuilt), "done": wait})
        return
    named = ", ".join(map(str, sorted(rebuilt)))
    click.echo(f"{'Built' if wait else 'Requested builds of'} {named}.")


@segment.command(epilog="\b\nExample:\n  penstock segment audit --sample 10000")
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Compare about so many profiles, chosen by chance.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@database_options
def audit(sample: int | None, as_json: bool, database_url: str) -> None:
    """Compare members with the filters of segments.

    Each profile is evaluated from scratch. Segments that are being built are skipped.

    Exit status: 0 no differences, 1 differences.
    """
    with connect(database_url) as connection:
        catalog = load_catalog(connection)
        if sample is None:
            compared, wrong = _audit_all(connection, catalog)
        else:
            owners = sample_ids(connection)[:sample]
            compared, wrong = len(owners), audit_profiles(connection, catalog, owners)
    if as_json:
        print_json({"profiles": compared, "mismatches": wrong})
    else:
        _show_mismatches(compared, wrong)
    if wrong:
        raise SystemExit(1)


def _audit_all(
    connection: Connection, catalog: Catalog
) -> tuple[int, list[SegmentMismatch]]:
    row = connection.execute("SELECT count(*) FROM profiles").fetchone()
    compared, wrong = 0, list[SegmentMismatch]()
    with CountDisplay("profiles", int(row[0]) if row else 0) as display:
        for profiles, found in audit_all(connection, catalog):
            compared += profiles
            wrong += found
            display.show(compared)
    return compared, wrong


def _show_mismatches(compared: int, wrong: list[SegmentMismatch]) -> None:
    for one in wrong[:_SHOWN]:
        click.echo(
            f"profile {one.profile_id} of database {one.database_id}, segment"
            f" {one.segment_id}: {one.kind}"
        )
    click.echo(f"{count(compared, 'profile')}, {count(len(wrong), 'difference')}")
    if wrong:
        ids = " ".join(map(str, sorted({one.segment_id for one in wrong})))
        click.echo(f"To fix them: penstock segment rebuild {ids}")


def _find(catalog: Catalog, segment_id: int) -> Segment:
    found = catalog.segments.get(segment_id)
    if found is None:
        raise click.ClickException(
            f"Segment {segment_id} not found. To list segments: penstock segment list"
        )
    return found


def _read_filter(text: str | None, file: BinaryIO | None) -> object:
    if (text is None) == (file is None):
        raise click.UsageError("Add one of --segment, --filter, and --file.")
    try:
        if text is not None:
            return orjson.loads(text)
        body = b"" if file is None else file.read()
        document: Mapping[str, object] = (
            orjson.loads(body)
            if body.lstrip().startswith(b"{")
            else tomllib.loads(body.decode())
        )
    except ValueError as error:
        raise click.ClickException(f"The filter cannot be read: {error}.") from error
    return document.get("filter")


def _list_named(catalog: Catalog) -> dict[int, frozenset[int]]:
    return {
        one.segment.id: one.compiled.dependencies.segments
        for dynamic in catalog.dynamic.values()
        for one in dynamic.ordered
    }


def _list_naming(catalog: Catalog, segment_id: int) -> set[int]:
    named = _list_named(catalog)
    return {id_ for id_, others in named.items() if segment_id in others}


def _list_rebuilt(catalog: Catalog, segment_ids: Iterable[int]) -> set[int]:
    named, wanted = _list_named(catalog), set(segment_ids)
    for segment_id in sorted(wanted):
        _find(catalog, segment_id)
        if segment_id not in named:
            raise click.ClickException(f"Segment {segment_id} has no filter.")
    return wanted | list_dependents(named, wanted)


def _read_lines(connection: Connection, catalog: Catalog) -> list[SegmentLine]:
    counts = count_members(connection)
    builds = {one.segment_id: one for one in list_builds(connection)}
    return [
        _make_line(one, counts.get(one.id, 0), builds.get(one.id))
        for one in catalog.segments.values()
    ]


def _make_line(
    declared: Segment, members: int, build: SegmentBuild | None
) -> SegmentLine:
    progress = estimate_build(build)
    return SegmentLine(
        id=declared.id,
        database_id=declared.database_id,
        name=declared.name,
        kind=declared.kind.value,
        state=view_segment(declared).state,
        members=members,
        filter=declared.filter,
        built_percent=progress.percent if progress else None,
        seconds_left=progress.seconds_left if progress else None,
    )


def _show_state(line: SegmentLine) -> str:
    if line.built_percent is None or line.seconds_left is None:
        return line.state
    return f"{line.state} ({line.built_percent} %, {line.seconds_left:.0f} s left)"


def _wait(connection: Connection, segment_ids: Iterable[int]) -> None:
    wanted = set(segment_ids)
    total = sum(one.segment_id in wanted for one in list_builds(connection))
    with CountDisplay("percent", 100 * total) as display:
        while left := [
            one for one in list_builds(connection) if one.segment_id in wanted
        ]:
            progress = filter(None, map(estimate_build, left))
            done = sum(one.percent for one in progress)
            display.show(round(100 * (total - len(left)) + done))
            time.sleep(_POLL_SECONDS)
        display.show(100 * total)
