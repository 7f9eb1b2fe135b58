"""Whatever a query, a header, a path or a value holds: an answer, and never a 500."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ingest.console.app import _VIEWS
from ingest.doors.http.openapi.document import build_document
from ingest.settings import Settings
from tests.consoles import Console, console
from tests.databases import cloned
from tests.drains import draining
from tests.intakes import ServedIntake, served

_T = TypeVar("_T")

#: What a text may be, as the bytes of a URL or a header.
HOSTILE = (
    b"",
    b"\0",
    b"a\0b",
    b"\xed\xa0\x80",  # a lone surrogate
    b"\xff\xfe",
    "\U0010ffff\u202e".encode(),
    b"-1",
    b"0",
    b"+1",
    b"1e3",
    b"1.5",
    b" 1 ",
    b"1_0",
    b"2147483648",
    b"9223372036854775808",
    b"9" * 5000,
    *(digit.encode() for digit in ("\u0661", "\uff11", "\xb2")),
    b"true",
    b"null",
    b"NaN",
    b"[]",
    b"{}",
    b"x" * 9000,
    b"%",
    b"%zz",
    b"'",
    b'"',
    b"..",
    b"a,b,,",
    b"=",
    b"\r\nX-Y: 1",
    b"\n",
    b"\t",
    "\u0661".encode() * 32,
    b"0" * 32,
    b"{01a20b4f-1cd3-744b-9db7-53600be31cb2}",
    b"urn:uuid:01a20b4f-1cd3-744b-9db7-53600be31cb2",
    b"01a20b4f_1cd3_744b_9db7_53600be31cb2",
    b"9999-12-31T23:59:59",
    b"0001-01-01T00:00:00+14:00",
    b"idna",
    b"undefined",
)
#: Their texts, as the values of a document; a lone surrogate cannot be written here.
VALUES: tuple[object, ...] = (
    *(text.decode("utf-8", "replace") for text in HOSTILE),
    *(None, True, -1, 0, 2**31, 2**63 - 1, -(2**63), 1.5, 1e308, [], {}, [None]),
    *([[]], [{}], {"": ""}, {"action": "incr", "value": 2**63 - 1}),
)
HEADERS = (
    *("Idempotency-Key", "Prefer", "Accept", "Content-Type", "Content-Encoding"),
    *("Authorization", "Referer", "traceparent", "If-None-Match", "Cookie", "Range"),
    *("Accept-Encoding", "Content-Length", "X-Forwarded-Proto", "Forwarded", "Host"),
    *("Expect", "Upgrade", "X-HTTP-Method-Override", "If-Modified-Since", "Date"),
)
IDS = {
    "import_id": "01a20b4f-1cd3-744b-9db7-53600be31cb2",
    "job_id": "01a20b4f-1cd3-744b-9db7-536000000000",
    "upload_id": "01a20b4f-1cd3-744b-9db7-53600be31cb2",
    "batch": "01a20b4f-1cd3-744b-9db7-536000000000.2",
    "event_id": "01a20b4f-1cd3-744b-9db7-53600be31cb2",
    "database_id": "1",
    "profile_id": "54759eb3c090d83494e2d804",
    "letter_id": "1",
    "segment_id": "1",
    "token": "AaAbGxzTdEudt1NgDjGyzQAAAAAAAAAAAAAAAAAAAAA",
    "case_id": "01a20b4f-1cd3-744b-9db7-53600be31cb2",
}
DOCUMENT = build_document()
PATHS: Mapping[str, Mapping[str, Any]] = DOCUMENT["paths"]  # type: ignore[assignment]
OPERATIONS = [(path, method) for path in PATHS for method in PATHS[path]]


def query_names(path: str, method: str) -> set[str]:
    """The names of the parameters that an endpoint documents for its query."""
    named: Any = DOCUMENT["components"]["parameters"]  # type: ignore[index]
    parameters = [
        named[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for one in PATHS[path][method].get("parameters", ())
    ]
    return {str(one["name"]) for one in parameters if one["in"] == "query"}


#: The names of every parameter there is, and one there is not.
NAMES = sorted(
    set().union(*(query_names(*operation) for operation in OPERATIONS))
    | {"token", "format", "sync", "as", "email", "field_name", "matching", "trigger_id"}
    | {"from_id", "limit", "channel", "profile_id", "segment_id", "no_parameter", ""}
)
MEMBERS = (
    *("token", "db_id", "matching", "email", "phone", "profile_id", "provider"),
    *("subscription_id", "field_name", "field_value", "resource_id", "data", "format"),
    *("sync", "skip_triggers", "skip_invalid_subscriptions", "detect_geo"),
    *("add_to_segments", "remove_from_segments", "limit", "from_id", "id", "channel"),
    *(
        "segment_id",
        "trigger_id",
        "workflow_id",
        "custom_data",
        "content",
        "timeout",
        "attach",
    ),
    *("cc_data", "email_data", "phone_data", "push_data", "status", "priority"),
)


@pytest.fixture(scope="module")
def module_settings(servers: Any, template: str) -> Iterator[Settings]:
    with cloned(servers.database_url, template) as url:
        yield Settings(database_url=url, redis_url=servers.redis_url, wait_seconds=0.2)


@pytest.fixture(scope="module")
def hostile(module_settings: Settings) -> Iterator[ServedIntake]:
    with served(module_settings) as running, draining(module_settings):
        yield running


@pytest.fixture(scope="module")
def pages(module_settings: Settings) -> Iterator[Console]:
    with console(module_settings) as opened:
        opened.log_in()
        yield opened


def send(client: httpx.Client, method: str, url: str, **more: Any) -> None:
    """Send one request; what it is answered is anything but a fault of ours."""
    request = client.build_request(method, "/", **more)
    # As it is written here: the client would mend it.
    request.url = request.url.copy_with(raw_path=url.encode())
    try:
        response = client.send(request)
    except httpx.ProtocolError:
        return  # The client, or the parser of the server, takes it for no HTTP.
    assert response.status_code < 500, (method, url[:300], more, response.text[:300])


def some(seed: str, pairs: Iterable[_T], count: int = 60) -> list[_T]:
    """Return a part of `pairs`, the same each time: all of them take minutes."""
    every = list(pairs)
    return Random(seed).sample(every, min(count, len(every)))


def escape(value: bytes) -> str:
    return quote_from_bytes(value, safe="")


def bodies(path: str, token: str) -> tuple[bytes, str]:
    if path.endswith(("jobs/import", "jobs/suggest")):
        return b"email,_fname\nada@example.com,Ada\n", "text/csv"
    document = {"token": token, "db_id": 1, "email": "ada@example.com", "data": {}}
    return orjson.dumps(document), "application/json"


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_query_of_any_endpoint_is_a_fault_of_ours(
    hostile: ServedIntake, token: str, path: str, method: str
) -> None:
    body, kind = bodies(path, token)
    place = path.format(**IDS)
    own = query_names(path, method)
    # Every value for what the endpoint has; of what it has not, each name once.
    pairs = [
        *itertools.product(sorted(own | {"token", "format"}), HOSTILE),
        *zip(NAMES, itertools.cycle(HOSTILE), strict=False),
    ]
    for name, value in some(path, pairs):
        asked = f"token={token}&db_id=1" if name != "token" else "db_id=1"
        for query in (
            f"{asked}&{escape(name.encode())}={escape(value)}",
            f"{asked}&{escape(name.encode())}=1&{escape(name.encode())}={escape(value)}",
        ):
            send(
                hostile.client,
                method,
                f"{place}?{query}",
                content=body if method == "post" else None,
                headers={"Content-Type": kind, "Prefer": "respond-async"},
            )


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_path_and_no_name_of_a_parameter_is_a_fault_of_ours(
    hostile: ServedIntake, token: str, path: str, method: str
) -> None:
    body, kind = bodies(path, token)
    for value in some(path, HOSTILE, 20):
        held = {name: escape(value) or "x" for name in IDS}
        for url in (
            f"{path.format(**held)}?token={token}",
            f"{path.format(**IDS)}/{escape(value)}?token={token}",
            f"{path.format(**IDS)}?token={token}&db_id=1&{escape(value)}=1",
            f"{path.format(**IDS)}?{escape(value)}",
        ):
            send(
                hostile.client,
                method,
                url,
                content=body if method == "post" else None,
                headers={"Content-Type": kind, "Prefer": "respond-async"},
            )


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_header_is_a_fault_of_ours(
    hostile: ServedIntake, token: str, path: str, method: str
) -> None:
    body, kind = bodies(path, token)
    url = f"{path.format(**IDS)}?token={token}&db_id=1"
    printable = [one for one in HOSTILE if not set(one) & set(b"\0\r\n")]
    for name, value in some(path, itertools.product(HEADERS, printable)):
        if name == "Content-Length" and value.strip().isdigit():
            continue  # Of another length the client sends none, or waits.
        headers: list[tuple[str, str | bytes]] = [
            ("Content-Type", kind),
            ("Prefer", "respond-async"),
        ]
        kept = [pair for pair in headers if pair[0] != name]
        send(
            hostile.client,
            method,
            url,
            content=body if method == "post" else None,
            headers=[*kept, (name, value)],
        )


@pytest.mark.parametrize(
    "path", [path for path, method in OPERATIONS if method == "post"]
)
def test_no_value_of_a_body_is_a_fault_of_ours(
    hostile: ServedIntake, token: str, path: str
) -> None:
    place, usual = path.format(**IDS), {"token": token, "db_id": 1, "sync": False}
    for name, value in some(path, itertools.product(MEMBERS, VALUES), 100):
        document = {"email": "ada@example.com", "data": {}, **usual, name: value}
        send(
            hostile.client,
            "post",
            place,
            content=orjson.dumps(document),
            headers={"Content-Type": "application/json"},
        )
    for name, value in some(path, itertools.product(MEMBERS, HOSTILE)):
        send(
            hostile.client,
            "post",
            place,
            content=f"token={token}&db_id=1&{name}={escape(value)}".encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )


@given(data=st.data())
@examples(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_nor_is_any_mixture(
    hostile: ServedIntake, token: str, data: st.DataObject
) -> None:
    path, method = data.draw(st.sampled_from(OPERATIONS))
    value = st.sampled_from(HOSTILE) | st.binary(max_size=20)
    pair = st.tuples(st.sampled_from(NAMES).map(str.encode) | value, value)
    pairs = data.draw(st.lists(pair, max_size=4))
    query = "&".join(f"{escape(name)}={escape(text)}" for name, text in pairs)
    ids = {name: escape(data.draw(value)) or "x" for name in IDS}
    held = data.draw(st.sampled_from([IDS, ids]))
    body, kind = bodies(path, token)
    send(
        hostile.client,
        method,
        f"{path.format(**held)}?token={token}&db_id=1&{query}",
        content=data.draw(st.just(body) | value) if method == "post" else None,
        headers={"Content-Type": kind, "Prefer": "respond-async"},
    )


ASKED = ("before", "state", "error", "database", "failed", "since", "until", "live")


@pytest.mark.parametrize("path", _VIEWS)
def test_nothing_asked_of_a_page_of_the_console_is_a_fault_of_ours(
    pages: Console, path: str
) -> None:
    names = (*ASKED, "endpoint", "all", "reveal", "term", "no_parameter", "")
    for name, value in some(path, itertools.product(names, HOSTILE), 50):
        held = {name: escape(value) or "x" for name in IDS}
        for url in (
            path.format(**held),
            f"{path.format(**IDS)}?{name}={escape(value)}",
            f"{path.format(**IDS)}?{escape(value)}=1",
        ):
            send(pages.client, "get", url)
