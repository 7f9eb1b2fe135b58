"""Tables of web pages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml.html import builder, tostring

from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.web_tables import find_charset_of_page
from ingest.wire.limits import Limits
from tests.table_files import read_table

pytestmark = pytest.mark.fact("FV.15-pages")


def page(*rows: str, head: str = "", around: str = "{}") -> str:
    table = "<table>" + "".join(rows) + "</table>"
    return f"<html><head>{head}</head><body>{around.format(table)}</body></html>"


def row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


HEADER = row("email", "_fname", "note")


def read(content: str | bytes, **options: Any) -> list[dict[str, Any]]:
    return read_table(content, **options).data


def test_the_table_of_a_page_is_a_table() -> None:
    content = page(
        "<tr><th>email<th>_fname<th>note</tr>",
        row("a@b.c", "Ада", "<b>x</b> &amp;\n y<br>z<p>w</p>"),
        "<tr><td>d@e.f<td>&nbsp;<td>",
    )

    assert read(content) == [
        {"email": "a@b.c", "_fname": "Ада", "note": "x & y\nz\nw"},
        {"email": "d@e.f"},
    ]


@pytest.mark.parametrize(
    ("meta", "encoding"),
    [
        ('<meta charset="windows-1251">', "cp1251"),
        (
            '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">',
            "koi8-r",
        ),
        ("", "utf-8"),
        ('<meta charset="windows-1251">', "utf-8-sig"),
    ],
)
def test_a_page_names_its_encoding(meta: str, encoding: str) -> None:
    content = page(HEADER, row("a@b.c", "Иван", ""), head=meta).encode(encoding)

    assert read(content) == [{"email": "a@b.c", "_fname": "Иван"}]


def test_an_encoding_that_is_told_goes_first() -> None:
    content = page(HEADER, row("a@b.c", "Иван", ""), head='<meta charset="utf-8">')

    assert read(content.encode("cp1251"), encoding="cp1251") == [
        {"email": "a@b.c", "_fname": "Иван"}
    ]


def test_a_table_that_lays_out_the_page_is_passed_over() -> None:
    title = "<table><tr><td>Report</td></tr></table>"
    more = "<table><tr><td>Total</td><td>1</td></tr></table>"
    content = page(HEADER, row("a@b.c", "A", ""), around=title + "{}" + more)

    assert read(content) == [{"email": "a@b.c", "_fname": "A"}]


def test_cells_that_span_columns_take_their_places() -> None:
    content = page(HEADER, '<tr><td colspan="2">a@b.c</td><td>x</td></tr>')

    assert read(content) == [{"email": "a@b.c", "note": "x"}]


def test_scripts_styles_and_inner_tables_are_no_cells() -> None:
    inner = "<table><tr><td>in</td><td>ner</td></tr></table>"
    content = page(
        HEADER,
        row("a@b.c", "A<script>bad()</script><style>x{}</style>", f"out {inner}"),
        row("d@e.f", "B", ""),
    )

    assert [one["email"] for one in read(content)] == ["a@b.c", "d@e.f"]
    assert read(content)[0]["_fname"] == "A"


TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_any_text_of_a_cell_reads_back(rows: list[tuple[str, str]]) -> None:
    listed = [("note", "tier"), *((f"n{one}", f"n{two}") for one, two in rows)]
    table = builder.TABLE(
        *(builder.TR(*(builder.TD(cell) for cell in each)) for each in listed)
    )

    found = read(tostring(builder.HTML(builder.BODY(table)), encoding="utf-8"))

    assert [(one["note"], one["tier"]) for one in found] == listed[1:]


def test_a_page_without_a_table_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="a web page without a table"):
        read("<html><body><p>Log in</p></body></html>")


def test_a_row_of_a_page_is_bounded() -> None:
    with pytest.raises(UnreadableFile, match="A row is too long"):
        read(page(HEADER, row("x" * 5000, "", "")), max_row_bytes=1000)
    with pytest.raises(UnreadableFile, match="A row is too long"):
        read(page(HEADER, row(*["x"] * 200)), limits=Limits(values=100))


def test_a_long_page_is_read_row_by_row() -> None:
    rows = (row(f"p{n}@b.c", "A" * 50, "") for n in range(5000))
    found = read(page(HEADER, *rows, around="<p>x</p>" * 1000 + "{}"))

    assert len(found) == 5000
    assert found[-1]["email"] == "p4999@b.c"


def test_a_page_that_never_ends_its_tags_is_read_in_linear_time() -> None:
    assert find_charset_of_page(b"<html>" + b"<meta" * 200_000) is None
    assert find_charset_of_page(b"<html><meta charset='koi8-r'>") == "koi8-r"
