"""Answers that come before the end of a body, and offers of another protocol."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from ingest.doors.http import protocol
from ingest.settings import Settings
from tests.databases import cloned
from tests.drains import draining
from tests.intakes import DEADLINE_SECONDS, ServedIntake, served, wait_until
from tests.uploads import PATH as JOBS

IMPORT = "/api/v1.1/profiles/import"
MEBIBYTE = 1024 * 1024
#: As Java's HttpClient, curl --http2, Spring and Ktor offer it.
OFFERS = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    "h2c, then close": "Connection: close, Upgrade, HTTP2-Settings\r\n"
    "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "several lines": "Connection: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
    "another protocol": "Connection: Upgrade\r\nUpgrade: websocket, TLS/1.3\r\n",
    "nothing": "",
}


def body_of(token: str) -> bytes:
    data = {"_fname": "Ann"}
    document = {"token": token, "db_id": 1, "email": "a@example.com", "data": data}
    return json.dumps(document).encode()


def head(length: int | None, more: str = "", path: str = IMPORT) -> bytes:
    sized = (
        "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    )
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{more}{sized}\r\n\r\n".encode()


@contextmanager
def connected(intake: ServedIntake) -> Iterator[socket.socket]:
    parts = urlsplit(intake.url)
    address = (parts.hostname, parts.port)
    with socket.create_connection(address, timeout=DEADLINE_SECONDS) as peer:
        yield peer


def read_answer(peer: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one answer."""
    with peer.makefile("rb") as file:
        status = int(file.readline().split()[1])
        lines = iter(lambda: file.readline().strip(), b"")
        pairs = (line.decode().split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        return status, headers, file.read(int(headers["content-length"]))


def is_reset(peer: socket.socket) -> bool:
    try:
        peer.sendall(b" ")
    except ConnectionError:
        return True
    return False


HEAD_LIMIT = 8 * 1024
BLOCK = b"x" * 4096
#: What comes before it, what goes on for ever, and what of it is a part.
ENDLESS = {
    "one header": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nLong: ", BLOCK),
    "many headers": (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n" * 700),
    "a header's name": (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", BLOCK),
    "white space": (b"GET /health/live HTTP/1.1\r\nHost: ", b" " * 4096),
    "a path": (b"GET /", BLOCK),
    "empty lines": (b"", b"\r\n" * 2048),
}


def make_head(size: int, path: str = "/health/live") -> bytes:
    """Return a head of exactly `size` bytes, the empty line at its end included."""
    start = f"GET {path} HTTP/1.1\r\nHost: x\r\nLong: ".encode()
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def send_until_it_ends(peer: socket.socket, part: bytes, most: int) -> None:
    """Send `part` again and again; fail when `most` bytes were taken."""
    with suppress(ConnectionError):
        for _ in range(most // len(part)):
            peer.sendall(part)
        pytest.fail(f"{most} bytes were taken")


@pytest.fixture
def small(settings: Settings) -> Iterator[ServedIntake]:
    with served(replace(settings, max_body_bytes=MEBIBYTE)) as intake:
        yield intake


@pytest.fixture(scope="module")
def short_heads(servers: Any, template: str) -> Iterator[ServedIntake]:
    with cloned(servers.database_url, template) as url:
        settings = Settings(
            database_url=url, redis_url=servers.redis_url, max_head_bytes=HEAD_LIMIT
        )
        with served(settings) as intake:
            yield intake


@pytest.mark.parametrize("step", [1, 1000, 100_000])
def test_a_head_at_the_limit_is_read(short_heads: ServedIntake, step: int) -> None:
    sent = make_head(HEAD_LIMIT)
    with connected(short_heads) as peer:
        for start in range(0, len(sent), step):
            peer.sendall(sent[start : start + step])

        assert read_answer(peer)[0] == 200


@pytest.mark.parametrize("step", [1000, 100_000])
def test_a_head_over_the_limit_is_431_and_the_connection_ends(
    short_heads: ServedIntake, step: int
) -> None:
    sent = make_head(HEAD_LIMIT + 100)
    with connected(short_heads) as peer:
        for start in range(0, len(sent), step):
            peer.sendall(sent[start : start + step])
        status, headers, text = read_answer(peer)

        assert status == 431
        assert headers["connection"] == "close"
        assert headers["content-type"] == "application/json"
        assert json.loads(text) == {
            "error": 431,
            "error_text": "The request head is too large (path and headers, at"
            f" most {HEAD_LIMIT} bytes)",
        }
        assert peer.recv(1) == b""


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_head_without_an_end_is_431_and_no_more_is_kept(
    short_heads: ServedIntake, kind: str
) -> None:
    start, part = ENDLESS[kind]
    with connected(short_heads) as peer:
        peer.sendall(start)
        for _ in range(1 + HEAD_LIMIT // len(part)):
            peer.sendall(part)

        assert read_answer(peer)[0] == 431
        assert peer.recv(1) == b""


@pytest.mark.parametrize(
    ("start", "part"),
    [
        pytest.param(b"0\r\n", b"A: b\r\n" * 700, id="trailers"),
        pytest.param(b"2;", BLOCK, id="a chunk's extension"),
    ],
)
def test_what_belongs_to_no_body_ends_the_connection(
    short_heads: ServedIntake, start: bytes, part: bytes
) -> None:
    with connected(short_heads) as peer:
        peer.sendall(head(None) + b"2\r\n{}\r\n" + start)

        send_until_it_ends(peer, part, 64 * MEBIBYTE)


def test_a_long_head_behind_a_request_takes_no_answer_that_is_not_its_own(
    short_heads: ServedIntake, token: str
) -> None:
    body = body_of(token)
    with connected(short_heads) as peer:
        # Nobody applies it: its answer is owed while the second head comes.
        peer.sendall(head(len(body)) + body)
        peer.sendall(make_head(4 * HEAD_LIMIT))

        answer = b""
        with suppress(ConnectionError):
            answer = peer.recv(65536)

    assert answer == b""


def test_heads_in_turn_are_each_measured_alone(short_heads: ServedIntake) -> None:
    with connected(short_heads) as peer:
        for _ in range(3):
            peer.sendall(make_head(HEAD_LIMIT))
            assert read_answer(peer)[0] == 200
        peer.sendall(make_head(HEAD_LIMIT // 2) * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3:
            answers += peer.recv(65536)


@pytest.mark.parametrize("path", [IMPORT, f"{IMPORT}_batch", "/nowhere", JOBS])
def test_a_refusal_reaches_who_sends_its_whole_body_first(
    small: ServedIntake, path: str
) -> None:
    request = urllib.request.Request(
        f"{small.url}{path}",
        data=b" " * (12 * MEBIBYTE),
        headers={"Content-Type": "text/csv" if path == JOBS else "application/json"},
    )
    wanted = {"/nowhere": 404, JOBS: 401}.get(path, 413)
    for _ in range(12):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=DEADLINE_SECONDS)
        assert caught.value.code == wanted
        assert json.load(caught.value)["error"] == wanted


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_refusal_is_read_while_the_body_is_still_sent(
    small: ServedIntake, connection: str, chunked: bool
) -> None:
    block = b" " * MEBIBYTE
    if chunked:
        block = b"%x\r\n%b\r\n" % (len(block), block)
    for _ in range(12):
        with connected(small) as peer:
            length = None if chunked else 8 * MEBIBYTE
            peer.sendall(head(length, f"Connection: {connection}\r\n"))
            for _ in range(8):
                peer.sendall(block)
            peer.sendall(b"0\r\n\r\n" if chunked else b"")
            status, _, text = read_answer(peer)

        assert (status, json.loads(text)["error"]) == (413, 413)


def test_a_connection_is_used_again_after_a_refused_body(
    small: ServedIntake, token: str
) -> None:
    with connected(small) as peer:
        peer.sendall(head(2 * MEBIBYTE) + b" ")
        assert read_answer(peer)[0] == 413
        peer.sendall(b" " * (2 * MEBIBYTE - 1))
        peer.sendall(head(2) + b"{}")

        status, _, text = read_answer(peer)

    assert (status, json.loads(text)["error"]) == (200, 401)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_no_more_is_read_for_nothing_than_the_bound(
    small: ServedIntake, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_BYTES", 4 * MEBIBYTE)
    with connected(small) as peer:
        peer.sendall(head(2**40, f"Connection: {connection}\r\n") + b" ")
        assert read_answer(peer)[0] == 413

        with pytest.raises(ConnectionError):
            peer.sendall(b" " * (200 * MEBIBYTE))


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_who_sends_nothing_more_is_not_waited_for_longer_than_the_bound(
    small: ServedIntake, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_SECONDS", 0.2)
    with connected(small) as peer:
        peer.sendall(head(2 * MEBIBYTE, f"Connection: {connection}\r\n") + b" ")
        assert read_answer(peer)[0] == 413

        wait_until(lambda: is_reset(peer))


def test_what_cannot_be_read_is_answered_too(small: ServedIntake) -> None:
    for _ in range(12):
        with connected(small) as peer:
            peer.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n")
            peer.sendall(b" " * MEBIBYTE)
            answer = b"".join(iter(lambda: peer.recv(65536), b""))

        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("offer", OFFERS)
def test_who_offers_another_protocol_is_served_in_this_one(
    settings: Settings, token: str, offer: str, step: int
) -> None:
    body = body_of(token)
    sent = head(len(body), OFFERS[offer]) + body
    with served(settings) as intake, draining(settings), connected(intake) as peer:
        for start in range(0, len(sent), step):
            peer.sendall(sent[start : start + step])
        status, headers, text = read_answer(peer)

    assert (status, json.loads(text)["error"]) == (200, 0)
    assert ("connection" in headers) == ("close" in offer)


def test_requests_behind_an_offer_are_served_in_their_order(
    settings: Settings, token: str
) -> None:
    body = body_of(token)
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    sent = (
        head(None, OFFERS["h2c"])
        + chunk
        + b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
        + OFFERS["h2c"].encode()
        + b"\r\n"
        + head(2, OFFERS["h2c"])
        + b"{}"
    )
    with served(settings) as intake, draining(settings), connected(intake) as peer:
        peer.sendall(sent)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3:
            answers += peer.recv(65536)

    first, second, third = answers.split(b"HTTP/1.1 200 OK")[1:]
    assert b'"profile_id"' in first
    assert b"profile_id" not in second
    assert b'"error":401' in third
