"""About how many rows a file has, while it is read."""

from collections.abc import Sequence

from ingest.doors.files.rows import FileForm, FileRow, load_cells

#: Rows that are measured.
_MEASURED = 200


class RowEstimate:
    """Counts rows against the bytes of their file.

    What is read runs ahead of what is counted, by a few hundred kilobytes: of a short
    file, all of it may be read before its second row is counted. So some rows are
    measured too, and the greater number is told.
    """

    def __init__(self, total_bytes: int | None, form: FileForm) -> None:
        self._total_bytes = total_bytes
        self._form = form
        self._rows = 0
        self._ended = False
        self._measured_rows = 0
        self._measured_bytes = 0

    def add(self, rows: Sequence[FileRow]) -> None:
        """Count rows that were read."""
        if not rows:
            return
        self._rows = rows[-1].number
        for row in rows[: max(0, _MEASURED - self._measured_rows)]:
            self._measured_rows += 1
            self._measured_bytes += self._measure(row.content)

    def end(self, rows: int) -> None:
        """Note that there are no more than `rows`."""
        self._rows, self._ended = rows, True

    def tell(self, read_bytes: int) -> int | None:
        """Return about how many rows there are; None where nobody can know.

        A workbook is read whole before its first row.
        """
        if self._ended:
            return self._rows
        if not (self._total_bytes and read_bytes and self._rows) or self._form.sheet:
            return None
        by_share = self._rows * self._total_bytes / read_bytes
        by_size = 0.0
        if self._measured_bytes:
            by_size = self._total_bytes * self._measured_rows / self._measured_bytes
        return max(self._rows, round(max(by_share, by_size)))

    def _measure(self, content: bytes) -> int:
        """Return about how many bytes a row takes in the file, with what ends it."""
        if self._form.format != "csv":
            return len(content) + 1
        cells = load_cells(content)
        encoding = self._form.encoding
        return sum(len(cell.encode(encoding, "ignore")) + 1 for cell in cells)
