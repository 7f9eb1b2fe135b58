"""Progress and summary of `penstock import`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ingest.domain.durations import describe_seconds
from ingest.domain.jobs import JobCounts
from ingest.doors.files.encodings.decoding import EncodingSource
from ingest.doors.files.jobs.creation import MAP_OF
from ingest.doors.files.jobs.recalled_maps import Recalled
from ingest.store.jobs.progress import Job, JobProgress
from ingest.wire.cell_notes import tell_notes
from ingest.wire.row_statuses import StatusTally, tell_statuses

#: A terminal with fewer columns has room for a short line only.
_WIDE = 100
_BAR_COLUMNS, _SHORT_BAR_COLUMNS = 24, 6
_NAME_CHARACTERS, _SHORT_NAME_CHARACTERS = 30, 10


class Display:
    """Progress bar on standard error: rows that are processed, of about how many."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._is_wide = console.width >= _WIDE
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(_BAR_COLUMNS if self._is_wide else _SHORT_BAR_COLUMNS),
            TextColumn("{task.fields[told]}", markup=False),
            console=console,
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
        most = _NAME_CHARACTERS if self._is_wide else _SHORT_NAME_CHARACTERS
        shown = shorten(name, most)
        self._progress.reset(self._task, description=shown, total=None, told="")

    def show(self, progress: JobProgress) -> None:
        """Show the progress of the job."""
        task = self._progress.tasks[0]
        told = tell_progress(
            progress, self._first, task.elapsed or 0.0, is_wide=self._is_wide
        )
        self._progress.update(
            self._task,
            completed=progress.settled,
            total=progress.estimated_rows,
            told=told,
        )


def tell_progress(
    progress: JobProgress, first: int, seconds: float, *, is_wide: bool
) -> str:
    """Return a line on how far a job is, whose first rows were settled before.

    Counts of nothing are left out; a narrow terminal has room for the time
    left and for failures only.
    """
    settled, estimated = progress.settled, progress.estimated_rows
    rate = (settled - first) / seconds if seconds else 0.0
    parts = [f"{settled:,} rows"]
    if estimated:
        ended = settled >= estimated
        percent = 100 if ended else min(99, settled * 100 // estimated)
        parts = [f"{percent}% {settled:,} rows"]
    if rate >= 1 and is_wide:
        parts.append(f"{rate:,.0f}/s")
    if rate >= 1 and estimated and estimated > settled:
        parts.append(f"{describe_seconds((estimated - settled) / rate)} left")
    counts = {state: n for state, n in progress.counts.show().items() if n}
    shown = counts if is_wide else {s: n for s, n in counts.items() if s in _BAD}
    parts += [f"{number:,} {state}" for state, number in shown.items()]
    return ", ".join(parts)


_BAD = ("rejected", "dead", "held")


def shorten(name: str, most: int) -> str:
    """Return a name of at most so many characters, cut in the middle."""
    if len(name) <= most:
        return name
    end = most // 2
    return f"{name[: most - end - 1]}…{name[-end:]}"


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
