"""The reverse proxy of deploy/nginx in front of a served intake."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.local.state import find_free_port
from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import DEADLINE_SECONDS, make_document, served, wait_until
from tests.programs import find_program
from tests.uploads import emails

CONFIGURATION = Path(__file__).parents[2] / "deploy/nginx/penstock.conf"
HOST = "imports.example.com"


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(directory: Path) -> None:
    subprocess.run(
        [
            *(find_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"),
            *("-keyout", directory / "privkey.pem"),
            *("-out", directory / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def proxy(settings: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that speaks TLS to nginx, behind which an import is really applied."""
    make_certificate(tmp_path)
    port = find_free_port()
    with served(settings) as intake, draining(settings):
        shipped = CONFIGURATION.read_text()
        (tmp_path / "penstock.conf").write_text(
            shipped.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
            .replace("127.0.0.1:8080", intake.url.removeprefix("http://"))
            .replace("/etc/ssl/penstock", str(tmp_path))
        )
        (tmp_path / "nginx.conf").write_text(
            # Its workers write where only whoever runs the tests may.
            f"user {getuser()}; pid {tmp_path}/pid; daemon off;\n"
            f"error_log {tmp_path}/error.log;\n"
            "events {}\n"
            f"http {{ client_body_temp_path {tmp_path}/bodies;\n"
            f"proxy_temp_path {tmp_path}/answers; include penstock.conf; }}\n"
        )
        server = subprocess.Popen(
            [find_program("nginx"), "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: accepts(port))
            trusted = ssl.create_default_context(cafile=tmp_path / "fullchain.pem")
            # Under its own name: the certificate is for that, not for an address.
            with httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                headers={"Host": HOST},
                verify=trusted,
                timeout=DEADLINE_SECONDS,
            ) as client:
                yield client
        finally:
            server.terminate()
            server.wait(DEADLINE_SECONDS)


def post(proxy: httpx.Client, **sent: Any) -> httpx.Response:
    return proxy.post(
        "/api/v1.1/profiles/import", extensions={"sni_hostname": HOST}, **sent
    )


def test_an_import_through_the_proxy_is_answered_like_any(
    proxy: httpx.Client, token: str
) -> None:
    response = post(proxy, json=make_document(token))

    assert response.json()["error"] == 0
    assert response.headers["Import-Id"]
    assert "max-age" in response.headers["Strict-Transport-Security"]


def test_a_body_past_the_limit_is_refused_in_the_words_of_the_contract(
    proxy: httpx.Client, settings: Settings
) -> None:
    response = post(proxy, content=b"{" + b" " * settings.max_body_bytes)

    assert response.status_code == 413
    assert response.json()["error"] == 413


def test_the_way_to_wait_and_where_to_ask_pass_the_proxy(
    proxy: httpx.Client, token: str
) -> None:
    response = post(
        proxy, json=make_document(token), headers={"Prefer": "respond-async"}
    )

    assert response.status_code == 202
    assert response.headers["Location"].startswith("/api/v1.1/imports/")


def test_health_is_not_for_callers(proxy: httpx.Client) -> None:
    response = proxy.get("/health/ready", extensions={"sni_hostname": HOST})

    assert response.status_code == 403


def upload(proxy: httpx.Client, token: str, file: Iterator[bytes]) -> httpx.Response:
    return proxy.post(
        "/api/v1.1/jobs/import?db_id=1",
        content=file,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/csv"},
        extensions={"sni_hostname": HOST},
    )


def test_the_rows_of_a_file_are_applied_while_it_is_sent(
    proxy: httpx.Client, token: str, connection: Connection
) -> None:
    def write() -> Iterator[bytes]:
        yield b"email\nada@example.com\n"
        wait_until(lambda: emails(connection) == ["ada@example.com"])
        yield b"bob@example.com\n"

    response = upload(proxy, token, write())

    assert response.json()["error"] == 0
    assert emails(connection) == ["ada@example.com", "bob@example.com"]


def test_a_file_may_be_longer_than_a_body(
    proxy: httpx.Client, token: str, settings: Settings
) -> None:
    # A column of this name is passed over.
    row = b"ada@example.com," + b"x" * 1_000_000 + b"\n"
    count = settings.max_body_bytes // len(row) + 3

    def write() -> Iterator[bytes]:
        yield b"email,penstock_note\n"
        yield from [row] * count

    response = upload(proxy, token, write())

    assert response.json()["error"] == 0
    assert response.json()["rows"] == count
