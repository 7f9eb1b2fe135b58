"""`penstock up` as its user meets it: started, hurt, killed and started again."""

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.local.processes import identity
from ingest.store.database import connect
from tests.acceptance.conftest import START_SECONDS
from tests.groups import STOP_SECONDS, Group, wait_for

IMPORT = "/api/v1.1/profiles/import"


def send(http: str, token: str, email: str) -> dict[str, Any]:
    """Import one profile; return the answer."""
    response = httpx.post(
        f"{http}{IMPORT}",
        headers={"Authorization": f"Bearer {token}"},
        json={"db_id": 1, "matching": "email", "email": email, "data": {}},
        timeout=30,
    )
    answer: dict[str, Any] = response.json()
    return answer


def is_imported(answer: dict[str, Any], email: str) -> bool:
    """Try an import; a group that is hurt may refuse it for the moment."""
    try:
        result = send(answer["http"], answer["token"], email)
    except httpx.TransportError:
        return False
    return "profile_id" in result


def emails(database_url: str) -> set[str]:
    with connect(database_url) as connection:
        rows = connection.execute("SELECT email FROM profiles").fetchall()
    return {str(email) for (email,) in rows}


def all_gone(pids: set[int]) -> bool:
    return not any(identity(pid) for pid in pids)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """A group that tests hurt in turn; each leaves it well."""
    made = Group(tmp_path_factory.mktemp("group") / "state", "--intakes", "2")
    yield made
    pids = made.processes()
    assert made.end() == 0, made.said
    assert all_gone(pids)


@pytest.fixture(scope="module")
def ready(group: Group) -> dict[str, Any]:
    return group.wait_ready()


@pytest.fixture
def answer(group: Group, ready: dict[str, Any]) -> dict[str, Any]:
    """What it tells who asks now: some tests start it again."""
    return group.answer()


def test_the_answer_names_everything(answer: dict[str, Any]) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", answer["http"])
    assert answer["metrics"].endswith("/metrics")
    assert answer["database"].startswith("postgresql://penstock:")
    assert answer["redis"].startswith("redis://:")
    pids = answer["pids"]
    assert len(pids["intake"]) == 2
    assert len(pids["workers"]) == 1
    names = ("supervisor", "postgres", "redis", "upkeep", "beat", "exporter", "console")
    assert all(identity(pids[name]) for name in names)


def test_an_import_goes_through(answer: dict[str, Any]) -> None:
    result = send(answer["http"], answer["token"], "first@example.com")

    assert result["error"] == 0
    assert "first@example.com" in emails(answer["database"])


def test_metrics_are_served(answer: dict[str, Any]) -> None:
    assert "penstock_redis_up 1.0" in httpx.get(answer["metrics"]).text


def test_the_console_takes_the_admin_token_and_no_other(answer: dict[str, Any]) -> None:
    def look(secret: str) -> int:
        bearer = {"Authorization": f"Bearer {secret}"}
        return httpx.get(answer["console"], headers=bearer, timeout=30).status_code

    assert look(answer["admin_token"]) == 200
    assert look(answer["token"]) == 403


def test_the_url_shows_a_page_that_leads_to_the_console(
    answer: dict[str, Any],
) -> None:
    page = httpx.get(answer["http"], timeout=30)

    assert page.headers["Content-Type"].startswith("text/html")
    assert f'href="{answer["console"]}"' in page.text


def test_progress_is_told_in_plain_lines(group: Group, answer: dict[str, Any]) -> None:
    assert "penstock: postgres: ready (" in group.said
    assert "penstock: drains: ready (" in group.said
    assert "\x1b" not in group.said


def test_a_second_start_attaches(group: Group, answer: dict[str, Any]) -> None:
    second = Group(group.state)

    assert second.wait_ready() == answer
    assert second.process.wait(STOP_SECONDS) == 0
    second.close()


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param("intake", "intake", id="intake"),
        pytest.param("workers", "drains", id="worker"),
        pytest.param("upkeep", "upkeep", id="upkeep"),
        pytest.param("beat", "beat", id="beat"),
        pytest.param("exporter", "exporter", id="exporter"),
        pytest.param("console", "console", id="console"),
        pytest.param("redis", "redis", id="Redis"),
        pytest.param("postgres", "postgres", id="Postgres"),
    ],
)
def test_a_killed_child_is_restarted_and_that_is_said(
    group: Group, answer: dict[str, Any], name: str, number: str
) -> None:
    listed = group.pids()[name]
    pid = listed[0] if isinstance(listed, list) else listed

    os.kill(pid, signal.SIGKILL)

    wait_for(lambda: f"(process {pid}) ended: SIGKILL; restarting" in group.said)
    wait_for(lambda: re.search(f"{number}.*: restarted", group.said))
    wait_for(lambda: is_imported(answer, f"{name}@example.com"))
    assert pid not in json.dumps(group.pids()).split()


