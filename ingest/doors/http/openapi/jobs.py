"""The paths of jobs: imports of whole files."""

from collections.abc import Mapping

from ingest.domain.declarations import PARAMETERS, Declared, is_list
from ingest.domain.imports import Level, Matching
from ingest.domain.jobs import JobState
from ingest.doors.http.job_faults import FaultsReply
from ingest.doors.http.job_views import JobReply, JobsReply
from ingest.doors.http.openapi.answers import refer
from ingest.doors.http.openapi.responses import describe_answers, select_responses
from ingest.doors.http.openapi.schemas import ID, JsonSchema, describe_parameter
from ingest.doors.http.openapi.undo import build_undo
from ingest.doors.http.suggestions import SuggestionReply
from ingest.wire.job_lists import MAX_LIMIT
from ingest.wire.job_parameters import ELSE_PHONE
from ingest.wire.promises import DRY_RUN
from ingest.wire.reply_types import ErrorReply
from ingest.wire.row_statuses import MEANINGS

_COUNT: JsonSchema = {"type": "integer", "minimum": 0}
_MOMENT: JsonSchema = {"type": "string", "format": "date-time"}
_TEXT: JsonSchema = {"type": "string"}
_IDS: JsonSchema = {"pattern": "^[1-9](,[1-9])*$"}
_ID: JsonSchema = {"type": "string", "format": "uuid"}
_PLACE: JsonSchema = {"name": "job_id", "in": "path", "required": True, "schema": _ID}
_FORMAT: JsonSchema = {"$ref": "#/components/parameters/Format"}
_READERS: list[JsonSchema] = [{"bearer": []}, {"query": []}]

#: How it says how it is written; what it is, `Content-Type` says.
_OWN: Mapping[str, tuple[str, JsonSchema]] = {
    "operation": ("Operation for each row", {"enum": ["import", "update", "add"]}),
    DRY_RUN: ("Write nothing; the results show what would change", {"enum": [True]}),
    "map": (
        "`COLUMN=TARGET`, such as `E-mail=email+email_sub`; without a target, the "
        "column is skipped; repeatable",
        {"type": "array", "items": _TEXT},
    ),
    "new_map": ("Do not use the mapping of an earlier file", {"type": "boolean"}),
    "words": (
        "`COLUMN: WORD=STATUS, …`: statuses that words mean; `*` is any other word; "
        "repeatable",
        {"type": "array", "items": _TEXT},
    ),
    "status": ("Status of every row", {"enum": list(MEANINGS)}),
    "system": ("System that wrote the file: the source of its statuses", _TEXT),
    "skip_where": (
        "`COLUMN=VALUE`: rows to skip; repeatable",
        {"type": "array", "items": _TEXT},
    ),
    "skip_footer": ("Skip narrow lines after the table", {"type": "boolean"}),
    "timezone": ("Time zone of times without one. Default: UTC", {"enum": ["UTC"]}),
    "phone_region": (
        "Country of phones without a country code, such as `DE`",
        {"pattern": "^[A-Z]{2}$"},
    ),
    "columns": (
        "Column names, separated by commas, for a file without a header",
        _TEXT,
    ),
    "delimiter": ("One character, or `tab`", {"enum": [",", ";", "|", "tab"]}),
    "quote": ("One character", {"type": "string", "enum": ['"', "'"]}),
    "escape": ("One character", {"type": "string", "enum": ["\\"]}),
    "encoding": (
        "Encoding of a file without a byte order mark. Default: `charset` of "
        "`Content-Type`, otherwise UTF-8",
        {"enum": ["utf-8", "cp1251", "guess"]},
    ),
    **{
        name: (f"{told}; repeatable", {"type": "array", "items": _TEXT})
        for name, told in (
            (
                "dates",
                "Date format, such as `DD.MM.YYYY`; prefix `COLUMN=` for one column",
            ),
            ("decimal", "Decimal mark, `,` or `.`; prefix `COLUMN=` for one column"),
            (
                "booleans",
                "Words for true and false, `yes/no`; prefix `COLUMN=` for one column",
            ),
            (
                "sexes",
                "Words for male and female, `M/F`; prefix `COLUMN=` for one column",
            ),
            ("null", "Cell value that means no change"),
            ("clear", "Cell value that clears the field"),
        )
    },
    "trust_quotes": (
        "Accept quoted values with lines that look like rows",
        {"type": "boolean"},
    ),
    "sheet": ("Name or number of the sheet in a workbook", _TEXT),
    "name": ("Name of the job", _TEXT),
}
_BODIES = {
    "text/csv": "email,_fname\nada@example.com,Ada\n",
    "application/x-ndjson": '{"email": "ada@example.com", "_fname": "Ada"}\n',
}


