"""The first rows of a file in the spool, and what they show of it.

They are kept beside the file: a workbook is opened once for a page that is shown often.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from ingest.domain.catalog import Database
from ingest.domain.errors import NotFound
from ingest.doors.files.formats.archives import (
    PackLimits,
    SkippedFiles,
    UnreadableFile,
    unpack,
)
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.jobs.options import make_reading
from ingest.doors.files.jobs.uploads import open_member
from ingest.doors.files.rows import FileForm
from ingest.doors.files.samples import NoColumns, open_sample
from ingest.doors.files.streams import Metered
from ingest.settings import Settings
from ingest.wire.suggestions.suggested_files import Sample

#: Documents that are shown.
_SHOWN = 3
_SHOWN_BYTES = 2000


class SpooledSample(Struct, frozen=True, kw_only=True):
    """The first rows of a file, as it was read."""

    #: Of the options that it was read with.
    key: str
    #: How the file is written (`FileForm`).
    form: Mapping[str, Any]
    #: Empty for a file of documents.
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    options: Mapping[str, str] = {}
    #: The first documents, cut if they are long.
    documents: Sequence[str] = ()

    def to_sample(self, file_name: str) -> Sample:
        """Return it as suggestions take it."""
        return Sample(
            file_name=file_name,
            header=self.header,
            rows=self.rows,
            options=self.options,
        )


def open_spooled(path: Path) -> io.FileIO:
    """Open a file in the spool; raise NotFound if it is gone."""
    try:
        return io.FileIO(path, "rb")
    except FileNotFoundError as error:
        raise NotFound("The uploaded file has expired. Upload it again") from error


def list_members(settings: Settings, path: Path) -> tuple[list[str], SkippedFiles]:
    """Return the files of an archive, and those that are skipped.

    The only one of any other file has the empty name. Raises UnreadableFile.
    """
    limits = PackLimits(
        max_bytes=settings.max_file_bytes,
        max_ratio=settings.max_unpack_ratio,
        max_members=settings.max_archive_files,
    )
    left = SkippedFiles()
    with open_spooled(path) as file, unpack(Metered(file), limits, left=left) as files:
        return [name for name, _ in files], left


def read_spooled(
    settings: Settings,
    path: Path,
    sample_path: Path,
    name: tuple[str, str],
    parameters: Mapping[str, Any],
    database: Database,
) -> SpooledSample:
    """Return the first rows of a file; `name` is its own, and that in its archive.

    Raises NotFound, UnreadableFile, or InvalidRequest.
    """
    key = msgspec.json.encode([name, parameters], order="deterministic").decode()
    kept = _load(sample_path)
    if kept is not None and kept.key == key:
        return kept
    file_name, member = name
    with open_spooled(path) as file:
        found = _read(settings, file, (file_name, member), parameters, key)
    if found is None:
        with open_spooled(path) as file:
            found = _read_documents(settings, file, member, parameters, database, key)
    sample_path.write_bytes(msgspec.json.encode(found))
    sample_path.chmod(0o600)
    return found


def _load(path: Path) -> SpooledSample | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SpooledSample)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _read(
    settings: Settings,
    file: io.FileIO,
    name: tuple[str, str],
    parameters: Mapping[str, Any],
    key: str,
) -> SpooledSample | None:
    """Return the first rows of a table; None for documents."""
    file_name, member = name
    reading = make_reading(settings, parameters, resource_id=None)
    with open_member(settings, Metered(file), member) as stream:
        try:
            sample, form = open_sample(stream, reading, file_name)
        except NoColumns:
            return None
    return SpooledSample(
        key=key,
        form=_show(form),
        header=_clean(sample.header),
        rows=[_clean(row) for row in sample.rows],
        options=dict(sample.options),
    )


def _clean(cells: Sequence[str]) -> list[str]:
    """Return cells without halves of characters, which no JSON holds."""
    return [one.encode(errors="replace").decode() for one in cells]


def _read_documents(
    settings: Settings,
    file: io.FileIO,
    member: str,
    parameters: Mapping[str, Any],
    database: Database,
    key: str,
) -> SpooledSample:
    reading = make_reading(settings, parameters, resource_id=None)
    stream: IO[bytes]
    with open_member(settings, Metered(file), member) as stream:
        rows = open_rows(stream, reading, database)
        first = [
            row.content[:_SHOWN_BYTES].decode(errors="replace")
            for row in islice(iter(rows), _SHOWN)
        ]
    if not first:
        raise UnreadableFile("The file is empty")
    return SpooledSample(key=key, form=_show(rows.form), documents=first)


def _show(form: FileForm) -> dict[str, Any]:
    return {name: one for name, one in asdict(form).items() if name != "columns"}
