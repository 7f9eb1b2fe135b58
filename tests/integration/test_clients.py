"""The examples of docs/clients do as they say, over answers that are lost."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from ingest.commands.consume import Door
from ingest.settings import Settings
from ingest.store.database import connect
from tests.consumers import consuming
from tests.drains import draining
from tests.intakes import DEADLINE_SECONDS, served
from tests.programs import find_program

CLIENTS = Path(__file__).parents[2] / "docs/clients"
#: What runs an example, and the example; building a Go program takes a while.
COMMANDS = {
    "curl": ("sh", "import-profile.sh"),
    "python": (sys.executable, "import_profile.py"),
    "node": ("node", "import-profile.mjs"),
    "go": ("go", "run", "import_profile.go"),
    "php": ("php", "import_profile.php"),
    "java": ("java", "ImportProfile.java"),
}
RUN_SECONDS = 90


class _Proxy(ThreadingHTTPServer):
    """Passes requests on, but loses the first answers."""

    daemon_threads = True

    def __init__(self, upstream: str, losses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.losses = losses
        self.requests = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy

    def do_POST(self) -> None:
        self.server.requests += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        passed = {
            name: value
            for name, value in self.headers.items()
            if name.lower() in {"authorization", "content-type", "idempotency-key"}
        }
        answer = httpx.post(
            f"{self.server.upstream}{self.path}",
            content=body,
            headers=passed,
            timeout=DEADLINE_SECONDS,
        )
        if self.server.requests <= self.server.losses:
            # It was applied, and nobody is told.
            self._answer(503, b"", {"Retry-After": "1"})
        else:
            kept = {"Content-Type": answer.headers["Content-Type"]}
            self._answer(answer.status_code, answer.content, kept)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (theirs)
        """Say nothing."""


@contextmanager
def losing(upstream: str, losses: int) -> Iterator[_Proxy]:
    with _Proxy(upstream, losses) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            # Closed alone it would go on, busily, for the rest of the session.
            proxy.shutdown()
            thread.join(DEADLINE_SECONDS)


def run(command: tuple[str, ...], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an example; do without the test where nothing runs its language."""
    program, *arguments = command
    return subprocess.run(
        [find_program(program), *arguments],
        cwd=CLIENTS,
        env=os.environ | environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )


def profiles(settings: Settings) -> list[tuple[str, int]]:
    """Return the id and the points of every profile."""
    with connect(settings.database_url) as connection:
        return [
            (str(id_), int(points))
            for id_, points in connection.execute(
                "SELECT id, fields -> 'points' FROM profiles"
            )
        ]


@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_imports_once_though_answers_are_lost(
    language: str, settings: Settings, token: str
) -> None:
    with (
        served(settings) as intake,
        draining(settings),
        losing(intake.url, losses=2) as proxy,
    ):
        url = f"http://127.0.0.1:{proxy.server_port}"
        done = run(COMMANDS[language], PENSTOCK_URL=url, PENSTOCK_TOKEN=token)

    assert done.returncode == 0, done.stderr
    assert proxy.requests == 3
    ((profile_id, points),) = profiles(settings)
    assert profile_id in done.stdout
    assert points == 10


@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_imports_without_anything_between(
    language: str, settings: Settings, token: str
) -> None:
    """Whatever its library offers, such as HTTP/2, reaches the intake as it is."""
    with served(settings) as intake, draining(settings):
        done = run(COMMANDS[language], PENSTOCK_URL=intake.url, PENSTOCK_TOKEN=token)

    assert done.returncode == 0, done.stderr
    ((profile_id, points),) = profiles(settings)
    assert profile_id in done.stdout
    assert points == 10


def test_curl_that_offers_http_2_is_served(settings: Settings, token: str) -> None:
    document = {"token": token, "db_id": 1, "email": "a@example.com", "data": {}}
    with served(settings) as intake, draining(settings):
        url = f"{intake.url}/api/v1.1/profiles/import"
        command = ("curl", "-sS", "--http2", "--json", json.dumps(document), url)
        answer = json.loads(run(command).stdout)

    assert answer["error"] == 0, answer


@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_tells_why_an_import_was_refused_and_does_not_repeat_it(
    language: str, settings: Settings, token: str
) -> None:
    with served(settings) as intake, losing(intake.url, losses=0) as proxy:
        url = f"http://127.0.0.1:{proxy.server_port}"
        done = run(
            COMMANDS[language],
            PENSTOCK_URL=url,
            PENSTOCK_TOKEN=token,
            PENSTOCK_DB="404",
        )

    assert done.returncode == 1
    assert "Database not found: db_id" in done.stdout + done.stderr
    assert proxy.requests == 1
    assert profiles(settings) == []


@pytest.mark.parametrize(("database", "status"), [("1", 0), ("404", 1)])
def test_a_producer_of_the_queue_hears_what_came_of_its_import(
    database: str, status: int, settings: Settings
) -> None:
    command = (sys.executable, "produce.py")
    queue = {"PENSTOCK_QUEUE": settings.redis_url, "PENSTOCK_DB": database}
    with consuming(settings, Door()), draining(settings):
        first, again = run(command, **queue), run(command, **queue)

    assert (first.returncode, again.returncode) == (status, status)
    assert [points for _, points in profiles(settings)] == [10][status:]
    if status:
        assert first.stderr == "404: Database not found: db_id\n"
    else:
        assert first.stdout == again.stdout == f"{profiles(settings)[0][0]}\n"
