"""Requests that were made to do harm, at the HTTP door."""

import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

import pytest
import redis

from ingest.settings import Settings
from ingest.streams.queues import stream_key
from tests.intakes import ServedIntake, make_document, served

AT_ONCE = {"Prefer": "respond-async"}
QUICK = "/api/integrations/any/profile_import"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def intake(settings: Settings) -> Iterator[ServedIntake]:
    with served(replace(settings, max_keys=50, max_values=2000)) as running:
        yield running


def count_waiting(settings: Settings) -> int:
    with redis.Redis.from_url(settings.redis_url) as client:
        return sum(client.xlen(stream_key(number)) for number in range(4))


def hold(intake: ServedIntake, token: str, data: str) -> tuple[int, str]:
    """Send `data` as JSON text; return the status and what was wrong."""
    key = {"token": token, "db_id": 1, "email": "john@example.com"}
    body = json.dumps(key)[:-1] + f', "data": {data}}}'
    response = intake.post(body.encode(), AT_ONCE)
    return response.status_code, response.json()["error_text"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(
            '{"a": 1, "a": 2}', "Duplicate member name: a", id="a name given twice"
        ),
        pytest.param(
            '{"points": 18446744073709551616}',
            "An integer does not fit in 64 bits: 18446744073709551616",
            id="an integer beyond 64 bits",
        ),
        pytest.param(
            '{"_fname": "\\u0000"}',
            "Must not contain the NUL character: data._fname",
            id="NUL",
        ),
        pytest.param('{"_fname": "\\ud800"}', "The body is not JSON", id="surrogate"),
        pytest.param('{"points": NaN}', "The body is not JSON", id="NaN"),
        pytest.param('{"points": -Infinity}', "The body is not JSON", id="infinity"),
        pytest.param(
            json.dumps({f"f{number}": 1 for number in range(51)}),
            "An object has too many members (at most 50)",
            id="too many members",
        ),
        pytest.param(
            f'{{"interests": [{",".join("0" * 2000)}]}}',
            "The body has too many values (at most 2000)",
            id="too many values",
        ),
        pytest.param(
            "[" * 33 + "]" * 33,
            "The body is nested too deeply (at most 32 levels)",
            id="depth",
        ),
    ],
)
def test_a_harmful_document_is_400_and_nothing_is_queued(
    intake: ServedIntake, token: str, data: str, text: str
) -> None:
    status, said = hold(intake, token, data)

    assert (status, said[: len(text)]) == (400, text)
    assert count_waiting(intake.settings) == 0


def test_a_document_at_the_limits_is_queued(intake: ServedIntake, token: str) -> None:
    data = {f"f{number}": 2**64 - 1 for number in range(50)}

    assert hold(intake, token, json.dumps(data)) == (202, "Accepted")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP, identity"])
@pytest.mark.parametrize("path", ["/api/v1.1/profiles/import", QUICK])
def test_a_compressed_body_is_415_and_never_unpacked(
    intake: ServedIntake, token: str, encoding: str, path: str
) -> None:
    body = gzip.compress(json.dumps(make_document(token)).encode())

    response = intake.post(body, {"Content-Encoding": encoding}, path=path)

    assert response.status_code == 415
    assert "Content-Encoding" in response.text
    assert count_waiting(intake.settings) == 0


def test_a_body_that_says_that_it_is_not_compressed_is_taken(
    intake: ServedIntake, token: str
) -> None:
    headers = {**AT_ONCE, "Content-Encoding": "Identity"}

    assert intake.post(make_document(token), headers).status_code == 202


def make_form(token: str, fields: int) -> Mapping[str, object]:
    known = {"token": token, "db_id": 1, "email": "a@example.com", "sync": 0}
    return known | {f"f{number}": number for number in range(fields - len(known))}


@pytest.mark.parametrize(("fields", "status"), [(50, 202), (51, 400)])
@pytest.mark.parametrize("place", ["url", "form", "json"])
def test_the_fields_of_a_quick_import_are_limited(
    intake: ServedIntake, token: str, fields: int, status: int, place: str
) -> None:
    form = make_form(token, fields)
    if place == "url":
        response = intake.post(b"", path=f"{QUICK}?{urlencode(form)}")
    elif place == "form":
        response = intake.post(urlencode(form).encode(), FORM, path=QUICK)
    else:
        response = intake.post(dict(form), path=QUICK)

    assert response.status_code == status
    assert count_waiting(intake.settings) == (status == 202)


INJECTED = "x\r\nSet-Cookie: stolen=1\r\n\r\nHTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "place",
    ["token", "format", "matching", "email", "sync", "db_id", "field_name", "data"],
)
def test_no_parameter_becomes_a_header(
    intake: ServedIntake, token: str, place: str
) -> None:
    in_body = intake.post(make_document(token, **{place: INJECTED}), AT_ONCE)
    in_url = intake.post(b"", AT_ONCE, f"{QUICK}?{urlencode({place: INJECTED})}")

    for response in (in_body, in_url):
        assert "Set-Cookie" not in response.headers
        assert not any("stolen" in value for value in response.headers.values())


def send_raw(intake: ServedIntake, request: bytes) -> bytes:
    """Send bytes that no client library would; return all that is answered."""
    parts = urlsplit(intake.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
        peer.sendall(request)
        answer = b""
        while chunk := peer.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"Prefer: wait=1\rSet-Cookie: stolen=1", id="a bare CR"),
        pytest.param(b"Prefer: wait=1\nSet-Cookie: stolen=1", id="a bare LF"),
        pytest.param(b"Prefer: wait=1\0", id="NUL"),
        pytest.param(b"Prefer: wait=1\r\n folded", id="a folded line"),
        pytest.param(b"Prefer: wait=1;x=\xff\xfe", id="not ASCII"),
        pytest.param(b"Accept: \xd1\x8f", id="another header, not ASCII"),
        pytest.param(b"Authorization: Bearer \xd1\x8f", id="a token that is no ASCII"),
    ],
)
def test_a_strange_header_is_not_echoed(
    intake: ServedIntake, token: str, header: bytes
) -> None:
    body = json.dumps(make_document(token, sync=False)).encode()

    answer = send_raw(
        intake,
        b"POST /api/v1.1/profiles/import HTTP/1.1\r\nHost: penstock\r\n"
        b"Connection: close\r\n%s\r\nContent-Length: %d\r\n\r\n%s"
        % (header, len(body), body),
    )

    status = int(answer.split()[1])
    assert status in (200, 202, 400)
    assert b"stolen" not in answer
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/api/v1.1/imports/%0d%0aSet-Cookie:%20stolen=1", id="a receipt"),
        pytest.param("/%0d%0aSet-Cookie:%20stolen=1", id="an unknown path"),
        pytest.param("//evil.example//%0d%0a/", id="slashes"),
    ],
)
def test_a_path_is_not_echoed(intake: ServedIntake, token: str, path: str) -> None:
    response = intake.get(path, params={"token": token})

    assert response.status_code in (200, 404)
    assert "Set-Cookie" not in response.headers
    assert "Location" not in response.headers
