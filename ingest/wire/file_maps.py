"""Map files: the columns of a file, and how it is read, kept for the next one.

A map file is TOML. One with a `COLUMN=FIELD` in each line, as they were at first, is
read too. Options have the names of a job's parameters.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomlkit
from msgspec import Struct, ValidationError, convert
from msgspec.structs import replace
from tomlkit import TOMLDocument
from tomlkit.items import Table

from ingest.domain.declarations import PARAMETERS, is_list
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Level
from ingest.domain.names import suggest
from ingest.wire.targets import join_columns

#: Every other option of a file, and the type of its value.
_TYPES: Mapping[str, Any] = {
    **{
        one.name: list[int] if is_list(one) else bool if one.kind is bool else str
        for one in PARAMETERS
        if Level.ROW in one.levels
    },
    "resource_id": int,
    "operation": str,
    "system": str,
    **dict.fromkeys(("encoding", "delimiter", "quote", "escape", "sheet"), str),
    **dict.fromkeys(("status", "timezone", "phone_region"), str),
    **dict.fromkeys(("trust_quotes", "skip_footer"), bool),
    **dict.fromkeys(("null", "clear", "header"), list[str]),
}
#: A map is of any database. What raises statuses is passed with each import.
_NOT_KEPT = ("db_id",)
#: Options that may be of one column, as `COLUMN=VALUE`; `*` is every other one.
_BY_COLUMN = ("dates", "decimal", "booleans", "sexes")
_EVERY = "*"
#: Options that may be in a map file.
OPTIONS = tuple(name for name in _TYPES if name not in _NOT_KEPT)

#: One text, or several, by column.
_Texts = Mapping[str, tuple[str, ...]]


class FileMap(Struct, frozen=True, kw_only=True):
    """The targets of the columns of a file, and the notation of its cells."""

    #: `matching`, `encoding`, `status`, …: values by the names of `OPTIONS`.
    options: Mapping[str, Any] = {}
    #: Target by column; empty for one that is left out.
    columns: Mapping[str, str] = {}
    #: Columns by target, in order of preference: the first that is filled counts (R4).
    first_of: _Texts = {}
    #: The status of each word, by column; empty for a word that means nothing.
    words: Mapping[str, Mapping[str, str]] = {}
    #: Notations by column; that of `*` is for all others.
    dates: _Texts = {}
    decimal: _Texts = {}
    booleans: _Texts = {}
    sexes: _Texts = {}
    #: Values by column: rows with one of them are skipped.
    skip_where: _Texts = {}
    #: What differs in a file of an archive, by its name or pattern: `cleaned_*` (R12).
    files: Mapping[str, "FileMap"] = {}


_TABLES = tuple(name for name in FileMap.__struct_fields__ if name != "options")
#: The tables in which each column has one text, or a list of them.
_LISTED = ("first_of", *_BY_COLUMN, "skip_where")


def load_file_map(text: str) -> FileMap:
    """Read a map file; raise InvalidRequest with every fault."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if (columns := _load_lines(text)) is not None:
            return FileMap(columns=columns)
        raise InvalidRequest(f"Must be TOML: {error}") from error
    faults: list[Fault] = []
    loaded = _load(document, "", faults)
    if faults:
        raise InvalidRequest(faults)
    return loaded


def _load_lines(text: str) -> dict[str, str] | None:
    """Read the lines of an old map; None for TOML with an error.

    Raises InvalidRequest for a line that is none.
    """
    columns: dict[str, str] = {}
    lines = [line.strip() for line in text.splitlines()]
    if any(line.startswith("[") and "=" not in line for line in lines):
        return None
    for number, line in enumerate(lines, start=1):
        if not line or line.startswith("#"):
            continue
        column, equals, target = line.rpartition("=")
        if not equals or not column.strip():
            raise InvalidRequest(f"Line {number} must be COLUMN=FIELD, not {line!r}")
        columns[column.strip()] = target.strip()
    return columns


def _load(document: Mapping[str, Any], path: str, faults: list[Fault]) -> FileMap:
    options: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for name, value in document.items():
        place = f"{path}.{name}" if path else name
        if name == "files" and not path:
            tables[name] = _load_files(value, place, faults)
        elif name in _TABLES and name != "files":
            tables[name] = _load_table(name, value, place, faults)
        elif name in OPTIONS:
            options[name] = _convert(value, _TYPES[name], place, faults)
        else:
            known = sorted({*OPTIONS, *_TABLES})
            faults.append(_fault(f"Unknown key{suggest(name, known)}", place))
    return FileMap(options=options, **tables)


def _load_files(value: object, path: str, faults: list[Fault]) -> dict[str, FileMap]:
    if not isinstance(value, dict):
        faults.append(_fault("Must be a table", path))
        return {}
    return {
        name: _load(one, f"{path}.{name}", faults)
        for name, one in _check_tables(value, path, faults)
    }


