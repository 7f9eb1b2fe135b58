"""Answers that come before the end of a body, and offers of another protocol."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from ingest.doors.http import protocol
from ingest.settings import Settings
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


@pytest.fixture
def small(settings: Settings) -> Iterator[ServedIntake]:
    with served(replace(settings, max_body_bytes=MEBIBYTE)) as intake:
        yield intake


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
