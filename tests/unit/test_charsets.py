"""Encodings of files: only those of text, whatever the bytes."""

import codecs
import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import Fault, InvalidRequest
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.jobs.rejects import RejectsWriter
from ingest.doors.files.rows import Reading
from ingest.store.jobs.rows import KeptRow
from ingest.wire.charsets import CHARSETS, check_charset
from ingest.wire.limits import Limits
from tests.factories import make_database

LIMITS = Limits(depth=32, keys=1000, values=100_000)
#: What a row holds, beside bytes that are anything.
PIECES = st.sampled_from([b"email", b",", b"\n", b'"', b"{", b"}", b":", b"[", b"]"])
MARKS = st.sampled_from(
    [
        *(b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
        *(codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    ]
)
BODIES = st.lists(PIECES | st.binary(max_size=4), max_size=30).map(b"".join)


@pytest.mark.parametrize(
    "name",
    [
        *("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"),
        *(
            "utf_7",
            "base64",
            "hex",
            "zip",
            "rot13",
            "mbcs",
            "oem",
            "charmap",
            "aliases",
        ),
        *("", "\0", "\ud800", "utf-8\0", "x" * 100_000, "../cp1251", "яяя"),
    ],
)
def test_what_makes_no_text_of_bytes_is_no_charset(name: str) -> None:
    with pytest.raises(InvalidRequest, match="koi8-r"):
        check_charset(name)


@pytest.mark.parametrize("charset", CHARSETS)
def test_every_charset_has_the_name_of_its_codec(charset: str) -> None:
    assert check_charset(charset) == charset == codecs.lookup(charset).name
    assert check_charset(charset.upper().replace("-", "_")) == charset


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        *((name, "cp1251") for name in ("cp1251", "windows-1251", "1251", "x-cp1251")),
        *((name, "cp1251") for name in ("win1251", "Windows1251", "CP-1251")),
        *((name, "cp866") for name in ("IBM866", "ibm-866", "DOS 866")),
        *((name, "utf-8") for name in ("UTF8", "utf_8", "utf8mb4", "cp65001")),
        ("UTF-8-BOM", "utf-8-sig"),
        ("UTF16LE", "utf-16-le"),
        ("Unicode", "utf-16"),
        ("koi8r", "koi8-r"),
        ("sjis", "shift_jis"),
        ("macintosh", "mac-roman"),
        ("x-mac-cyrillic", "mac-cyrillic"),
    ],
)
def test_a_charset_has_many_names(name: str, charset: str) -> None:
    assert check_charset(name) == charset


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        *((name, "cp1252") for name in ("ISO-8859-1", "latin1", "iso_8859-1")),
        *((name, "cp1254") for name in ("iso-8859-9", "latin5", "latin-5")),
        ("iso-8859-11", "cp874"),
    ],
)
def test_who_names_iso_means_what_windows_writes(name: str, charset: str) -> None:
    assert check_charset(name) == charset


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ANSI", "(it is cp1252 in Western Europe, cp1250 in"),
        ("cp12511", "(is it cp1251?) (one of ascii, "),
    ],
)
def test_a_name_that_is_none_is_told_what_is_near(name: str, hint: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_charset(name)

    assert hint in str(refused.value)


@given(
    st.sampled_from(CHARSETS),
    st.sampled_from(["csv", "ndjson", "json"]),
    MARKS,
    BODIES,
)
def test_any_bytes_are_rows_or_refused_and_can_be_written_again(
    charset: str, format_: str, mark: bytes, body: bytes
) -> None:
    stream = io.BufferedReader(io.BytesIO(mark + body))
    reading = Reading(
        format=format_, encoding=charset, max_row_bytes=10_000, limits=LIMITS
    )
    with suppress(InvalidRequest):
        rows = open_rows(stream, reading, make_database())
        writer = RejectsWriter(rows.form)
        written = writer.begin()
        fault = Fault(code=400, message="Incorrect email", path="data.email")
        for row in rows:
            kept = KeptRow(
                row=row.number, content=row.content, faults=row.faults or (fault,)
            )
            written += writer.add([kept])
        assert isinstance(written + writer.end(), bytes)
