"""The query of an upload to what is asked of its rows, and how they are read."""

from collections.abc import Mapping
from dataclasses import dataclass

from marshmallow import ValidationError

from ingest.domain.declarations import PARAMETERS, is_list, list_names
from ingest.domain.errors import (
    Fault,
    InvalidRequest,
    UnsupportedMediaType,
)
from ingest.domain.imports import OF_PRODUCERS, Level, Operation
from ingest.domain.names import one_of, suggest
from ingest.wire.cell_rules import CELL_OPTIONS
from ingest.wire.charsets import check_charset, find_charset, find_media_type
from ingest.wire.dialect_parameters import MARKS, parse_marks
from ingest.wire.parameters import parse_flag, refuse_nul
from ingest.wire.promises import DRY_RUN, asks_dry_run
from ingest.wire.status_parameters import (
    find_status_faults,
    parse_skip_where,
    parse_words,
)

#: What holds for every row, as an import says it; those of several values by commas.
_SHARED = tuple(one for one in PARAMETERS if Level.ROW in one.levels)
#: Asks for a guess, where an encoding is named.
_GUESS = "guess"
#: Jobs are found by their names: an index holds them.
_MAX_NAME_LENGTH = 255
#: Who asks, and how to answer; every path of jobs takes these.
COMMON = frozenset({"token", "format"})
#: The source and the time of the basis by which a file raises statuses (C5).
CONSENT_OPTIONS = ("raise_consent", "consent_time")
#: The mode that matches each row by its email, or by its phone if it has none (R13).
ELSE_PHONE = "email_else_phone"
#: Options of the whole file that are one text, for statuses and cells (R7).
FILE_TEXTS = ("status", "system", "timezone", "phone_region")
#: Options that are true or false.
FILE_FLAGS = ("trust_quotes", "skip_footer", "new_map")
#: All that an upload may say.
UPLOAD = COMMON | {
    *(*list_names(Level.ROW), *CONSENT_OPTIONS),
    *(*MARKS, *CELL_OPTIONS, *FILE_TEXTS, *FILE_FLAGS),
    *("operation", "map", "words", "skip_where"),
    *("columns", "encoding", "name", "sheet"),
    DRY_RUN,
}
#: None for what the file looks like: browsers send tables under these names.
_FORMATS: Mapping[str, str | None] = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/json": "json",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": None,
    "application/vnd.oasis.opendocument.spreadsheet": None,
    "application/vnd.ms-excel": None,
    "text/vcard": None,
    "text/html": None,
    "application/octet-stream": None,
    "text/plain": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadParameters:
    """An upload's query, split into what it is about."""

    #: What holds for every row, and what else a repeated upload must say alike.
    parameters: Mapping[str, object]
    #: `csv`, `ndjson` or `json`; None for what it looks like.
    format: str | None
    #: What it calls itself.
    name: str = "upload"
    #: Whether an earlier mapping is not to be used.
    new_map: bool = False
    #: Rows are tried, and nothing of them is written.
    dry_run: bool = False


