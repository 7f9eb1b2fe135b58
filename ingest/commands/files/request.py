"""The options of `penstock import` to what is asked of files and their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ingest.domain.declarations import list_names
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Level, Operation
from ingest.doors.files.formats.dialects import DialectOptions
from ingest.doors.files.rows import Reading
from ingest.settings import Settings
from ingest.wire.cell_rules import CELL_OPTIONS, load_rules
from ingest.wire.dialect_parameters import find_mark_faults
from ingest.wire.job_parameters import CONSENT_OPTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """The parameters of every row, and the notation of every file."""

    parameters: Mapping[str, Any]
    reading: Reading


def load_request(options: Mapping[str, Any], settings: Settings) -> FileRequest:
    """Return what the options ask, and nothing of what they leave open."""
    told: dict[str, Any] = {name: options[name] for name in _TOLD}
    told |= {name: list(one) for name, one in told.items() if isinstance(one, tuple)}
    if options["update_only"] or options["add"]:
        operation = Operation.ADD if options["add"] else Operation.UPDATE
        told["operation"] = operation.value
    columns = [one.strip() for one in (options["columns"] or "").split(",")]
    told |= {
        "map": _merge_maps(options["map_files"], options["mapping"]),
        "columns": columns if any(columns) else [],
        **{name: list(options[name]) for name in CELL_OPTIONS},
    }
    # Not by truth: a zero is told, and is for whoever reads it to refuse.
    parameters = {
        name: value
        for name, value in told.items()
        if value is not None and value is not False and value not in ([], {})
    }
    return FileRequest(
        parameters=parameters, reading=_load_reading(parameters, options, settings)
    )


#: Options that a job keeps by these names.
_TOLD = (
    *list_names(Level.ROW),
    *CONSENT_OPTIONS,
    *("encoding", "delimiter", "quote", "escape", "trust_quotes", "sheet"),
)


def _merge_maps(paths: Sequence[Path], told: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping of the files, and before it what the options say."""
    mapping: dict[str, str] = {}
    for path in paths:
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except ValueError as error:
            raise click.BadParameter(
                f"{path} must be UTF-8", param_hint="--map-file"
            ) from error
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            column, equals, field = text.rpartition("=")
            if not equals or not column.strip():
                raise click.BadParameter(
                    f"line {number} of {path} must be COLUMN=FIELD, not {text!r}",
                    param_hint="--map-file",
                )
            mapping[column.strip()] = field.strip()
    return {**mapping, **told}


def _load_reading(
    told: Mapping[str, Any], options: Mapping[str, Any], settings: Settings
) -> Reading:
    if faults := find_mark_faults(
        options["delimiter"], options["quote"], options["escape"]
    ):
        raise InvalidRequest(faults)
    return Reading(
        format=options["format_"],
        encoding=options["encoding"],
        dialect=DialectOptions(
            delimiter=options["delimiter"],
            quote=options["quote"],
            escape=options["escape"],
        ),
        columns=tuple(told.get("columns") or ()),
        mapping=told.get("map") or {},
        rules=load_rules(told),
        trust_quotes=options["trust_quotes"],
        sheet=options["sheet"],
        resource_id=options["resource_id"],
        max_row_bytes=settings.max_body_bytes,
        max_workbook_bytes=settings.max_workbook_bytes,
        limits=settings.limits,
    )
