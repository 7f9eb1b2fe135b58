"""What `penstock import` can be told of rows, and of how files are written."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from ingest.domain.imports import Matching, Operation
from ingest.doors.files.dialects import Told
from ingest.doors.files.rows import Reading
from ingest.settings import Settings
from workers.commands.file_imports import Asked


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
    value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
    if value is not None and len(value) != 1:
        raise click.BadParameter("one character, or `tab`")
    return value


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
        default=Matching.EMAIL,
        show_default=True,
        help="How each row finds its profile.",
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
    click.option("--encoding", help="[default: as marked, UTF-8, or a guess]"),
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


def load_asked(options: Mapping[str, Any], settings: Settings) -> Asked:
    """Return what the options ask."""
    operation = Operation.IMPORT
    if options["update_only"] or options["add"]:
        operation = Operation.ADD if options["add"] else Operation.UPDATE
    parameters = {
        name: options[name]
        for name in (
            "db_id",
            "matching",
            "field_name",
            "resource_id",
            "skip_triggers",
            "skip_invalid_subscriptions",
            "skip_invalid_fields",
            "detect_geo",
        )
        if options[name] is not None and options[name] is not False
    }
    return Asked(
        parameters=parameters
        | {"operation": operation.value}
        | (
            {"add_to_segments": list(options["segments"])}
            if options["segments"]
            else {}
        ),
        reading=_load_reading(options, settings),
    )


def _load_reading(options: Mapping[str, Any], settings: Settings) -> Reading:
    columns = options["columns"]
    return Reading(
        format=options["format_"],
        encoding=options["encoding"],
        dialect=Told(
            delimiter=options["delimiter"],
            quote=options["quote"],
            escape=options["escape"],
        ),
        columns=tuple(columns.split(",")) if columns else (),
        mapping=options["mapping"],
        resource_id=options["resource_id"],
        max_row_bytes=settings.max_body_bytes,
        limits=settings.limits,
    )
