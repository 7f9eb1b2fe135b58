import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.local import processes
from ingest.local.processes import Program
from tests.groups import wait_for

ROOT = Path(__file__).parents[2]


def make_program(tmp_path: Path, code: str, **changes: float) -> Program:
    return Program(
        name="child",
        argv=(sys.executable, "-c", code),
        log=tmp_path / "logs" / "child.log",
        **changes,  # type: ignore[arg-type] # only numbers are changed here
    )


def test_a_program_keeps_its_number_and_writes_its_log(tmp_path: Path) -> None:
    program = make_program(tmp_path, "import os; print(os.getpid())")

    process = processes.start(program)

    assert process.wait(10) == 0
    assert program.log.read_text() == f"{process.pid}\n"


def test_a_program_leads_a_session_that_ctrl_c_does_not_reach(tmp_path: Path) -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"
    program = make_program(tmp_path, code)

    processes.start(program).wait(10)

    assert program.log.read_text() == "True\n"


def test_a_program_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ingest.local import processes\n"
        "sleep = 'import time; print(1, flush=True); time.sleep(60)'\n"
        "argv = (sys.executable, '-c', sleep)\n"
        "log = Path(sys.argv[1])\n"
        "program = processes.Program(name='x', argv=argv, log=log)\n"
        "print(processes.start(program).pid, flush=True)\n"
        "while not log.read_bytes(): pass\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "log"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    pid = int(parent.stdout)

    wait_for(lambda: processes.identity(pid) is None)


def test_a_program_that_stops_by_itself_is_not_killed(tmp_path: Path) -> None:
    program = make_program(tmp_path, "import time; time.sleep(60)")
    process = processes.start(program)

    assert processes.stop(program, process) is True
    assert process.returncode == -signal.SIGTERM


def test_a_program_that_does_not_stop_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.fork(), flush=True)\n"
        "time.sleep(60)"
    )
    program = make_program(tmp_path, code, grace_seconds=0.1)
    process = processes.start(program)
    wait_for(lambda: program.log.read_text().count("\n") == 2)

    assert processes.stop(program, process) is False

    numbers = [int(line) for line in program.log.read_text().split() if line != "0"]
    wait_for(lambda: all(processes.identity(pid) is None for pid in numbers))


def test_a_process_is_told_from_another_and_from_none() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as other:
        own = processes.identity(os.getpid())

        assert own == processes.identity(os.getpid())
        assert processes.identity(other.pid) not in (own, None)
        wait_for(lambda: processes.command_line(other.pid) == "/bin/cat")

        other.kill()
        # A zombie is no process.
        wait_for(lambda: processes.identity(other.pid) is None)
    assert processes.command_line(other.pid) == ""


def test_a_process_with_another_identity_is_left_alone() -> None:
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as other:
        processes.ask_stranger(other.pid, "an earlier process", signal.SIGKILL)
        processes.end_stranger(other.pid, "an earlier process", 0.1)

        assert other.poll() is None


def test_a_stranger_that_ignores_the_request_is_killed() -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        name = processes.identity(other.pid)
        assert name is not None

        processes.ask_stranger(other.pid, name, signal.SIGTERM)
        processes.end_stranger(other.pid, name, 0.1)

        assert other.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(0, "exit code 0", id="well"),
        pytest.param(3, "exit code 3", id="badly"),
        pytest.param(-9, "SIGKILL", id="by a signal"),
    ],
)
def test_an_exit_is_told_in_words(code: int, text: str) -> None:
    assert processes.describe_exit(code) == text


def test_the_tail_is_the_last_lines_since_a_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n" + "".join(f"line {number}\n" for number in range(20)))

    assert processes.tail(log, lines=2) == "    line 18\n    line 19"
    assert processes.tail(log, log.stat().st_size) == ""
    assert "old" not in processes.tail(log, len("old\n"), lines=99)
    assert processes.tail(tmp_path / "none") == ""


def test_an_overlong_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_bytes(b"x" * (10 * 1024 * 1024))

    assert processes.rotate(log) == 10 * 1024 * 1024

    log.write_bytes(b"x" * (10 * 1024 * 1024 + 1))

    assert processes.rotate(log) == 0
    assert not log.exists()
    assert (tmp_path / "child.log.1").exists()
