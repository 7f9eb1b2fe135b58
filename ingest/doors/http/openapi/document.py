"""The OpenAPI document: what the code takes and answers, for machines and for /docs."""

from collections.abc import Mapping

from lxml import etree

from ingest.domain.remedies.codes import ERRORS
from ingest.domain.remedies.table import SECTIONS
from ingest.doors.http.openapi.answers import build_answer_schemas, refer
from ingest.doors.http.openapi.jobs import build_job_paths
from ingest.doors.http.openapi.operations import ASKINGS
from ingest.doors.http.openapi.parameters import ApiOperation
from ingest.doors.http.openapi.responses import (
    RATE_HEADERS,
    build_responses,
    describe_answers,
    describe_faults,
)
from ingest.doors.http.openapi.schemas import JsonSchema, build_request_schemas
from ingest.doors.http.openapi.service_paths import build_other_paths
from ingest.wire.reply_types import ErrorReply, HeldReply

_ABOUT = """\
Imports are queued. By default the response waits for the outcome. If that takes too
long, or you request not to wait, it is 202 and `Location` is the URL of the receipt.

An application error is HTTP 200 with a non-zero `error`. With `PENSTOCK_MIRROR_ERRORS`,
`error` is also the HTTP status. Bodies and responses are JSON or XML. The format of a
response is chosen by `format`, otherwise by `Accept`, otherwise by the request. Every
parameter may be sent as a string, as in XML. Unknown parameters are ignored. In XML,
the first element of a list has `array='true'`.

Send the API token as `token` in the body, or as `Authorization: Bearer`. `token` in the
query also works, but URLs are often logged.

`HEAD` is answered wherever `GET` is, with the same status and headers."""
_INFO: JsonSchema = {
    "title": "Penstock",
    # Of the contract, as in its paths.
    "version": "1.1",
    "summary": "Ingestion of customer profiles",
    "description": _ABOUT,
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
_TAGS = ("Import", "Jobs", "Read", "Catalog", "Receipts", "Service")
_SECURITY: JsonSchema = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "query": {"type": "apiKey", "in": "query", "name": "token"},
}


def build_document() -> dict[str, object]:
    """Return the document, made of the same tables as the code."""
    paths: dict[str, object] = {asking.path: _describe(asking) for asking in ASKINGS}
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in _TAGS],
        "security": [{"bearer": []}, {"query": []}, {}],
        "paths": paths | build_job_paths() | build_other_paths(),
        "components": {
            "schemas": build_request_schemas() | build_answer_schemas(),
            "responses": build_responses(),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
        # What the page shows as tables.
        "x-errors": [
            {"code": row.code, "meaning": row.meaning, "http": row.http}
            | {"remedy": row.remedy}
            for row in ERRORS
        ],
        "x-reasons": [
            {"reason": kind.reason, "code": kind.code, "remedy": kind.remedy}
            | {"messages": [each.replace("{}", "…") for each in kind.sentences]}
            for kinds in SECTIONS.values()
            for kind in kinds
        ],
    }


_PARAMETERS: Mapping[str, JsonSchema] = {
    "Format": {
        "name": "format",
        "in": "query",
        "description": "Format of the response",
        "schema": {"type": "string", "enum": ["json", "xml"]},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`respond-async`, or `wait=N` to wait N seconds (RFC 7240)",
        "schema": {"type": "string", "pattern": "^(respond-async|wait=[0-5])$"},
        "example": "wait=5",
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Idempotency key: requests with the same key are applied once",
        "schema": {"type": "string", "pattern": "^[!#-~]{1,255}$"},
    },
}
_HEADERS: Mapping[str, JsonSchema] = {
    "Import-Id": {
        "description": "ID of the import",
        "schema": {"type": "string", "format": "uuid"},
    },
    "Location": {
        "description": "URL of the receipt",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before a retry",
        "schema": {"type": "integer"},
    },
    "Idempotent-Replayed": {
        "description": "`true` if an earlier request had the same `Idempotency-Key`",
        "schema": {"type": "string", "const": "true"},
    },
    "RateLimit-Policy": {
        "description": "Rate limit of the token: `q` requests in `w` seconds",
        "schema": {"type": "string", "examples": ['"token";q=200;w=2']},
    },
    "RateLimit": {
        "description": "Remaining requests `r`; the limit is restored after `t` "
        "seconds",
        "schema": {"type": "string", "examples": ['"token";r=199;t=1']},
    },
    "Preference-Applied": {
        "description": "Applied preferences of `Prefer`",
        "schema": {"type": "string"},
    },
}


#: What an import may be answered with, applied or not.
_ANSWERED = ("Preference-Applied", "Idempotent-Replayed")


def _describe(asking: ApiOperation) -> JsonSchema:
    schema = asking.describe_body()
    of_imports = ["Prefer", "Idempotency-Key"] if asking.accepted else []
    return {
        "post": {
            "operationId": asking.path.removeprefix("/api/v1.1/").replace("/", "_"),
            "tags": [asking.tag],
            "summary": asking.summary,
            "parameters": [
                {"$ref": f"#/components/parameters/{name}"}
                for name in ("Format", *of_imports)
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": schema,
                        "example": dict(asking.example),
                    },
                    "application/xml": {
                        "schema": schema,
                        "example": dump_example(asking.example),
                    },
                },
            },
            "responses": _describe_responses(asking),
        }
    }


def _describe_responses(asking: ApiOperation) -> JsonSchema:
    outcome = refer(*asking.answers, ErrorReply)
    described = {
        "200": describe_answers("Success or application error: check `error`", outcome)
    }
    if asking.accepted:
        described["200"]["headers"] = _refer_headers(*_ANSWERED, *RATE_HEADERS)
        described["202"] = {
            **describe_answers(
                "Accepted, not applied yet, or held until an operator decides",
                refer(asking.accepted, HeldReply),
            ),
            "headers": _refer_headers("Location", *_ANSWERED, *RATE_HEADERS),
        }
    else:
        described["200"]["headers"] = _refer_headers(*RATE_HEADERS)
    return {**described, **describe_faults()}


def _refer_headers(*names: str) -> JsonSchema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def dump_example(document: Mapping[str, object]) -> str:
    """Write a request as XML, as a caller would (contract section 11)."""
    root = etree.Element("xml")
    _fill(root, document)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode").replace('"', "'")


def _fill(parent: etree._Element, value: object) -> None:
    if not isinstance(value, Mapping):
        parent.text = str(value).lower() if isinstance(value, bool) else str(value)
        return
    for name, member in value.items():
        items = member if isinstance(member, list) else [member]
        for index, item in enumerate(items):
            element = etree.SubElement(parent, name)
            if isinstance(member, list) and index == 0:
                element.set("array", "true")
            _fill(element, item)
