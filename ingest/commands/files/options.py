"""Options of `penstock import` for rows, and for the notation of files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ingest.domain.declarations import PARAMETERS, Declared, is_list
from ingest.domain.errors import InvalidValue
from ingest.domain.imports import (
    Level,
    Matching,
    OnAmbiguous,
    Otherwise,
    Timestamp,
)
from ingest.wire.dialect_parameters import read_mark
from ingest.wire.job_parameters import ELSE_PHONE


def _parse_map(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    mapping = {}
    for value in values:
        column, equals, field = value.rpartition("=")
        if not equals or not column.strip():
            raise click.BadParameter(f"Must be COLUMN=FIELD, not {value!r}")
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


def _make_row_option(declared: Declared) -> _Option:
    """Return the option of a parameter that holds for every row."""
    options: dict[str, Any] = {"help": f"{declared.meaning}."}
    if declared.kind is bool:
        options["is_flag"] = True
    elif declared.kind is Matching:
        options["type"] = click.Choice([*Matching, ELSE_PHONE], case_sensitive=False)
        options["help"] = f"{declared.meaning}. `{ELSE_PHONE}`: for each row."
    elif declared.kind in (OnAmbiguous, Otherwise):
        options["type"] = click.Choice(declared.kind, case_sensitive=False)
    elif declared.kind is Timestamp:
        options["metavar"] = "TIME"
    elif declared.kind is str:
        options["metavar"] = "NAME"
    else:
        options |= {"type": int, "metavar": "ID", "multiple": is_list(declared)}
    if is_list(declared):
        options["help"] += " Repeatable."
    required = declared.name == "db_id"
    return click.option(declared.option, declared.name, required=required, **options)


#: For every row.
_ROW_OPTIONS: Sequence[_Option] = (
    *(_make_row_option(one) for one in PARAMETERS if Level.ROW in one.levels),
    click.option(
        "--raise-consent",
        metavar="SOURCE",
        help="Source of a consent that is newer than opt-outs: replace them.",
    ),
    click.option(
        "--consent-time",
        metavar="TIME",
        help="When people consented.  [default: on acceptance]",
    ),
    click.option("--update-only", is_flag=True, help="Update only; never create."),
    click.option("--add", is_flag=True, help="Always create; do not match."),
)

#: For the notation of files.
_FILE_OPTIONS: Sequence[_Option] = (
    click.option(
        "--map",
        "mapping",
        multiple=True,
        callback=_parse_map,
        metavar="COLUMN=TARGET",
        help="Map a column, such as E-mail=email; `COLUMN=` skips it. Repeatable.",
    ),
    click.option(
        "--map-file",
        "map_files",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with the mapping of columns and other options (TOML). Repeatable.",
    ),
    click.option(
        "--new-map",
        is_flag=True,
        help="Do not use the mapping of an earlier file.",
    ),
    click.option(
        "--words",
        multiple=True,
        metavar='"COLUMN: WORD=STATUS,…"',
        help="Statuses that words mean; `*` is any other. Repeatable.",
    ),
    click.option(
        "--status",
        multiple=True,
        metavar="[FILE=]STATUS",
        help="Status of every row; FILE is a file of an archive. Repeatable.",
    ),
    click.option(
        "--skip-where",
        multiple=True,
        metavar="COLUMN=VALUE",
        help="Skip rows with this value. Repeatable.",
    ),
    click.option(
        "--skip-footer",
        is_flag=True,
        help="Skip narrow lines after the table.",
    ),
    click.option(
        "--timezone",
        metavar="NAME",
        help="Time zone of times without one.  [default: UTC]",
    ),
    click.option(
        "--phone-region",
        metavar="COUNTRY",
        help="Country of phones without a country code, such as DE.",
    ),
    click.option(
        "--dates",
        multiple=True,
        metavar="[COLUMN=]FORMAT",
        help="Date format, such as DD.MM.YYYY. Repeatable.",
    ),
    click.option(
        "--decimal",
        multiple=True,
        metavar="[COLUMN=]MARK",
        help="Decimal mark, `,` or `.`. Repeatable.",
    ),
    click.option(
        "--booleans",
        multiple=True,
        metavar="[COLUMN=]YES/NO",
        help="Words for true and false. Repeatable.",
    ),
    click.option(
        "--sexes",
        multiple=True,
        metavar="[COLUMN=]M/F",
        help="Words for male and female. Repeatable.",
    ),
    click.option(
        "--null",
        multiple=True,
        metavar="TEXT",
        help="Text of an empty cell, such as NULL. Repeatable.",
    ),
    click.option(
        "--clear",
        multiple=True,
        metavar="TEXT",
        help="Text of a cell that clears its field. Repeatable.",
    ),
    click.option(
        "--trust-quotes",
        is_flag=True,
        help="Accept quoted values that contain rows.",
    ),
    click.option(
        "--sheet",
        metavar="NAME",
        help="Sheet of a workbook, by name or number.  [default: 1]",
    ),
    click.option(
        "--columns",
        metavar="NAME,…",
        help="Column names of a table without a header.",
    ),
    click.option(
        "--format",
        "format_",
        type=click.Choice(["csv", "ndjson", "json"]),
        help="[default: detected]",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Encoding, such as cp1251, or `guess`.  [default: byte order mark, "
        "otherwise UTF-8]",
    ),
    click.option(
        "--delimiter",
        callback=_parse_delimiter,
        metavar="CHARACTER",
        help="Column delimiter.  [default: detected]",
    ),
    click.option(
        "--quote",
        callback=_parse_delimiter,
        metavar="CHARACTER",
        help="Quote character.",
    ),
    click.option(
        "--escape",
        callback=_parse_delimiter,
        metavar="CHARACTER",
        help="Escape character before a quote.",
    ),
)


def row_options(command: _Command) -> _Command:
    """Add the options for rows."""
    return _add(_ROW_OPTIONS, command)


def file_options(command: _Command) -> _Command:
    """Add the options for the notation of files."""
    return _add(_FILE_OPTIONS, command)


def _add(options: Sequence[_Option], command: _Command) -> _Command:
    """Add `options` so that help lists them in this order."""
    for option in reversed(options):
        command = option(command)
    return command
