"""Feed changed samples to every decoder: `make fuzz`, ten minutes by default.

First documents near each limit, on it and over it; then, now and then, changed ones.
Each must read them or refuse them by an error of ours, within a second. What breaks
this is written down with the seed that makes it again.
"""

import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import click

from ingest.domain.errors import PenstockError
from ingest.wire.entries import encode
from tests.factories import make_import
from tests.fuzz.mutations import mutate
from tests.fuzz.sizes import make_sizes
from tests.fuzz.targets import TARGETS

_SAMPLES = Path(__file__).parents[1] / "samples"
_FORMS = (b"token=t&db_id=1&email=a@example.com&points=5&resource_id=1&trigger_id=1",)
_MESSAGE = b'{"account_id":1,"db_id":1,"email":"a@example.com","data":{"points":"5"}}'
_BATCH = b'{"db_id":1,"data":[{"email":"a@example.com"},{"data":{},"phone":"+1"}]}'
_SLOWEST_SECONDS = 1.0
_PROGRESS_SECONDS = 10.0
#: They take a hundred times as long as samples.
_LARGE_EVERY = 1000


@dataclass(slots=True)
class Report:
    """What came of a run."""

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    #: One line for each input that broke a decoder.
    broken: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0


def load_corpus() -> list[bytes]:
    """Return what is changed: the samples, and one of each other kind."""
    files = sorted(path for path in _SAMPLES.rglob("*") if path.is_file())
    bodies = [path.read_bytes() for path in files]
    return [
        *bodies,
        *_FORMS,
        _MESSAGE,
        _BATCH,
        encode(make_import("email", {"email": "a@example.com"})),
    ]


def try_one(seed: int, corpus: list[bytes], report: Report) -> None:
    """Feed the input of `seed` to every target."""
    random = Random(seed)
    feed(mutate(random.choice(corpus), random), seed, report)


def try_sizes(seed: int, report: Report) -> None:
    """Feed documents around each limit to every target, as they are."""
    for data in make_sizes(Random(seed)):
        feed(data, seed, report)


def try_one_large(seed: int, report: Report) -> None:
    """Feed one of the documents around the limits, changed."""
    random = Random(seed)
    feed(mutate(random.choice(make_sizes(random)), random), seed, report)


def feed(data: bytes, seed: int, report: Report) -> None:
    """Feed `data` to every target."""
    for name, target in TARGETS.items():
        report.tried[name] += 1
        started_at = time.process_time()
        try:
            target(data)
        except PenstockError:
            report.refused[name] += 1
        # Whatever else is raised is what is looked for.
        except Exception as error:  # noqa: BLE001
            place = traceback.extract_tb(error.__traceback__)[-1]
            report.broken.append(
                f"{name}, seed {seed}: {type(error).__name__} in {place.name}"
            )
        seconds = time.process_time() - started_at
        report.slowest_seconds = max(report.slowest_seconds, seconds)
        if seconds > _SLOWEST_SECONDS:
            report.broken.append(f"{name}, seed {seed}: {seconds:.1f} s")


def run_until(ends_at: float, seed: int) -> Iterator[Report]:
    """Try one input after another; yield the report now and then, and at the end."""
    corpus, report = load_corpus(), Report()
    told_at = time.monotonic()
    try_sizes(seed, report)
    while (now := time.monotonic()) < ends_at and not report.broken:
        try_one(seed, corpus, report)
        if seed % _LARGE_EVERY == 0:
            try_one_large(seed, report)
        seed += 1
        if now - told_at > _PROGRESS_SECONDS:
            told_at = now
            yield report
    yield report


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long.")
@click.option("--seed", default=0, show_default=True, help="The first input's number.")
def main(seconds: float, seed: int) -> None:
    """Fuzz the decoders; exit 1 at the first input that breaks one."""
    began_at = time.monotonic()
    report = Report()
    for report in run_until(began_at + seconds, seed):
        click.echo(
            f"{time.monotonic() - began_at:5.0f} s: {report.tried.total():,} inputs,"
            f" {report.refused.total():,} refused,"
            f" slowest {report.slowest_seconds * 1000:.0f} ms"
        )
    for line in report.broken:
        click.echo(line, err=True)
    if report.broken:
        raise SystemExit(1)
    click.echo("Nothing broke.")


if __name__ == "__main__":
    main()
