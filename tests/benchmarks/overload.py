"""What unthrottled producers cost the workers: applied a second, held back and not.

Best: producers that stop while the backlog is long, so that workers always have work
and intakes have little. Filling: nobody stops, and the backlog grows to its bound.
Full: nobody stops, and most is refused. Run it by
`.venv/bin/python -m tests.benchmarks.overload`.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import click
import psycopg
import redis.asyncio
import uvloop
from rich.console import Console

from ingest.streams.queues import stream_key
from tests.benchmarks.load import parse_answer
from tests.benchmarks.requests import Imports
from tests.benchmarks.targets import Target, find_target

_LOOK_SECONDS = 0.02
_DEADLINE_SECONDS = 120.0
#: Held back, producers stop above and go on below.
_HIGH, _LOW = 2000, 1000
_PARTITIONS = 4

console = Console(stderr=True, highlight=False)


class Producers:
    """Connections that send one import after another, whatever they are told."""

    def __init__(self, target: Target) -> None:
        headers = "Prefer: respond-async\r\n"
        self._requests = iter(
            Imports(host=target.host, token=target.token, headers=headers)
        )
        #: Answers by their HTTP status.
        self.answers: Counter[int] = Counter()
        self._stopped: list[_Connection] = []
        self._held_back = False

    def answer(self, connection: "_Connection", status: int) -> None:
        """Count an answer and go on, unless held back."""
        self.answers[status] += 1
        if self._held_back:
            self._stopped.append(connection)
        else:
            connection.send(next(self._requests))

    def begin(self, connection: "_Connection") -> None:
        """Send the first import of a connection."""
        connection.send(next(self._requests))

    def hold_back(self, waiting: int) -> None:
        """Stop while more than `_HIGH` wait, go on when fewer than `_LOW` do."""
        if waiting > _HIGH:
            self._held_back = True
        elif waiting < _LOW:
            self.release()

    def release(self) -> None:
        """Go on, all of them."""
        self._held_back = False
        stopped, self._stopped = self._stopped, []
        for connection in stopped:
            connection.send(next(self._requests))


class _Connection(asyncio.Protocol):
    """One producer's keep-alive connection."""

    def __init__(self, producers: Producers) -> None:
        self._producers = producers
        self._received = bytearray()

    # uvloop's transport is not asyncio's class.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._transport = transport
        self._producers.begin(self)

    def data_received(self, data: bytes) -> None:
        """Count a whole answer."""
        self._received += data
        answer = parse_answer(self._received)
        if answer is not None:
            self._received.clear()
            self._producers.answer(self, answer[0])

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self._transport.write(request)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how much."""

    connections: int
    seconds: float
    max_waiting: int


class Bench:
    """One target under producers, and the looks at what becomes of it."""

    def __init__(self, target: Target, plan: Plan) -> None:
        assert target.database_url is not None
        assert target.redis_url is not None
        self._target = target
        self._plan = plan
        self._database = psycopg.connect(target.database_url, autocommit=True)
        self._redis = redis.asyncio.Redis.from_url(target.redis_url)

    async def count_waiting(self) -> int:
        """Count the imports that wait."""
        pipeline = self._redis.pipeline(transaction=False)
        for partition in range(_PARTITIONS):
            pipeline.xlen(stream_key(partition))
        return sum(await pipeline.execute())

    def _count_applied(self) -> int:
        row = self._database.execute("SELECT count(*) FROM imports").fetchone()
        return int(row[0]) if row else 0

    async def measure_best(self) -> float:
        """Return what is applied a second over a backlog that is small, never empty."""
        return await self._run(self._hold_back_until)

    async def measure_overload(self) -> tuple[float, float]:
        """Return what is applied a second while the backlog grows, and at its bound."""
        filling = await self._run(self._fill)
        full = await self._run(self._wait_until)
        return filling, full

    async def drain(self) -> None:
        """Wait until nothing waits."""
        ends_at = time.monotonic() + _DEADLINE_SECONDS
        while await self.count_waiting():
            assert time.monotonic() < ends_at, "the backlog was not applied in time"
            await asyncio.sleep(_LOOK_SECONDS)

    async def _run(self, go_on: Callable[[Producers], Awaitable[None]]) -> float:
        producers = Producers(self._target)
        loop = asyncio.get_running_loop()
        connections = [
            (
                await loop.create_connection(
                    lambda: _Connection(producers), self._target.host, self._target.port
                )
            )[1]
            for _ in range(self._plan.connections)
        ]
        before, started_at = self._count_applied(), time.perf_counter()
        await go_on(producers)
        applied = self._count_applied() - before
        seconds = time.perf_counter() - started_at
        for connection in connections:
            connection.close()
        console.print(
            f"  {applied / seconds:,.0f}/s applied in {seconds:.1f} s; answers"
            f" {dict(producers.answers)}"
        )
        return applied / seconds

    async def _hold_back_until(self, producers: Producers) -> None:
        ends_at = time.monotonic() + self._plan.seconds
        while time.monotonic() < ends_at:
            producers.hold_back(await self.count_waiting())
            await asyncio.sleep(_LOOK_SECONDS)

    async def _fill(self, _: Producers) -> None:
        ends_at = time.monotonic() + self._plan.seconds * 3
        while await self.count_waiting() < self._plan.max_waiting:
            if time.monotonic() > ends_at:
                break
            await asyncio.sleep(_LOOK_SECONDS)

    async def _wait_until(self, _: Producers) -> None:
        await asyncio.sleep(self._plan.seconds)


async def measure(target: Target, plan: Plan, rounds: int) -> dict[str, float]:
    """Measure all in turn, `rounds` times; return the medians by name."""
    bench = Bench(target, plan)
    figures: dict[str, list[float]] = {"best": [], "filling": [], "full": []}
    await bench.measure_best()
    await bench.drain()
    for number in range(rounds):
        console.print(f"Round {number + 1} of {rounds}: held back, filling, full ...")
        figures["best"].append(await bench.measure_best())
        filling, full = await bench.measure_overload()
        figures["filling"].append(filling)
        figures["full"].append(full)
        await bench.drain()
    return {name: median(values) for name, values in figures.items()}


@contextmanager
def _environ(**changes: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@click.command()
@click.option("--connections", default=64, show_default=True, help="Producers at once.")
@click.option("--seconds", default=8.0, show_default=True, help="Of each measurement.")
@click.option("--rounds", default=3, show_default=True, help="Times that each is done.")
@click.option("--max-waiting", default=20_000, show_default=True, help="The bound.")
def main(connections: int, seconds: float, rounds: int, max_waiting: int) -> None:
    """Measure applied throughput under overload, as a part of the best."""
    plan = Plan(connections=connections, seconds=seconds, max_waiting=max_waiting)
    with (
        _environ(PENSTOCK_MAX_WAITING=str(max_waiting)),
        find_target(()) as target,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        medians = runner.run(measure(target, plan, rounds))
    best = medians["best"]
    for name, rate in medians.items():
        console.print(
            f"{name:8} {rate:8,.0f}/s applied  {rate / best:4.0%} of the best"
        )


if __name__ == "__main__":
    main()
