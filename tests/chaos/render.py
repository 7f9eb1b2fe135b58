"""Reports as Markdown: `python -m tests.chaos.render` puts them into the docs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
import orjson

_PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

Report = Mapping[str, Any]

#: Heading of a column, and what of a report stands in it.
_COLUMNS = {
    "seed": "seed",
    "seconds": "seconds",
    "accepted": "accepted",
    "in doubt (applied)": "in_doubt",
    "refused": "refused",
    "events delivered": "events_delivered",
    "lost": "lost",
    "doubled": "doubled",
    "out of order": "disordered",
    "not settled": "unsettled",
    "wrong": "wrong",
}


def _cell(report: Report, member: str) -> str:
    if member == "in_doubt":
        return f"{report['in_doubt']:,} ({report['in_doubt_applied']:,})"
    return f"{round(report[member]):,}" if member != "seed" else str(report[member])


def _runs(reports: Sequence[Report]) -> Iterator[str]:
    yield "| " + " | ".join(["run", "failures", *_COLUMNS]) + " |"
    yield "| --- " * (len(_COLUMNS) + 2) + "|"
    for number, report in enumerate(reports, start=1):
        cells = [_cell(report, member) for member in _COLUMNS.values()]
        yield (
            "| " + " | ".join([str(number), str(len(report["faults"])), *cells]) + " |"
        )


def _recoveries(reports: Sequence[Report]) -> Iterator[str]:
    yield "| failure | times | applied again after, median | at most |"
    yield "| --- | --- | --- | --- |"
    seconds: dict[str, list[float]] = {}
    for report in reports:
        for fault in report["faults"]:
            after = fault["applied_after_seconds"]
            seconds.setdefault(fault["fault"], []).append(after)
    for name, found in sorted(seconds.items(), key=lambda item: -max(item[1])):
        most = f"{max(found):.1f} s"
        yield f"| {name} | {len(found)} | {median(found):.1f} s | {most} |"


def render(reports: Sequence[Report]) -> str:
    """Return the tables of `reports`, as `make chaos` writes them."""
    return "\n".join([*_runs(reports), "", *_recoveries(reports)]) + "\n"


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
def main(files: tuple[Path, ...]) -> None:
    """Put the reports of runs into docs/reliability.md."""
    tables = render([orjson.loads(file.read_bytes()) for file in files])
    before, _, rest = _PAGE.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_BEGIN}{tables}{_END}{after}")


if __name__ == "__main__":
    main()
