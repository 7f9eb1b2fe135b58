"""Rejected rows, written as their file was, each with all that is wrong with it.

What was wrong stands in columns, or in a member, that an import passes over: the file
is corrected where it is and imported again.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ingest.domain.advice import advise
from ingest.domain.errors import Fault
from ingest.doors.files.dialects import Dialect
from ingest.doors.files.documents import OWN_MEMBER
from ingest.doors.files.rows import Form, load_cells
from ingest.store.job_rows import KeptRow
from ingest.store.jobs import Job
from ingest.wire.columns import OWN_PREFIX
from ingest.wire.parameters import parse_flag

#: First, so that a row with too many cells, or too few, stands under the others.
_COLUMNS = tuple(OWN_PREFIX + name for name in ("row", "code", "field", "why", "fix"))
#: Whose profile was saved without the fields that are named.
_PROFILE = f"{OWN_PREFIX}profile_id"
#: Between the faults of one row.
_SEPARATOR = " | "


def load_form(stored: Mapping[str, Any]) -> Form:
    """Read how rows are written, from what a job says of it."""
    return Form(
        format=stored["format"],
        encoding=stored["encoding"],
        columns=tuple(stored["columns"]),
        dialect=Dialect(**stored["dialect"]),
    )


class RejectsWriter:
    """Writes a file of rejects in the format and encoding of `form`, part by part."""

    def __init__(self, form: Form, *, with_profiles: bool = False) -> None:
        self._form = form
        # Rows may be there whose profiles were saved, without some of their fields.
        self._with_profiles = with_profiles
        own = [name.startswith(OWN_PREFIX) for name in form.columns]
        # Columns of the file but for those that say what was wrong the last time.
        self._places = [place for place, is_own in enumerate(own) if not is_own]
        self._separator = "\n"

    def begin(self) -> bytes:
        """Return what stands before the first row."""
        text = {"csv": self._write_header(), "json": "["}.get(self._form.format, "")
        return text.encode(self._form.encoding, "surrogateescape")

    def add(self, rows: Iterable[KeptRow]) -> bytes:
        """Return `rows` as they are written."""
        write = {"csv": self._write_cells, "json": self._write_element}.get(
            self._form.format, _write_line
        )
        text = "".join(write(row) for row in rows)
        piece = text.encode(self._form.encoding, "surrogateescape")
        # The mark that tells the order of bytes belongs at the beginning only.
        return piece.removeprefix("".encode(self._form.encoding))

    def end(self) -> bytes:
        """Return what stands after the last row."""
        text = "\n]\n" if self._form.format == "json" else ""
        piece = text.encode(self._form.encoding)
        return piece.removeprefix("".encode(self._form.encoding))

    def _write_header(self) -> str:
        own = [self._form.columns[place] for place in self._places]
        more = [_PROFILE] if self._with_profiles else []
        return _write_row(self._form, [*_COLUMNS, *more, *own])

    def _write_cells(self, row: KeptRow) -> str:
        cells = load_cells(row.content)
        if len(cells) == len(self._form.columns):
            cells = [cells[place] for place in self._places]
        told = [str(row.row), *_tell(row.faults or (), self._form.encoding)]
        if self._with_profiles:
            told.append(row.profile_id or "")
        return _write_row(self._form, [*told, *cells])

    def _write_element(self, row: KeptRow) -> str:
        separator, self._separator = self._separator, ",\n"
        return separator + _dump(row)


def open_rejects(job: Job) -> RejectsWriter:
    """Return what writes the rejects of `job`."""
    skips = job.parameters.get("skip_invalid_fields", False)
    return RejectsWriter(load_form(job.form), with_profiles=parse_flag(skips))


def _tell(faults: tuple[Fault, ...], encoding: str) -> list[str]:
    """Return the cells that say what is wrong: codes, fields, reasons, remedies."""
    told = zip(
        *((str(one.code), one.path, one.message, advise(one)) for one in faults),
        strict=True,
    )
    return [_spell(_SEPARATOR.join(each), encoding) for each in told]


def _spell(text: str, encoding: str) -> str:
    """Return `text` as far as the file's encoding can say it."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _write_row(form: Form, cells: list[str]) -> str:
    file = io.StringIO()
    broken = any("\r" in cell or "\n" in cell for cell in cells)
    form.dialect.write(file, quote_all=broken).writerow(cells)
    return file.getvalue()


def _write_line(row: KeptRow) -> str:
    return _dump(row) + "\n"


def _dump(row: KeptRow) -> str:
    """Return a document with what is wrong with it; its text, if it is no document."""
    told: dict[str, object] = {
        "row": row.row,
        "errors": [
            {
                "code": fault.code,
                "field": fault.path,
                "why": fault.message,
                "fix": advise(fault),
            }
            for fault in row.faults or ()
        ],
    }
    if row.profile_id is not None:
        told["profile_id"] = row.profile_id
    try:
        document = orjson.loads(row.content)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        told["text"] = row.content.decode(errors="backslashreplace")
        document = {}
    return orjson.dumps({OWN_MEMBER: told} | document).decode()
