"""Progress and summary of `penstock import`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ingest.domain.jobs import JobCounts
from ingest.doors.files.encodings.decoding import EncodingSource
from ingest.doors.files.jobs.creation import MAP_OF
from ingest.doors.files.jobs.recalled_maps import Recalled
from ingest.store.jobs.progress import Job, JobProgress
from ingest.wire.cell_notes import tell_notes
from ingest.wire.row_statuses import StatusTally, tell_statuses


class Display:
    """Progress bar on standard error, by bytes if the length of the file is known."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}", markup=False),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._task = self._progress.add_task("", total=None, told="", start=False)
        self._first = 0

    def __enter__(self) -> "Display":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bar, and leave its last state on the terminal."""
        self._progress.stop()

    def begin(self, name: str, job: Job) -> None:
        """Show the file of `job`."""
        self._first = job.settled
        self._progress.reset(
            self._task, description=name, total=job.total_bytes, told=""
        )

    def show(self, progress: JobProgress) -> None:
        """Show the progress of the job."""
        task = self._progress.tasks[0]
        seconds = task.elapsed or 0.0
        rate = (progress.settled - self._first) / seconds if seconds else 0.0
        waiting = progress.rows - progress.settled
        told = f"{progress.settled:,} rows, {rate:,.0f}/s: {_tell(progress.counts)}"
        if waiting:
            told += f", {waiting:,} waiting"
        self._progress.update(self._task, completed=progress.bytes, told=told)


def _tell(counts: JobCounts) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in counts.show().items())


def _tell_protected(by_status: Mapping[str, int]) -> str:
    total = sum(by_status.values())
    kept = ", ".join(f"{status}: {count:,}" for status, count in by_status.items())
    return (
        f"Protected: {total:,} (kept {kept})."
        " To list them: penstock imports list --protected"
    )


def tell_encoding(form: Mapping[str, object]) -> str:
    """Return the encoding or sheet that was read, and why it was chosen."""
    reasons: Mapping[str, str] = {
        EncodingSource.MARK: "byte order mark",
        EncodingSource.TOLD: "as requested",
        EncodingSource.GUESS: "guessed",
    }
    if form.get("sheet"):
        return f"Sheet {form['sheet']!r} of {form['sheets']}"
    reason = reasons.get(str(form.get("encoding_source")))
    return f"Read as {form['encoding']}" + (f" ({reason})" if reason else "")


def describe(one: "Ended") -> dict[str, object]:
    """Return the summary of a job as JSON members."""
    job, rejects = one.job, one.rejects
    statuses = {} if one.statuses is None else {"statuses": one.statuses.show()}
    return {
        "job_id": str(job.id),
        "name": job.name,
        "state": job.state.value,
        "error_text": job.error_text,
        "rows": job.rows,
        **job.counts.show(),
        "encoding": job.form.get("encoding"),
        "encoding_source": job.form.get("encoding_source"),
        "sheet": job.form.get("sheet") or None,
        "notes": job.form.get("notes", []),
        "rejects": None if rejects is None else str(rejects),
        "map_of": job.parameters.get(MAP_OF),
        **statuses,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedFile:
    """A file of an archive that was not imported."""

    name: str
    reason: str
    hidden: bool

    @property
    def state(self) -> str:
        """Whether it was skipped or refused."""
        return "skipped" if self.hidden else "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of an import, and its rejects file if it has any."""

    job: Job
    rejects: Path | None
    #: How many statuses it was kept from raising, by the status.
    protected: Mapping[str, int]
    #: The mapping of an earlier file that it used.
    recalled: Recalled | None = None
    #: Of the rows that were read; None where no column has a status.
    statuses: StatusTally | None = None


def _tell_form(form: Mapping[str, object]) -> Iterator[str]:
    """Yield how a file was read, and what of its cells was not stored."""
    if form:
        yield tell_encoding(form)
    yield from tell_notes(form.get("notes"))


def _summarize_job(one: Ended) -> None:
    job, rejects = one.job, one.rejects
    click.echo(f"{job.name}: {job.state.value}, {job.settled:,} rows:", nl=False)
    click.echo(f" {_tell(job.counts)} (job {job.id})")
    for line in _tell_form(job.form):
        click.echo(f"  {line}")
    if one.recalled is not None:
        click.echo(f"  {one.recalled.describe()}")
    if one.statuses is not None and one.statuses.rows:
        click.echo(f"  Statuses: {tell_statuses(one.statuses)}")
    if job.error_text:
        click.echo(f"  {job.error_text}")
    if rejects is not None:
        click.echo(f"  Rejected rows to correct and import again: {rejects}")
    if job.counts.protected:
        click.echo(f"  {_tell_protected(one.protected)}")
    if job.counts.dead:
        click.echo("  To list the dead rows: penstock dead-letters list")


def summarize(
    ended: Sequence[Ended],
    left: Sequence[SkippedFile],
    *,
    as_json: bool,
) -> None:
    """Print the outcome of each file on standard output."""
    if as_json:
        document = [describe(one) for one in ended]
        document += [
            {"name": one.name, "state": one.state, "error_text": one.reason}
            for one in left
        ]
        click.echo(json.dumps(document, indent=2))
        return
    for one in ended:
        _summarize_job(one)
    for skipped in left:
        click.echo(f"{skipped.name}: {skipped.state}: {skipped.reason}")