def test_the_port_stays_open_while_an_intake_restarts(
    group: Group, answer: dict[str, Any]
) -> None:
    port = httpx.URL(answer["http"]).port
    assert port is not None
    before = group.pids()["intake"]

    def are_others() -> bool:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return set(before).isdisjoint(group.pids()["intake"])

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(are_others)

    wait_for(lambda: is_imported(answer, "port@example.com"))


class Load:
    """Producers that import all the time, and remember what was accepted."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self._answer = answer
        self._end = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=8)
        self.accepted: set[str] = set()
        self._jobs = [self._pool.submit(self._run, each) for each in range(8)]

    def _run(self, producer: int) -> None:
        headers = {"Authorization": f"Bearer {self._answer['token']}"}
        with httpx.Client(base_url=self._answer["http"], headers=headers) as client:
            for number in range(100_000):
                if self._end.is_set():
                    return
                email = f"{producer}-{number}@load.example"
                key = {"matching": "email", "email": email}
                # Half of them do not wait: these are in the stream at the kill.
                body = {"db_id": 1, **key, "data": {}, "sync": number % 2 == 0}
                try:
                    accepted = client.post(IMPORT, json=body).json()["error"] == 0
                except (httpx.TransportError, ValueError):
                    return
                if accepted:
                    self.accepted.add(email)

    def end(self) -> set[str]:
        self._end.set()
        for job in self._jobs:
            job.result(timeout=60)
        self._pool.shutdown()
        return self.accepted


@pytest.mark.timeout(240)
def test_a_killed_supervisor_leaves_no_orphan_and_loses_nothing(
    group: Group, answer: dict[str, Any]
) -> None:
    load = Load(answer)
    wait_for(lambda: len(load.accepted) > 300)
    pids = group.processes()

    group.process.kill()
    group.close()
    # At once, while the processes of the first still end.
    group.start()
    accepted = load.end()
    answer = group.wait_ready()

    assert len(pids) > 8
    wait_for(lambda: all_gone(pids))
    wait_for(lambda: accepted <= emails(answer["database"]))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, id="SIGTERM"),
    ],
)
def test_a_stop_is_clean_and_the_next_start_has_the_data(
    group: Group, answer: dict[str, Any], number: signal.Signals
) -> None:
    email = f"{number.name}@example.com"
    send(answer["http"], answer["token"], email)
    pids = group.processes()

    assert group.end(number) == 0

    assert all_gone(pids)
    assert not (group.state / "servers.json").exists()
    stops = re.findall(r"stopping (.*)", group.said)
    assert stops == [
        "intake-1, intake-2",
        "beat, exporter, console",
        "drains, upkeep",
        "postgres",
        "redis",
    ]
    assert "killed" not in group.said

    group.start()
    assert email in emails(group.wait_ready()["database"])


def test_a_stop_while_starting_is_clean(tmp_path: Path) -> None:
    group = Group(tmp_path / "state")
    wait_for(lambda: "starting drains" in group.said, START_SECONDS)
    wait_for(lambda: len(group.processes()) > 6, START_SECONDS)
    pids = group.processes()

    assert group.end() == 1

    assert "stopped before everything was ready" in group.said
    assert all_gone(pids)


def test_a_port_that_is_taken_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        group = Group(tmp_path / "state", "--http-port", port)
        code = group.process.wait(STOP_SECONDS)

    group.close()
    assert code == 1
    assert f"port {port} cannot be used: Address already in use" in group.said
    assert "Traceback" not in group.said


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        pytest.param("PENSTOCK_POSTGRES_BIN", "no PostgreSQL to start", id="Postgres"),
        pytest.param("PENSTOCK_REDIS_BIN", "no Valkey or Redis to start", id="Redis"),
    ],
)
def test_missing_programs_are_named(
    tmp_path: Path, variable: str, message: str
) -> None:
    group = Group(tmp_path / "state", **{variable: str(tmp_path / "none")})

    assert group.process.wait(STOP_SECONDS) == 1
    group.close()
    assert message in group.said
    assert f"{tmp_path / 'none'} ({variable})" in group.said
    assert "Traceback" not in group.said
