import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.local.leftovers import end_leftovers, record_processes
from ingest.local.processes import Program, identity
from ingest.local.state import read_record, write_record

ROOT = Path(__file__).parents[2]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        ["/bin/cat"], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        yield process
        process.kill()


def record(state: Path, *children: subprocess.Popen[bytes]) -> None:
    program = Program(name="cat", argv=("/bin/cat",), log=state / "log")
    record_processes(state, {child.pid: program for child in children})


def test_a_recorded_process_is_ended(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    record(tmp_path, child)

    end_leftovers(tmp_path)

    assert child.wait(10) == -15


def test_a_later_process_with_a_recorded_number_is_left_alone(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    record(tmp_path, child)
    document = read_record(tmp_path / "processes.json")
    processes = document["processes"]
    assert isinstance(processes, list)
    processes[0]["identity"] = "an earlier process"
    write_record(tmp_path / "processes.json", document)

    end_leftovers(tmp_path)

    assert child.poll() is None


def test_the_record_of_another_supervisor_is_left_alone(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    record(tmp_path, child)

    end_leftovers(tmp_path, supervisor=1)

    assert child.poll() is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{}", id="empty"),
        pytest.param('{"processes": 1}', id="not a list"),
        pytest.param('{"processes": [{"pid": "1"}]}', id="not a process"),
    ],
)
def test_a_strange_record_ends_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "processes.json").write_text(content)

    end_leftovers(tmp_path)


def test_the_watchdog_ends_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    code = (
        "import os, signal, subprocess, sys; from pathlib import Path\n"
        "from ingest.local.leftovers import record_processes\n"
        "from ingest.local.processes import Program\n"
        "from ingest.local.watchdog import watched\n"
        "state = Path(sys.argv[1]); (state / 'logs').mkdir()\n"
        "watching = watched(state); watching.__enter__()\n"
        "child = subprocess.Popen(['/bin/sleep', '60'], start_new_session=True,\n"
        "    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "program = Program(name='x', argv=('/bin/sleep',), log=state / 'log')\n"
        "record_processes(state, {child.pid: program})\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    supervisor = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    pid = int(supervisor.stdout)

    deadline = time.monotonic() + 10
    while identity(pid) is not None:
        assert time.monotonic() < deadline, "the child still runs"
