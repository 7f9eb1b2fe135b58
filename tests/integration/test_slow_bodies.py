"""Bodies that come slowly, never to their end, or too many at a time."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from ingest.settings import Settings
from tests.half_requests import IMPORT, open_request, read_answer
from tests.intakes import (
    ServedIntake,
    intake_process,
    make_document,
    served,
    wait_until,
)

MEGABYTE = 1024 * 1024
ASYNC = {"Prefer": "respond-async"}


def is_closed(opened: socket.socket) -> bool:
    """Say whether the other side closes, within the deadline of the socket."""
    try:
        return opened.recv(65536) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def hasty(settings: Settings) -> Iterator[ServedIntake]:
    """An intake that waits a second for a body."""
    with served(replace(settings, body_seconds=1.0)) as running:
        yield running


@pytest.mark.parametrize(
    ("length", "sent", "path"),
    [
        pytest.param(100, b"", IMPORT, id="no byte of it"),
        pytest.param(100, b'{"db_id":', IMPORT, id="half of it"),
        pytest.param(None, b"", IMPORT, id="no chunk of it"),
        pytest.param(None, b'5\r\n{"db_\r\n', IMPORT, id="half of its chunks"),
        pytest.param(9 * MEGABYTE, b"{" * MEGABYTE, IMPORT, id="much of it"),
        pytest.param(100, b"{", "/api/v1.1/profiles/import_batch", id="a batch"),
        pytest.param(100, b"e", "/api/integrations/any/profile_import", id="a form"),
        pytest.param(100, b"{", "/api/v1.1/profiles/get", id="a question"),
    ],
)
def test_a_body_that_does_not_come_is_408_and_its_connection_ends(
    hasty: ServedIntake, token: str, length: int | None, sent: bytes, path: str
) -> None:
    with open_request(hasty.url, length, path) as opened:
        opened.sendall(sent)
        said = read_answer(opened)

        assert said.startswith("HTTP/1.1 408 ")
        assert "The body took too long to arrive" in said
        assert is_closed(opened)
    assert hasty.post(make_document(token), ASYNC).status_code == 202


def test_a_body_that_drips_is_408_when_its_time_is_over(hasty: ServedIntake) -> None:
    with open_request(hasty.url, 100_000) as opened:
        began = time.monotonic()
        opened.settimeout(0.05)
        said = b""
        while not said and time.monotonic() - began < 30:
            opened.sendall(b" ")
            try:
                said = opened.recv(1000)
            except TimeoutError:
                continue

    assert said.startswith(b"HTTP/1.1 408 ")


def test_a_408_is_in_xml_for_those_who_send_it(hasty: ServedIntake) -> None:
    with open_request(hasty.url, 100, Accept="application/xml") as opened:
        assert "<error>408</error>" in read_answer(opened)


def test_an_upload_that_has_begun_is_not_hurried(
    hasty: ServedIntake, token: str
) -> None:
    path = "/api/v1.1/jobs/import?db_id=1"
    headers = {"Authorization": f"Bearer {token}"}
    with open_request(hasty.url, None, path, **headers) as opened:
        opened.sendall(b"1\r\n[\r\n")
        opened.settimeout(3)
        with pytest.raises(TimeoutError):
            opened.recv(1)


@contextmanager
def stalled(url: str, count: int, sent: bytes, length: int) -> Iterator[list[str]]:
    """Hold `count` requests that stop after `sent`; give the answers of the refused."""
    answers: list[str] = []

    def send() -> socket.socket:
        opened = open_request(url, length)
        opened.settimeout(1)
        try:
            opened.sendall(sent)
            answers.append(read_answer(opened))
        except OSError:
            # Nothing is answered yet, or no more is taken.
            pass
        return opened

    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        for opened in pool.map(lambda _: send(), range(count)):
            stack.enter_context(opened)
        yield answers


def test_bodies_beyond_the_room_for_them_are_503_until_there_is_room(
    settings: Settings, token: str
) -> None:
    with served(replace(settings, max_bodies_bytes=4 * MEGABYTE)) as intake:
        with stalled(intake.url, 5, b"{" * MEGABYTE, 2 * MEGABYTE) as answers:
            refused = [said for said in answers if "503" in said]

            assert 1 <= len(refused) <= 4
            assert "retry-after:" in refused[0].lower()
            assert "Too many request bodies are being read" in refused[0]
            # What is short needs no room.
            assert intake.post(make_document(token), ASYNC).status_code == 202
        large = make_document(token, padding="x" * 2 * MEGABYTE)
        wait_until(lambda: intake.post(large, ASYNC).status_code == 202)


def test_room_is_kept_for_those_whose_header_has_a_good_token(
    settings: Settings, token: str
) -> None:
    # Three quarters are for everyone.
    large = make_document(token, padding="x" * (MEGABYTE // 2))
    headers = {**ASYNC, "Authorization": f"Bearer {token}"}
    with (
        served(replace(settings, max_bodies_bytes=4 * MEGABYTE)) as intake,
        stalled(intake.url, 4, b"{" * MEGABYTE, 2 * MEGABYTE),
    ):
        assert intake.post(large, ASYNC).status_code == 503
        assert intake.post(large, headers).status_code == 202


def test_a_body_larger_than_the_room_is_read_when_it_is_alone(
    settings: Settings, token: str
) -> None:
    large = make_document(token, padding="x" * 2 * MEGABYTE)
    with served(replace(settings, max_bodies_bytes=MEGABYTE)) as intake:
        assert intake.post(large, ASYNC).status_code == 202


def test_a_long_body_under_an_unknown_token_is_refused_unread(
    intake: ServedIntake,
) -> None:
    headers = {"Authorization": "Bearer nobody's"}
    with open_request(intake.url, MEGABYTE, **headers) as opened:
        said = read_answer(opened)

    assert said.startswith("HTTP/1.1 403 ")
    assert "Unknown API token" in said


def test_a_short_bodys_own_token_comes_before_the_headers(
    intake: ServedIntake, token: str
) -> None:
    headers = {**ASYNC, "Authorization": "Bearer nobody's"}

    assert intake.post(make_document(token), headers).status_code == 202


@pytest.mark.parametrize("length", [100, None])
def test_a_form_that_breaks_off_is_not_imported(
    intake: ServedIntake, token: str, length: int | None
) -> None:
    path = f"/api/integrations/any/profile_import?token={token}&db_id=1"
    form = b"email=ada@example.com&_fname=Ad"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with open_request(intake.url, length, path) as opened:
        opened.sendall(form if length else b"%x\r\n%s\r\n" % (len(form), form))
    whole = b"email=bob@example.com"
    answer = intake.client.post(path, content=whole, headers=kind | ASYNC)

    assert answer.status_code == 202
    assert "bob@example.com" in str(intake.worker.take().import_)


#: Bodies of ten megabytes that take the most memory to read, and are refused.
HEAVY = {
    "texts": b'{"a":[' + b'"abcdefg",' * 990_000 + b"1]}",
    "objects": b'{"a":[' + b'{"abcdef":1.5},' * 499_990 + b"1]}",
    "a name given twice": b'{"b":1,"b":1,"a":[' + b'"abcdefg",' * 990_000 + b"1]}",
    "elements": b"<xml>" + b"<a>b</a>" * 499_000 + b"</xml>",
    "nested elements": b"<xml>" + b"<a><b/></a>" * 333_000 + b"</xml>",
}
#: What an intake may take, whatever is sent.
MOST_MEGABYTES = 400


def most_memory(process_id: int) -> float:
    """Return the most megabytes that a process ever had in memory."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_the_memory_of_an_intake_is_bounded_whatever_bodies_come(
    settings: Settings, token: str
) -> None:
    with (
        intake_process(replace(settings, wait_seconds=1)) as (process, url),
        httpx.Client(base_url=url, timeout=60, verify=False) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        wait_until(lambda: answers(client))
        with stalled(url, 120, b'{"a":"' + b"x" * 9_900_000, 10_000_000):
            assert most_memory(process.pid) < MOST_MEGABYTES
            list(pool.map(partial(send_heavy, url), list(HEAVY.values()) * 6))
        # They have all closed at once.
        wait_until(lambda: send_heavy(url, b'{"a":"' + b"x" * 9_000_000 + b'"}') == 200)
        list(pool.map(partial(send_heavy, url), list(HEAVY.values()) * 12))

        sent = client.post(IMPORT, json=make_document(token), headers=ASYNC)
        assert sent.status_code == 202
        assert most_memory(process.pid) < MOST_MEGABYTES


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").is_success
    except httpx.TransportError:
        return False


def send_heavy(url: str, body: bytes) -> int:
    """Send a body; return the status, 0 if the connection ended before."""
    try:
        return httpx.post(url + IMPORT, content=body, timeout=120).status_code
    except httpx.TransportError:
        return 0
