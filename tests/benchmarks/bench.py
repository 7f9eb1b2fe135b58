"""`make bench`: Penstock, the usual design and the floor, measured in one run.

Everything runs on this machine, the load generator too. Scenarios are repeated in
turn, so that what disturbs one disturbs all; results are medians.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
import orjson
from rich.console import Console

from tests.benchmarks.facts import gather_facts
from tests.benchmarks.fill import fill
from tests.benchmarks.floor import copy_rows, make_tables, take_rows
from tests.benchmarks.lanes import (
    BESIDE_BATCHES,
    BESIDE_FILE,
    FILE,
    run_beside_batches,
    run_beside_file,
    run_file,
)
from tests.benchmarks.load import Job, send_from_another_process
from tests.benchmarks.processes import read_processor_ticks
from tests.benchmarks.render import (
    FRESH,
    HALF,
    MIXED,
    USUAL,
    make_tables_of,
    shorten,
)
from tests.benchmarks.requests import FIRST_KNOWN, Template, make_sample
from tests.benchmarks.scenarios import (
    Measured,
    System,
    run,
    run_async,
    run_broker,
    run_direct,
    run_queue,
)
from tests.benchmarks.stage import open_stage
from tests.benchmarks.targets import find_target

_SMALL = 10_000
_STAGE_IMPORTS = 8_000
_WARM_SECONDS = 5.0
_BROKER_IMPORTS = 10_000
_USUAL_IMPORTS = 3_000
_FILE_ROWS = 60_000
#: Of the scenario that begins with nothing each time.
_STARTS = 5
_ROUNDS = 3
_FRESH_KNOWN = 2_000
_FRESH_SECONDS = 1.0

_RELOAD = "SELECT pg_reload_conf()"

console = Console(stderr=True, highlight=False)
Scenario = Callable[[System, float], Measured]
_S = TypeVar("_S")


def _waiting(name: str, connections: int, **changes: object) -> tuple[str, Scenario]:
    def scenario(system: System, seconds: float) -> Measured:
        imports = system.imports(**changes)
        return run(system, name, imports, connections=connections, seconds=seconds)

    return name, scenario


_BEST = _waiting(MIXED, 256, kind="mixed")


def _offer_half(system: System, seconds: float) -> Measured:
    """Offer half of the rate that was measured in this turn, or is measured now."""
    best = system.best or _BEST[1](system, seconds).per_second
    imports = system.imports(kind="mixed")
    return run(system, HALF, imports, connections=64, seconds=seconds, rate=best / 2)


def _fixed(name: str, runner: Callable[..., Measured], count: int) -> Scenario:
    return lambda system, _: runner(system, name, count)


def _queue(name: str, module: str) -> tuple[str, Scenario]:
    return name, _fixed(name, partial(run_queue, module=module), _USUAL_IMPORTS)


def _direct(name: str, connections: int) -> tuple[str, Scenario]:
    return name, partial(run_direct, name=name, connections=connections)


#: What is measured on a database of ten thousand customers, then on a large one.
SCENARIOS: dict[str, Scenario] = dict(
    [
        _waiting("1 waiting", 1),
        _waiting("16 waiting", 16, kind="mixed"),
        _waiting("64 waiting, new", 64),
        _waiting("64 waiting, known", 64, kind="update"),
        _waiting("64 waiting, mixed", 64, kind="mixed"),
        _BEST,
        _waiting("64 waiting, new, 1 subscription", 64, subscriptions=1),
        _waiting("64 waiting, hot keys", 64, kind="update", hot=True),
        _waiting("64 waiting, XML", 64, xml=True),
        (HALF, _offer_half),
        _waiting("import_batch of 500, mixed", 8, kind="mixed", batch=500),
        ("respond-async", lambda system, s: run_async(system, "respond-async", s)),
        ("queue input", _fixed("queue input", run_broker, _BROKER_IMPORTS)),
        (FILE, partial(run_file, rows=_FILE_ROWS)),
        (BESIDE_FILE, partial(run_beside_file, rows=_FILE_ROWS)),
        (BESIDE_BATCHES, run_beside_batches),
        _queue(USUAL, "tests.benchmarks.usual.tasks"),
        _queue("usual design on dramatiq", "tests.benchmarks.usual.actors"),
        _direct("no queue, 1 waiting", 1),
        _direct("no queue, 256 waiting", 256),
    ]
)
LARGE: dict[str, Scenario] = dict([_waiting(f"{MIXED}, large", 256, kind="mixed")])


def import_model(system: System) -> str:
    """Import customer FIRST_KNOWN; return its profile's id."""
    body = Template(make_sample(system.target.token)).fill(FIRST_KNOWN)
    request = (
        b"POST /api/v1.1/profiles/import HTTP/1.1\r\nHost: here\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    job = Job(
        host=system.target.host,
        port=system.target.port,
        requests=[request],
        connections=1,
        seconds=10.0,
        keep=("profile_id",),
    )
    return str(send_from_another_process(job).kept[0][0])


@contextmanager
def _open_system(options: tuple[str, ...]) -> Iterator[System]:
    with find_target(options) as target:
        system = System(target)
        model = import_model(system)
        fill(system.connection, model, 1, _SMALL)
        system.known = _SMALL
        run(system, "warm", system.imports(kind="mixed"), connections=64,
            seconds=_WARM_SECONDS)  # fmt: skip
        yield system
        system.connection.close()


