"""Results as Markdown: `python -m tests.benchmarks.render` puts them into the docs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import orjson

from tests.benchmarks.lanes import BESIDE_BATCHES, BESIDE_FILE, FILE
from tests.benchmarks.scenarios import Measured

_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"

Row = Mapping[str, Any]
Document = Mapping[str, Any]
_Find = Callable[[Document], float | None]


def shorten(one: Measured) -> str:
    """Say in a line what came of a run."""
    cpu = ", ".join(f"{name} {us:.0f}" for name, us in one.cpu_us.items() if us >= 1)
    return (
        f"{one.per_second:,.0f}/s, applied {one.applied_per_second:,.0f}/s,"
        f" p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f} ms,"
        f" queue p99 {one.queue_p99_ms:.0f} ms; CPU us: {cpu}"
    )


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row)
    return found


def _spread(rows: Sequence[Row], member: str) -> str:
    values = [row[member] for row in rows]
    return f"{median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def _rows(document: Document, name: str) -> Sequence[Row]:
    rows = [*document.get("measured", ()), *document.get("stage", ())]
    return _by_name(rows).get(name, ())


def _value(document: Document, name: str, member: str) -> float | None:
    found = _rows(document, name)
    return median(row[member] for row in found) if found else None


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None


def _ratio_in_turn(
    document: Document, over: tuple[str, str], under: tuple[str, str]
) -> float | None:
    """Return the median of the ratios of runs that were made in one turn.

    Each is a name and a member. What disturbs a turn disturbs both.
    """
    pairs = zip(_rows(document, over[0]), _rows(document, under[0]), strict=False)
    ratios = [one[over[1]] / other[under[1]] for one, other in pairs]
    return median(ratios) if ratios else None


def _worst_of_best(document: Document, name: str, member: str) -> float | None:
    """Return the least of all runs of `name` as a share of the most."""
    values = [row[member] for row in _rows(document, name)]
    return min(values) / max(values) if values else None


MIXED = "256 waiting, mixed"
HALF = "half of the best rate offered"
USUAL = "usual design"
FRESH = "fresh database, never analyzed"
_COPY = "floor: COPY"


def _times_usual(name: str, member: str = "applied_per_second") -> _Find:
    return lambda d: _ratio_in_turn(d, (name, member), (USUAL, "applied_per_second"))


def _times_copy(process: str) -> _Find:
    """Return CPU time of a process per import, by that of Postgres under `COPY`."""

    def find(document: Document) -> float | None:
        ours = [row["cpu_us"].get(process, 0.0) for row in _rows(document, MIXED)]
        copy = _value(document, _COPY, "postgres_us")
        return _ratio(median(ours) if ours else None, copy)

    return find


#: Name, least or most, the limit, and how it is found.
_TARGETS: tuple[tuple[str, str, float, _Find], ...] = (
    ("256 waiting, mixed, times the usual design", "≥", 15, _times_usual(MIXED)),
    ("import_batch of 500, times the usual design", "≥", 25,
     _times_usual("import_batch of 500, mixed")),
    ("16 waiting, times the usual design", "≥", 8, _times_usual("16 waiting")),
    (
        "apply stage, share of the floor",
        "≥",
        0.4,
        lambda d: _ratio_in_turn(
            d, ("apply stage, create", "per_second"), (_COPY, "per_second")
        ),
    ),
    ("CPU time of the intake, times that of COPY", "≤", 1.6, _times_copy("intake")),
    ("CPU time of workers, times that of COPY", "≤", 2.2, _times_copy("workers")),
    ("CPU time of Postgres, times that of COPY", "≤", 1.4, _times_copy("postgres")),
    ("idle latency p50, ms", "≤", 4.5, lambda d: _value(d, "1 waiting", "p50_ms")),
    ("idle latency p99, ms", "≤", 12, lambda d: _value(d, "1 waiting", "p99_ms")),
    ("half of the best rate, queue to applied p99, ms", "≤", 150,
     lambda d: _value(d, HALF, "queue_p99_ms")),
    *(
        (f"live import during {what}, {member.removesuffix('_ms')}, ms", "≤", limit,
         partial(_value, name=name, member=member))
        for what, name in (("a file", BESIDE_FILE), ("large batches", BESIDE_BATCHES))
        for member, limit in (("p50_ms", 30.0), ("p99_ms", 100.0))
    ),
    ("a file during live imports, share of its rate alone", "≥", 0.8,
     lambda d: _ratio_in_turn(d, (BESIDE_FILE, "per_second"), (FILE, "per_second"))),
    (
        "large database, share of the rate at 10,000",
        "≥",
        0.9,
        lambda d: _ratio(
            _value(d, f"{MIXED}, large", "per_second"),
            _value(d, MIXED, "per_second"),
        ),
    ),
    ("fresh database, worst round as a share of the best", "≥", 0.5,
     lambda d: _worst_of_best(d, FRESH, "per_second")),
)  # fmt: skip


def _target_row(
    document: Document,
    name: str,
    sign: str,
    limit: float,
    find: Callable[[Document], float | None],
) -> str:
    value = find(document)
    if value is None:
        return f"| {name} | {sign} {limit:g} | not measured | |"
    met = value >= limit if sign == "≥" else value <= limit
    return f"| {name} | {sign} {limit:g} | {value:,.2f} | {'yes' if met else 'no'} |"


def _memory(document: Document) -> list[str]:
    memory = document.get("memory")
    if not memory:
        return []
    return [
        "",
        *(
            f"Memory of the largest {name} process over {memory['imports']:,} imports: "
            f"{memory['before'][name] / 2**20:.0f} → {size / 2**20:.0f} MiB."
            for name, size in memory["after"].items()
        ),
    ]


def make_tables_of(document: Document) -> str:
    """Return the results as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in document["facts"].items())
    # The machine, then what ran on it: two sentences.
    facts = facts.replace(", python ", ". Versions: python ")
    lines = [
        f"Measured on: {facts.replace(', workers ', '. Processes: workers ')}."
        f" {document['seconds']:g} s a run, medians of"
        f" {document['repeats']} (least-most).",
        "",
        "| target | | measured | met |",
        "| --- | --- | --- | --- |",
        *(_target_row(document, *target) for target in _TARGETS),
        "",
        "| scenario | profiles/s | applied/s | p50 ms | p99 ms | queue p99 ms |"
        " CPU µs a profile: intake, workers, Postgres, Redis | stolen % |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in _by_name(document["measured"]).items():
        cpu = ", ".join(
            f"{median(row['cpu_us'].get(each, 0.0) for row in rows):.0f}"
            for each in ("intake", "workers", "postgres", "redis")
        )
        numbers = (_spread(rows, m) for m in ("per_second", "applied_per_second"))
        times = (
            f"{median(row[member] for row in rows):.1f}"
            for member in ("p50_ms", "p99_ms", "queue_p99_ms")
        )
        shares = [row["stolen"] for row in rows if "stolen" in row]
        stolen = f"{100 * median(shares):.0f}" if shares else "?"
        lines.append(f"| {' | '.join((name, *numbers, *times, cpu, stolen))} |")
    lines += [
        "",
        "| one worker, one connection | imports/s |"
        " CPU µs an import: client, Postgres |",
        "| --- | --- | --- |",
    ]
    for name, rows in _by_name(document.get("stage", ())).items():
        cpu = f"{_spread(rows, 'worker_us')}, {_spread(rows, 'postgres_us')}"
        lines.append(f"| {name} | {_spread(rows, 'per_second')} | {cpu} |")
    return "\n".join([*lines, *_memory(document)])


@click.command()
@click.argument(
    "results", type=click.Path(exists=True, path_type=Path), default="benchmarks.json"
)
def main(results: Path) -> None:
    """Put RESULTS of `make bench` into docs/benchmarks.md."""
    tables = make_tables_of(orjson.loads(results.read_bytes()))
    page = _PAGE.read_text()
    head, _, rest = page.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    _PAGE.write_text(f"{head}{_BEGIN}\n{tables}\n{_END}{tail}")


if __name__ == "__main__":
    main()
