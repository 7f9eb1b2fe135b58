"""Rejected rows, written as their file was, each with all that is wrong with it.

What was wrong stands in columns, or in a member, that an import passes over: the file
is corrected where it is and imported again.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from ingest.domain.advice import advise
from ingest.domain.errors import Fault
from ingest.doors.files.dialects import Dialect
from ingest.doors.files.documents import OWN_MEMBER
from ingest.doors.files.rows import Form, load_cells
from ingest.store.job_rows import KeptRow
from ingest.wire.columns import OWN_PREFIX

#: First, so that a row with too many cells, or too few, stands under the others.
_COLUMNS = tuple(OWN_PREFIX + name for name in ("row", "code", "field", "why", "fix"))
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


def write_rejects(form: Form, rows: Iterable[KeptRow]) -> Iterator[bytes]:
    """Yield the pieces of a file of rejects, in the format and encoding of `form`."""
    write = {"csv": _write_table, "json": _write_array}.get(form.format, _write_lines)
    encoding = form.encoding
    # The mark that tells the order of bytes belongs at the beginning only.
    for number, text in enumerate(write(form, rows)):
        piece = text.encode(encoding, "surrogateescape")
        yield piece if not number else _unmark(piece, encoding)


def _unmark(piece: bytes, encoding: str) -> bytes:
    mark = "".encode(encoding)
    return piece.removeprefix(mark) if mark else piece


def _write_table(form: Form, rows: Iterable[KeptRow]) -> Iterator[str]:
    own = [name for name in form.columns if not name.startswith(OWN_PREFIX)]
    places = [
        place
        for place, name in enumerate(form.columns)
        if not name.startswith(OWN_PREFIX)
    ]
    yield _write_row(form, [*_COLUMNS, *own])
    for row in rows:
        cells = load_cells(row.content)
        if len(cells) == len(form.columns):
            cells = [cells[place] for place in places]
        told = [str(row.row), *_tell(row.faults or (), form.encoding)]
        yield _write_row(form, [*told, *cells])


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


def _write_lines(_: Form, rows: Iterable[KeptRow]) -> Iterator[str]:
    for row in rows:
        yield _dump(row) + "\n"


def _write_array(_: Form, rows: Iterable[KeptRow]) -> Iterator[str]:
    separator = "["
    for row in rows:
        yield f"{separator}\n{_dump(row)}"
        separator = ","
    yield "\n]\n" if separator == "," else "[]\n"


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
    try:
        document = orjson.loads(row.content)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        told["text"] = row.content.decode(errors="backslashreplace")
        document = {}
    return orjson.dumps({OWN_MEMBER: told} | document).decode()
