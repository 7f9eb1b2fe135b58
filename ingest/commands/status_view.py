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
from ingest.status.pipeline import PipelineStatus
from ingest.store.events.endpoints import describe_pending, describe_reason


def status_document(status: PipelineStatus, now: datetime) -> dict[str, object]:
    """Return the status for machines: durations in seconds, rates per minute."""
    oldest = status.streams.oldest_accepted_at
    return {
        **asdict(status.flow),
        "waiting": status.streams.waiting,
        "waiting_bulk": status.streams.bulk,
        "oldest_accepted_at": oldest,
        "oldest_age_seconds": None if oldest is None else age_seconds(oldest, now),
        "outcomes": [asdict(each) for each in status.outcomes],
        "dead_letters": status.store.dead_letters,
        "held": status.store.held.count,
        "partitions": [
            {**asdict(each), "drained_at": status.store.find_drained_at(each.partition)}
            for each in status.streams.streams
        ],
        "endpoints": [asdict(each) for each in status.store.endpoints],
    }


def render_status(status: PipelineStatus, now: datetime) -> RenderableType:
    """Return the status for a terminal."""
    grid = Table.grid(padding=(0, 2))
    for name, value in _facts(status, now):
        grid.add_row(Text(name, style="bold"), value)
    parts: list[RenderableType] = [grid, Text(), _partitions(status, now)]
    if status.store.endpoints:
        parts += [Text(), _endpoints(status)]
    return Group(*parts)


def _facts(
    status: PipelineStatus, now: datetime
) -> Iterator[tuple[str, RenderableType]]:
    flow = status.flow
    yield "accepted", _rate(flow.accepted_per_minute)
    yield "processed", _rate(flow.processed_per_minute)
    yield "waiting", f"{status.streams.waiting:,}  {describe_drain(flow)}"
    if status.streams.bulk:
        yield "bulk lane", f"{status.streams.bulk:,} of them"
    oldest = status.streams.oldest_accepted_at
    if oldest is not None:
        yield "oldest", f"{describe_seconds(age_seconds(oldest, now))} old"
    yield "last minute", _outcomes(status)
    letters = Text(f"{status.store.dead_letters:,}")
    if status.store.dead_letters:
        letters.stylize("bold red")
    yield "dead letters", letters
    if status.store.held.count:
        yield "held", f"{status.store.held.count:,}  to decide: penstock held list"


def _rate(per_minute: float | None) -> str:
    return "measuring" if per_minute is None else f"{per_minute:,.0f} per minute"


def _outcomes(status: PipelineStatus) -> RenderableType:
    outcomes = Text()
    for each in status.outcomes:
        error = f" {each.error}" if each.error else ""
        outcomes.append(f"{each.count:,} {each.state}{error}  ", color_of(each.state))
    return outcomes if status.outcomes else "none"


def _partitions(status: PipelineStatus, now: datetime) -> Table:
    table = make_table("partition", "waiting", "bulk", "oldest", "last commit")
    for each in status.streams.streams:
        oldest = each.oldest_accepted_at
        table.add_row(
            str(each.partition),
            f"{each.waiting:,}",
            f"{each.bulk:,}",
            "" if oldest is None else describe_seconds(age_seconds(oldest, now)),
            moment(status.store.find_drained_at(each.partition)) or "never",
        )
    return table


def _endpoints(status: PipelineStatus) -> Table:
    table = make_table("endpoint", "pending", "failed", "skipped", "state")
    for each in status.store.endpoints:
        state = Text("enabled", style="green")
        if each.disabled_at:
            state = Text(f"disabled since {moment(each.disabled_at)}", style="red")
            state.append(describe_reason(each.disabled_reason), style="default")
        elif each.paused_until:
            state = Text(f"paused until {moment(each.paused_until)}", style="yellow")
        name = f"{each.id} {each.name}"
        counts = (f"{each.failed:,}", f"{each.skipped:,}")
        table.add_row(name, describe_pending(each), *counts, state)
    return table