def _check_tables(
    value: Mapping[str, Any], path: str, faults: list[Fault]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, one in value.items():
        if isinstance(one, dict):
            yield name, one
        else:
            faults.append(_fault("Must be a table", f"{path}.{name}"))


def _load_table(name: str, value: object, path: str, faults: list[Fault]) -> Any:
    if name == "columns":
        return _convert(value, dict[str, str], path, faults)
    if name == "words":
        return _convert(value, dict[str, dict[str, str]], path, faults)
    listed = _convert(value, dict[str, str | list[str]], path, faults) or {}
    return {
        column: (one,) if isinstance(one, str) else tuple(one)
        for column, one in listed.items()
    }


def _convert(value: object, kind: Any, path: str, faults: list[Fault]) -> Any:
    try:
        return convert(value, kind)
    except ValidationError as error:
        faults.append(_fault(str(error), path))
        return convert({}, kind) if isinstance(value, dict) else None


def _fault(message: str, path: str) -> Fault:
    return Fault(code=400, message=message, path=path)


def dump_file_map(
    file_map: FileMap,
    notes: Sequence[str] = (),
    questions: Mapping[str, Any] | None = None,
) -> str:
    """Write a map file, which `load_file_map` reads as the same map.

    `notes` are comments at its beginning. `questions` are lines that are comments until
    they are answered, by the table that they are in; those of the empty name are before
    the first table. Those of `files` are by the file, and then by the table.
    """
    document = tomlkit.document()
    for note in notes:
        document.add(tomlkit.comment(note))
    open_lines = dict(questions or {})
    _fill(document, file_map, open_lines)
    return tomlkit.dumps(document)


def _fill(
    document: TOMLDocument | Table,
    file_map: FileMap,
    questions: Mapping[str, Any],
) -> None:
    for name, value in file_map.options.items():
        document.add(name, tomlkit.item(value))
    for line in questions.get("", ()):
        document.add(tomlkit.comment(line))
    for name in _TABLES:
        content = getattr(file_map, name)
        lines = questions.get(name, ())
        if not content and not lines:
            continue
        table = tomlkit.table()
        for key, value in content.items():
            own = lines[key] if name == "files" and key in lines else {}
            table.add(key or tomlkit.key([key]), _make_item(name, value, own))
        for line in () if name == "files" else lines:
            table.add(tomlkit.comment(line))
        document.add(name, table)


def _make_item(name: str, value: Any, questions: Mapping[str, Any]) -> Any:
    if name == "files":
        table = tomlkit.table()
        _fill(table, value, questions)
        return table
    if name == "words":
        table = tomlkit.table()
        for word, status in value.items():
            table.add(word, status)
        return table
    if name in _LISTED and name != "first_of" and len(value) == 1:
        return value[0]
    return list(value) if name in _LISTED else value


def to_parameters(file_map: FileMap) -> dict[str, Any]:
    """Return a map as the parameters of a job."""
    told = {
        name: value
        for name, value in file_map.options.items()
        if value not in ("", None, False, [], ())
    }
    if header := told.pop("header", None):
        told["columns"] = header
    groups = {join_columns(one): target for target, one in file_map.first_of.items()}
    tables: dict[str, Any] = {
        "map": {**file_map.columns, **groups},
        "words": {column: dict(one) for column, one in file_map.words.items()},
        "skip_where": {
            column: list(one) for column, one in file_map.skip_where.items()
        },
        "files": {name: to_parameters(one) for name, one in file_map.files.items()},
        **{
            option: [
                value if column == _EVERY else f"{column}={value}"
                for column, values in getattr(file_map, option).items()
                for value in values
            ]
            for option in _BY_COLUMN
        },
    }
    return told | {name: one for name, one in tables.items() if one}


#: Parameters of a job that are tables, by column or by file.
MERGED_TABLES = ("map", "skip_where")


def join_parameters(told: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of both; `told` takes precedence, column by column.

    A notation of one column replaces the one that was kept for this column.
    """
    merged = {**kept, **told}
    for name in MERGED_TABLES:
        if table := {**(kept.get(name) or {}), **(told.get(name) or {})}:
            merged[name] = table
    if words := _merge_words(told.get("words") or {}, kept.get("words") or {}):
        merged["words"] = words
    for name in _BY_COLUMN:
        if notations := _merge_texts(told.get(name) or (), kept.get(name) or ()):
            merged[name] = notations
    return merged


def _merge_words(
    told: Mapping[str, Mapping[str, str]], kept: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    return {
        column: {**kept.get(column, {}), **told.get(column, {})}
        for column in {**kept, **told}
    }


def _merge_texts(told: Sequence[str], kept: Sequence[str]) -> list[str]:
    named = {text.rpartition("=")[0].strip() for text in told}
    rest = [one for one in kept if one.rpartition("=")[0].strip() not in named]
    return [*rest, *told]


def merge_maps(told: FileMap, kept: FileMap) -> FileMap:
    """Return both maps as one; what `told` says takes precedence."""
    return replace(
        told,
        **{
            name: {**getattr(kept, name), **getattr(told, name)}
            for name in FileMap.__struct_fields__
        },
    )
