"""The paths of jobs: imports of whole files."""

from collections.abc import Mapping

from ingest.domain.jobs import JobState
from ingest.doors.files.encodings import Source
from ingest.doors.openapi.answers import refer
from ingest.doors.openapi.responses import describe_answers, select_responses
from ingest.doors.openapi.schemas import Schema, describe_parameter

_COUNT: Schema = {"type": "integer", "minimum": 0}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "format": "uuid"}
_PLACE: Schema = {"name": "job_id", "in": "path", "required": True, "schema": _ID}
_FORMAT: Schema = {"$ref": "#/components/parameters/Format"}
_READERS: list[Schema] = [{"bearer": []}, {"query": []}]

#: How an upload says what is asked of every row, as an import says it.
_SHARED = (
    *("db_id", "matching", "field_name", "resource_id", "skip_triggers"),
    *("skip_invalid_subscriptions", "skip_invalid_fields", "detect_geo"),
)
#: How it says how it is written; what it is, `Content-Type` says.
_OWN: Mapping[str, tuple[str, Schema]] = {
    "operation": ("What is done", {"enum": ["import", "update", "add"]}),
    "map": ("`COLUMN=FIELD`; may be repeated", {"type": "array", "items": _TEXT}),
    "columns": ("Names of the columns, comma-separated, without a header", _TEXT),
    "delimiter": ("One character, or `tab`", {"enum": [",", ";", "|", "tab"]}),
    "quote": ("One character", {"type": "string", "enum": ['"', "'"]}),
    "escape": ("One character", {"type": "string", "enum": ["\\"]}),
    "encoding": (
        "Of a file without a mark; else the `charset` of `Content-Type`, else UTF-8",
        {"enum": ["utf-8", "cp1251", "guess"]},
    ),
    **{
        name: (f"{told}; may be repeated", {"type": "array", "items": _TEXT})
        for name, told in (
            ("dates", "How dates are written, such as `DD.MM.YYYY`, or `COLUMN=` that"),
            ("decimal", "The decimal mark, `,` or `.`, or `COLUMN=` that"),
            ("booleans", "Words for true and false, `yes/no`, or `COLUMN=` that"),
            ("sexes", "Words for male and female, `M/F`, or `COLUMN=` that"),
            ("null", "A cell that says nothing"),
            ("clear", "A cell that empties its field"),
        )
    },
    "trust_quotes": (
        "Whether a quoted value may hold lines that look like rows",
        {"type": "boolean"},
    ),
    "sheet": ("Of a workbook: the name or number of the sheet", _TEXT),
    "add_to_segments": ("Ids, comma-separated", {"pattern": "^[1-9](,[1-9])*$"}),
    "remove_from_segments": ("Ids, comma-separated", {"pattern": "^[1-9](,[1-9])*$"}),
    "name": ("What the job is called", _TEXT),
}
#: What is wrong with the rows of a job, by kind.
_FAULTS: Schema = {
    "type": "object",
    "properties": {
        "error": {"type": "integer"},
        "error_text": _TEXT,
        "rows": {**_COUNT, "description": "How many rejected rows were looked at"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "count": _COUNT,
                    "column": {"type": ["string", "null"]},
                    "field": _TEXT,
                    "message": _TEXT,
                    "sample": {"type": ["string", "null"]},
                    "rows": {"type": "array", "items": _COUNT},
                    "dropped": {
                        "type": "boolean",
                        "description": "Whether the rest of the rows was imported",
                    },
                    "try": {
                        "type": "array",
                        "items": _TEXT,
                        "description": "What would read them, as the query says it",
                    },
                    "fix": _TEXT,
                },
            },
        },
    },
    "xml": {"name": "xml"},
}
_BODIES = {
    "text/csv": "email,_fname\nada@example.com,Ada\n",
    "application/x-ndjson": '{"email": "ada@example.com", "_fname": "Ada"}\n',
}


def build_job_paths() -> dict[str, object]:
    """Return the paths of jobs."""
    lines: Schema = {"schema": _TEXT}
    return {
        "/api/v1.1/jobs/import": {"post": _build_upload()},
        "/api/v1.1/jobs/{job_id}": {
            "get": _build_job("job", "Read how far a job has come")
        },
        "/api/v1.1/jobs/{job_id}/cancel": {
            "post": _build_job("job_cancel", "Stop a job; what is accepted is applied")
        },
        "/api/v1.1/jobs/{job_id}/results": {
            "get": _build_download(
                "job_results",
                "Read what came of each row",
                {"application/x-ndjson": lines, "text/csv": lines},
                {"name": "as", "in": "query", "schema": {"enum": ["ndjson", "csv"]}},
            )
        },
        "/api/v1.1/jobs/{job_id}/rejects": {
            "get": _build_download(
                "job_rejects",
                "Read the rejected rows, in the format of their file",
                {
                    "application/x-ndjson": lines,
                    "text/csv": lines,
                    "application/json": {"schema": {}},
                },
            )
        },
        "/api/v1.1/jobs/{job_id}/faults": {"get": _build_faults()},
    }