def build_job_paths() -> dict[str, object]:
    """Return the paths of jobs."""
    lines: JsonSchema = {"schema": _TEXT}
    return {
        "/api/v1.1/jobs": {"get": _build_list()},
        "/api/v1.1/jobs/import": {"post": _build_upload()},
        "/api/v1.1/jobs/suggest": {"post": _build_suggestion()},
        "/api/v1.1/jobs/{job_id}": {
            "get": _build_job("job", "Get the progress of a job")
        },
        "/api/v1.1/jobs/{job_id}/cancel": {
            "post": _build_job("job_cancel", "Cancel a job; accepted rows are applied")
        },
        "/api/v1.1/jobs/{job_id}/results": {
            "get": _build_download(
                "job_results",
                "List the outcomes of the rows",
                {"application/x-ndjson": lines, "text/csv": lines},
                {"name": "as", "in": "query", "schema": {"enum": ["ndjson", "csv"]}},
            )
        },
        "/api/v1.1/jobs/{job_id}/rejects": {
            "get": _build_download(
                "job_rejects",
                "Download the rejects file, in the format of the original file",
                {
                    "application/x-ndjson": lines,
                    "text/csv": lines,
                    "application/json": {"schema": {}},
                },
            )
        },
        "/api/v1.1/jobs/{job_id}/faults": {"get": _build_faults()},
        "/api/v1.1/jobs/{job_id}/undo": {"post": build_undo(_PLACE, of_job=True)},
    }


def _build_upload() -> JsonSchema:
    return {
        "operationId": "job_import",
        "summary": "Import a file; rows are accepted while it is sent",
        **_describe_file("Format", "Prefer", "Idempotency-Key"),
        "responses": {
            "200": describe_answers(
                "Success or application error: check `error`",
                refer(JobReply, ErrorReply),
            ),
            "202": describe_answers(
                "Accepted: all rows, or the file, which is imported later",
                refer(JobReply),
            ),
            **select_responses(400, 401, 403, 404, 409, 413, 415, 429, 500, 503),
        },
    }


def _build_suggestion() -> JsonSchema:
    return {
        "operationId": "job_suggest",
        "summary": "Suggest a target for each column of a file; nothing is imported",
        **_describe_file("Format"),
        "responses": {
            "200": describe_answers(
                "Columns, questions, and the options of an import",
                refer(SuggestionReply, ErrorReply),
            ),
            **select_responses(400, 401, 403, 404, 413, 415, 429, 500, 503),
        },
    }


def _describe_file(*named: str) -> JsonSchema:
    """Return the parameters and the body of a request that is a file."""
    shared = [_describe_query(one) for one in PARAMETERS if Level.ROW in one.levels]
    own = [
        {"name": name, "in": "query", "description": told, "schema": schema}
        for name, (told, schema) in _OWN.items()
    ]
    return {
        "tags": ["Jobs"],
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
    }


def _describe_query(declared: Declared) -> JsonSchema:
    schema = describe_parameter(declared.name)
    meaning = str(schema.pop("description", ""))
    if declared.name == "matching":
        schema = {"enum": [*Matching, ELSE_PHONE]}
        meaning += f"; `{ELSE_PHONE}`: for each row, by its email, otherwise its phone"
    if is_list(declared):
        meaning, schema = f"{meaning}: IDs, separated by commas", _IDS
    return {
        "name": declared.name,
        "in": "query",
        "required": declared.name == "db_id",
        "description": meaning,
        "schema": schema,
    }


def _build_job(name: str, summary: str) -> JsonSchema:
    return {
        "operationId": name,
        "tags": ["Jobs"],
        "summary": summary,
        "security": _READERS,
        "parameters": [_PLACE, _FORMAT],
        "responses": {
            "200": describe_answers("Job", refer(JobReply, ErrorReply)),
            **select_responses(400, 401, 403, 404, 409, 500, 503),
        },
    }


def _build_list() -> JsonSchema:
    asked: Mapping[str, tuple[str, JsonSchema]] = {
        "db_id": ("Database; all that the token may read if absent", ID),
        "state": ("Only jobs in this state", {"enum": [*JobState]}),
        "name": ("Part of the name, ignoring case", _TEXT),
        "idempotency_key": ("Key that this token sent the upload with", _TEXT),
        "from_id": ("Continue from a previous page", _ID),
        "limit": (
            "Most jobs of a page",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50},
        ),
    }
    own = [
        {"name": name, "in": "query", "description": told, "schema": schema}
        for name, (told, schema) in asked.items()
    ]
    return {
        "operationId": "jobs_list",
        "tags": ["Jobs"],
        "summary": "List jobs, newest first",
        "description": "With the scope `read`, all jobs of the databases of the token;"
        " with `import`, those that it sent. A page may be shorter than `limit`, or"
        " empty, while there is a `from_id` to continue from.",
        "security": _READERS,
        "parameters": [*own, _FORMAT],
        "responses": {
            "200": describe_answers("Jobs", refer(JobsReply, ErrorReply)),
            **select_responses(400, 401, 403, 500, 503),
        },
    }


def _build_faults() -> JsonSchema:
    return {
        "operationId": "job_faults",
        "tags": ["Jobs"],
        "summary": "List the errors of rejected rows by kind",
        "security": _READERS,
        "parameters": [_PLACE, _FORMAT],
        "responses": {
            "200": describe_answers(
                "Most frequent kind first", refer(FaultsReply, ErrorReply)
            ),
            **select_responses(400, 401, 403, 404, 500, 503),
        },
    }


def _build_download(
    name: str, summary: str, content: Mapping[str, JsonSchema], *more: JsonSchema
) -> JsonSchema:
    return {
        "operationId": name,
        "tags": ["Jobs"],
        "summary": summary,
        "security": _READERS,
        "parameters": [_PLACE, *more],
        "responses": {
            "200": {"description": "Rows in order", "content": content},
            **select_responses(400, 401, 403, 404, 500, 503),
        },
    }
