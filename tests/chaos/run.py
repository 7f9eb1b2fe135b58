"""`make chaos`: load a whole Penstock, break it at random moments, prove the ledger."""

import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
import psycopg
import redis

from tests.chaos.asks import Kind
from tests.chaos.check import find_breaches
from tests.chaos.faults import (
    FAULTS,
    Means,
    choose_faults,
    count_accepted,
    find_impossible,
    holding_workers,
)
from tests.chaos.ledger import keep_tables, load_ledger
from tests.chaos.report import Injected, Report, count_doubts
from tests.chaos.scene import Scene, staged
from tests.groups import wait_for

#: A fault is injected only while this many imports wait: losses hide at low rates.
LEAST_BACKLOG = 300
_BACKLOG_SECONDS = 120
#: Where workers apply as fast as starved intakes accept they are held back after this.
_PATIENCE_SECONDS = 10
#: A group that has not recovered by then has not recovered.
_RECOVERY_SECONDS = 120
_LONGEST_PAUSE_SECONDS = 3.0
_POLL_SECONDS = 0.02

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long to break things, and what by."""

    seconds: float
    seed: int
    #: How long those faults go on that last.
    lasting_seconds: float
    #: All of them where empty.
    faults: tuple[str, ...] = ()
    #: Faults, at most.
    most: int | None = None
    #: Rows of one wrong file more, which is undone; 0 for none.
    undo_rows: int = 0


def _look(scene: Scene) -> dict[int, float]:
    """Return when each partition was applied last, in seconds since the epoch."""
    with scene.connect() as connection:
        rows = connection.execute(
            "SELECT partition, extract(epoch FROM drained_at)::float8 FROM partitions"
        ).fetchall()
    return {int(number): float(at or 0) for number, at in rows}


def _await_recovery(scene: Scene, since: float) -> tuple[float, float]:
    """Wait until imports are accepted and applied that were not at `since`.

    Return how long either took; applied means on every partition where some wait.
    """
    accepted_after = applied_after = accepted = None
    deadline = time.time() + _RECOVERY_SECONDS
    while accepted_after is None or applied_after is None:
        assert time.time() < deadline, "no recovery"
        time.sleep(_POLL_SECONDS)
        try:
            waiting = [each for each, count in scene.waiting().items() if count]
            added = count_accepted(scene)
            applied_at = _look(scene)
        except (psycopg.Error, redis.RedisError):
            continue
        now = time.time()
        accepted = added if accepted is None else accepted
        if accepted_after is None and added > accepted:
            accepted_after = now - since
        applied = [applied_at.get(each, 0.0) for each in waiting]
        if applied_after is None and all(at > since for at in applied):
            applied_after = now - since
    return accepted_after, applied_after


def _count_waiting(scene: Scene) -> int:
    try:
        return sum(scene.waiting().values())
    except redis.RedisError:
        return 0


def _await_backlog(scene: Scene) -> tuple[int, bool]:
    """Wait until so many imports wait that a loss would show.

    Return how many, and whether workers had to be held back until there were.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (count := _count_waiting(scene)) < LEAST_BACKLOG:
        if time.monotonic() > deadline:
            with holding_workers(scene):
                wait_for(
                    lambda: _count_waiting(scene) >= LEAST_BACKLOG, _BACKLOG_SECONDS
                )
                return _count_waiting(scene), True
        time.sleep(_POLL_SECONDS)
    return count, False


