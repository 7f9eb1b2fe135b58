"""Dynamic segments built, and swept, among many profiles while imports run.

    .venv/bin/python -m tests.benchmarks.segments --customers 1000000 --rate 200

Each figure stands beside its floor: the same rows, written by one plain statement. What
a profile costs is in CPU microseconds, which other work on the machine disturbs least.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ingest.store.catalog.load import load_declared
from tests.benchmarks.bench import import_model
from tests.benchmarks.figures import summarize
from tests.benchmarks.fill import fill
from tests.benchmarks.load import Job, Result, send_from_another_process
from tests.benchmarks.processes import read_processor_ticks
from tests.benchmarks.requests import FIRST_KNOWN
from tests.benchmarks.scenarios import System
from tests.benchmarks.targets import find_target
from tests.segments import declare, make_dynamic

_SEGMENT = 9001
_POLL_SECONDS = 0.2
_DEADLINE_SECONDS = 1800.0
_IDLE_SECONDS = 10.0
#: Until the load of imports runs evenly.
_LEAD_SECONDS = 3.0

#: Of 20 customers one, ten, and those whose birthday is near.
FILTERS: Mapping[str, Any] = {
    "a twentieth": {"field": "points", "eq": 19},
    "half": {"field": "points", "ge": 10},
    "birthday": {"field": "_bdate", "birthday": 7},
}
#: What writes the same members, and nothing else.
_FLOORS: Mapping[str, str] = {
    "a twentieth": "(fields -> 'points')::integer = 19",
    "half": "(fields -> 'points')::integer >= 10",
    "birthday": "right(left(fields ->> '_bdate', 10), 5) BETWEEN '03-01' AND '03-08'",
}

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What some work took, and what imports took meanwhile."""

    seconds: float
    #: CPU seconds, by process.
    cpu: Mapping[str, float]
    #: Of the processor time there was work for, what the machine's host withheld.
    stolen: float


def measure(system: System, work: Callable[[], object]) -> Work:
    """Do `work`; return what it took."""
    clocks, started = system.clocks(), time.perf_counter()
    used, stolen = read_processor_ticks()
    work()
    now_used, now_stolen = read_processor_ticks()
    return Work(
        seconds=time.perf_counter() - started,
        cpu={
            name: after - clocks.get(name, 0.0)
            for name, after in system.clocks().items()
        },
        stolen=(now_stolen - stolen) / (now_used + now_stolen - used - stolen),
    )


@contextmanager
def importing(system: System, rate: float) -> Iterator[Callable[[], Result]]:
    """Update customers at a rate until the result is taken, or the block ends."""
    if not rate:
        yield Result
        return
    job = Job(
        host=system.target.host,
        port=system.target.port,
        requests=system.imports(kind="update"),
        connections=8,
        seconds=_IDLE_SECONDS,
        rate=rate,
    )
    results: list[Result] = []
    is_over = False

    def send() -> None:
        while not is_over:
            results.append(send_from_another_process(job))

    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        time.sleep(_LEAD_SECONDS)

        def take() -> Result:
            nonlocal is_over
            is_over = True
            sent.result()
            merged = Result(seconds=sum(one.seconds for one in results))
            for one in results:
                merged.succeeded += one.succeeded
                merged.failed += one.failed
                merged.first_fault = merged.first_fault or one.first_fault
                merged.latencies += one.latencies
            return merged

        try:
            yield take
        finally:
            is_over = True


