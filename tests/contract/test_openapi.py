"""The OpenAPI document says what the server does: its routes, shapes and answers."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import httpx
import orjson
import pytest
from falcon.routing.compiled import CompiledRouterNode
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ingest.domain.catalog import EventKind, FieldType
from ingest.domain.remedies.codes import ERRORS
from ingest.doors.http.app import create_app
from ingest.doors.http.openapi.document import build_document
from ingest.doors.http.openapi.operations import ASKINGS
from ingest.doors.http.openapi.parameters import PROFILE_ID
from ingest.doors.http.openapi.schemas import FIELD_TYPES, describe_parameter
from ingest.doors.http.pages import render_reference
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.wire.envelopes import PARSERS
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger, make_workflow
from tests.drains import draining, trying
from tests.intakes import DEADLINE_SECONDS, ServedIntake, served

DOCUMENT: Any = orjson.loads(orjson.dumps(build_document()))
SCHEMA: Any = openapi.from_dict(DOCUMENT)


@pytest.fixture
def triggers(connection: Connection) -> None:
    """Trigger 7 and workflow 3, which the examples start."""
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint()},
            triggers={7: make_trigger(id=7, event=EventKind.API_CALL)},
            workflows={3: make_workflow(id=3)},
        )
        save_catalog(connection, declared)


def make_profile(intake: ServedIntake, token: str) -> str:
    """Create the profile that the examples are about; return its id."""
    sent = {"token": token, "db_id": 1, "email": "ada@example.com"}
    ada = {"email": "ada@example.com"}
    subscription = {"channel": "email", "resource_id": 1, **ada}
    data = {**ada, "subscriptions": [subscription]}
    answer = intake.post({**sent, "data": data}).json()
    return str(answer["profile_id"])


def iterate_routes(nodes: list[CompiledRouterNode]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if node.resource is not None:
            handlers = [name for name in dir(node.resource) if name.startswith("on_")]
            for name in handlers:
                yield str(node.uri_template), name.removeprefix("on_")
        yield from iterate_routes(node.children)


def test_every_route_is_documented_and_every_documented_path_is_served() -> None:
    app = create_app(Settings(database_url="postgresql://", redis_url="redis://"))

    served = set(iterate_routes(app._router._roots))
    # A browser asks by itself what a page may send.
    served.discard(("/api/integrations/any/profile_import", "options"))

    documented = {
        (path, method) for path, item in DOCUMENT["paths"].items() for method in item
    }
    assert documented == served


def test_the_document_is_valid_openapi_3_1() -> None:
    SCHEMA.validate()

    assert DOCUMENT["openapi"].startswith("3.1.")


def test_every_field_type_has_a_shape() -> None:
    assert set(FIELD_TYPES) == set(FieldType)


def test_every_parameter_of_an_import_has_a_shape_and_a_meaning() -> None:
    shapes = {name: describe_parameter(name) for name in PARSERS}

    assert [name for name, shape in shapes.items() if not shape["description"]] == []
    assert [
        name for name, shape in shapes.items() if not shape.keys() - {"description"}
    ] == []


def with_id(example: object, profile_id: str) -> bytes:
    body = example.encode() if isinstance(example, str) else orjson.dumps(example)
    return body.replace(PROFILE_ID.encode(), profile_id.encode())


@pytest.mark.parametrize("media_type", ["application/json", "application/xml"])
def test_every_example_succeeds_and_its_answer_is_as_documented(
    triggers: None, penstock: ServedIntake, token: str, media_type: str
) -> None:
    profile_id = make_profile(penstock, token)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": media_type}
    refused = {}
    for asking in ASKINGS:
        body = DOCUMENT["paths"][asking.path]["post"]["requestBody"]["content"]
        example = with_id(body[media_type]["example"], profile_id)

        response = penstock.post(example, headers, path=asking.path)

        sent_back = response.headers["Content-Type"].startswith(media_type)
        if (response.status_code, sent_back, find_errors(response)) != (200, True, {0}):
            refused[asking.path] = response.text
        SCHEMA[asking.path]["POST"].validate_response(response)
    assert refused == {}


def find_errors(response: httpx.Response) -> set[int]:
    """Return every `error` in an answer, of elements too."""
    return {int(code) for code in re.findall(r"\berror\"?[:>](\d+)", response.text)}


def test_the_quick_example_succeeds(penstock: ServedIntake, token: str) -> None:
    path = "/api/integrations/any/profile_import"
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]
    example = body["application/json"]["example"]

    as_json = penstock.post({**example, "token": token}, path=path)
    as_form = penstock.client.post(path, data={**example, "token": token})

    assert (as_json.status_code, as_form.status_code) == (200, 200)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


FIELDS = DOCUMENT["components"]["schemas"]["ProfileData"]["properties"].keys()
OPERATIONS: list[Any] = [found.ok() for found in SCHEMA.get_all_operations()]


def point(case: Case[Any], profile_id: str) -> None:
    """Let what a request names exist, so that it gets further than that."""
    body = case.body
    if not isinstance(body, dict):
        return
    # A made-up token would be all that is ever found wrong.
    body.pop("token", None)
    known: dict[str, Any] = {"db_id": 1, "resource_id": 1, "id": 1}
    known |= {"profile_id": profile_id, "trigger_id": 7, "workflow_id": 3}
    for name in known.keys() & body.keys():
        body[name] = known[name]
    body |= {"matching": "email", "email": "ada@example.com"}
    if isinstance(data := body.get("data"), dict):
        body["data"] = {name: data[name] for name in FIELDS & data.keys()}


def takes_input(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)


@pytest.mark.parametrize(
    ("mode", "count", "mirror"),
    [
        pytest.param(GenerationMode.POSITIVE, 8, False, id="asked as documented"),
        pytest.param(GenerationMode.NEGATIVE, 4, False, id="asked otherwise"),
        pytest.param(GenerationMode.POSITIVE, 3, True, id="with mirrored errors"),
    ],
)
def test_nothing_is_answered_that_is_not_documented(
    triggers: None,
    settings: Settings,
    token: str,
    mode: GenerationMode,
    count: int,
    mirror: bool,
) -> None:
    @given(data=st.data())
    @effort(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    def send(operation: Any, data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if mode is GenerationMode.POSITIVE and not mirror:
            point(case, profile_id)
        case.call_and_validate(
            base_url=intake.url,
            headers={"Authorization": f"Bearer {token}"},
            checks=CHECKS,
            timeout=DEADLINE_SECONDS,
        )

    mirroring = replace(settings, mirror_errors=mirror)
    with served(mirroring) as intake, draining(mirroring), trying(mirroring):
        profile_id = make_profile(intake, token)
        for operation in filter(takes_input, OPERATIONS):
            send(operation)


@pytest.mark.parametrize("accept", ["application/json", "application/xml"])
def test_a_receipt_is_as_documented(
    penstock: ServedIntake, token: str, accept: str
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Accept": accept}
    body = {"db_id": 1, "email": "ada@example.com", "data": {"_fname": "Ada"}}
    made = penstock.post(body, headers)

    receipt = penstock.get(
        f"/api/v1.1/imports/{made.headers['Import-Id']}", headers=headers
    )

    assert receipt.status_code == 200
    SCHEMA["/api/v1.1/imports/{import_id}"]["GET"].validate_response(receipt)


def test_every_code_is_explained_on_the_page() -> None:
    page = render_reference(DOCUMENT)
    table = page.partition('id="errors"')[2].partition("</section>")[0]

    assert re.findall(r"<tr><td><code>(\d+)</code>", table) == [
        str(row.code) for row in ERRORS
    ]


class Links(HTMLParser):
    """What a page loads, names and leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.names: list[str] = []
        self.targets: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.loaded += [tag for name in found if name in ("src", "srcset")]
        self.loaded += [tag for one in ("link", "script", "iframe") if tag == one]
        self.names += [found["id"] or ""] if "id" in found else []
        self.targets += [found["href"] or ""] if "href" in found else []
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(penstock: ServedIntake) -> None:
    response = penstock.get("/docs")
    links = Links()
    links.feed(response.text)

    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "url(" not in response.text
    assert "@import" not in response.text
    assert links.loaded == []
    assert links.open == []
    assert len(links.names) == len(set(links.names))
    inner = {target.removeprefix("#") for target in links.targets if "#" in target}
    assert inner <= set(links.names)
    assert set(links.targets) - {f"#{name}" for name in inner} == {"/openapi.json"}


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_document_needs_no_token_and_is_sent_once(
    penstock: ServedIntake, path: str
) -> None:
    first = penstock.get(path)
    again = penstock.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.status_code == 200
    assert "max-age" in first.headers["Cache-Control"]
    assert (again.status_code, again.content) == (304, b"")
