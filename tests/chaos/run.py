"""`make chaos`: load a whole Penstock, break it at random moments, prove the ledger."""

import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import psycopg
import redis

from ingest.queues import stream_key
from tests.chaos.check import find_breaches
from tests.chaos.faults import FAULTS, Means, choose_faults
from tests.chaos.ledger import load_ledger
from tests.chaos.report import Injected, Report, count_doubts
from tests.chaos.scene import Scene, staged
from tests.groups import wait_for

#: A fault is injected only while this many imports wait: losses hide at low rates.
LEAST_BACKLOG = 300
_BACKLOG_SECONDS = 120
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """When something moved last, in seconds since the epoch."""

    accepted_at: float
    #: By partition.
    applied_at: dict[int, float]


def _look(
    scene: Scene, connection: psycopg.Connection[tuple[object, ...]]
) -> _Progress:
    rows = connection.execute(
        "SELECT partition, extract(epoch FROM drained_at)::float8 FROM partitions"
    ).fetchall()
    accepted = [0.0]
    for partition, waiting in scene.waiting().items():
        if waiting:
            about = scene.queue.xinfo_stream(stream_key(partition))
            accepted.append(float(about["last-generated-id"].split(b"-")[0]) / 1000)
    return _Progress(
        accepted_at=max(accepted),
        applied_at={int(str(number)): float(str(at or 0)) for number, at in rows},
    )


def _await_recovery(scene: Scene, since: float) -> tuple[float, float]:
    """Wait until imports are accepted and applied that were not at `since`.

    Return how long either took; applied means on every partition where some wait.
    """
    accepted_after = applied_after = None
    deadline = time.time() + _RECOVERY_SECONDS
    while accepted_after is None or applied_after is None:
        assert time.time() < deadline, "no recovery"
        time.sleep(_POLL_SECONDS)
        try:
            waiting = [each for each, count in scene.waiting().items() if count]
            with scene.connect() as connection:
                progress = _look(scene, connection)
        except (psycopg.Error, redis.RedisError):
            continue
        now = time.time()
        if accepted_after is None and progress.accepted_at > since:
            accepted_after = now - since
        applied = [progress.applied_at.get(each, 0.0) for each in waiting]
        if applied_after is None and all(at > since for at in applied):
            applied_after = now - since
    return accepted_after, applied_after


def _await_backlog(scene: Scene) -> int:
    """Wait until so many imports wait that a loss would show; return how many."""

    def waits() -> bool:
        try:
            return sum(scene.waiting().values()) >= LEAST_BACKLOG
        except redis.RedisError:
            return False

    wait_for(waits, _BACKLOG_SECONDS)
    return sum(scene.waiting().values())


def _break(scene: Scene, options: Options, tell: Tell) -> list[Injected]:
    """Inject fault after fault until the time is over."""
    chance = random.Random(options.seed)
    means = Means(scene=scene, random=chance, lasting_seconds=options.lasting_seconds)
    has_cable = scene.network.namespace is not None
    names = iter(options.faults or choose_faults(options.seed, has_cable=has_cable))
    started = time.time()
    injected: list[Injected] = []
    while time.time() - started < options.seconds:
        threading.Event().wait(chance.uniform(0, _LONGEST_PAUSE_SECONDS))
        name = next(names, None)
        if name is None:
            break
        backlog = _await_backlog(scene)
        at_seconds = time.time() - started
        FAULTS[name](means)
        accepted_after, applied_after = _await_recovery(scene, time.time())
        tell(
            f"{at_seconds:5.0f} s  {name:32} {backlog:5} waiting; accepted again after "
            f"{accepted_after:5.2f} s, applied {applied_after:5.2f} s"
        )
        injected.append(
            Injected(
                fault=name,
                at_seconds=round(at_seconds, 2),
                backlog=backlog,
                accepted_after_seconds=round(accepted_after, 3),
                applied_after_seconds=round(applied_after, 3),
            )
        )
    return injected


def run(directory: Path, options: Options, tell: Tell) -> Report:
    """Run the whole thing in `directory`; return what there is to tell."""
    started = time.monotonic()
    tell(f"seed {options.seed}; everything is in {directory}")
    with staged(directory, options.seed) as scene:
        cable = scene.network.namespace or "none permitted: the relay is cut instead"
        tell(f"the group is ready; network namespace: {cable}")
        scene.start_producers()
        injected = _break(scene, options, tell)
        tell("the load ends; waiting until everything is applied and delivered")
        scene.stop_producers()
        scene.settle()
        asks = scene.read_asks()
        tell(f"checking {len(asks)} imports")
        with scene.connect() as connection:
            ledger = load_ledger(connection, scene.read_received())
    in_doubt, in_doubt_applied = count_doubts(
        asks, {receipt.ref for receipt in ledger.receipts}
    )
    return Report(
        seed=options.seed,
        seconds=time.monotonic() - started,
        faults=injected,
        accepted=len(asks) - in_doubt,
        in_doubt=in_doubt,
        in_doubt_applied=in_doubt_applied,
        events_delivered=len(ledger.received),
        findings=find_breaches(asks, ledger),
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
