"""Every request as a line for the shell: the examples of the API's own document.

Run it to bring the document up to date:
`python -m tests.contract.requests > docs/requests.md`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ingest.doors.http.openapi.document import build_document

DOCUMENT = Path(__file__).parents[2] / "docs" / "requests.md"
#: Stands in the examples for the id of a profile that exists.
PROFILE_ID = "6b04f28ad691ecc2e1a166f2"
#: Shown in XML too; the others differ from their JSON in the same way.
#: Stands in the paths for the id of an import.
IMPORT_ID = "{import_id}"
_OF_JOBS = "/api/v1.1/jobs/"
#: Want a merge to undo, a held import (docs/identity.md), or the scope `admin`.
_LEFT_OUT = (
    "/api/v1.1/profiles/unmerge",
    "/api/v1.1/imports/{import_id}/resolve",
    "/api/v1.1/imports/undo",
    "/api/v1.1/events/resend",
    "/api/v1.1/subscriptions/confirm",
    "/api/v1.1/subscriptions/confirm_request",
)
_IN_XML = {"/api/v1.1/profiles/import", "/api/v1.1/profiles/import_batch"}
_LAST = "/api/v1.1/profiles/delete"

_HEAD = """\
# Requests

This page has every request as a curl command, in JSON and XML. It is written from the
examples of `/openapi.json` by `python -m tests.contract.requests`. A test runs every
command against `make up` with its demo catalog. Each intake serves the API reference
at `/docs`.

```sh
URL=http://127.0.0.1:8080
TOKEN=abcdefghijklmnqrstuvwxyz
```
"""
_FIND = """\
Some need the ID of a profile, which the first request answered, or that of an import,
which is in a header of each answer:

```sh
PROFILE_ID=$(curl -sS "$URL/api/v1.1/profiles/get?token=$TOKEN" \\
  -d '{"db_id": 1, "email": "ada@example.com"}' |
  sed 's/.*"id":"\\([0-9a-f]*\\)".*/\\1/')
IMPORT_ID=$(curl -sS -o /dev/null -D - "$URL/api/v1.1/profiles/import?token=$TOKEN" \\
  -d '{"db_id": 1, "email": "ada@example.com", "data": {"_fname": "Ada"}}' |
  tr -d '\\r' | sed -n 's/^[Ii]mport-[Ii]d: //p')
```
"""


@dataclass(frozen=True)
class Example:
    """A request that succeeds, once those before it have."""

    path: str
    summary: str
    #: Bodies by kind: `json`, and for some `xml`.
    bodies: dict[str, str]


def list_examples() -> list[Example]:
    """Return an example of each POST of a document, the one that deletes last.

    Files and their jobs are docs/files.md.
    """
    paths = build_document()["paths"]
    assert isinstance(paths, dict)
    operations = [
        (path, paths[path]["post"])
        for path in paths
        if "application/json" in _content(paths[path].get("post", {}))
        and not path.startswith((_OF_JOBS, *_LEFT_OUT))
    ]
    operations.sort(key=lambda operation: operation[0] == _LAST)
    return [_make_example(path, operation) for path, operation in operations]


def _content(operation: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    return content


def _make_example(path: str, operation: dict[str, Any]) -> Example:
    content = _content(operation)
    bodies = {"json": _dump(content["application/json"]["example"])}
    if path in _IN_XML:
        bodies["xml"] = content["application/xml"]["example"]
    return Example(path=path, summary=operation["summary"], bodies=bodies)


def make_lines() -> Iterator[str]:
    """Return the document, piece by piece."""
    yield _HEAD
    for number, example in enumerate(list_examples()):
        yield f"## {example.summary}\n"
        for kind, body in example.bodies.items():
            yield _block(example.path, kind, body)
        if number == 0:
            yield _FIND


def _dump(example: Any) -> str:
    return orjson.dumps(example).decode()


def _block(path: str, kind: str, body: str) -> str:
    quoted = body.replace("'", "'\\''").replace(PROFILE_ID, "'$PROFILE_ID'")
    path = path.replace(IMPORT_ID, "$IMPORT_ID")
    return (
        f'```sh\ncurl -sS "$URL{path}" -H "Authorization: Bearer $TOKEN" \\\n'
        f"  -H 'Content-Type: application/{kind}' -d '{quoted}'\n```\n"
    )


def make_document() -> str:
    """Return the whole document."""
    return "\n".join(make_lines())


if __name__ == "__main__":
    sys.stdout.write(make_document())
