"""The spool of the console: files that were uploaded, until they are imported.

One process writes to it. What is in it is bounded in bytes and in files, and gone after
a time (docs/settings.md).
"""

import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from ingest.domain.errors import BodyTooLarge, Overloaded
from ingest.settings import Settings

#: The end of the name of what is kept of a file's first rows.
_SAMPLE = ".sample"


class ConsoleSpool:
    """The directory of uploaded files."""

    def __init__(self, settings: Settings) -> None:
        told = settings.console_dir
        self._folder = (
            Path(told) if told else Path(tempfile.gettempdir()) / "penstock-uploads"
        )
        self._max_bytes = settings.max_console_bytes
        self._max_files = settings.max_console_files
        # Ids of files that are being written.
        self._open: set[str] = set()

    def find_path(self, upload_id: UUID) -> Path:
        """Return the path of a file, which may be gone."""
        return self._folder / str(upload_id)

    def find_sample(self, upload_id: UUID) -> Path:
        """Return the path of what is kept of a file's first rows."""
        return self._folder / f"{upload_id}{_SAMPLE}"

    def begin(self, upload_id: UUID, size: int | None) -> "ConsoleSpoolWriter":
        """Begin a file; `size` is about its bytes, where they are known.

        Raises BodyTooLarge for a file that is never taken, and Overloaded while there
        is no room for it.
        """
        self._make_folder()
        if size is not None:
            self.check_room(size)
        if len(self._list()) >= self._max_files:
            raise Overloaded(
                f"The console has {self._max_files} uploaded files already (at most, "
                "set by PENSTOCK_MAX_CONSOLE_FILES). Discard one, or try again later"
            )
        self._open.add(str(upload_id))
        descriptor = os.open(
            self.find_path(upload_id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
        )
        return ConsoleSpoolWriter(self, upload_id, os.fdopen(descriptor, "wb"))

    def check_room(self, size: int, written: int = 0) -> None:
        """Raise BodyTooLarge or Overloaded if `size` more bytes have no room.

        `written` are those that the file has already.
        """
        if written + size > self._max_bytes:
            raise BodyTooLarge(
                f"The file is too large (at most {self._max_bytes:,} bytes, set by "
                "PENSTOCK_MAX_CONSOLE_BYTES). Compress it, or split it"
            )
        if self.count_bytes() + size > self._max_bytes:
            raise Overloaded(
                f"The console has no room for the file (at most {self._max_bytes:,} "
                "bytes of all uploaded files, set by PENSTOCK_MAX_CONSOLE_BYTES). "
                "Discard one, or try again later"
            )

    def count_bytes(self) -> int:
        """Return the bytes of all files; those of an archive count once."""
        return sum(one.st_size // max(1, one.st_nlink) for one in self._list().values())

    def link(self, upload_id: UUID, other_id: UUID) -> None:
        """Let another file be the same: one of the same archive."""
        os.link(self.find_path(upload_id), self.find_path(other_id))

    def end(self, upload_id: UUID) -> None:
        """Note that a file is written, or given up."""
        self._open.discard(str(upload_id))

    def remove(self, upload_id: UUID) -> None:
        """Remove a file and what is kept of it."""
        for path in (self.find_path(upload_id), self.find_sample(upload_id)):
            path.unlink(missing_ok=True)

    def sweep(self, known: Collection[UUID]) -> int:
        """Remove all but the known files and those being written; return how many."""
        kept = {*map(str, known), *self._open}
        gone = 0
        for name in self._list_names():
            if name.removesuffix(_SAMPLE) not in kept:
                (self._folder / name).unlink(missing_ok=True)
                gone += 1
        return gone

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _list(self) -> dict[str, os.stat_result]:
        found: dict[str, os.stat_result] = {}
        for name in self._list_names():
            if not name.endswith(_SAMPLE):
                with suppress(FileNotFoundError):
                    found[name] = (self._folder / name).stat()
        return found

    def _list_names(self) -> list[str]:
        """Return the names of our files: the directory may hold others."""
        with suppress(FileNotFoundError):
            return [one for one in os.listdir(self._folder) if _is_ours(one)]
        return []


def _is_ours(name: str) -> bool:
    try:
        return str(UUID(name.removesuffix(_SAMPLE))) == name.removesuffix(_SAMPLE)
    except ValueError:
        return False


class ConsoleSpoolWriter:
    """A file that is being uploaded."""

    def __init__(self, spool: ConsoleSpool, upload_id: UUID, file: BinaryIO) -> None:
        self._spool = spool
        self._upload_id = upload_id
        self._file = file
        #: Bytes so far.
        self.count = 0

    def write(self, data: bytes) -> None:
        """Add bytes; raise BodyTooLarge or Overloaded when there is no room."""
        self._spool.check_room(len(data), written=self.count)
        self._file.write(data)
        self._file.flush()
        self.count += len(data)

    def finish(self) -> None:
        """Keep the file."""
        self._file.close()
        self._spool.end(self._upload_id)

    def give_up(self) -> None:
        """Remove the file."""
        self._file.close()
        self._spool.remove(self._upload_id)
        self._spool.end(self._upload_id)
