"""Status of the pipeline on a terminal and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ingest.commands.outputs import color_of, make_table, moment
from ingest.domain.durations import age_seconds, describe_seconds
from ingest.domain.flow import describe_drain
from ingest.status.pipeline import Standing


def standing_document(standing: Standing, now: datetime) -> dict[str, object]:
    """Return the status for machines: durations in seconds, rates per minute."""
    oldest = standing.oldest_accepted_at
    return {
        **asdict(standing.flow),
        "waiting": standing.waiting,
        "oldest_accepted_at": oldest,
        "oldest_age_seconds": None if oldest is None else age_seconds(oldest, now),
        "outcomes": [asdict(each) for each in standing.outcomes],
        "dead_letters": standing.dead_letters,
        "partitions": [
            {**asdict(each), "drained_at": standing.drained_at.get(each.partition)}
            for each in standing.streams
        ],
        "endpoints": [asdict(each) for each in standing.endpoints],
    }


def render_standing(standing: Standing, now: datetime) -> RenderableType:
    """Return the status for a terminal."""
    grid = Table.grid(padding=(0, 2))
    for name, value in _facts(standing, now):
        grid.add_row(Text(name, style="bold"), value)
    parts: list[RenderableType] = [grid, Text(), _partitions(standing, now)]
    if standing.endpoints:
        parts += [Text(), _endpoints(standing)]
    return Group(*parts)


def _facts(standing: Standing, now: datetime) -> Iterator[tuple[str, RenderableType]]:
    flow = standing.flow
    yield "accepted", _rate(flow.accepted_per_minute)
    yield "processed", _rate(flow.processed_per_minute)
    yield "waiting", f"{standing.waiting:,}  {describe_drain(flow)}"
    oldest = standing.oldest_accepted_at
    if oldest is not None:
        yield "oldest", f"{describe_seconds(age_seconds(oldest, now))} old"
    yield "last minute", _outcomes(standing)
    letters = Text(f"{standing.dead_letters:,}")
    if standing.dead_letters:
        letters.stylize("bold red")
    yield "dead letters", letters


def _rate(per_minute: float | None) -> str:
    return "measuring" if per_minute is None else f"{per_minute:,.0f} per minute"


def _outcomes(standing: Standing) -> RenderableType:
    outcomes = Text()
    for each in standing.outcomes:
        error = f" {each.error}" if each.error else ""
        outcomes.append(f"{each.count:,} {each.state}{error}  ", color_of(each.state))
    return outcomes if standing.outcomes else "none"


def _partitions(standing: Standing, now: datetime) -> Table:
    table = make_table("partition", "waiting", "oldest", "last commit")
    for each in standing.streams:
        oldest = each.oldest_accepted_at
        table.add_row(
            str(each.partition),
            f"{each.waiting:,}",
            "" if oldest is None else describe_seconds(age_seconds(oldest, now)),
            moment(standing.drained_at.get(each.partition)) or "never",
        )
    return table


def _endpoints(standing: Standing) -> Table:
    table = make_table("endpoint", "pending", "failed", "state")
    for each in standing.endpoints:
        state = Text("enabled", style="green")
        if each.disabled_at:
            state = Text(f"disabled since {moment(each.disabled_at)}", style="red")
        elif each.paused_until:
            state = Text(f"paused until {moment(each.paused_until)}", style="yellow")
        name = f"{each.id} {each.name}"
        table.add_row(name, f"{each.pending:,}", f"{each.failed:,}", state)
    return table
