"""The apply stage alone: streams filled beforehand, drained by this process.

It counts CPU microseconds per import, of the worker and of Postgres, which other work
on the machine disturbs far less than rates:

    .venv/bin/python -m tests.benchmarks.stage --kind create --subscriptions 6
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count as count_from
from itertools import product
from pathlib import Path
from statistics import median

import click
import orjson
import redis
from redis.typing import EncodableT, FieldT
from rich.console import Console

from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import accept
from ingest.garbage import collect_rarely
from ingest.local.bootstrap import prepare
from ingest.local.servers import Server, start_postgres, start_valkey
from ingest.settings import Settings
from ingest.store.catalog.load import bump_version, load_catalog
from ingest.store.database import connect
from ingest.streams.queues import stream_key
from ingest.streams.stream import open_stream
from ingest.wire.entries import encode
from ingest.wire.envelopes import load_envelope
from tests.benchmarks.processes import read_tree_cpu_seconds
from tests.benchmarks.requests import Template, make_sample
from tests.segments import declare, make_dynamic
from workers.drain import Drain
from workers.partition_batches import group

KINDS = ("create", "update", "mixed")
_FILL_CHUNK = 500

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one import cost, in CPU microseconds, and how many were applied a second."""

    worker_us: float
    postgres_us: float
    redis_us: float
    per_second: float


class Stage:
    """Servers of our own, a drain, and customers by number."""

    def __init__(self, postgres: Server, valkey: Server, batch_size: int) -> None:
        self._postgres, self._valkey = postgres, valkey
        self.settings = Settings(
            database_url=postgres.url, redis_url=valkey.url, batch_size=batch_size
        )
        self._drain = Drain(self.settings, "stage")
        self._redis = redis.Redis.from_url(valkey.url)
        self._stream = open_stream(valkey.url, self.settings.partitions)
        self.connection = connect(postgres.url)
        self._catalog = load_catalog(self.connection)
        self._token = Token(
            id=1, name="stage", database_ids=frozenset(), actions=frozenset(Scope)
        )
        self._next = 0
        self._changes = 0

    def _take_numbers(self, kind: str, count: int) -> Iterator[int]:
        """Return the customers to import: new ones, known ones, or both in turn."""
        known = self._next
        for index in range(count):
            if kind == "create" or (kind == "mixed" and index % 2):
                yield self._next
                self._next += 1
            else:
                yield (index * 7919 + self._changes) % known

    def fill(self, kind: str, subscriptions: int, count: int) -> None:
        """Accept `count` imports as an intake does."""
        template = Template(make_sample("t", subscriptions))
        pipeline = self._redis.pipeline(transaction=False)
        self._changes += 1
        for number in self._take_numbers(kind, count):
            body = template.fill(number, self._changes)
            accepted = accept(
                load_envelope(orjson.loads(body)),
                token=self._token,
                catalog=self._catalog,
                partitions=self.settings.partitions,
                door="http",
            )
            fields: dict[FieldT, EncodableT] = {
                b"import": encode(accepted.import_),
                b"reply_to": b"nobody",
            }
            pipeline.xadd(stream_key(accepted.partition), fields)
            if len(pipeline) >= _FILL_CHUNK:
                pipeline.execute()
        pipeline.execute()

    def drain(self) -> None:
        """Apply all that waits."""
        while waiting := self._stream.look():
            for each in group(waiting, self.settings.batch_size):
                self._drain.drain(each)

    def declare_segments(self, count: int) -> None:
        """Declare dynamic segments; an update changes what three of them read.

        Those of before have no filter from now on.
        """
        old = {
            id_: make_dynamic(id_, None)
            for id_, one in self._catalog.segments.items()
            if one.filter is not None
        }
        fresh = {
            id_: make_dynamic(id_, filter_)
            for id_, filter_ in zip(
                range(9001, 9001 + count), make_filters(), strict=False
            )
        }
        declare(self.connection, *(old | fresh).values())
        with self.connection.transaction():
            # As if they were built, which is not what is measured here.
            self.connection.execute("UPDATE segments SET building = false")
            self.connection.execute("DELETE FROM segment_builds")
            bump_version(self.connection)
        self._catalog = load_catalog(self.connection)

    def measure(self, kind: str, subscriptions: int, count: int) -> Cost:
        """Fill, then drain, and say what draining cost."""
        self.fill(kind, subscriptions, count)
        return self.measure_work(self.drain, count)

    def measure_work(self, work: Callable[[], object], count: int) -> Cost:
        """Say what `work` on `count` imports costs."""
        before = self._clocks()
        work()
        seconds, worker, postgres, valkey = (
            (after - then) / count
            for then, after in zip(before, self._clocks(), strict=True)
        )
        return Cost(
            worker_us=worker * 1e6,
            postgres_us=postgres * 1e6,
            redis_us=valkey * 1e6,
            per_second=1 / seconds,
        )

    def _clocks(self) -> Sequence[float]:
        return (
            time.perf_counter(),
            time.process_time(),
            read_tree_cpu_seconds(self._postgres.pid),
            read_tree_cpu_seconds(self._valkey.pid),
        )


