"""Every request as a Postman collection: the examples of the API's own document.

Run it to bring the collection up to date:
`python -m tests.contract.postman > docs/penstock.postman_collection.json`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from tests.contract.requests import IMPORT_ID, PROFILE_ID, Example, list_examples

COLLECTION = Path(__file__).parents[2] / "docs" / "penstock.postman_collection.json"
_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
#: What does not answer in the kind that it is asked in.
_ANSWERS = {
    "/api/integrations/any/profile_import": "plain",
    "/api/v1.1/profiles/export": "lines",
}

_SUCCEEDED = {
    "json": "pm.expect(pm.response.json().error).to.eql(0);",
    "xml": "pm.expect(pm.response.text()).to.include('<error>0</error>');",
    "plain": "pm.expect(pm.response.text()).to.eql('Successful operation');",
    "lines": "pm.expect(pm.response.text()).to.include('\"end\":true');",
}
#: Others need the id of the profile that the first request made.
_REMEMBER = (
    "pm.collectionVariables.set('profile_id', pm.response.json().profile_id);",
    "pm.collectionVariables.set('import_id', pm.response.headers.get('Import-Id'));",
)


def _script(*lines: str) -> list[dict[str, object]]:
    checks = [
        "pm.test('is answered', () => {",
        "  pm.response.to.have.status(200);",
        *(f"  {line}" for line in lines),
        "});",
    ]
    return [{"listen": "test", "script": {"type": "text/javascript", "exec": checks}}]


def _url(path: str) -> dict[str, object]:
    parts = path.strip("/").split("/")
    return {"raw": "{{url}}" + path, "host": ["{{url}}"], "path": parts}


def _make_item(example: Example, kind: str, *lines: str) -> dict[str, object]:
    return {
        "name": f"{example.summary} ({kind.upper()})",
        "event": _script(_SUCCEEDED[_ANSWERS.get(example.path, kind)], *lines),
        "request": {
            "method": "POST",
            "header": [{"key": "Content-Type", "value": f"application/{kind}"}],
            "url": _url(example.path.replace(IMPORT_ID, "{{import_id}}")),
            "body": {
                "mode": "raw",
                "raw": example.bodies[kind].replace(PROFILE_ID, "{{profile_id}}"),
            },
        },
    }


def _make_items() -> Iterator[dict[str, object]]:
    for number, example in enumerate(list_examples()):
        for kind in example.bodies:
            lines = _REMEMBER if number == 0 and kind == "json" else ()
            yield _make_item(example, kind, *lines)
        if number == 0:
            yield {
                "name": "What came of that import",
                "event": _script("pm.expect(pm.response.json().error).to.eql(0);"),
                "request": {
                    "method": "GET",
                    "url": _url("/api/v1.1/imports/{{import_id}}"),
                },
            }


def make_collection() -> str:
    """Return the whole collection; its variables fit `make up`."""
    collection = {
        "info": {
            "name": "Penstock",
            "description": "Every request of the API, in an order that succeeds.",
            "schema": _SCHEMA,
        },
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}],
        },
        "variable": [
            {"key": "url", "value": "http://127.0.0.1:8080"},
            {"key": "token", "value": "abcdefghijklmnqrstuvwxyz"},
            {"key": "profile_id", "value": ""},
            {"key": "import_id", "value": ""},
        ],
        "item": list(_make_items()),
    }
    return orjson.dumps(collection, option=orjson.OPT_INDENT_2).decode() + "\n"


if __name__ == "__main__":
    sys.stdout.write(make_collection())
