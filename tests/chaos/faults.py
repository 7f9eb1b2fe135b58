"""What is broken on purpose: each fault does its harm and, if that lasts, ends it."""

import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from tests.chaos.scene import Scene
from tests.groups import wait_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a fault works with."""

    scene: Scene
    random: random.Random
    #: How long what lasts goes on.
    lasting_seconds: float

    def last(self) -> None:
        """Let the harm go on for its time."""
        threading.Event().wait(self.lasting_seconds)

    def pid(self, name: str) -> int:
        """Return the process of `name`; one of them where there are several."""
        listed = self.scene.group.pids()[name]
        pid = self.random.choice(listed) if isinstance(listed, list) else listed
        assert isinstance(pid, int)
        return pid

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to the process of `name`; return which it was."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid


Fault = Callable[[Means], object]


def _children(pid: int) -> list[int]:
    listing = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True
    )
    pairs = [map(int, line.split()) for line in listing.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def kill_worker_child(means: Means) -> None:
    """Kill one of the processes in which a worker applies imports."""
    children = _children(means.pid("workers"))
    if children:
        os.kill(means.random.choice(children), signal.SIGKILL)


def _kill(name: str, number: signal.Signals = signal.SIGKILL) -> Fault:
    return lambda means: means.signal(name, number)


def kill_backend(means: Means) -> None:
    """Kill a server process of Postgres, which restarts all of them."""
    with means.scene.connect() as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s",
            ("penstock-drain%",),
        ).fetchall()
        if rows:
            os.kill(means.random.choice(rows)[0], signal.SIGKILL)


@contextmanager
def _stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            # The supervisor may have replaced it.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def stop_worker(means: Means) -> None:
    """Freeze the whole worker for a while."""
    pid = means.pid("workers")
    with _stopped(pid, *_children(pid)):
        means.last()


def stop_worker_child(means: Means) -> None:
    """Freeze one of the worker's processes for a while, with the lease it may hold."""
    children = _children(means.pid("workers"))
    with _stopped(*children[:1]):
        means.last()


def kill_clients(means: Means) -> None:
    """Break every connection to Redis."""
    for kind in ("normal", "pubsub"):
        means.scene.queue.client_kill_filter(_type=kind, skipme=True)


def slow_receiver(means: Means) -> None:
    """Let the receiver of events be slow for a while."""
    means.scene.slow_down_receiver(2.0)
    means.last()
    means.scene.slow_down_receiver(0.01)


def lose_network(means: Means) -> None:
    """Let nothing pass between the group and Postgres; then break what was open."""
    means.scene.network.order("hold")
    means.last()
    means.scene.network.order("reset")
    means.scene.network.order("open")


def reset_network(means: Means) -> None:
    """Break every connection to Postgres."""
    means.scene.network.order("reset")


def pull_cable(means: Means) -> None:
    """Lose every packet between the group and Postgres for a while."""
    means.scene.network.pull()
    means.last()
    means.scene.network.plug()


def _roll(means: Means, name: str) -> None:
    """End each process of `name` by SIGTERM, the next when another has its place."""
    pids = means.scene.group.pids()[name]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        wait_for(partial(_is_replaced, means, name, pid, len(pids)))


def _is_replaced(means: Means, name: str, pid: int, count: int) -> bool:
    pids = means.scene.group.pids()[name]
    return pid not in pids and len(pids) == count


def roll_workers(means: Means) -> None:
    """Restart the workers as a deployment does."""
    _roll(means, "workers")


def roll_intakes(means: Means) -> None:
    """Restart the intakes one after another, as a deployment does."""
    _roll(means, "intake")


#: By the name that the report gives it.
FAULTS: Mapping[str, Fault] = {
    "kill -9 a worker's child": kill_worker_child,
    "kill -9 the worker": _kill("workers"),
    "kill -9 an intake": _kill("intake"),
    "kill -9 Redis": _kill("redis"),
    "kill -9 Postgres": _kill("postgres"),
    "kill -9 a backend of Postgres": kill_backend,
    "Postgres restarts (fast)": _kill("postgres", signal.SIGINT),
    "Postgres restarts (immediate)": _kill("postgres", signal.SIGQUIT),
    "SIGSTOP the worker": stop_worker,
    "SIGSTOP a worker's child": stop_worker_child,
    "Redis CLIENT KILL": kill_clients,
    "slow receiver of events": slow_receiver,
    "network to Postgres lost": lose_network,
    "network to Postgres reset": reset_network,
    "cable to Postgres pulled": pull_cable,
    "rolling restart of workers": roll_workers,
    "rolling restart of intakes": roll_intakes,
    "kill -9 the upkeep worker": _kill("upkeep"),
    "kill -9 beat": _kill("beat"),
}
#: These want a network namespace.
CABLE_FAULTS = frozenset({"cable to Postgres pulled"})


def choose_faults(seed: int, *, has_cable: bool) -> Iterator[str]:
    """Yield names of faults for ever, each once before any comes again."""
    chosen = random.Random(seed)
    names = [name for name in FAULTS if has_cable or name not in CABLE_FAULTS]
    while True:
        chosen.shuffle(names)
        yield from names
