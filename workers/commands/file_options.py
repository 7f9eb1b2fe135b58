"""What `penstock import` can be told of rows, and of how files are written."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ingest.domain.errors import InvalidValue
from ingest.domain.imports import Matching
from ingest.wire.dialect_parameters import read_mark


def _parse_map(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    mapping = {}
    for value in values:
        column, equals, field = value.rpartition("=")
        if not equals or not column.strip():
            raise click.BadParameter(f"{value!r} is not COLUMN=FIELD")
        mapping[column.strip()] = field.strip()
    return mapping


def _parse_delimiter(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    try:
        return None if value is None else read_mark(value)
    except InvalidValue as error:
        raise click.BadParameter(str(error)) from error


_Command = Callable[..., None]
_Option = Callable[[_Command], _Command]

#: What is asked of every row.
_ROW_OPTIONS: Sequence[_Option] = (
    click.option(
        "--database",
        "db_id",
        type=int,
        required=True,
        metavar="ID",
        help="The database to import into.",
    ),
    click.option(
        "--matching",
        type=click.Choice(Matching, case_sensitive=False),
        help="How each row finds its profile.  [default: email]",
    ),
    click.option(
        "--field", "field_name", metavar="NAME", help="What `custom` matches by."
    ),
    click.option("--update-only", is_flag=True, help="Create no profile."),
    click.option("--add", is_flag=True, help="Search no profile, always create."),
    click.option(
        "--resource",
        "resource_id",
        type=int,
        metavar="ID",
        help="Match subscriptions of this resource only.",
    ),
    click.option(
        "--segment",
        "segments",
        type=int,
        multiple=True,
        metavar="ID",
        help="Put each profile into this static segment; may be repeated.",
    ),
    click.option("--skip-triggers", is_flag=True, help="Tell no endpoint."),
    click.option(
        "--skip-invalid-subscriptions",
        is_flag=True,
        help="Drop wrong subscriptions, and import the rest of their rows.",
    ),
    click.option(
        "--skip-invalid-fields",
        is_flag=True,
        help="Drop wrong fields that are not required; the rejects name them.",
    ),
    click.option(
        "--detect-geo", is_flag=True, help="Fill places and time zones by IP."
    ),
)

#: How the files are written.
_FILE_OPTIONS: Sequence[_Option] = (
    click.option(
        "--map",
        "mapping",
        multiple=True,
        callback=_parse_map,
        metavar="COLUMN=FIELD",
        help="What a column holds; COLUMN= passes it over. May be repeated.",
    ),
    click.option(
        "--map-file",
        "map_files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file of COLUMN=FIELD, one a line; # begins a comment.",
    ),
    click.option(
        "--dates",
        multiple=True,
        metavar="[COLUMN=]FORMAT",
        help="How dates are written, such as DD.MM.YYYY; may be repeated.",
    ),
    click.option(
        "--decimal",
        multiple=True,
        metavar="[COLUMN=]MARK",
        help="The decimal mark of numbers, `,` or `.`; the others separate thousands.",
    ),
    click.option(
        "--booleans",
        multiple=True,
        metavar="[COLUMN=]YES/NO",
        help="Words for true and false, such as yes/no; may be repeated.",
    ),
    click.option(
        "--sexes",
        multiple=True,
        metavar="[COLUMN=]M/F",
        help="Words for male and female, such as M/F; may be repeated.",
    ),
    click.option(
        "--null",
        multiple=True,
        metavar="TEXT",
        help="A cell that says nothing, as an empty one does, such as NULL.",
    ),
    click.option(
        "--clear",
        multiple=True,
        metavar="TEXT",
        help="A cell that empties its field.",
    ),
    click.option(
        "--trust-quotes",
        is_flag=True,
        help="Take quoted values though lines in them look like rows.",
    ),
    click.option(
        "--sheet",
        metavar="NAME",
        help="Of a workbook, by name or number.  [default: 1]",
    ),
    click.option(
        "--columns",
        metavar="NAME,…",
        help="Names of the columns, for a table without a header.",
    ),
    click.option(
        "--format",
        "format_",
        type=click.Choice(["csv", "ndjson", "json"]),
        help="[default: what it looks like]",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Such as cp1251; `guess` takes the likeliest, and says which."
        "  [default: as marked, else UTF-8]",
    ),
    click.option(
        "--delimiter",
        callback=_parse_delimiter,
        metavar="CHARACTER",
        help="Between columns.  [default: what it looks like]",
    ),
    click.option(
        "--quote",
        callback=_parse_delimiter,
        metavar="CHARACTER",
        help="Around cells.",
    ),
    click.option(
        "--escape",
        callback=_parse_delimiter,
        metavar="CHARACTER",
        help="Before a quote inside a cell.",
    ),
)


def row_options(command: _Command) -> _Command:
    """Add what is asked of every row."""
    return _add(_ROW_OPTIONS, command)


def file_options(command: _Command) -> _Command:
    """Add what is told of how the files are written."""
    return _add(_FILE_OPTIONS, command)


def _add(options: Sequence[_Option], command: _Command) -> _Command:
    """Add `options` so that help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command
