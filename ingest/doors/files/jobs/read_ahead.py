"""Rows between the thread that reads them and the one that accepts them.

So a row that has come is accepted though the next one may be long in coming, and
whoever accepts can stop while the reader waits.
"""

from collections.abc import Iterable
from threading import Condition, Thread

from ingest.doors.files.rows import FileRow

#: Read ahead, at most: a row is some hundred bytes, and may be millions.
_MAX_ROWS = 1000
_MAX_BYTES = 4 * 1024 * 1024


class Gathering:
    """Reads rows ahead, from a thread, as far as there is room."""

    def __init__(self, rows: Iterable[FileRow]) -> None:
        self._rows = rows
        self._gathered: list[FileRow] = []
        self._bytes = 0
        self._ended = False
        self._abandoned = False
        self._failure: BaseException | None = None
        self._changed = Condition()
        self._thread = Thread(target=self._read, name="rows", daemon=True)

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def abandon(self) -> None:
        """Read no more; the thread ends when its source has something to give."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def take(self, limit: int, seconds: float) -> list[FileRow] | None:
        """Return up to `limit` rows, none if none come in time, None at the end.

        Raises what reading has raised, after the rows before it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._gathered or self._ended, seconds)
            taken, self._gathered = self._gathered[:limit], self._gathered[limit:]
            self._bytes = sum(len(row.content) for row in self._gathered)
            self._changed.notify_all()
        if taken or not self._ended:
            return taken
        if self._failure is not None:
            raise self._failure
        return None

    def _read(self) -> None:
        """Read to the end, or until nobody wants more."""
        failure: BaseException | None = None
        try:
            for row in self._rows:
                if not self._hand_over(row):
                    return
        # It is raised again, in the thread that asks for rows.
        except BaseException as error:  # noqa: BLE001
            failure = error
        with self._changed:
            self._ended, self._failure = True, failure
            self._changed.notify_all()

    def _hand_over(self, row: FileRow) -> bool:
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._gathered.append(row)
            self._bytes += len(row.content)
            if len(self._gathered) == 1:
                self._changed.notify_all()
            return not self._abandoned

    def _has_room(self) -> bool:
        few = len(self._gathered) < _MAX_ROWS and self._bytes < _MAX_BYTES
        return few or self._abandoned
