"""The rows of workbooks: .xlsx, .xlsm, .xlsb, .xls and .ods.

A workbook is the one kind of file that has to be there as a whole: it is put on disk,
and read by a process of its own (sheet_reader), whose memory is bounded.
"""

import json
import subprocess
import sys
import tempfile
import weakref
import zipfile
from pathlib import Path
from typing import IO, Any

from ingest.domain.errors import Fault
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.table_rows import ReadRow
from ingest.doors.files.rows import FileForm, Reading
from ingest.doors.files.streams import BUFFER_BYTES, Readable

_READER = Path(__file__).with_name("sheet_reader.py")
#: The file itself may be so small a part of the memory that reading it may take.
_PACKED_PART = 4
_LOST = Fault(
    code=400, message="More than 15 digits (the spreadsheet has lost some)", path=""
)


class SheetLines:
    """The rows of one sheet of a workbook."""

    def __init__(self, stream: Readable, reading: Reading) -> None:
        """Find the sheet; raise UnreadableFile for a workbook that cannot be read."""
        self._limit = reading.max_workbook_bytes
        self._max_row = reading.max_row_bytes
        # A character is six in JSON at most.
        self._max_line = 6 * self._max_row + 1024
        file = _keep(stream, self._limit)
        command = [sys.executable, str(_READER), file.name, str(self._limit)]
        # In a session of its own: Ctrl-C stops us, and what is in flight is finished.
        self._process = subprocess.Popen(  # noqa: S603
            [*command, reading.sheet or ""],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._ended = weakref.finalize(self, _end, self._process, file)
        found = self._next() or {"error": self._explain()}
        if "error" in found:
            self._ended()
            raise UnreadableFile(found["error"])
        self.form = FileForm(
            format="csv", sheet=found["sheet"], sheets=int(found["sheets"])
        )

    def read_so_far(self) -> list[str]:
        """Return nothing: cells are not found by lines."""
        return []

    def peek(self) -> None:
        """Return nothing: all of a workbook has come."""

    def read(self) -> ReadRow | None:
        """Return the next row; UnreadableFile if there was too much to read."""
        cells = self._next()
        if cells is None:
            failed = self._process.wait() != 0
            self._ended()
            if failed:
                raise UnreadableFile(self._explain())
            return None
        faults = () if all(isinstance(cell, str) for cell in cells) else (_LOST,)
        return [str(cell) for cell in cells], faults

    def _next(self) -> Any:
        stdout = self._process.stdout
        line = stdout.readline(self._max_line) if stdout else b""
        if len(line) == self._max_line:
            raise UnreadableFile(
                f"A row is too long (at most {self._max_row} characters, set by "
                "PENSTOCK_MAX_BODY_BYTES)"
            )
        return json.loads(line) if line.endswith(b"\n") else None

    def _explain(self) -> str:
        return (
            f"The workbook needs too much memory (at most {self._limit:,} bytes, set"
            " by PENSTOCK_MAX_WORKBOOK_BYTES). Save it as CSV"
        )


def _keep(stream: Readable, limit: int) -> IO[bytes]:
    """Return a file on disk with what is in `stream`; it ends when it is closed."""
    file = tempfile.NamedTemporaryFile(prefix="penstock-")  # noqa: SIM115
    try:
        _copy(stream, file, limit // _PACKED_PART)
        _check_unpacked(file, limit)
    except BaseException:
        file.close()
        raise
    return file


def _copy(stream: Readable, file: IO[bytes], limit: int) -> None:
    count = 0
    while data := stream.read(BUFFER_BYTES):
        count += len(data)
        if count > limit:
            raise UnreadableFile(
                f"The workbook is too large (at most {limit:,} bytes, a quarter of"
                " PENSTOCK_MAX_WORKBOOK_BYTES). Save it as CSV"
            )
        file.write(data)
    file.flush()


def _check_unpacked(file: IO[bytes], limit: int) -> None:
    """Refuse what says of itself that it unpacks to more than memory may hold."""
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableFile(f"The workbook is damaged: {error}") from error
    if total > limit:
        raise UnreadableFile(
            f"The unpacked workbook is too large (at most {limit:,} bytes, set by"
            " PENSTOCK_MAX_WORKBOOK_BYTES). Save it as CSV"
        )


def _end(process: "subprocess.Popen[bytes]", file: Any) -> None:
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
    file.close()