def build_job_schema() -> Schema:
    """Return the shape of a job."""
    counts = ("created", "updated", "unchanged", "rejected", "dead", "waiting")
    properties: dict[str, Schema] = {
        "error": {"type": "integer"},
        "error_text": _TEXT,
        "job_id": _ID,
        "name": _TEXT,
        "db_id": {"type": "integer"},
        "state": {"type": "string", "enum": [*JobState]},
        "reason": {**_TEXT, "description": "Why it stopped before the file's end"},
        **dict.fromkeys(("rows", *counts, "bytes"), _COUNT),
        "total_bytes": {"type": ["integer", "null"]},
        "encoding": {
            "type": ["string", "null"],
            "description": "What the file was read in; null before its first row",
        },
        "sheet": {
            "type": ["string", "null"],
            "description": "Of a workbook: the sheet that was read",
        },
        "encoding_source": {
            "enum": [*Source, None],
            "description": "Why: a mark in the file, the request, UTF-8 for want of"
            " both, or a guess that was asked for",
        },
        "eta_seconds": {"type": ["integer", "null"]},
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "finished_at": {"type": ["string", "null"], "format": "date-time"},
        "results": _TEXT,
        "rejects": _TEXT,
        "faults": _TEXT,
    }
    return {"type": "object", "properties": properties, "xml": {"name": "xml"}}


def _build_upload() -> Schema:
    shared = [_describe_query(name) for name in _SHARED]
    own = [
        {"name": name, "in": "query", "description": told, "schema": schema}
        for name, (told, schema) in _OWN.items()
    ]
    named = ("Format", "Prefer", "Idempotency-Key")
    described: Schema = {"anyOf": [refer("Job"), refer("Error")]}
    return {
        "operationId": "job_import",
        "tags": ["Jobs"],
        "summary": "Import a file; each row is accepted as it arrives",
        "security": _READERS,
        "parameters": [
            *shared,
            *own,
            *({"$ref": f"#/components/parameters/{name}"} for name in named),
        ],
        "requestBody": {
            "required": True,
            "content": {
                media_type: {"schema": _TEXT, "example": example}
                for media_type, example in _BODIES.items()
            },
        },
        "responses": {
            "200": describe_answers("Done, or refused: see `error`", described),
            "202": describe_answers("Every row is safe, to be applied", refer("Job")),
            **select_responses(400, 401, 403, 404, 409, 413, 415, 429, 500, 503),
        },
    }


def _describe_query(name: str) -> Schema:
    schema = describe_parameter(name)
    return {
        "name": name,
        "in": "query",
        "required": name == "db_id",
        "description": schema.get("description", ""),
        "schema": {key: schema[key] for key in schema if key != "description"},
    }


def _build_job(name: str, summary: str) -> Schema:
    described: Schema = {"anyOf": [refer("Job"), refer("Error")]}
    return {
        "operationId": name,
        "tags": ["Jobs"],
        "summary": summary,
        "security": _READERS,
        "parameters": [_PLACE, _FORMAT],
        "responses": {
            "200": describe_answers("The job", described),
            **select_responses(400, 401, 403, 404, 409, 500, 503),
        },
    }


def _build_faults() -> Schema:
    described: Schema = {"anyOf": [_FAULTS, refer("Error")]}
    return {
        "operationId": "job_faults",
        "tags": ["Jobs"],
        "summary": "Read what is wrong with rejected rows, by kind",
        "security": _READERS,
        "parameters": [_PLACE, _FORMAT],
        "responses": {
            "200": describe_answers("The commonest kind first", described),
            **select_responses(400, 401, 403, 404, 500, 503),
        },
    }


def _build_download(
    name: str, summary: str, content: Mapping[str, Schema], *more: Schema
) -> Schema:
    return {
        "operationId": name,
        "tags": ["Jobs"],
        "summary": summary,
        "security": _READERS,
        "parameters": [_PLACE, *more],
        "responses": {
            "200": {"description": "The rows, in their order", "content": content},
            **select_responses(400, 401, 403, 404, 500, 503),
        },
    }