def load_upload(
    query: Mapping[str, object], content_type: str | None
) -> UploadParameters:
    """Read the query of an upload; raise InvalidRequest or UnsupportedMediaType.

    What holds for every row is passed on as it is, to be read with the rows.
    """
    dry_run = asks_dry_run(query)
    refuse_nul(query)
    faults = find_unknown(query, UPLOAD)
    parameters: dict[str, object] = {
        one.name: _split(query[one.name]) if is_list(one) else query[one.name]
        for one in _SHARED
        if query.get(one.name)
    }
    parameters |= {name: query[name] for name in CONSENT_OPTIONS if query.get(name)}
    if query.get("operation"):
        parameters["operation"] = _parse_operation(query, faults)
    mapping = _parse_map(query, faults)
    marks = parse_marks(query, faults)
    encoding = _parse_encoding(query, content_type, faults)
    name = _parse_name(query, faults)
    flags = {name: _parse_flag(query, name, faults) for name in FILE_FLAGS}
    # Of this upload, not of its job.
    new_map = flags.pop("new_map")
    words = parse_words(_list_texts(query.get("words")), faults)
    skip_where = parse_skip_where(_list_texts(query.get("skip_where")), faults)
    texts = {name: _parse_single(query, name, faults) for name in FILE_TEXTS}
    find_status_faults(texts["status"], faults)
    if faults:
        raise InvalidRequest(faults)
    columns = _split(query.get("columns"))
    notations = {name: _list_texts(query.get(name)) for name in CELL_OPTIONS}
    sheet = str(query.get("sheet") or "")
    told = {
        "map": mapping,
        "columns": columns,
        "encoding": encoding,
        **marks,
        **notations,
        **texts,
        **flags,
        "words": words,
        "skip_where": skip_where,
        "sheet": sheet,
        DRY_RUN: dry_run,
    }
    return UploadParameters(
        parameters=parameters | {name: value for name, value in told.items() if value},
        format=_choose_format(content_type),
        name=name,
        new_map=new_map,
        dry_run=dry_run,
    )


def _parse_encoding(
    query: Mapping[str, object], content_type: str | None, faults: list[Fault]
) -> str:
    """Return the encoding that the query tells, else the Content-Type."""
    told, charset = str(query.get("encoding") or ""), find_charset(content_type) or ""
    try:
        if told and told.strip().lower() != _GUESS:
            check_charset(told, "encoding")
        elif charset and not told:
            check_charset(charset)
    except InvalidRequest as error:
        faults += error.faults
    return told or charset


def _parse_name(query: Mapping[str, object], faults: list[Fault]) -> str:
    name = _parse_single(query, "name", faults) or "upload"
    if len(name) > _MAX_NAME_LENGTH:
        message = f"Too long (at most {_MAX_NAME_LENGTH} characters)"
        faults.append(Fault(code=400, message=message, path="name"))
    return name


def _list_texts(value: object) -> list[str]:
    """Return the texts of a parameter that may be there several times."""
    texts = value if isinstance(value, list) else [] if value is None else [value]
    return [str(text) for text in texts if text]


def _parse_flag(query: Mapping[str, object], name: str, faults: list[Fault]) -> bool:
    try:
        return parse_flag(query.get(name) or False)
    except ValidationError as error:
        message = str(error.messages[0])
        faults.append(Fault(code=400, message=message, path=name))
    return False


def _parse_single(query: Mapping[str, object], name: str, faults: list[Fault]) -> str:
    """Return the text of a parameter that may be there once."""
    told = query.get(name) or ""
    if isinstance(told, list):
        message = "Sent more than once (send it once)"
        faults.append(Fault(code=400, message=message, path=name))
    return str(told).strip()


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


def _choose_format(content_type: str | None) -> str | None:
    media_type = find_media_type(content_type)
    if media_type not in _FORMATS:
        raise UnsupportedMediaType(
            f"Must be one of {', '.join(_FORMATS)}", "Content-Type"
        )
    return _FORMATS[media_type]


def _split(value: object) -> list[str]:
    texts = value if isinstance(value, list) else [value or ""]
    return [one.strip() for text in texts for one in str(text).split(",") if one]


def _parse_operation(query: Mapping[str, object], faults: list[Fault]) -> str:
    word = str(query.get("operation") or Operation.IMPORT)
    if word not in OF_PRODUCERS:
        message = f"Unknown operation{one_of(OF_PRODUCERS)}"
        faults.append(Fault(code=400, message=message, path="operation"))
    return word


def _parse_map(query: Mapping[str, object], faults: list[Fault]) -> dict[str, str]:
    """Read `map=Column=field`, which may be there several times."""
    told = query.get("map") or []
    mapping = {}
    for text in told if isinstance(told, list) else [told]:
        column, equals, name = str(text).rpartition("=")
        if not equals or not column.strip():
            faults.append(Fault(code=400, message="Must be COLUMN=FIELD", path="map"))
        mapping[column.strip()] = name.strip()
    return mapping
