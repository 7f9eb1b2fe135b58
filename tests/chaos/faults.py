"""What is broken on purpose: each fault does its harm and, if that lasts, ends it."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from celery import Celery

from ingest.streams.queues import (
    CELERY_KEY_PREFIX,
    PARTITION_RECEIPTS_TASK,
    UPKEEP,
    stream_key,
)
from tests.chaos.scene import BODY_SECONDS, Scene
from tests.groups import wait_for
from tests.half_requests import open_request, read_answer

#: Connections whose bodies stall.
_STALLED = 40
#: For an intake that is starved to notice.
_SLACK_SECONDS = 20
#: By how much the ids of streams are ahead.
_AHEAD_MILLISECONDS = 2 * 3_600_000


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
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            # The supervisor may have replaced it.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def holding_workers(scene: Scene) -> Iterator[None]:
    """Freeze every process that applies imports as long as the block lasts."""
    workers = scene.group.pids()["workers"]
    children = [child for worker in workers for child in _children(worker)]
    with _stopped(*workers, *children):
        yield


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


def fill_disk(means: Means) -> None:
    """Leave no room on the disk of the group, its servers and their logs."""
    disk = means.scene.disk
    assert disk is not None
    disk.fill()
    try:
        means.last()
    finally:
        disk.free()


def change_filters(means: Means) -> None:
    """Change the filters of segments, which are built anew while all goes on."""
    least_points = means.random.randint(2, 30)

    def is_changed() -> bool:
        # A server that has just come back may end it.
        with suppress(psycopg.Error):
            means.scene.change_filters(least_points)
            return True
        return False

    wait_for(is_changed)


def stall_bodies(means: Means) -> None:
    """Open connections whose bodies stall; each must be cut, and others go on."""
    scene = means.scene
    before = count_accepted(scene)
    with ThreadPoolExecutor(_STALLED) as pool:
        answers = list(pool.map(lambda _: _stall(scene), range(_STALLED)))
    # While too many imports wait, whoever sends more is refused before the body.
    right = ("HTTP/1.1 408 ", "HTTP/1.1 429 ")
    wrong = [answer for answer in answers if not answer.startswith(right)]
    assert not wrong, f"a body that stalls was answered: {wrong[:3]}"
    assert count_accepted(scene) > before, "nothing was accepted beside stalled bodies"


def _stall(scene: Scene) -> str:
    token = f"Bearer {scene.answer['token']}"
    with open_request(scene.answer["http"], 100_000, Authorization=token) as opened:
        opened.settimeout(BODY_SECONDS + _SLACK_SECONDS)
        opened.sendall(b'{"db_id": 1, "email": ')
        return read_answer(opened)


def count_accepted(scene: Scene) -> int:
    """Count what was ever appended to the streams."""
    about = (_look_at(scene, partition) for partition in scene.waiting())
    return sum(int(each["entries-added"]) for each in about)


def _look_at(scene: Scene, partition: int) -> Mapping[str, Any]:
    about: Any = scene.queue.xinfo_stream(stream_key(partition))
    return dict(about)


def set_redis_clock_back(means: Means) -> None:
    """Leave streams as a clock leaves them that was hours ahead and was put right."""
    for partition in means.scene.waiting():
        about = _look_at(means.scene, partition)
        last = int(about["last-generated-id"].partition(b"-")[0])
        ahead = max(last, int(time.time() * 1000)) + _AHEAD_MILLISECONDS
        key = stream_key(partition)
        means.scene.queue.xadd(key, {"heartbeat": b"1"}, id=f"{ahead}-0")


#: To sessions of upkeep it is later than it is: past every retention.
_LATER = """
    CREATE SCHEMA IF NOT EXISTS chaos;
    CREATE OR REPLACE FUNCTION chaos.clock_timestamp() RETURNS timestamptz
    LANGUAGE sql VOLATILE AS $$
        SELECT pg_catalog.clock_timestamp()
             + CASE current_setting('application_name')
               WHEN 'penstock-upkeep' THEN interval '40 days'
               ELSE interval '0'
               END
    $$;
"""
_REFUSED = "retention paused, clocks differ"


def put_postgres_clock_ahead(means: Means) -> None:
    """Let upkeep drop what is past retention by a clock that is 40 days ahead."""
    scene = means.scene
    log = scene.directory / "state" / "logs" / "upkeep.log"
    before = log.read_text().count(_REFUSED)
    with scene.connect() as connection, _later(connection):
        with Celery(broker=scene.answer["redis"]) as broker:
            options = {"global_keyprefix": CELERY_KEY_PREFIX}
            broker.conf.broker_transport_options = options
            broker.send_task(PARTITION_RECEIPTS_TASK, queue=UPKEEP)
        wait_for(lambda: log.read_text().count(_REFUSED) > before)


@contextmanager
def _later(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[None]:
    name = connection.info.dbname
    connection.execute(_LATER)
    change = f'ALTER DATABASE "{name}"'
    # Behind `public`, where tables are made, and before what it shadows.
    connection.execute(f"{change} SET search_path = public, chaos, pg_catalog")
    try:
        yield
    finally:
        connection.execute(f"{change} RESET search_path")


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
    "disk full": fill_disk,
    "bodies that stall": stall_bodies,
    "filters of segments changed": change_filters,
    "Redis' clock set back": set_redis_clock_back,
    "Postgres' clock 40 days ahead to upkeep": put_postgres_clock_ahead,
}
_CABLE_FAULTS = frozenset({"cable to Postgres pulled"})
_DISK_FAULTS = frozenset({"disk full"})


def find_impossible(scene: Scene) -> frozenset[str]:
    """Return the faults that are not permitted here."""
    cable = _CABLE_FAULTS if scene.network.namespace is None else frozenset()
    return cable | (_DISK_FAULTS if scene.disk is None else frozenset())


def choose_faults(seed: int, without: Collection[str] = ()) -> Iterator[str]:
    """Yield names of faults for ever, each once before any comes again."""
    chosen = random.Random(seed)
    names = [name for name in FAULTS if name not in without]
    while True:
        chosen.shuffle(names)
        yield from names
