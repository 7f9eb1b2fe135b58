"""Progress of a command that knows how much there is to do."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


class CountDisplay:
    """Progress bar on standard error, if that is a terminal.

    A `total` of None is not known.
    """

    def __init__(self, name: str, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task(name, total=total)

    def __enter__(self) -> "CountDisplay":
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bar, and leave its last state on the terminal."""
        self._progress.stop()

    def show(self, done: int) -> None:
        """Show how much is done."""
        self._progress.update(self._task, completed=done)
