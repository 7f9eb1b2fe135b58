"""What a person meets at an intake's URL, and HEAD wherever there is GET."""

import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from selenium.webdriver.common.by import By

from ingest.doors.http.openapi.document import build_document
from ingest.settings import InvalidSettings, Settings, read_settings
from tests import uploads
from tests.browsers import (
    FIND_BARRIERS,
    FIND_FAINT,
    FIND_WIDE,
    browsing,
    set_scheme,
    set_width,
)
from tests.consoles import console
from tests.databases import cloned
from tests.drains import draining
from tests.intakes import DEADLINE_SECONDS, ServedIntake, make_document, served

CONSOLE = "http://127.0.0.1:9109"
UNKNOWN = "00000000-0000-7000-8000-000000000000"
#: Every path with GET, and others, and what each answers here.
READ = {
    "/": 200,
    "/docs": 200,
    "/openapi.json": 200,
    "/health/live": 200,
    "/health/ready": 200,
    "/api/v1.1/imports/{import_id}": 200,
    "/api/v1.1/batches/{batch}": 200,
    "/api/v1.1/jobs": 200,
    "/api/v1.1/jobs/{job_id}": 200,
    "/api/v1.1/jobs/{job_id}/results": 200,
    "/api/v1.1/jobs/{job_id}/rejects": 200,
    "/api/v1.1/jobs/{job_id}/faults": 200,
    "/confirm/{token}": 410,
    f"/api/v1.1/imports/{UNKNOWN}": 404,
    "/api/v1.1/nothing": 404,
    "/api/v1.1/profiles/import": 405,
}
#: Of one answer alone, and of how its body is sent.
OF_ONE_ANSWER = {"date", "transfer-encoding"}


@pytest.fixture(scope="module")
def intake(servers: Any, template: str) -> Iterator[ServedIntake]:
    with cloned(servers.database_url, template) as url:
        settings = Settings(
            database_url=url, redis_url=servers.redis_url, console_url=CONSOLE
        )
        with served(settings) as running, draining(settings):
            yield running


@pytest.fixture(scope="module")
def names(intake: ServedIntake) -> Mapping[str, str]:
    """An import, a batch and a job that there are."""
    token = "abcdefghijklmnqrstuvwxyz"
    one = intake.post(make_document(token))
    elements = [{"data": {"email": "ada@example.com"}}]
    batch = intake.post(
        make_document(token, data=elements),
        {"Prefer": "respond-async"},
        "/api/v1.1/profiles/import_batch",
    )
    job = uploads.send(intake, token, uploads.PEOPLE)
    return {
        "import_id": one.headers["Import-Id"],
        "batch": batch.headers["Location"].rpartition("/")[2],
        "job_id": job.json()["job_id"],
        "token": "A" * 43,
    }


def ask(intake: ServedIntake, method: str, path: str, **more: str) -> httpx.Response:
    headers = {"Authorization": "Bearer abcdefghijklmnqrstuvwxyz", **more}
    return intake.client.request(method, path, headers=headers)


def test_every_path_that_is_read_is_asked_here() -> None:
    paths: Mapping[str, Mapping[str, Any]] = build_document()["paths"]  # type: ignore[assignment]

    assert {path for path, item in paths.items() if "get" in item} <= READ.keys()


@pytest.mark.parametrize("path", READ)
def test_head_is_answered_as_get_is_without_the_body(
    intake: ServedIntake, names: Mapping[str, str], path: str
) -> None:
    expected, path = READ[path], path.format(**names)

    got, headed = ask(intake, "GET", path), ask(intake, "HEAD", path)

    assert (got.status_code, headed.status_code) == (expected, expected)
    assert got.content
    assert headed.content == b""
    both = [
        {name: text for name, text in one.headers.items() if name not in OF_ONE_ANSWER}
        for one in (got, headed)
    ]
    assert both[0] == both[1]
    if "transfer-encoding" not in got.headers:
        assert headed.headers["Content-Length"] == str(len(got.content))


def test_nothing_follows_the_head_on_the_connection(intake: ServedIntake) -> None:
    parts = urlsplit(intake.url)
    with socket.create_connection(
        (parts.hostname, parts.port), timeout=DEADLINE_SECONDS
    ) as peer:
        peer.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        peer.sendall(b"HEAD /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: peer.recv(65536), b""))

    assert text.count(b"HTTP/1.1 200 OK") == 3
    assert b"<" not in text


def test_head_of_what_the_caller_has_is_304(intake: ServedIntake) -> None:
    tag = ask(intake, "HEAD", "/").headers["ETag"]

    assert ask(intake, "HEAD", "/", **{"If-None-Match": tag}).status_code == 304


def test_a_path_that_is_read_names_head_among_its_methods(intake: ServedIntake) -> None:
    refused = ask(intake, "PUT", "/health/live")

    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) >= {"GET", "HEAD"}


def test_the_console_answers_head_too(settings: Settings) -> None:
    with console(settings) as opened:
        got, headed = (opened.client.request(one, "/login") for one in ("GET", "HEAD"))

    assert (got.status_code, headed.status_code) == (200, 200)
    assert headed.content == b""
    assert headed.headers["Content-Type"] == got.headers["Content-Type"]


def test_the_front_page_leads_to_what_a_person_needs(intake: ServedIntake) -> None:
    page = ask(intake, "GET", "/", Accept="text/html")

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    links = re.findall('href="([^"]+)"', page.text)
    assert links == ["#main", "/docs", "/openapi.json", CONSOLE, "/health/ready"]
    assert [ask(intake, "GET", link).status_code for link in links[1:3]] == [200, 200]
    assert "Penstock" in page.text
    assert not re.search("src=|url\\(|@import|<script", page.text)


def test_the_pages_are_kept_to_themselves_as_the_consoles_are(
    intake: ServedIntake, settings: Settings
) -> None:
    with console(settings) as opened:
        kept = opened.client.get("/login").headers
    for path in ("/", "/docs"):
        headers = ask(intake, "GET", path).headers
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert rule in policy
        for name in (
            *("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"),
            *("Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"),
        ):
            assert headers[name] == kept[name]


def test_without_an_address_the_front_page_says_how_to_start_the_console(
    intake: ServedIntake,
) -> None:
    with served(replace(intake.settings, console_url="")) as other:
        page = other.get("/").text

    assert CONSOLE not in page
    assert "<code>penstock console</code>" in page


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "127.0.0.1:9109", "http://", "ftp://x", 'http://"x']
)
def test_an_address_of_the_console_is_a_url_of_the_web(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/penstock")
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    monkeypatch.setenv("PENSTOCK_CONSOLE_URL", url)

    with pytest.raises(InvalidSettings, match="PENSTOCK_CONSOLE_URL"):
        read_settings()


def test_the_front_page_is_for_everyone(intake: ServedIntake, tmp_path: Path) -> None:
    profile = tmp_path / "chromium"
    profile.mkdir()
    with browsing(profile) as browser:
        browser.get(intake.url)
        assert browser.execute_script(FIND_BARRIERS) == []
        for scheme in ("light", "dark"):
            set_scheme(browser, scheme)
            assert browser.execute_script(FIND_FAINT) == []
        set_width(browser, 320)
        assert browser.execute_script(FIND_WIDE) == []
        complaints = browser.get_log("browser")  # type: ignore[no-untyped-call]
        assert [one for one in complaints if "favicon" not in str(one)] == []

        browser.find_element(By.LINK_TEXT, "API reference").click()
        assert "Penstock API" in browser.find_element(By.TAG_NAME, "h1").text
