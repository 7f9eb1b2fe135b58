"""Workbooks become the rows that their sheets show."""

import io
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.rows import Reading
from tests.factories import make_database
from tests.workbooks import DAY, Cell, make_ods, make_xlsx

SAMPLE = Path(__file__).parents[1] / "samples" / "people.xls"
HEADER = ["email", "_fname", "phones", "_bdate", "points"]
ADA: list[Cell] = ["ada@example.com", "Ада", 442079460018, (DAY, 23256), 5]


def load(data: bytes, **told: Any) -> list[object]:
    rows = open_rows(io.BytesIO(data), Reading(**told), make_database())
    return [
        [fault.message for fault in row.faults] or row.element["data"] for row in rows
    ]


def refuse(data: bytes, **told: Any) -> str:
    with pytest.raises(UnreadableFile) as refused:
        load(data, **told)
    return str(refused.value)


EXPECTED = {
    "email": "ada@example.com",
    "_fname": "Ада",
    "phones": ["+442079460018"],
    "_bdate": "1963-09-02",
    "points": "5",
}


@pytest.mark.parametrize(
    "data",
    [
        make_xlsx(People=[HEADER, ADA]),
        SAMPLE.read_bytes(),
        make_ods([HEADER, [*map(str, ADA[:3]), "1963-09-02", "5"]]),
    ],
    ids=["xlsx", "xls", "ods"],
)
def test_a_workbook_is_a_table(data: bytes) -> None:
    assert load(data) == [EXPECTED]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (79001234567, "79001234567"),
        (9007199254740991, "9007199254740991"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (-2.50, "-2.5"),
        (True, "true"),
        ("007", "007"),
        ((DAY, 23256.5), "1963-09-02T12:00:00"),
    ],
)
def test_a_cell_keeps_what_it_holds(value: Any, expected: str) -> None:
    (row,) = load(make_xlsx(A=[["email", "_fname"], ["a", value]]))

    assert row == {"email": "a", "_fname": expected}


def test_a_number_whose_digits_are_lost_is_a_fault() -> None:
    (row,) = load(make_xlsx(A=[["email", "_fname"], ["a", 9007199254740993]]))

    assert row == ["More than 15 digits (the spreadsheet has lost some)"]


def test_rows_of_nothing_and_cells_at_the_end_come_and_go() -> None:
    data = make_xlsx(
        A=[[None], ["email", "_fname"], ["a"], [None], [" ", ""], ["b", "c"]]
    )

    assert load(data) == [{"email": "a"}, {"email": "b", "_fname": "c"}]


@pytest.mark.parametrize(
    ("sheet", "expected"), [(None, "one"), ("B", "two"), ("2", "two"), ("A", "one")]
)
def test_the_first_sheet_is_read_or_the_one_that_is_told(
    sheet: str | None, expected: str
) -> None:
    data = make_xlsx(A=[["email"], ["one"]], B=[["email"], ["two"]])
    rows = open_rows(io.BytesIO(data), Reading(sheet=sheet), make_database())

    assert [row.element["data"] for row in rows] == [{"email": expected}]
    assert (rows.form.sheet, rows.form.sheets) == ("A" if expected == "one" else "B", 2)


def test_a_sheet_that_is_not_there_is_told_with_those_that_are() -> None:
    data = make_xlsx(People=[["email"]], Notes=[["x"]])

    assert "Sheets: 'People', 'Notes'" in refuse(data, sheet="Nobody")


@pytest.mark.parametrize("cut", [100, 600])
def test_a_damaged_workbook_says_so(cut: int) -> None:
    assert "damaged" in refuse(make_xlsx(A=[["email"], ["a"]])[:-cut])


def test_an_old_document_that_is_no_workbook_says_so() -> None:
    assert "not a workbook, or it is damaged" in refuse(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 2000
    )


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (4 * 1024, "a quarter of PENSTOCK_MAX_WORKBOOK"),
        (100 * 1024, "unpacked workbook is too large"),
    ],
)
def test_a_workbook_is_bounded(limit: int, message: str) -> None:
    rows = [["email"], *([f"p{n}@example.com"] for n in range(2000))]

    assert message in refuse(make_xlsx(A=rows), max_workbook_bytes=limit)


def test_a_sheet_of_two_cells_far_apart_does_not_take_all_memory() -> None:
    data = make_xlsx(A=[["email"], ["a"]])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = parts[name].replace(
        b"</sheetData>",
        b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>',
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)

    told = refuse(packed.getvalue(), max_workbook_bytes=512 * 1024 * 1024)

    assert "PENSTOCK_MAX_WORKBOOK_BYTES" in told


def test_a_reader_that_is_killed_is_no_end_of_the_file() -> None:
    rows = [["email"], *([f"p{n}@example.com"] for n in range(100_000))]
    opened = open_rows(io.BytesIO(make_xlsx(A=rows)), Reading(), make_database())
    read = iter(opened)
    next(read)

    process = opened._lines._process  # type: ignore[union-attr]
    os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(UnreadableFile):
        list(read)


def test_the_reader_ends_with_whoever_reads() -> None:
    rows = [["email"], *([f"p{n}@example.com"] for n in range(100_000))]
    opened = open_rows(io.BytesIO(make_xlsx(A=rows)), Reading(), make_database())
    process = opened._lines._process  # type: ignore[union-attr]

    del opened

    assert process.wait(timeout=30) != 0
