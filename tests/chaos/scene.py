"""A whole Penstock under load: the group, its producers, its receiver, its network."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import redis

from ingest.domain.catalog import EventKind
from ingest.local.state import keep_port, open_state
from ingest.queues import stream_key
from ingest.settings import Settings
from ingest.store.catalog import load_declared, lock_catalog, save_catalog
from ingest.store.database import connect
from tests.chaos.asks import Ask, read_asks
from tests.chaos.network import Network, network_to
from tests.chaos.workload import START_TRIGGER
from tests.declared import make_endpoint, make_trigger
from tests.groups import Group, wait_for
from tests.receivers import Answer, Receiver, receiving

PRODUCERS = 4
LINES = 6
#: Intakes refuse what comes past this, and so hold the backlog near it.
MAX_WAITING = 3000
#: Small, so that many transactions are under way when something breaks.
BATCH_SIZE = 40
#: Until everything accepted is applied, and every event delivered, after the end.
SETTLE_SECONDS = 180
_PRODUCER_SECONDS = 60


@dataclass
class Scene:
    """What a fault may hurt, and how the hurt is seen."""

    group: Group
    answer: dict[str, Any]
    network: Network
    receiver: Receiver
    directory: Path
    seed: int
    queue: redis.Redis = field(init=False)
    _delay: threading.Event = field(default_factory=threading.Event)
    _delay_seconds: float = 0.01
    _producers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = redis.Redis.from_url(self.answer["redis"], socket_timeout=5)
        self.receiver.answer = self._answer_event

    def _answer_event(self, _count: int) -> Answer:
        self._delay.wait(self._delay_seconds)
        return 204, {}

    def slow_down_receiver(self, seconds: float) -> None:
        """Let the receiver of events take `seconds` for each."""
        self._delay_seconds = seconds

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect to Postgres directly, past the network that is cut."""
        return connect(self.answer["database"], application_name="chaos")

    def waiting(self) -> dict[int, int]:
        """Count the waiting imports of each partition."""
        partitions = range(Settings(database_url="", redis_url="").partitions)
        return {
            number: int(self.queue.xlen(stream_key(number))) for number in partitions
        }

    def declare(self) -> None:
        """Tell the receiver of every new profile and of every trigger started."""
        endpoint = make_endpoint(id=1, url=self.receiver.url)
        triggers = [
            make_trigger(id=START_TRIGGER, event=EventKind.API_CALL),
            make_trigger(id=8, event=EventKind.PROFILE_CREATED),
        ]
        with self.connect() as connection, connection.transaction():
            lock_catalog(connection)
            declared = replace(
                load_declared(connection),
                endpoints={1: endpoint},
                triggers={each.id: each for each in triggers},
            )
            save_catalog(connection, declared)

    def start_producers(self) -> None:
        """Set the load going."""
        for number in range(PRODUCERS):
            argv = [sys.executable, "-m", "tests.chaos.producer"]
            options = {
                "url": self.answer["http"],
                "token": self.answer["token"],
                "producer": number,
                "lines": LINES,
                "seed": self.seed,
                "log": self.directory / f"producer-{number}.jsonl",
            }
            argv += [f"--{name}={value}" for name, value in options.items()]
            self._producers.append(subprocess.Popen(argv, start_new_session=True))

    def stop_producers(self) -> None:
        """End the load; raise if a producer was answered what it must not be."""
        for producer in self._producers:
            producer.send_signal(signal.SIGTERM)
        codes = [producer.wait(_PRODUCER_SECONDS) for producer in self._producers]
        self._producers.clear()
        assert not any(codes), "a producer was answered what the workload cannot mean"

    def kill_producers(self) -> None:
        """End what is left of the load, whatever it says."""
        for producer in self._producers:
            producer.kill()
            producer.wait()

    def settle(self) -> None:
        """Wait until everything accepted is applied and every event delivered."""
        wait_for(lambda: not any(self.waiting().values()), SETTLE_SECONDS)
        with self.connect() as connection:
            wait_for(lambda: not _count_pending(connection), SETTLE_SECONDS)

    def read_asks(self) -> list[Ask]:
        """Read what the producers wrote down, each in its order."""
        logs = sorted(self.directory.glob("producer-*.jsonl"))
        return [ask for log in logs for ask in read_asks(log)]

    def read_received(self) -> dict[str, Counter[bytes]]:
        """Count the bodies that the receiver has had, by the event's id."""
        received: dict[str, Counter[bytes]] = {}
        for each in self.receiver.received:
            bodies = received.setdefault(each.headers["webhook-id"], Counter())
            bodies[each.body] += 1
            assert orjson.loads(each.body)["data"]["event_id"]
        return received


def _count_pending(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    row = connection.execute(
        "SELECT count(*) FROM deliveries WHERE state = 'pending'"
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def staged(directory: Path, seed: int) -> Iterator[Scene]:
    """Run a group whose way to its Postgres can be cut, without any load yet."""
    with ExitStack() as stack:
        state = open_state(directory / "state")
        network = stack.enter_context(network_to(keep_port(state, "postgres")))
        receiver = stack.enter_context(receiving())
        group = Group(
            state,
            "--intakes=2",
            "--workers=2",
            PENSTOCK_MAX_WAITING=str(MAX_WAITING),
            PENSTOCK_BATCH_SIZE=str(BATCH_SIZE),
            PENSTOCK_WEBHOOK_ALLOW="127.0.0.1",
            # libpq goes there, whatever address the URL names.
            PGHOSTADDR=network.address,
        )
        stack.callback(group.close)
        scene = Scene(group, group.wait_ready(), network, receiver, directory, seed)
        stack.callback(scene.kill_producers)
        scene.declare()
        yield scene
        assert group.end() == 0, group.said
