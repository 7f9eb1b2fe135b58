import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ingest.local.processes import Program, identity
from ingest.local.signals import Signals
from ingest.local.state import read_record
from ingest.local.supervisor import (
    Child,
    NotReady,
    StopRequested,
    Supervisor,
    restart_delay,
)

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


def probe_log(log: Path) -> str | None:
    """A child has installed its handlers once it has written."""
    return None if log.exists() and log.read_text() else "silent"


class Group:
    """A supervisor on a directory of its own, and what it told."""

    def __init__(self, state: Path, signals: Signals) -> None:
        self.state = state
        self.told: list[str] = []
        self.supervisor = Supervisor(
            state=state, signals=signals, tell=self.told.append
        )

    def child(self, name: str, code: str = SLEEP, stop_order: int = 0) -> Child:
        log = self.state / f"{name}.log"
        program = Program(
            name=name, argv=(sys.executable, "-c", code), log=log, grace_seconds=5
        )
        return Child(
            program=program, probe=partial(probe_log, log), stop_order=stop_order
        )

    def start(self, *children: Child) -> None:
        self.supervisor.add(children)
        probes = {child.program.name: child.probe for child in children}
        self.supervisor.wait_ready(probes, seconds=20)

    def tick_until(self, found: Callable[[], object], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < deadline, self.told
            self.supervisor.tick(0.1)

    def has_told(self, text: str) -> bool:
        return any(text in line for line in self.told)


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals() as entered:
        yield entered


@pytest.fixture
def group(tmp_path: Path, signals: Signals) -> Iterator[Group]:
    made = Group(tmp_path, signals)
    yield made
    made.supervisor.stop()


@pytest.mark.parametrize(
    ("deaths", "seconds"),
    [
        pytest.param(1, 0.5, id="first"),
        pytest.param(2, 1.0, id="second"),
        pytest.param(6, 16.0, id="sixth"),
        pytest.param(7, 30.0, id="bounded"),
        pytest.param(100_000, 30.0, id="for ever"),
    ],
)
def test_the_delay_of_a_restart_doubles_up_to_a_bound(
    deaths: int, seconds: float
) -> None:
    assert restart_delay(deaths) == seconds


def test_a_child_that_was_killed_starts_again_and_that_is_said(group: Group) -> None:
    group.start(group.child("one"))
    pid = group.supervisor.pids["one"]

    os.kill(pid, signal.SIGKILL)
    group.tick_until(lambda: group.has_told("one: restarted"))

    assert group.has_told(f"one (process {pid}) ended: SIGKILL; restarting in 0.5 s")
    assert group.supervisor.pids["one"] != pid


def test_a_child_that_makes_no_progress_is_started_anew_though_it_is_stopped(
    group: Group,
) -> None:
    group.start(group.child("one"))
    pid = group.supervisor.pids["one"]
    os.kill(pid, signal.SIGSTOP)

    group.supervisor.ask_restart("one", "3 entries wait")
    group.supervisor.ask_restart("nobody", "unknown")
    group.tick_until(lambda: group.has_told("one: restarted"))

    assert group.has_told("one: stalled (3 entries wait); restarting")
    assert identity(pid) is None
    assert identity(group.supervisor.pids["one"]) is not None


def test_a_change_of_process_numbers_is_announced_and_recorded(group: Group) -> None:
    group.start(group.child("one"))
    seen: list[dict[str, int]] = []
    group.supervisor.on_change = lambda: seen.append(group.supervisor.pids)

    os.kill(group.supervisor.pids["one"], signal.SIGKILL)
    group.tick_until(lambda: seen)

    record = read_record(group.state / "processes.json")
    assert isinstance(record["processes"], list)
    assert [process["pid"] for process in record["processes"]] == [seen[0]["one"]]
    assert record["supervisor"] == os.getpid()


def test_only_the_dead_child_is_touched(group: Group) -> None:
    group.start(group.child("one"), group.child("two"))
    other = group.supervisor.pids["two"]

    os.kill(group.supervisor.pids["one"], signal.SIGKILL)
    group.tick_until(lambda: group.has_told("one: restarted"))

    assert group.supervisor.pids["two"] == other


def test_a_child_that_keeps_dying_while_starting_ends_the_wait(group: Group) -> None:
    child = group.child("one", "raise SystemExit('no such thing as a port')")
    child = replace(child, probe=lambda: "silent")
    group.supervisor.add([child])

    with pytest.raises(NotReady, match="one failed 3 times while starting"):
        group.supervisor.wait_ready({"one": child.probe}, seconds=30)

    assert group.has_told("no such thing as a port")
    assert group.has_told("restarting in 1 s")


def test_a_wait_ends_at_its_deadline_and_says_what_is_missing(group: Group) -> None:
    with pytest.raises(NotReady, match=r"not ready after 0\.2 s: port: closed"):
        group.supervisor.wait_ready({"port": lambda: "closed"}, seconds=0.2)


def test_a_request_to_stop_ends_a_wait(group: Group) -> None:
    os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StopRequested):
        group.supervisor.wait_ready({"port": lambda: "closed"}, seconds=20)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, id="SIGTERM"),
        pytest.param(signal.SIGHUP, id="terminal closed"),
    ],
)
def test_a_signal_ends_the_run(group: Group, number: signal.Signals) -> None:
    group.start(group.child("one"))

    os.kill(os.getpid(), number)
    group.supervisor.run()

    assert identity(group.supervisor.pids["one"]) is not None


