"""The query of an upload to what is asked of its rows, and how they are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.domain.errors import Fault, InvalidRequest, UnsupportedMediaType
from ingest.domain.imports import Operation
from ingest.domain.names import one_of, suggest

#: What holds for every row, as an import says it.
_SHARED = (
    *("db_id", "matching", "field_name", "resource_id", "skip_triggers"),
    *("skip_invalid_subscriptions", "skip_invalid_fields", "detect_geo"),
)
_LISTS = ("add_to_segments", "remove_from_segments")
#: One character each.
_MARKS = ("delimiter", "quote", "escape")
#: Who asks, and how to answer; every path of jobs takes these.
COMMON = frozenset({"token", "format"})
#: All that an upload may say.
UPLOAD = COMMON | {
    *(*_SHARED, *_LISTS, *_MARKS),
    *("operation", "map", "columns", "encoding", "name"),
}
_FORMATS = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadParameters:
    """An upload's query, split into what it is about."""

    #: What holds for every row, and what else a repeated upload must say alike.
    parameters: Mapping[str, object]
    #: `csv`, `ndjson` or `json`.
    format: str
    #: What it calls itself.
    name: str = "upload"
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    columns: tuple[str, ...] = ()
    #: Fields by column name.
    mapping: Mapping[str, str] = field(default_factory=dict)


def load_upload(
    query: Mapping[str, object], content_type: str | None
) -> UploadParameters:
    """Read the query of an upload; raise InvalidRequest or UnsupportedMediaType.

    What holds for every row is passed on as it is, to be read with the rows.
    """
    faults = find_unknown(query, UPLOAD)
    parameters: dict[str, object] = {
        name: query[name] for name in _SHARED if query.get(name)
    }
    for name in _LISTS:
        if query.get(name):
            parameters[name] = _split(query[name])
    parameters["operation"] = _parse_operation(query, faults)
    mapping = _parse_map(query, faults)
    marks = {name: _parse_mark(query, name, faults) for name in _MARKS}
    if faults:
        raise InvalidRequest(faults)
    encoding, columns = str(query.get("encoding") or ""), _split(query.get("columns"))
    told = {"map": mapping, "columns": columns, "encoding": encoding, **marks}
    return UploadParameters(
        parameters=parameters | {name: value for name, value in told.items() if value},
        format=_choose_format(content_type),
        name=str(query.get("name") or "upload"),
        encoding=encoding or None,
        columns=tuple(columns),
        mapping=mapping,
        **marks,
    )


def find_unknown(
    query: Mapping[str, object], known: frozenset[str] = COMMON
) -> list[Fault]:
    """Return a fault for each parameter that is none of `known` (contract 16.13)."""
    return [
        Fault(
            code=400,
            message=f"Unknown parameter{suggest(name, sorted(known))}",
            path=name[:100],
        )
        for name in query
        if name not in known
    ]


def refuse_unknown(query: Mapping[str, object], known: frozenset[str] = COMMON) -> None:
    """Raise InvalidRequest if a parameter is none of `known`."""
    if faults := find_unknown(query, known):
        raise InvalidRequest(faults)


def _choose_format(content_type: str | None) -> str:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type not in _FORMATS:
        raise UnsupportedMediaType(f"Not one of {', '.join(_FORMATS)}", "Content-Type")
    return _FORMATS[media_type]


def _split(value: object) -> list[str]:
    texts = value if isinstance(value, list) else [value or ""]
    return [one.strip() for text in texts for one in str(text).split(",") if one]


def _parse_operation(query: Mapping[str, object], faults: list[Fault]) -> str:
    word = str(query.get("operation") or Operation.IMPORT)
    if word not in list(Operation):
        message = f"Unknown operation{one_of(Operation)}"
        faults.append(Fault(code=400, message=message, path="operation"))
    return word


def _parse_map(query: Mapping[str, object], faults: list[Fault]) -> dict[str, str]:
    """Read `map=Column=field`, which may be there several times."""
    told = query.get("map") or []
    mapping = {}
    for text in told if isinstance(told, list) else [told]:
        column, equals, name = str(text).rpartition("=")
        if not equals or not column.strip():
            faults.append(Fault(code=400, message="Not COLUMN=FIELD", path="map"))
        mapping[column.strip()] = name.strip()
    return mapping


def _parse_mark(
    query: Mapping[str, object], name: str, faults: list[Fault]
) -> str | None:
    value = query.get(name)
    text = {"tab": "\t"}.get(str(value), str(value)) if value else None
    if text is not None and len(text) != 1:
        faults.append(Fault(code=400, message="Not one character", path=name))
    return text
