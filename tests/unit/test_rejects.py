"""A file of rejects is its file's own kind, and is imported like it."""

import io
import json
from dataclasses import asdict
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import Fault
from ingest.doors.files.formats.dialects import Dialect, DialectOptions
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.jobs.rejects import RejectsWriter, load_form
from ingest.doors.files.rows import FileForm, Reading, dump_cells
from ingest.store.jobs.rows import KeptRow
from tests.factories import make_database

FAULTS = (
    Fault(code=400, message="Incorrect phone", path="data.phones[0]"),
    Fault(code=404, message="Segment not found", path="add_to_segments[0]"),
)


def keep(row: int, content: bytes) -> KeptRow:
    return KeptRow(row=row, content=content, faults=FAULTS)


def write(form: FileForm, *rows: KeptRow, job_id: UUID | None = None) -> bytes:
    writer = RejectsWriter(form, job_id)
    pieces = [writer.begin(), *(writer.add([row]) for row in rows), writer.end()]
    return b"".join(pieces)


def test_a_table_says_before_each_row_all_that_is_wrong_with_it() -> None:
    form = FileForm(
        format="csv",
        encoding="cp1251",
        columns=("email", "_fname"),
        dialect=Dialect(delimiter=";", newline="\r\n"),
    )

    written = write(form, keep(7, dump_cells(["a@b.c", "Ада;Л"]))).decode("cp1251")

    assert written == (
        "penstock_row;penstock_code;penstock_field;penstock_why;penstock_fix;"
        "email;_fname\r\n"
        "7;400 | 404;data.phones[0] | add_to_segments[0];"
        "Incorrect phone | Segment not found;"
        "Use international format, such as +442079460018. | "
        "Use the ID of a segment of this database.;"
        'a@b.c;"Ада;Л"\r\n'
    )


def test_rejects_of_rejects_say_what_is_wrong_now() -> None:
    form = FileForm(format="csv", columns=("penstock_row", "penstock_why", "email"))

    written = write(form, keep(1, dump_cells(["7", "was wrong", "a"]))).decode()

    header, row = written.splitlines()
    assert header.count("penstock_row") == 1
    assert "was wrong" not in row
    assert row.endswith(",a")


def test_a_row_with_too_many_cells_keeps_them() -> None:
    form = FileForm(format="csv", columns=("email",))

    written = write(form, keep(1, dump_cells(["a", "b", "c"]))).decode()

    assert written.splitlines()[1].endswith(",a,b,c")


@pytest.mark.parametrize("format_", ["ndjson", "json"])
def test_documents_say_in_a_member_what_is_wrong(format_: str) -> None:
    form = FileForm(format=format_)

    written = write(form, keep(2, b'{"email": "a"}'), keep(4, b"{bad")).decode()

    if format_ == "json":
        good, bad = json.loads(written)
    else:
        good, bad = map(json.loads, written.splitlines())
    assert good["email"] == "a"
    assert good["penstock"]["row"] == 2
    assert good["penstock"]["errors"][0] == {
        "code": 400,
        "field": "data.phones[0]",
        "reason": "invalid_phone",
        "why": "Incorrect phone",
        "fix": "Use international format, such as +442079460018.",
    }
    assert bad == {"penstock": {**bad["penstock"], "row": 4, "text": "{bad"}}


def test_no_rejects_are_an_empty_file_of_the_kind() -> None:
    assert write(FileForm(format="ndjson")) == b""
    assert json.loads(write(FileForm(format="json"))) == []
    assert write(FileForm(format="csv", columns=("email",))).startswith(
        b"penstock_row,"
    )


def test_how_rows_are_written_is_read_back() -> None:
    form = FileForm(format="csv", columns=("a",), dialect=Dialect(delimiter="|"))

    assert load_form(json.loads(json.dumps(asdict(form)))) == form


#: But for controls that show another encoding.
CONTROLS = "".join(map(chr, (0, *range(0x80, 0xA0))))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS)).filter(
    # An apostrophe before a number is no part of it (V6).
    lambda text: not text.strip().startswith("'")
)


@given(
    cells=st.lists(st.tuples(TEXTS, TEXTS.filter(bool)), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    escape=st.sampled_from(["", "\\"]),
)
def test_rejected_rows_come_back_as_they_were(
    cells: list[tuple[str, str]],
    delimiter: str,
    newline: str,
    encoding: str,
    escape: str,
) -> None:
    dialect = Dialect(delimiter=delimiter, newline=newline, escape=escape)
    form = FileForm(
        format="csv", encoding=encoding, columns=("note", "tier"), dialect=dialect
    )
    kept = [keep(n, dump_cells(list(row))) for n, row in enumerate(cells, start=1)]
    told = DialectOptions(delimiter=delimiter, escape=escape or None)
    reading = Reading(dialect=told)

    rows = open_rows(
        io.BytesIO(write(form, *kept, job_id=uuid4())), reading, make_database()
    )

    expected = [
        {
            name: cell.strip()
            for name, cell in zip(("note", "tier"), row, strict=True)
            if cell.strip()
        }
        for row in cells
    ]
    assert [row.element["data"] for row in rows] == expected