def make_filters() -> Iterator[object]:
    """Yield filters without end: an update changes what the first three read."""
    yield {"field": "custom_field", "starts_with": "0000000000"}
    yield {"not": {"field": "custom_field", "contains": "none of them"}}
    yield {
        "all": [
            {"field": "custom_field", "exists": True},
            {"field": "_lname", "eq": "Lambert"},
            {"field": "_bdate", "birthday": 7},
        ]
    }
    for number in count_from(3):
        yield {
            "any": [
                {"field": "_fname", "eq": f"Name {number}"},
                {"field": "_lname", "in": ["Smith", "Jones", str(number)]},
            ]
        }


@contextmanager
def open_stage(batch_size: int) -> Iterator[Stage]:
    """Start servers with an empty database, as long as the block lasts."""
    with ExitStack() as stack:
        prefix = "penstock-bench-"
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        postgres = start_postgres(state)
        stack.callback(postgres.stop)
        valkey = start_valkey(state)
        stack.callback(valkey.stop)
        prepare(postgres.url, demo=True)
        collect_rarely()
        yield Stage(postgres, valkey, batch_size)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})"


def _tell(name: str, costs: Sequence[Cost]) -> None:
    """Print medians, with the least and the most."""
    worker = [cost.worker_us for cost in costs]
    postgres = [cost.postgres_us for cost in costs]
    both = [cost.worker_us + cost.postgres_us for cost in costs]
    rate = median(cost.per_second for cost in costs)
    console.print(
        f"{name}: worker {_spread(worker)} us, postgres {_spread(postgres)} us,"
        f" both {_spread(both)} us,"
        f" redis {median(cost.redis_us for cost in costs):.0f} us, {rate:,.0f}/s"
    )


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), default=KINDS)
@click.option("--subscriptions", multiple=True, type=click.IntRange(1, 6), default=(6,))
@click.option("--imports", default=4000, show_default=True, help="A repeat's imports.")
@click.option("--repeats", default=3, show_default=True)
@click.option("--batch-size", default=200, show_default=True)
@click.option(
    "--segments",
    default=(0,),
    multiple=True,
    help="Dynamic segments declared; several numbers are measured in turn.",
)
def main(
    *,
    kinds: tuple[str, ...],
    subscriptions: tuple[int, ...],
    imports: int,
    repeats: int,
    batch_size: int,
    segments: tuple[int, ...],
) -> None:
    """Measure what applying an import costs, kind after kind."""
    with open_stage(batch_size) as stage:
        stage.measure("create", 6, imports)
        measured: dict[str, list[Cost]] = {}
        for _ in range(repeats):
            for declared in segments:
                if segments != (0,):
                    stage.declare_segments(declared)
                for kind, each in product(kinds, subscriptions):
                    cost = stage.measure(kind, each, imports)
                    name = f"{kind}, {each} subscriptions, {declared} segments"
                    measured.setdefault(name, []).append(cost)
        for name, costs in measured.items():
            _tell(name, costs)


if __name__ == "__main__":
    main()