def _measure(
    system: System, scenarios: dict[str, Scenario], seconds: float, repeats: int
) -> list[Measured]:
    measured = []
    for turn in range(repeats):
        for name, scenario in scenarios.items():
            used, stolen = read_processor_ticks()
            one = scenario(system, seconds)
            now_used, now_stolen = read_processor_ticks()
            share = (now_stolen - stolen) / (now_used + now_stolen - used - stolen)
            one = replace(one, stolen=share)
            if name == MIXED:
                system.best = one.per_second
            measured.append(one)
            console.print(f"{turn + 1}/{repeats} {name}: {shorten(one)}")
            if one.failed:
                console.print(f"  FAILED {one.failed}: {one.first_fault}")
    return measured


def _measure_large(system: System, customers: int, seconds: float) -> list[Measured]:
    console.print(f"Filling the database with {customers:,} customers ...")
    model = system.ask(
        "SELECT profile_id FROM match_keys WHERE kind = 'email' AND value = %s",
        f"customer{FIRST_KNOWN}@example.com",
    )[0]
    fill(system.connection, model, system.known, customers)
    system.known = customers
    return _measure(system, LARGE, seconds, 3)


def _measure_fresh(options: tuple[str, ...], seconds: float) -> list[Measured]:
    """Start with nothing, several times, and never analyze: plans must not matter."""
    measured = []
    for start in range(_STARTS):
        with find_target(options) as target:
            system = System(target)
            for statement in ("ALTER SYSTEM SET autovacuum = off", _RELOAD):
                system.connection.execute(statement)
            # Known customers are those that the first round imports.
            system.known = _FRESH_KNOWN
            scenarios = dict([_waiting(FRESH, 64, kind="mixed")])
            run(system, "warm", system.imports(kind="mixed"), connections=64,
                seconds=_FRESH_SECONDS)  # fmt: skip
            console.print(f"start {start + 1}/{_STARTS}")
            measured += _measure(system, scenarios, seconds, _ROUNDS)
            system.connection.close()
    return measured


def _measure_stage(repeats: int) -> list[dict[str, object]]:
    """Apply prefilled streams by one worker, beside COPY over one connection."""
    found: list[dict[str, object]] = []
    with open_stage(200) as stage:
        stage.measure("create", 6, _STAGE_IMPORTS)
        make_tables(stage.connection)
        for _ in range(repeats):
            for kind in ("create", "update", "mixed"):
                cost = stage.measure(kind, 6, _STAGE_IMPORTS)
                found.append({"name": f"apply stage, {kind}", **asdict(cost)})
                if kind == "create":
                    rows = take_rows(stage.connection, _STAGE_IMPORTS)
                    spent = stage.measure_work(
                        partial(copy_rows, stage.connection, rows), _STAGE_IMPORTS
                    )
                    found.append({"name": "floor: COPY", **asdict(spent)})
            console.print(f"stage: {found[-4:]}")
    return found


@click.command(epilog='Example: make bench ARGS="--scenario 64 --seconds 5"')
@click.option("--scenario", "wanted", multiple=True, help="Those whose name has this.")
@click.option("--seconds", default=8.0, show_default=True, help="How long each runs.")
@click.option("--repeats", default=3, show_default=True)
@click.option(
    "--customers", default=1_000_000, show_default=True, help="The large one."
)
@click.option("--quick", is_flag=True, help="3 seconds, once, 50,000 customers.")
@click.option("--workers", default=2, show_default=True, help="Passed to `up`.")
@click.option("--intakes", default=1, show_default=True, help="Passed to `up`.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("benchmarks.json"),
    show_default=True,
    help="Results, for machines; `python -m tests.benchmarks.render` puts them into"
    " docs/benchmarks.md.",
)
def main(
    *,
    wanted: tuple[str, ...],
    seconds: float,
    repeats: int,
    customers: int,
    quick: bool,
    workers: int,
    intakes: int,
    output: Path,
) -> None:
    """Measure on this machine: all scenarios take some fifteen minutes."""
    if quick:
        seconds, repeats, customers = 3.0, 1, 50_000
    chosen, large = (_choose(each, wanted) for each in (SCENARIOS, LARGE))
    document: dict[str, object] = {"seconds": seconds, "repeats": repeats}
    if not wanted or "stage" in wanted:
        document["stage"] = _measure_stage(repeats)
    options = ("--workers", str(workers), "--intakes", str(intakes))
    fresh: list[Measured] = []
    if _choose({FRESH: None}, wanted):
        fresh = _measure_fresh(options, seconds)
    with _open_system(options) as system:
        document["facts"] = gather_facts(system.target) | {
            "workers": str(workers), "intakes": str(intakes)}  # fmt: skip
        before = system.memory(), system.ask("SELECT count(*) FROM imports")[0]
        measured = fresh + _measure(system, chosen, seconds, repeats)
        if large:
            measured += _measure_large(system, customers, seconds)
        document["memory"] = {
            "imports": system.ask("SELECT count(*) FROM imports")[0] - before[1],
            "before": before[0],
            "after": system.memory(),
        }
    document["measured"] = [asdict(one) for one in measured]
    document["customers"] = customers
    output.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    click.echo(make_tables_of(document))
    click.echo(f"Written to {output}", err=True)
    if any(one.failed for one in measured):
        raise click.ClickException("Some imports failed; see above")


def _choose(scenarios: dict[str, _S], wanted: tuple[str, ...]) -> dict[str, _S]:
    if not wanted:
        return scenarios
    return {n: s for n, s in scenarios.items() if any(word in n for word in wanted)}


if __name__ == "__main__":
    main()
