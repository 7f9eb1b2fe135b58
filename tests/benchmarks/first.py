"""The first figures: latency of an idle system, throughput of a busy one.

Run it by `make bench`, or against a running system with PENSTOCK_URL and
PENSTOCK_TOKEN. The imports create customers; measure where they may stay.
"""

from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table

from tests.benchmarks.facts import gather_facts
from tests.benchmarks.figures import Figures, summarize
from tests.benchmarks.load import Job, Result, send_from_another_process
from tests.benchmarks.requests import Imports, Receipts
from tests.benchmarks.targets import Target, find_target

_WARM_UP = 200
#: Bounds for what is counted rather than timed.
_LONGEST_SECONDS = 120.0
_BACKLOG_CONNECTIONS = 64
_RECEIPT_CONNECTIONS = 8
_NOT_YET = 404
#: Where nobody looks, rich would squeeze it.
_TABLE_WIDTH = 100

console = Console(stderr=True, highlight=False)


def _imports(target: Target, headers: str = "") -> Imports:
    return Imports(host=target.host, token=target.token, headers=headers)


def measure_latency(target: Target, count: int) -> Figures:
    """Import one after another, each waiting for its outcome."""
    console.print(f"Latency: {count} imports, one after another ...")
    result = send_from_another_process(
        Job(
            host=target.host,
            port=target.port,
            requests=_imports(target),
            connections=1,
            seconds=_LONGEST_SECONDS,
            count=count,
        )
    )
    return summarize("one by one", 1, result, waited=True)


def measure_throughput(target: Target, connections: int, seconds: float) -> Figures:
    """Import over many connections at once, each waiting for its outcome."""
    console.print(f"Throughput: {connections} connections for {seconds:g} s ...")
    result = send_from_another_process(
        Job(
            host=target.host,
            port=target.port,
            requests=_imports(target),
            connections=connections,
            seconds=seconds,
        )
    )
    return summarize("waiting", connections, result, waited=True)


def _read_receipts(target: Target, import_ids: tuple[str, ...]) -> Result:
    """Read the receipt of each import, once it has been applied."""
    receipts = Receipts(host=target.host, token=target.token, import_ids=import_ids)
    return send_from_another_process(
        Job(
            host=target.host,
            port=target.port,
            requests=receipts,
            connections=min(_RECEIPT_CONNECTIONS, len(import_ids)),
            seconds=_LONGEST_SECONDS,
            retry_error=_NOT_YET,
            keep=("accepted_at", "applied_at"),
        )
    )


def _span(moments: list[tuple[object, ...]]) -> float:
    """Return the seconds from the first acceptance to the last commit."""
    accepted, applied = zip(*moments, strict=True)
    first, last = min(map(str, accepted)), max(map(str, applied))
    return (
        datetime.fromisoformat(last) - datetime.fromisoformat(first)
    ).total_seconds()


def measure_backlog(target: Target, count: int, seconds: float) -> Figures:
    """Import without waiting, then see every receipt."""
    console.print(f"Backlog: {count} imports that nobody waits for ...")
    accepted = send_from_another_process(
        Job(
            host=target.host,
            port=target.port,
            requests=_imports(target, "Prefer: respond-async\r\n"),
            connections=_BACKLOG_CONNECTIONS,
            seconds=seconds,
            count=count,
            keep=("import_id",),
        )
    )
    figures = summarize("no waiting", _BACKLOG_CONNECTIONS, accepted, waited=False)
    import_ids = tuple(str(import_id) for (import_id,) in accepted.kept)
    if not import_ids:
        return figures
    # One look at a time, so that looking costs next to nothing, until the end.
    console.print("Backlog: until all are applied ...")
    _read_receipts(target, import_ids[-1:])
    console.print("Backlog: reading every receipt ...")
    receipts = _read_receipts(target, import_ids)
    unseen = len(import_ids) - receipts.succeeded
    applied_seconds = _span(receipts.kept) if receipts.kept else None
    return replace(
        figures,
        failed=figures.failed + unseen,
        first_fault=figures.first_fault or receipts.first_fault,
        applied_seconds=applied_seconds,
        applied_per_second=applied_seconds and receipts.succeeded / applied_seconds,
    )


def make_table(measured: list[Figures]) -> Table:
    """Lay out what was measured for people."""
    table = Table(title="Imports of the documented sample, each a new customer")
    table.add_column("Imports")
    for heading in (
        *("At once", "Count", "Per second", "p50 ms", "p95 ms", "p99 ms"),
        *("Applied per second", "Late", "Failed"),
    ):
        table.add_column(heading, justify="right")
    for each in measured:
        applied = each.applied_per_second
        table.add_row(
            each.name,
            str(each.connections),
            f"{each.imports:,}",
            f"{each.per_second:,.0f}",
            *(f"{ms:.1f}" for ms in (each.p50_ms, each.p95_ms, each.p99_ms)),
            f"{applied:,.0f}" if applied else "",
            str(each.late),
            str(each.failed),
        )
    return table


def _check(measured: list[Figures]) -> None:
    faults = [each.first_fault for each in measured if each.failed]
    if faults:
        raise click.ClickException(f"Imports failed; the first: {faults[0]}")


@click.command()
@click.option("--singles", default=500, show_default=True, help="Imports for latency.")
@click.option(
    "--connections",
    multiple=True,
    type=click.IntRange(min=1),
    default=(64, 256),
    show_default=True,
    help="Callers at once; may be repeated.",
)
@click.option(
    "--seconds",
    default=20.0,
    show_default=True,
    help="How long each number of connections is measured.",
)
@click.option(
    "--backlog",
    default=20_000,
    show_default=True,
    help="Imports that nobody waits for.",
)
@click.option("--workers", type=int, help="Passed to `penstock up`.")
@click.option("--intakes", type=int, help="Passed to `penstock up`.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write facts and figures to this file, as JSON.",
)
def main(
    *,
    singles: int,
    connections: tuple[int, ...],
    seconds: float,
    backlog: int,
    workers: int | None,
    intakes: int | None,
    output: Path | None,
) -> None:
    """Measure imports on this machine; fail if one of them failed."""
    counts = {"--workers": workers, "--intakes": intakes}
    options = [
        word
        for name, value in counts.items()
        if value is not None
        for word in (name, str(value))
    ]
    with find_target(tuple(options)) as target:
        facts = gather_facts(target)
        console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
        _check([measure_latency(target, _WARM_UP)])
        measured = [
            measure_latency(target, singles),
            *(measure_throughput(target, each, seconds) for each in connections),
            measure_backlog(target, backlog, seconds),
        ]

    Console(width=max(console.width, _TABLE_WIDTH)).print(make_table(measured))
    if output is not None:
        document = {"facts": facts, "figures": [asdict(each) for each in measured]}
        output.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    _check(measured)


if __name__ == "__main__":
    main()