def _wait(is_done: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + _DEADLINE_SECONDS
    while not is_done():
        if time.monotonic() > ends_at:
            raise click.ClickException("It did not end in time; see the logs")
        time.sleep(_POLL_SECONDS)


def _tell(name: str, work: Work, profiles: int, more: str = "") -> None:
    cpu = ", ".join(
        f"{each} {work.cpu[each] / profiles * 1e6:.1f}"
        for each in ("upkeep", "postgres")
    )
    console.print(
        f"{name}: {work.seconds:.1f} s, {profiles / work.seconds:,.0f} profiles/s,"
        f" CPU us a profile: {cpu}; stolen {work.stolen:.0%}{more}"
    )


def _tell_imports(result: Result) -> str:
    if not result.succeeded:
        return ""
    figures = summarize("", 0, result, waited=False)
    return (
        f"; imports {figures.per_second:.0f}/s, p50 {figures.p50_ms:.1f} ms,"
        f" p99 {figures.p99_ms:.0f} ms, failed {figures.failed}"
    )


def _remove(system: System) -> None:
    system.connection.execute(
        "DELETE FROM segment_members WHERE segment_id >= %s", (_SEGMENT,)
    )
    system.connection.execute("TRUNCATE segment_due")
    system.connection.execute("VACUUM segment_members, segment_due")


def build(system: System, name: str, rate: float) -> None:
    """Build a segment beside imports, and print what it took; then the floor."""
    _remove(system)
    before = _measure_imports(system, rate)
    with importing(system, rate) as take:

        def work() -> None:
            declare(
                system.connection,
                make_dynamic(_SEGMENT, FILTERS[name]),
            )
            _wait(lambda: not _is_building(system))

        spent = measure(system, work)
        beside = _tell_imports(take())
    members = _count(system)
    _tell(f"build, {name}, {members:,} members", spent, system.known, beside)
    console.print(f"  imports alone{before}")
    declare(system.connection, make_dynamic(_SEGMENT, None))
    _remove(system)
    floor = measure(system, lambda: _write_floor(system, name))
    _tell(f"  floor, {_count(system):,} members", floor, system.known)
    _remove(system)


def _measure_imports(system: System, rate: float) -> str:
    with importing(system, rate) as take:
        return _tell_imports(take())


def _is_building(system: System) -> bool:
    segment = load_declared(system.connection).segments.get(_SEGMENT)
    return segment is not None and segment.building


def _count(system: System) -> int:
    return int(
        system.ask(
            "SELECT count(*) FROM segment_members WHERE segment_id = %s", _SEGMENT
        )[0]
    )


def _write_floor(system: System, name: str) -> None:
    # One statement of ours, none of a user: S608 does not apply.
    system.connection.execute(
        f"""
        INSERT INTO segment_members (database_id, profile_id, segment_id, added_at)
        SELECT database_id, id, {_SEGMENT}, now()
          FROM profiles
         WHERE {_FLOORS[name]}
        """.encode()
    )


def sweep(system: System, rate: float) -> None:
    """Let all customers be due at once, half of them to move; print what it took."""
    _remove(system)
    declare(
        system.connection, make_dynamic(_SEGMENT, {"field": "_bdate", "birthday": 7})
    )
    _wait(lambda: not _is_building(system))
    moved = system.connection.execute(
        """
          WITH gone AS (
               DELETE FROM segment_members
                WHERE segment_id = %(segment)s
            RETURNING profile_id)
        SELECT count(*) FROM gone
        """,
        {"segment": _SEGMENT},
    ).fetchone()
    system.connection.execute("VACUUM ANALYZE segment_members, segment_due")

    def is_swept() -> bool:
        return not system.ask(
            "SELECT EXISTS (SELECT FROM segment_due WHERE due_at <= now())"
        )[0]

    with importing(system, rate) as take:
        due = system.ask("SELECT count(*) FROM segment_due")[0]
        system.connection.execute("UPDATE segment_due SET due_at = now()")
        spent = measure(system, lambda: _wait(is_swept))
        beside = _tell_imports(take())
    console.print(f"{moved[0] if moved else 0:,} to move of {due:,} due")
    _tell("sweep", spent, due, beside)
    declare(system.connection, make_dynamic(_SEGMENT, None))
    _remove(system)


def _fill(system: System, customers: int) -> None:
    system.known = system.ask("SELECT count(*) FROM profiles")[0]
    if system.known < customers:
        console.print(f"Filling the database with {customers:,} customers ...")
        model = import_model(system)
        # The load beside updates all of them, so all are of one shape.
        fill(system.connection, model, system.known or 1, customers, is_varied=True)
    system.known = customers
    assert customers < FIRST_KNOWN


@click.command()
@click.option("--customers", default=1_000_000, show_default=True)
@click.option("--rate", default=200.0, show_default=True, help="Imports a second.")
@click.option(
    "--build",
    "names",
    multiple=True,
    type=click.Choice([*FILTERS]),
    default=[*FILTERS],
    help="Members to build.",
)
@click.option("--sweep/--no-sweep", "sweeps", default=True, show_default=True)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the filled database is kept for the next run.",
)
def main(
    *,
    customers: int,
    rate: float,
    names: Sequence[str],
    sweeps: bool,
    state_dir: Path | None,
) -> None:
    """Measure builds and sweeps of dynamic segments beside imports."""
    options = ("--state-dir", str(state_dir)) if state_dir else ()
    with find_target(options) as target:
        system = System(target)
        _fill(system, customers)
        for name in names:
            build(system, name, rate)
        if sweeps:
            sweep(system, rate)
        system.connection.close()


if __name__ == "__main__":
    main()
