"""`penstock export`: write the profiles of a database to a file."""

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import click

from ingest.commands.count_display import CountDisplay
from ingest.commands.databases import database_options
from ingest.commands.filters import Moment
from ingest.domain.counts import count
from ingest.domain.errors import InvalidValue, PenstockError
from ingest.domain.exports import ExportFormat, ExportRequest
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.profiles.exports import count_profiles, export_profiles
from ingest.wire.dialect_parameters import read_detected


class _Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...


def _read_delimiter(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    try:
        return None if value is None else read_detected(value)
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from error


@click.command(
    "export",
    epilog="""\b
Examples:
  penstock export --database 1 -o people.ndjson.gz
  penstock export --database 1 -o people.csv --delimiter ";"
  penstock export --database 1 --segment 2 --field email --field _fname
  penstock export --database 1 --updated-since 2026-11-01 | wc -l

\b
Exit status:
  0  complete; the last line of NDJSON has the number of profiles
  1  not complete: Postgres is unavailable, or there is no such database
  2  usage error""",
)
@click.option("--database", type=int, required=True, metavar="ID", help="Database.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write; gzip if it ends in .gz.  [default: standard output]",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([one.value for one in ExportFormat]),
    help="Format.  [default: csv if FILE ends in .csv or .csv.gz, otherwise ndjson]",
)
@click.option(
    "--delimiter",
    callback=_read_delimiter,
    metavar="CHARACTER",
    help="What separates the cells of CSV: , ; | or tab.  [default: ,]",
)
@click.option(
    "--id",
    "ids",
    multiple=True,
    metavar="ID",
    help="Only this profile, or the one it was merged into; may be repeated.",
)
@click.option("--segment", type=int, metavar="ID", help="Only members of this segment.")
@click.option(
    "--updated-since", type=Moment(), metavar="TIME", help="Only those changed since."
)
@click.option(
    "--field", "fields", multiple=True, metavar="NAME", help="Only this field."
)
@click.option("--after", default="", metavar="ID", help="Only profiles after this ID.")
@database_options
def export(**options: Any) -> None:
    """Export the profiles of a database as NDJSON or CSV.

    All of them are of one moment, whatever is imported during it. Importing the file
    again changes nothing. A line of NDJSON is an import of its profile by ID, and the
    last line shows that the file is complete.

    CSV has the fields only: no statuses, priorities, categories, and custom fields of
    subscriptions, and no segments. FILE exists only when it is complete.
    """
    format_ = _choose_format(options["format_"], options["output"])
    if options["delimiter"] and format_ is not ExportFormat.CSV:
        raise click.UsageError("--delimiter needs --format csv: only CSV has one")
    wanted = ExportRequest(
        database_id=options["database"],
        segment_id=options["segment"],
        ids=options["ids"],
        updated_since=options["updated_since"],
        after=options["after"],
        fields=options["fields"],
        format=format_,
        delimiter=options["delimiter"] or ",",
    )
    try:
        with (
            unavailable_while_away(),
            connect(
                options["database_url"], application_name="penstock-export"
            ) as connection,
        ):
            _check(connection, wanted)
            _write(connection, wanted, options["output"])
    except PenstockError as error:
        raise click.ClickException(str(error)) from error


def _choose_format(told: str | None, output: Path | None) -> ExportFormat:
    if told is not None:
        return ExportFormat(told)
    name = "" if output is None else output.name.lower().removesuffix(".gz")
    return ExportFormat.CSV if name.endswith(".csv") else ExportFormat.NDJSON


def _check(connection: Connection, wanted: ExportRequest) -> None:
    row = connection.execute(
        "SELECT true FROM databases WHERE id = %(id)s", {"id": wanted.database_id}
    ).fetchone()
    if row is None:
        raise click.ClickException(
            f"No database {wanted.database_id}. To list databases: penstock catalog "
            "show"
        )


def _write(connection: Connection, wanted: ExportRequest, output: Path | None) -> None:
    total = count_profiles(connection, wanted)
    done = 0

    def show(profiles: int) -> None:
        nonlocal done
        done = profiles
        display.show(done)

    with (
        _open(output) as file,
        CountDisplay("Export", total) as display,
    ):
        for page in export_profiles(connection, wanted, show):
            file.write(page)
    click.echo(f"Exported {count(done, 'profile')}", err=True)


@contextmanager
def _open(output: Path | None) -> Iterator[_Writable]:
    """Open what is written to; a file comes into being when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        return
    part = output.with_name(f".{output.name}.part")
    try:
        if output.suffix == ".gz":
            with gzip.open(part, "wb", compresslevel=6) as packed:
                yield packed
        else:
            with part.open("wb") as file:
                yield file
        os.replace(part, output)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
