"""Jobs on a terminal and as JSON."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from ingest.commands.outputs import color_of, make_table, print_pairs
from ingest.domain.imports import Operation
from ingest.domain.jobs import JobState
from ingest.doors.files.jobs.creation import MAP_OF
from ingest.doors.files.jobs.fault_counts import JobFaults
from ingest.doors.files.jobs.fault_groups import phrase
from ingest.doors.files.jobs.job_texts import (
    MOVING,
    describe_result,
    describe_sender,
    is_dry_run,
)
from ingest.doors.files.jobs.seen_jobs import Seen, tell_pace, tell_state
from ingest.wire.cell_notes import tell_notes

#: Fewer columns have room for what tells one job from another only.
_WIDE = 110
#: Between two lines about a job that is followed without a terminal.
_LINE_SECONDS = 10.0


def describe_job(seen: Seen, now: datetime) -> dict[str, object]:
    """Return a job as JSON members."""
    job, pace = seen.job, tell_pace(seen, now)
    return {
        "job_id": job.id,
        "name": job.name,
        "database_id": job.database_id,
        "token_id": job.token_id,
        "operation": job.parameters.get("operation", Operation.IMPORT),
        "dry_run": is_dry_run(job),
        "state": tell_state(seen, now),
        "reason": job.error_text,
        "rows": job.rows,
        **seen.counts.show(),
        "waiting": max(0, job.rows - seen.counts.total),
        "estimated_rows": pace.estimated_rows,
        "percent": pace.percent,
        "rows_per_second": pace.rows_per_second,
        "eta_seconds": pace.seconds_left,
        "map_of": job.parameters.get(MAP_OF),
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "finished_at": job.finished_at,
    }


def print_jobs(
    console: Console, jobs: Sequence[Seen], names: Mapping[int, str], now: datetime
) -> None:
    """Print jobs, a line each; on a narrow terminal without their details."""
    is_wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False)
    table.add_column("job", no_wrap=True)
    if is_wide:
        table.add_column("started", no_wrap=True)
    table.add_column("state", no_wrap=True)
    counts = ("rows", "created", "updated", "unchanged", "rejected")
    for name in counts if is_wide else ("rows", "rejected"):
        table.add_column(name, no_wrap=True, justify="right")
    if is_wide:
        table.add_column("by", overflow="fold")
    table.add_column("name", overflow="fold")
    for seen in jobs:
        table.add_row(*_cells(seen, names, now, is_wide=is_wide))
    console.print(table)


def _cells(
    seen: Seen, names: Mapping[int, str], now: datetime, *, is_wide: bool
) -> Iterator[str | Text]:
    job, counts = seen.job, seen.counts
    yield str(job.id)
    if is_wide:
        yield f"{job.created_at:%Y-%m-%d %H:%M:%S}"
    yield _show_state(seen, now)
    yield f"{job.rows:,}"
    if is_wide:
        yield from map("{:,}".format, (counts.created, counts.updated))
        yield f"{counts.unchanged:,}"
    yield f"{counts.rejected:,}"
    if is_wide:
        yield describe_sender(seen, names)
    yield job.name


def _show_state(seen: Seen, now: datetime) -> Text:
    state, percent = tell_state(seen, now), tell_pace(seen, now).percent
    shown = f"{state} {percent}%" if state in MOVING and percent else str(state)
    return Text(shown, style=color_of(state))


def print_job(
    console: Console, seen: Seen, names: Mapping[int, str], now: datetime
) -> None:
    """Print a job: how it goes first, then what it is."""
    job, state = seen.job, tell_state(seen, now)
    heading = Text(state, style=color_of(state))
    heading.append(f"  {describe_result(seen, now)}", style="default")
    console.print(heading)
    if job.error_text:
        console.print(job.error_text)
    print_pairs(console, _facts(seen, names, now))
    for line in tell_notes(job.form.get("notes")):
        console.print(line)


def _facts(
    seen: Seen, names: Mapping[int, str], now: datetime
) -> Iterator[tuple[str, str]]:
    job, state = seen.job, tell_state(seen, now)
    waiting = max(0, job.rows - seen.counts.total)
    counts = {**seen.counts.show(), "waiting": waiting}
    yield "name", job.name
    yield "job", str(job.id)
    yield "database", str(job.database_id)
    yield "started by", describe_sender(seen, names)
    yield "operation", str(job.parameters.get("operation", Operation.IMPORT))
    yield "dry run", "nothing was written" if is_dry_run(job) else ""
    yield (
        "rows",
        ", ".join(f"{count:,} {name}" for name, count in counts.items() if count),
    )
    yield "started", f"{job.created_at:%Y-%m-%d %H:%M:%S}"
    finished = job.finished_at if state not in MOVING else None
    yield "ended", f"{finished:%Y-%m-%d %H:%M:%S}" if finished else ""
    if seen.counts.rejected:
        yield "rejects", f"penstock jobs rejects {job.id}"
    if state in MOVING:
        yield "to cancel", f"penstock jobs cancel {job.id}"
    elif seen.counts.created or seen.counts.updated:
        yield "to undo", "" if is_dry_run(job) else f"penstock undo --job {job.id}"


def print_faults(console: Console, faults: JobFaults) -> None:
    """Print what is wrong with the rows, a line for each kind."""
    if not faults.kinds:
        return
    table = make_table("rows", "column", "error", "found", "remedy", title="Errors")
    for kind in faults.kinds:
        table.add_row(
            f"{kind.count:,}",
            kind.column or kind.field,
            phrase(kind.message),
            ", ".join(kind.samples),
            f"try {' or '.join(kind.try_)}" if kind.try_ else kind.fix,
        )
    console.print(table)


class FollowDisplay:
    """Progress of a job on standard error: a bar on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._progress = Progress(
            BarColumn(20),
            TextColumn("{task.fields[told]}", markup=False),
            console=Console(stderr=True),
            disable=not self._is_terminal,
        )
        self._task = self._progress.add_task("", total=None, told="")
        self._told_at: datetime | None = None

    def __enter__(self) -> "FollowDisplay":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bar, and leave its last state on the terminal."""
        self._progress.stop()

    def show(self, seen: Seen, now: datetime) -> None:
        """Show how far a job is."""
        state, pace = tell_state(seen, now), tell_pace(seen, now)
        told = f"{state}: {describe_result(seen, now)}"
        total = None if pace.percent is None else 100
        self._progress.update(
            self._task, completed=pace.percent or 0, total=total, told=told
        )
        if not self._is_terminal and self._is_due(state, now):
            click.echo(told, err=True)
            self._told_at = now

    def _is_due(self, state: JobState, now: datetime) -> bool:
        """Say whether a line is: the first, one now and then, and the last."""
        if self._told_at is None or state not in MOVING:
            return True
        return (now - self._told_at).total_seconds() >= _LINE_SECONDS
