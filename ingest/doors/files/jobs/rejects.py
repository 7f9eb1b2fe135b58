"""Rejected rows, written as their file was, each with all that is wrong with it.

What was wrong stands in columns, or in a member, that an import passes over: the file
is corrected where it is and imported again. The names of two columns say which job it
is of and how it is encoded, so that nothing has to be said again. JSON is UTF-8.
"""

import codecs
import io
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson

from ingest.domain.errors import Fault
from ingest.domain.exports import OWN_MEMBER
from ingest.domain.remedies.table import find_reason, find_remedy
from ingest.doors.files.formats.dialects import Dialect
from ingest.doors.files.rows import FileForm, load_cells
from ingest.store.jobs.progress import Job
from ingest.store.jobs.rows import KeptRow
from ingest.wire.headers import OWN_PREFIX
from ingest.wire.parameters import parse_flag

#: First, so that a row with too many cells, or too few, stands under the others.
_COLUMNS = tuple(OWN_PREFIX + name for name in ("row", "code", "field", "why", "fix"))
#: Whose profile was saved without the fields that are named.
_PROFILE = f"{OWN_PREFIX}profile_id"
#: Between the faults of one row.
_SEPARATOR = " | "


#: How characters are written that the encoding of a file lacks: bytes that were none
#: in it as they were, and others as JSON escapes them, which a table shows as well.
_SPELL_OUT = "penstock-spell-out"


def _spell_out(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    raw = text.encode("utf-16-be", "surrogatepass")
    if not error.encoding.startswith(("utf-16", "utf-32")):
        with suppress(UnicodeError):
            return text.encode("ascii", "surrogateescape"), error.end
    units = (raw[at : at + 2].hex() for at in range(0, len(raw), 2))
    return "".join(f"\\u{unit}" for unit in units), error.end


codecs.register_error(_SPELL_OUT, _spell_out)


def load_form(stored: Mapping[str, Any]) -> FileForm:
    """Read how rows are written, from what a job says of it."""
    return FileForm(
        format=stored["format"],
        encoding=stored["encoding"],
        encoding_source=stored.get("encoding_source", "default"),
        columns=tuple(stored["columns"]),
        dialect=Dialect(**stored["dialect"]),
        sheet=stored.get("sheet", ""),
        sheets=stored.get("sheets", 0),
        decided=stored.get("decided", {}),
    )


#: In a table's header, before what they are.
ENCODING_MARK = OWN_PREFIX + "encoding="
JOB_MARK = OWN_PREFIX + "job="
#: Written in this if nothing could be found in the file's own encoding.
_READABLE = "utf-8-sig"


def choose_encoding(form: FileForm) -> str:
    """Return what the rejects of a file are written in, which an import can tell."""
    if form.format != "csv":
        return "utf-8"
    plain = ENCODING_MARK.encode(form.encoding).replace(b"\0", b"")
    return form.encoding if plain.endswith(ENCODING_MARK.encode()) else _READABLE


class RejectsWriter:
    """Writes a file of rejects in the format of `form`, part by part."""

    def __init__(
        self, form: FileForm, job_id: UUID | None = None, *, with_profiles: bool = False
    ) -> None:
        self._form = form
        self._encoding = choose_encoding(form)
        self._job_id = job_id
        self._marks = [ENCODING_MARK + self._encoding] if job_id else []
        self._marks += [f"{JOB_MARK}{job_id}"] if job_id else []
        # Rows may be there whose profiles were saved, without some of their fields.
        self._with_profiles = with_profiles
        own = [name.startswith(OWN_PREFIX) for name in form.columns]
        # Columns of the file but for those that say what was wrong the last time.
        self._places = [place for place, is_own in enumerate(own) if not is_own]
        self._separator = "\n"

    def begin(self) -> bytes:
        """Return what stands before the first row."""
        text = {"csv": self._write_header(), "json": "["}.get(self._form.format, "")
        return text.encode(self._encoding, _SPELL_OUT)

    def add(self, rows: Iterable[KeptRow]) -> bytes:
        """Return `rows` as they are written."""
        write = {"csv": self._write_cells, "json": self._write_element}.get(
            self._form.format, self._write_line
        )
        text = "".join(write(row) for row in rows)
        piece = text.encode(self._encoding, _SPELL_OUT)
        return self._without_mark(piece)

    def end(self) -> bytes:
        """Return what stands after the last row."""
        text = "\n]\n" if self._form.format == "json" else ""
        return self._without_mark(text.encode(self._encoding))

    def _without_mark(self, piece: bytes) -> bytes:
        # The mark belongs at the beginning only.
        return piece.removeprefix("".encode(self._encoding))

    def _write_header(self) -> str:
        own = [self._form.columns[place] for place in self._places]
        more = [_PROFILE] if self._with_profiles else []
        return _write_row(self._form, [*_COLUMNS, *more, *self._marks, *own])

    def _write_cells(self, row: KeptRow) -> str:
        found = load_cells(row.content)
        cells = [found[place] for place in self._places if place < len(found)]
        # Too many stand behind the others; one that is quoted wrongly is its text.
        cells += found[len(self._form.columns) :]
        told = [str(row.row), *_tell(row.faults or (), self._encoding)]
        if self._with_profiles:
            told.append(row.profile_id or "")
        return _write_row(self._form, [*told, *("" for _ in self._marks), *cells])

    def _write_element(self, row: KeptRow) -> str:
        separator, self._separator = self._separator, ",\n"
        return separator + _dump(row, self._job_id)

    def _write_line(self, row: KeptRow) -> str:
        return _dump(row, self._job_id) + "\n"


def open_rejects(job: Job) -> RejectsWriter:
    """Return what writes the rejects of `job`."""
    skips = job.parameters.get("skip_invalid_fields", False)
    form = load_form(job.form)
    return RejectsWriter(form, job.id, with_profiles=parse_flag(skips))


def _tell(faults: tuple[Fault, ...], encoding: str) -> list[str]:
    """Return the cells that say what is wrong: codes, fields, reasons, remedies."""
    told = zip(
        *((str(one.code), one.path, one.message, find_remedy(one)) for one in faults),
        strict=True,
    )
    return [_spell(_SEPARATOR.join(each), encoding) for each in told] or [""] * 4


def _spell(text: str, encoding: str) -> str:
    """Return `text` as far as the file's encoding can say it."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _write_row(form: FileForm, cells: list[str]) -> str:
    file = io.StringIO()
    broken = any("\r" in cell or "\n" in cell for cell in cells)
    form.dialect.write(file, quote_all=broken).writerow(cells)
    return file.getvalue()


def _dump(row: KeptRow, job_id: UUID | None) -> str:
    """Return a document with what is wrong with it; its text, if it is no document."""
    told: dict[str, object] = {} if job_id is None else {"job": str(job_id)}
    told |= {
        "row": row.row,
        "errors": [
            {
                "code": fault.code,
                "reason": find_reason(fault),
                "field": fault.path,
                "why": fault.message,
                "fix": find_remedy(fault),
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
