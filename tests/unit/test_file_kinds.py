"""A file that is no table is named for what it is."""

import gzip
import io
import zipfile

import pytest

from ingest.domain.errors import InvalidRequest
from ingest.doors.files.formats.archives import (
    PackLimits,
    SkippedFiles,
    UnreadableFile,
    unpack,
)
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.rows import Reading
from ingest.doors.files.streams import Metered
from tests.factories import make_database
from tests.workbooks import make_xlsx

LIMITS = PackLimits(max_bytes=10_000_000, max_ratio=1000, max_members=20)


def pack(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def open_all(data: bytes, left: SkippedFiles | None = None) -> list[str]:
    with unpack(Metered(io.BytesIO(data)), LIMITS, left=left) as files:
        names = []
        for name, stream in files:
            list(open_rows(stream, Reading(), make_database()))
            names.append(name)
    return names


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<!DOCTYPE html>\n<html><body><table>", "a web page without a table"),
        (b"\n <html xmlns:x='urn:x'><head>", "a web page without a table"),
        (b"<table border=1><tr><td>email</td>", "a web page without a table"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html><html>", "a web page"),
        (
            b"<?xml version='1.0'?><?mso-application progid='Excel.Sheet'?><Workbook"
            b" xmlns='urn:schemas-microsoft-com:office:spreadsheet'>",
            "a workbook in the Excel 2003 XML format",
        ),
        (b"<?xml version='1.0'?><Types xmlns='x'>", "an XML document"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image (PNG)"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "an image (JPEG)"),
        (b"GIF89a\1\0", "an image (GIF)"),
        (b"{\\rtf1\\ansi Hello}", "an RTF document"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "an archive (7-Zip)"),
        (b"Rar!\x1a\x07\1\0", "an archive (RAR)"),
        (b"BZh91AY&SY\0\1\2", "an archive (bzip2)"),
        (b"a.csv".ljust(257, b"\0") + b"ustar\x0000", "an archive (tar)"),
        (b"SQLite format 3\0", "a database (SQLite)"),
        (b"PAR1\x15\x04", "a Parquet table"),
        (b"dn: cn=Ada,dc=example\nmail: a@b.c\n", "an LDIF directory"),
        (b"-- MySQL dump 10\n\nCREATE TABLE x (", "an SQL dump"),
        (b"BEGIN:VCALENDAR\n", "a calendar"),
        (b"MZ\x90\0\3\0\0\0", "a program"),
        (
            b"\x03\x7d\x0b\x19\2\0\0\0\x41\0\x0b\0".ljust(32, b"\0")
            + b"EMAIL".ljust(32),
            "a dBase table (.dbf)",
        ),
        (bytes(range(9)) * 40, "not text; it contains many control characters"),
        (pack(**{"[Content_Types].xml": b"", "word/document.xml": b""}), "a Word"),
        (pack(**{"[Content_Types].xml": b"", "ppt/x.xml": b""}), "a presentation"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_named_for_what_it_is(data: bytes, kind: str, packed: bool) -> None:
    is_archive = data.startswith(b"PK")
    if packed and not is_archive:
        data = gzip.compress(data)

    with pytest.raises(UnreadableFile) as refused:
        open_all(data)

    assert str(refused.value).startswith(f"The file is {kind}"), refused.value


@pytest.mark.parametrize(
    "data",
    [
        b"<email>,_fname\nb@example.com,x\n",
        b"BMW,email\n",
        b"ORC name,email\n",
        b"From,email\n",
        b"version,email\n",
        b"Insert date,email\n",
        b"MZ,email\n",
        "0 \x7d,имя,фамилия,телефон,почта\n".encode(),
    ],
)
def test_a_table_is_not_taken_for_another_kind(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="No field is called"):
        open_all(data)


def test_hidden_files_of_an_archive_are_passed_over_and_told() -> None:
    good = b"email\na@b.c\n"
    hidden = ["__MACOSX/._a.csv", ".DS_Store", "x/.hidden.csv", "Thumbs.db", "~$a.xlsx"]
    left = SkippedFiles()

    names = open_all(pack(**{"a.csv": good, **dict.fromkeys(hidden, b"\0")}), left)

    assert names == ["a.csv"]
    assert left.hidden == hidden


def test_a_file_of_an_archive_that_is_an_archive_harms_no_other() -> None:
    good = b"email\na@b.c\n"
    left = SkippedFiles()
    data = pack(**{"a.csv": good, "b.zip": pack(x=good), "c.csv": good})

    assert open_all(data, left) == ["a.csv", "c.csv"]
    assert "contains another archive" in left.refused["b.zip"]


def test_a_workbook_in_an_archive_is_read() -> None:
    data = pack(**{"a.xlsx": make_xlsx(A=[["email"], ["a@b.c"]])})

    assert open_all(data) == ["a.xlsx"]
