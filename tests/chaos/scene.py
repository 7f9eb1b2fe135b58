"""A whole Penstock under load: the group, its producers, its receiver, its network."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import redis

from ingest.domain.catalog import EventKind, SegmentKind
from ingest.local.state import keep_port, open_state
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared, lock_catalog
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.segments.builds import list_builds
from ingest.store.suppressions.work import count_work
from ingest.streams.queues import stream_key
from ingest.streams.stream import Stream
from ingest.wire import entries
from tests.chaos import cases, pairs, rounds, shuffles, subscribers
from tests.chaos.asks import Ask, read_asks
from tests.chaos.ledger import HUNG_ENDPOINT
from tests.chaos.mounts import Disk, hung_names, small_disk
from tests.chaos.network import Network, network_to
from tests.chaos.played import PLAYERS, Played, play_large_undo, read_all
from tests.chaos.workload import HUNG_TRIGGER, START_TRIGGER
from tests.declared import make_endpoint, make_segment, make_trigger
from tests.groups import Group
from tests.receivers import Answer, Receiver, receiving

PRODUCERS = 4
LINES = 6
#: Intakes refuse what comes past this, and so hold the backlog near it.
MAX_WAITING = 3000
#: Small, so that many transactions are under way when something breaks.
BATCH_SIZE = 40
#: Until everything accepted is applied, and every event delivered, after the end.
SETTLE_SECONDS = 180
#: Intakes wait so long for a body.
BODY_SECONDS = 10
#: Until producers have finished what is under way.
_PRODUCER_SECONDS = 900
_HUNG_URL = "http://hangs.penstock.test/"
#: Where names cannot hang the endpoint is one where nobody listens.
_CLOSED_URL = "http://127.0.0.1:9/"
#: The dynamic segment of a database is this and its number.
_SEGMENTS = 100
#: Entries of one stream that are read to tell what was not settled, at most.
_READ = 100_000


@dataclass
class Scene:
    """What a fault may hurt, and how the hurt is seen."""

    group: Group
    answer: dict[str, Any]
    network: Network
    receiver: Receiver
    directory: Path
    seed: int
    #: Of one wrong file more, which is undone; 0 for none.
    undo_rows: int
    #: None where mounts are not permitted.
    disk: Disk | None
    #: Whether the group resolves names in no time.
    names_hang: bool
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
        url = _HUNG_URL if self.names_hang else _CLOSED_URL
        hung = make_endpoint(id=HUNG_ENDPOINT, name="Hung", url=url)
        triggers = [
            make_trigger(id=START_TRIGGER, event=EventKind.API_CALL),
            make_trigger(id=8, event=EventKind.PROFILE_CREATED),
            make_trigger(
                id=HUNG_TRIGGER, event=EventKind.API_CALL, endpoint_id=HUNG_ENDPOINT
            ),
        ]
        with self.connect() as connection, connection.transaction():
            lock_catalog(connection)
            declared = load_declared(connection)
            # Where what was confirmed is recorded, undo is exact.
            apart = replace(
                declared.databases[1],
                id=rounds.DATABASE,
                name="Rounds",
                default_resource_id=None,
                claims=True,
            )
            couples = replace(apart, id=pairs.DATABASE, name="Pairs", claims=False)
            # Candidates that are merged lose no increment.
            points = replace(apart.fields["points"], merge="sum")
            held = replace(
                couples,
                id=cases.DATABASE,
                name="Cases",
                fields={**apart.fields, "points": points},
            )
            dated = replace(couples, id=shuffles.DATABASE, name="Dated", times=True)
            # Undo is exact here, too.
            subscribed = replace(apart, id=subscribers.DATABASE, name="Subscribers")
            databases = (apart, couples, held, dated, subscribed)
            more = {each.id: each for each in databases}
            # One in each database: the ledger knows who belongs to it.
            rich = {
                _SEGMENTS + id_: make_segment(
                    id=_SEGMENTS + id_,
                    database_id=id_,
                    kind=SegmentKind.DYNAMIC,
                    filter=_make_filter(10),
                )
                for id_ in (1, *more)
            }
            declared = replace(
                declared,
                databases={**declared.databases, **more},
                segments={**declared.segments, **rich},
                endpoints={1: endpoint, HUNG_ENDPOINT: hung},
                triggers={each.id: each for each in triggers},
                resources={**declared.resources, **subscribers.make_resources()},
                suppressions=subscribers.make_lists(),
            )
            save_catalog(connection, declared)

    def change_filters(self, least_points: int) -> None:
        """Let dynamic segments have another filter, as a new catalog does.

        Their members are found anew, while imports come.
        """
        with self.connect() as connection, connection.transaction():
            lock_catalog(connection)
            declared = load_declared(connection)
            changed = {
                one.id: replace(one, filter=_make_filter(least_points))
                for one in declared.segments.values()
                if one.filter is not None
            }
            segments = {**declared.segments, **changed}
            save_catalog(connection, replace(declared, segments=segments))

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
        self._start_importers()
        for name, player in {**PLAYERS, **self._large_undo}.items():
            self._start_player(name, player)

    @property
    def _large_undo(self) -> Mapping[str, Sequence[str]]:
        if not self.undo_rows:
            return {}
        return {"rounds-large": play_large_undo(self.undo_rows)}

    def _start_importers(self) -> None:
        """Import files twice at once, over the network that is cut."""
        argv = [sys.executable, "-m", "tests.chaos.importers"]
        log = self.directory / f"producer-{PRODUCERS}.jsonl"
        argv += [f"--producer={PRODUCERS}", f"--seed={self.seed}", f"--log={log}"]
        servers = {
            "DATABASE_URL": self.answer["database"],
            "REDIS_URL": self.answer["redis"],
            "PGHOSTADDR": self.network.address,
        }
        environ = {**os.environ, **servers}
        self._producers.append(
            subprocess.Popen(argv, start_new_session=True, env=environ)
        )

    def _start_player(self, name: str, options: Sequence[str]) -> None:
        """Play what goes on in a database for that."""
        argv = [sys.executable, "-m", *options]
        argv += [f"--url={self.answer['http']}", f"--token={self.answer['token']}"]
        argv += [f"--seed={self.seed}", f"--log={self.directory / name}.played"]
        self._producers.append(subprocess.Popen(argv, start_new_session=True))

    def read_all(self) -> Played:
        """Read what was played to its end."""
        return read_all(self.directory)

    def stop_producers(self) -> None:
        """End the load; raise if a producer was answered what it must not be."""
        for producer in self._producers:
            producer.send_signal(signal.SIGTERM)
        codes = [producer.wait(_PRODUCER_SECONDS) for producer in self._producers]
        self._producers.clear()
        assert not any(codes), "a producer was answered what the workload cannot mean"

    def check_producers(self) -> None:
        """Raise if one has ended: it was answered what it must not be."""
        ended = [each for each in self._producers if each.poll() is not None]
        assert not ended, "a producer was answered what the workload cannot mean"

    def kill_producers(self) -> None:
        """End what is left of the load, whatever it says."""
        for producer in self._producers:
            producer.kill()
            producer.wait()

    def settle(self) -> float:
        """Wait until everything accepted is settled; return the seconds that it took.

        That is: applied, every event delivered where somebody answers, one tried where
        nobody does, every status lowered that a suppression list forbids, and every
        segment built. What is not by SETTLE_SECONDS is for the check to name.
        """
        started = time.monotonic()
        with self.connect() as connection:
            while (taken := time.monotonic() - started) < SETTLE_SECONDS:
                # Twice: what is applied meanwhile may leave something to be lowered,
                # and what is lowered is imported.
                if all(self._is_settled(connection) for _ in range(2)):
                    break
                threading.Event().wait(0.1)
        return taken

    def _is_settled(self, connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
        return not (
            any(self.waiting().values())
            or _count_pending(connection)
            or count_work(connection)
            or list_builds(connection)
        )

    def read_waiting(self) -> frozenset[str]:
        """Read which imports are in streams."""
        waiting = self.waiting()
        found = Stream(self.queue, len(waiting)).read_each(
            {number: _READ for number, count in waiting.items() if count}, 2**40
        )
        return frozenset(
            str(entries.decode(entry.payload).import_id)
            for rows in found.values()
            for entry in rows
            if not entry.is_heartbeat
        )

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


def _make_filter(least_points: int) -> dict[str, object]:
    return {"field": "points", "ge": least_points}


def _count_pending(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    row = connection.execute(
        """
        SELECT count(*) FILTER (WHERE endpoint_id <> %(hung)s)
             + (max(attempts) FILTER (WHERE endpoint_id = %(hung)s)
                IS NOT DISTINCT FROM 0)::int
          FROM deliveries
         WHERE state = 'pending'
        """,
        {"hung": HUNG_ENDPOINT},
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def staged(directory: Path, seed: int, undo_rows: int = 0) -> Iterator[Scene]:
    """Run a group whose way to its Postgres can be cut, without any load yet."""
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(directory / "state"))
        state = open_state(directory / "state")
        prefix = stack.enter_context(hung_names(directory))
        network = stack.enter_context(network_to(keep_port(state, "postgres")))
        receiver = stack.enter_context(receiving())
        group = Group(
            state,
            "--intakes=2",
            "--workers=2",
            prefix=prefix,
            PENSTOCK_BODY_SECONDS=str(BODY_SECONDS),
            PENSTOCK_MAX_WAITING=str(MAX_WAITING),
            PENSTOCK_BATCH_SIZE=str(BATCH_SIZE),
            PENSTOCK_WEBHOOK_ALLOW="127.0.0.1",
            # libpq goes there, whatever address the URL names.
            PGHOSTADDR=network.address,
        )
        stack.callback(group.close)
        scene = Scene(
            group=group,
            answer=group.wait_ready(),
            network=network,
            receiver=receiver,
            directory=directory,
            seed=seed,
            undo_rows=undo_rows,
            disk=disk,
            names_hang=bool(prefix),
        )
        stack.callback(scene.kill_producers)
        scene.declare()
        yield scene
        assert group.end() == 0, group.said
