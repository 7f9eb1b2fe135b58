"""The options of `penstock import` to what is asked of files and their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import click

from ingest.domain.declarations import list_names
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Level, Operation
from ingest.wire.cell_rules import CELL_OPTIONS
from ingest.wire.dialect_parameters import find_mark_faults
from ingest.wire.file_maps import join_parameters, load_file_map, to_parameters
from ingest.wire.job_parameters import CONSENT_OPTIONS
from ingest.wire.status_parameters import (
    find_status_faults,
    find_word_faults,
    parse_skip_where,
    parse_words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """The parameters of every row, and the notation of every file."""

    parameters: Mapping[str, Any]
    #: `csv`, `ndjson` or `json`; None for what each looks like.
    format: str | None = None
    #: What differs in files of an archive, by name or pattern: its parameters (R12).
    members: Mapping[str, Mapping[str, Any]]
    #: Whether an earlier mapping is not to be used.
    new_map: bool = False

    def find(self, member: str) -> Mapping[str, Any]:
        """Return the parameters of a file of an archive; of all, if it has no name.

        What is said of its name goes before what is said of a pattern.
        """
        found: dict[str, Any] = {}
        name = PurePosixPath(member).name
        for pattern, one in self.members.items():
            if member and any(fnmatchcase(each, pattern) for each in (member, name)):
                is_exact = pattern in (member, name)
                found = (
                    join_parameters(one, found)
                    if is_exact
                    else join_parameters(found, one)
                )
        return join_parameters(found, self.parameters) if found else self.parameters


def load_request(options: Mapping[str, Any]) -> FileRequest:
    """Return what the options ask, and nothing of what they leave open.

    Raises InvalidRequest, or click.BadParameter for a map file.
    """
    faults: list[Fault] = []
    told: dict[str, Any] = {name: options[name] for name in _TOLD}
    told |= {name: list(one) for name, one in told.items() if isinstance(one, tuple)}
    if options["update_only"] or options["add"]:
        operation = Operation.ADD if options["add"] else Operation.UPDATE
        told["operation"] = operation.value
    columns = [one.strip() for one in (options["columns"] or "").split(",")]
    status, members = _split_status(options["status"], faults)
    told |= {
        "map": options["mapping"],
        "columns": columns if any(columns) else [],
        **{name: list(options[name]) for name in CELL_OPTIONS},
        "words": parse_words(options["words"], faults),
        "skip_where": parse_skip_where(options["skip_where"], faults),
        "status": status,
    }
    # Not by truth: a zero is told, and is for whoever reads it to refuse.
    parameters = {
        name: value
        for name, value in told.items()
        if value is not None and value is not False and value not in ([], {}, "")
    }
    parameters = join_parameters(parameters, _load_maps(options["map_files"], faults))
    kept = parameters.pop("files", {})
    members = {
        name: {**kept.get(name, {}), **members.get(name, {})}
        for name in {**kept, **members}
    }
    faults += find_mark_faults(
        parameters.get("delimiter"), parameters.get("quote"), parameters.get("escape")
    )
    if faults:
        raise InvalidRequest(faults)
    return FileRequest(
        parameters=parameters,
        format=options["format_"],
        members=members,
        new_map=options["new_map"],
    )


#: Options that a job keeps by these names.
_TOLD = (
    *list_names(Level.ROW),
    *CONSENT_OPTIONS,
    *("encoding", "delimiter", "quote", "escape", "trust_quotes", "sheet"),
    *("skip_footer", "timezone", "phone_region"),
)


def _split_status(
    texts: Sequence[str], faults: list[Fault]
) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the status of all files, and of files of an archive, by their names."""
    of_all, members = "", dict[str, dict[str, Any]]()
    for text in texts:
        name, _, status = text.rpartition("=")
        status = status.strip().lower()
        find_status_faults(status, faults)
        if name.strip():
            members[name.strip()] = {"status": status}
        else:
            of_all = status
    return of_all, members


def _load_maps(paths: Sequence[Path], faults: list[Fault]) -> dict[str, Any]:
    """Return the parameters of map files; the later one takes precedence."""
    merged: dict[str, Any] = {}
    for path in paths:
        try:
            loaded = load_file_map(path.read_text("utf-8-sig"))
        except ValueError as error:
            raise click.BadParameter(
                f"{path} must be UTF-8", param_hint="--map-file"
            ) from error
        except InvalidRequest as error:
            told = "\n".join(fault.text for fault in error.faults)
            raise click.BadParameter(
                f"{path}: {told}", param_hint="--map-file"
            ) from error
        for one in (loaded, *loaded.files.values()):
            find_word_faults(one.words, faults)
            find_status_faults(one.options.get("status", ""), faults)
        merged = join_parameters(to_parameters(loaded), merged)
    return merged
