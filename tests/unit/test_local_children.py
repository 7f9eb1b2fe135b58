import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.local.answers import answer_path, attach, group_pids
from ingest.local.children import GroupLayout, list_children, probe_http
from ingest.local.state import find_free_port, locked


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/ready" else 503)
        self.end_headers()
        self.wfile.write(b"redis: gone")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def make_layout(state: Path, **changes: int) -> GroupLayout:
    return GroupLayout(
        state=state,
        environ={},
        redis_url="redis://127.0.0.1:1/0",
        listener=9,
        http_port=8080,
        exporter_port=9108,
        console_listener=10,
        console_port=9109,
        intakes=changes.get("intakes", 1),
        workers=changes.get("workers", 2),
    )


def test_every_intake_serves_on_the_one_socket(tmp_path: Path) -> None:
    children = list_children(make_layout(tmp_path, intakes=3))

    intakes = [child for child in children if "intake" in child.program.name]
    assert [child.program.name for child in intakes] == [
        "intake-1",
        "intake-2",
        "intake-3",
    ]
    for child in intakes:
        assert child.program.argv[-5:-2] == ("intake", "--fd", "9")
        assert child.program.descriptors == (9,)


def test_the_console_serves_on_the_socket_that_was_opened_for_it(
    tmp_path: Path,
) -> None:
    (console,) = [
        child
        for child in list_children(make_layout(tmp_path))
        if child.program.name == "console"
    ]

    assert console.program.argv[-3:] == ("console", "--fd", "10")
    assert console.program.descriptors == (10,)


def test_the_drain_worker_has_as_many_processes_as_asked_for(tmp_path: Path) -> None:
    children = list_children(make_layout(tmp_path, workers=5))

    (drains,) = [child for child in children if child.program.name == "drains"]
    command = " ".join(drains.program.argv)
    assert "-Q drains" in command
    assert "-c 5 --prefetch-multiplier 1" in command


def test_intakes_stop_before_workers(tmp_path: Path) -> None:
    orders = {
        child.program.name: child.stop_order
        for child in list_children(make_layout(tmp_path))
    }

    assert orders["intake-1"] < orders["beat"] < orders["drains"]
    assert orders["upkeep"] == orders["drains"]


def test_process_numbers_are_told_by_what_they_do() -> None:
    pids = {"postgres": 1, "redis": 2, "drains": 3, "intake-1": 4, "intake-2": 5}
    others = {"upkeep": 6, "beat": 7, "exporter": 8, "console": 10}

    assert group_pids({**pids, **others}, 9) == {
        "supervisor": 9,
        "postgres": 1,
        "redis": 2,
        "intake": [4, 5],
        "workers": [3],
        "upkeep": 6,
        "beat": 7,
        "exporter": 8,
        "console": 10,
    }


def test_a_server_of_somebody_else_has_no_process_number() -> None:
    pids = group_pids({"drains": 3, "intake-1": 4}, 9)

    assert pids["postgres"] is None
    assert pids["redis"] is None


def test_a_probe_is_silent_about_what_is_well(port: int) -> None:
    assert probe_http(port, "/health/ready") is None


def test_a_probe_tells_what_a_server_answers(port: int) -> None:
    assert probe_http(port, "/other") == "HTTP 503 redis: gone"


def test_a_probe_tells_that_nobody_listens() -> None:
    assert "refused" in str(probe_http(find_free_port(), "/health/ready"))


def write_answer(state: Path, port: int, supervisor: int) -> dict[str, object]:
    answer: dict[str, object] = {
        "http": f"http://127.0.0.1:{port}",
        "pids": {"supervisor": supervisor},
    }
    answer_path(state).write_text(json.dumps(answer))
    return answer


def test_attaching_returns_the_answer_of_the_group_that_runs(
    tmp_path: Path, port: int
) -> None:
    answer = write_answer(tmp_path, port, os.getpid())

    with locked(tmp_path):
        assert attach(tmp_path, print, seconds=10) == answer


def test_attaching_to_a_group_that_has_ended_returns_nothing(tmp_path: Path) -> None:
    write_answer(tmp_path, find_free_port(), os.getpid())
    with locked(tmp_path):
        pass

    assert attach(tmp_path, print, seconds=10) is None


def test_the_answer_of_an_earlier_group_is_not_believed(
    tmp_path: Path, port: int
) -> None:
    write_answer(tmp_path, port, 1)
    with locked(tmp_path):
        pass

    assert attach(tmp_path, print, seconds=10) is None