def test_children_are_stopped_in_order(group: Group) -> None:
    group.start(
        group.child("server", stop_order=2),
        group.child("first", stop_order=0),
        group.child("also first", stop_order=0),
        group.child("worker", stop_order=1),
    )
    pids = group.supervisor.pids.values()

    group.supervisor.stop()

    assert group.told[-3:] == [
        "stopping first, also first",
        "stopping worker",
        "stopping server",
    ]
    assert all(identity(pid) is None for pid in pids)
    assert read_record(group.state / "processes.json")["processes"] == []


def test_a_child_that_does_not_stop_in_time_is_killed(group: Group) -> None:
    child = group.child("deaf", DEAF)
    program = replace(child.program, grace_seconds=0.2)
    group.start(replace(child, program=program))

    group.supervisor.stop()

    assert group.has_told("deaf: did not stop in 0 s; killed")


def test_a_second_signal_makes_the_stop_quick(group: Group, signals: Signals) -> None:
    child = group.child("deaf", DEAF)
    program = replace(child.program, grace_seconds=60)
    group.start(replace(child, program=program))
    signals.stop_requests = 2

    group.supervisor.stop()

    assert group.has_told("deaf: did not stop in 1 s; killed")


def test_a_dead_child_is_not_waited_for(group: Group) -> None:
    group.start(group.child("one"))
    os.kill(group.supervisor.pids["one"], signal.SIGKILL)
    group.tick_until(lambda: group.has_told("ended: SIGKILL"))

    group.supervisor.stop()

    assert not group.has_told("stopping")


def test_signals_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)]

    with Signals():
        assert signal.getsignal(signal.SIGINT) not in before

    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGCHLD)]
    assert after == before


def test_a_record_that_cannot_be_written_is_warned_of_and_ends_nothing(
    group: Group,
) -> None:
    group.start(group.child("one"), group.child("two"))
    # As a full disk does, this refuses the new file.
    blocked = group.state / "processes.json.new"
    blocked.mkdir()

    for _ in range(2):
        number = group.supervisor.pids["one"]
        os.kill(number, signal.SIGKILL)
        group.tick_until(lambda: group.supervisor.pids.get("one", number) != number)  # noqa: B023

    warnings = [line for line in group.told if "cannot write to" in line]
    assert len(warnings) == 1
    assert "free space" in warnings[0]
    blocked.rmdir()
    os.kill(group.supervisor.pids["two"], signal.SIGKILL)
    group.tick_until(lambda: group.has_told("two: restarted"))
    recorded = str(read_record(group.state / "processes.json"))
    assert all(str(number) in recorded for number in group.supervisor.pids.values())


def test_a_child_whose_log_cannot_be_written_is_tried_again(group: Group) -> None:
    group.start(group.child("one"), group.child("two"))
    log = group.state / "one.log"
    log.rename(log.with_suffix(".kept"))
    log.mkdir()
    os.kill(group.supervisor.pids["one"], signal.SIGKILL)

    group.tick_until(lambda: group.has_told("cannot write to"))
    assert "two" in group.supervisor.pids
    log.rmdir()
    group.tick_until(lambda: group.has_told("one: restarted"))
