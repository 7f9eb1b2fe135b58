"""The progress of `penstock undo` on a terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ingest.store.jobs.progress import JobProgress


class UndoDisplay:
    """Progress bar on standard error, by imports."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet,
        )
        self._task = self._progress.add_task("Undo", total=total)

    def __enter__(self) -> "UndoDisplay":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bar, and leave its last state on the terminal."""
        self._progress.stop()

    def show(self, progress: JobProgress) -> None:
        """Show how far the job is."""
        self.advance(progress.settled)

    def advance(self, done: int) -> None:
        """Show how many imports are done."""
        self._progress.update(self._task, completed=done)