def _break(scene: Scene, options: Options, tell: Tell) -> list[Injected]:
    """Inject fault after fault until the time is over."""
    chance = random.Random(options.seed)
    means = Means(scene=scene, random=chance, lasting_seconds=options.lasting_seconds)
    impossible = find_impossible(scene)
    if impossible:
        tell(f"not permitted here, and left out: {', '.join(sorted(impossible))}")
    chosen = options.faults or choose_faults(options.seed, impossible)
    names = islice(chosen, options.most)
    started = time.time()
    injected: list[Injected] = []
    while time.time() - started < options.seconds:
        threading.Event().wait(chance.uniform(0, _LONGEST_PAUSE_SECONDS))
        name = next(names, None)
        if name is None:
            break
        scene.check_producers()
        backlog, held = _await_backlog(scene)
        at_seconds = time.time() - started
        FAULTS[name](means)
        accepted_after, applied_after = _await_recovery(scene, time.time())
        tell(
            f"{at_seconds:5.0f} s  {name:40} {backlog:5} waiting; accepted again after "
            f"{accepted_after:5.2f} s, applied {applied_after:5.2f} s"
        )
        injected.append(
            Injected(
                fault=name,
                at_seconds=round(at_seconds, 2),
                backlog=backlog,
                held=held,
                accepted_after_seconds=round(accepted_after, 3),
                applied_after_seconds=round(applied_after, 3),
            )
        )
    return injected


def run(directory: Path, options: Options, tell: Tell) -> Report:
    """Run the whole thing in `directory`; return what there is to tell."""
    started = time.monotonic()
    tell(f"seed {options.seed}; everything is in {directory}")
    with staged(directory, options.seed, options.undo_rows) as scene:
        cable = scene.network.namespace or "none permitted: the relay is cut instead"
        tell(f"the group is ready; network namespace: {cable}")
        scene.start_producers()
        injected = _break(scene, options, tell)
        tell("the load ends; waiting until everything is applied and delivered")
        scene.stop_producers()
        settled_after = scene.settle()
        asks, played = scene.read_asks(), scene.read_all()
        tell(f"checking {len(asks)} imports, and {played}")
        with scene.connect() as connection:
            ledger = load_ledger(
                connection, scene.read_received(), scene.read_waiting()
            )
            findings = find_breaches(asks, ledger, played)
            if findings:
                keep_tables(connection, directory)
    in_doubt, in_doubt_applied = count_doubts(
        asks, {receipt.ref for receipt in ledger.receipts}
    )
    return Report(
        seed=options.seed,
        seconds=time.monotonic() - started,
        faults=injected,
        accepted=sum(ask.import_id is not None for ask in asks),
        refused=sum(ask.kind is Kind.BEYOND for ask in asks),
        settled_after_seconds=settled_after,
        in_doubt=in_doubt,
        in_doubt_applied=in_doubt_applied,
        events_delivered=len(ledger.received),
        undone=sum(ledger.left.undos.values()),
        pairs=len(played.pairs),
        decided=sum(len(each.held) for each in played.cases),
        outdated=ledger.dated.kept,
        subscribers=len(played.subscribers),
        protected=sum(len(each.kept) for each in ledger.consents.receipts),
        findings=findings,
    )


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="Break things for.")
@click.option("--seed", type=int, help="Repeat the choices of a run.  [default: any]")
@click.option(
    "--lasting-seconds",
    default=30.0,
    show_default=True,
    help="How long a frozen worker, a cut network or a slow receiver lasts.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice(list(FAULTS)),
    help="These faults only, in this order; may be repeated.  [default: all, for ever]",
)
@click.option(
    "--undo-rows",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Also undo one wrong file of so many rows.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/chaos.json"),
    show_default=True,
    help="Write what was found here, as JSON.",
)
def main(
    seconds: float,
    seed: int | None,
    lasting_seconds: float,
    faults: tuple[str, ...],
    undo_rows: int,
    report: Path,
) -> None:
    """Break a loaded Penstock on purpose and prove that no promise is broken.

    The exit status is 1 if one is.
    """
    options = Options(
        seconds=seconds,
        seed=random.SystemRandom().randrange(10**6) if seed is None else seed,
        lasting_seconds=lasting_seconds,
        faults=faults,
        undo_rows=undo_rows,
    )
    directory = Path(tempfile.mkdtemp(prefix="penstock-chaos-"))
    result = run(directory, options, click.echo)
    for line in result.lines():
        click.echo(line)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(result.to_json())
    click.echo(f"the whole report is in {report}")
    if not result.is_clean:
        sys.exit(1)
    # What went wrong is for a person to look at; what went well is not.
    shutil.rmtree(directory)


if __name__ == "__main__":
    main()
