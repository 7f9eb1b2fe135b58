"""Files as people write them become rows."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.dialects import DialectOptions
from ingest.doors.files.formats.documents import split_array
from ingest.doors.files.inputs import Rows, open_rows
from ingest.doors.files.rows import FileRow, Reading
from ingest.wire.limits import Limits
from tests.factories import make_database

HEADER = "email,_fname"


def read(data: bytes | str, **told: Any) -> tuple[Rows, list[FileRow]]:
    encoded = data.encode() if isinstance(data, str) else data
    rows = open_rows(io.BytesIO(encoded), Reading(**told), make_database())
    return rows, list(rows)


def load(data: bytes | str, **told: Any) -> list[object]:
    """Return the data of each row, or its faults."""
    return [
        [fault.message for fault in row.faults] or row.element.get("data", row.element)
        for row in read(data, **told)[1]
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_table_tells_its_dialect(delimiter: str, newline: str) -> None:
    lines = ["email,_fname", 'a@b.c,"Ada ""A"" L"', "d@e.f,", ""]
    text = newline.join(lines).replace(",", delimiter)

    rows, (first, second) = read(text)

    assert rows.form.dialect.delimiter == delimiter
    assert rows.form.dialect.newline == newline
    assert first.element == {"data": {"email": "a@b.c", "_fname": 'Ada "A" L'}}
    assert second.element == {"data": {"email": "d@e.f"}}


def test_a_delimiter_inside_quotes_misleads_nobody() -> None:
    text = 'email;_fname\na@b.c;"x, y, z"\nd@e.f;"u, v, w"\n'

    assert load(text) == [
        {"email": "a@b.c", "_fname": "x, y, z"},
        {"email": "d@e.f", "_fname": "u, v, w"},
    ]


def test_a_spreadsheet_may_name_its_delimiter() -> None:
    assert load("sep=;\r\nemail;_fname\r\na@b.c;A,B\r\n") == [
        {"email": "a@b.c", "_fname": "A,B"}
    ]


@pytest.mark.parametrize(
    "line", ['"sep=;"', "SEP=;", "sep=;;", "sep=;,", '"sep=;";', "\ufeffsep=;"]
)
def test_the_delimiter_may_be_named_in_many_ways(line: str) -> None:
    assert load(f"{line}\r\nemail;_fname\r\na@b.c;A,B\r\n") == [
        {"email": "a@b.c", "_fname": "A,B"}
    ]


def test_missing_and_surplus_empty_cells_and_rows_of_nothing_are_read() -> None:
    text = "email,_fname\na@b.c\nd@e.f,Bob,\n,\n , \n\x1a\ng@h.i,Cy,, ,\n"

    assert load(text) == [
        {"email": "a@b.c"},
        {"email": "d@e.f", "_fname": "Bob"},
        {"email": "g@h.i", "_fname": "Cy"},
    ]


def test_a_surplus_cell_that_holds_something_is_a_fault() -> None:
    assert load("email,_fname\na@b.c,Ann,x\n") == [["More values than columns"]]


@pytest.mark.parametrize(
    "row",
    [
        'a@b.c, "Bob, Jr."',
        '"a@b.c","Bob, Jr."',
        '"a@b.c" ,"Bob, Jr."',
        ' "a@b.c" , "Bob, Jr." ',
    ],
)
def test_blanks_beside_quotation_marks_are_no_part_of_a_value(row: str) -> None:
    assert load(f'email,_fname\n{row}\nd@e.f,"A ""B"""\n') == [
        {"email": "a@b.c", "_fname": "Bob, Jr."},
        {"email": "d@e.f", "_fname": 'A "B"'},
    ]


SWALLOWED = 'email,_fname,points\na@b.c,"Bob,1\nd@e.f,Al,2\ng@h.i,Cy",3\nj@k.l,Di,4\n'


def test_a_value_that_swallowed_other_rows_is_suspected() -> None:
    first, second = load(SWALLOWED)

    assert first == [
        "A quotation mark may be missing: 2 lines look like rows inside one value"
    ]
    assert second == {"email": "j@k.l", "_fname": "Di", "points": "4"}


def test_a_value_may_be_trusted() -> None:
    assert load(SWALLOWED, trust_quotes=True)[0] == {
        "email": "a@b.c",
        "_fname": "Bob,1\nd@e.f,Al,2\ng@h.i,Cy",
        "points": "3",
    }


@pytest.mark.parametrize(
    "value", ["1 High St\nLondon", "one, two\nthree, four", "a, b, c\nd, e, f", "\n\n"]
)
def test_a_value_of_several_lines_is_no_suspect(value: str) -> None:
    (row,) = load(f'email,_fname,points\na@b.c,"{value}",3\n')

    assert isinstance(row, dict)


def test_a_dialect_may_be_told() -> None:
    told = DialectOptions(delimiter="/", quote="'", escape="\\")

    assert load("email/_fname\na@b.c/'x/\\'y'\n", dialect=told) == [
        {"email": "a@b.c", "_fname": "x/'y"}
    ]


def test_columns_may_be_told_instead_of_a_header() -> None:
    assert load("a@b.c,Ada\n", columns=("email", "_fname")) == [
        {"email": "a@b.c", "_fname": "Ada"}
    ]


@pytest.mark.parametrize(
    ("encoding", "told", "found"),
    [
        ("utf-8", None, "utf-8"),
        ("utf-8-sig", None, "utf-8-sig"),
        ("utf-16", None, "utf-16"),
        ("utf-32", None, "utf-32"),
        ("cp1251", "windows-1251", "cp1251"),
        ("koi8-r", "KOI8-R", "koi8-r"),
    ],
)
def test_text_is_read_in_its_encoding(
    encoding: str, told: str | None, found: str
) -> None:
    text = "email,_fname\na@b.c,Ада Лавлейс\n"

    rows, (row,) = read(text.encode(encoding), encoding=told)

    assert row.element == {"data": {"email": "a@b.c", "_fname": "Ада Лавлейс"}}
    assert rows.form.encoding == found


def test_an_encoding_is_guessed_when_that_is_asked_for() -> None:
    names = ["Александр Сергеевич", "Анастасия Филипповна", "Родион Романович"] * 20
    text = "email,_fname\n" + "".join(f"a@b.c,{name}\n" for name in names)

    rows, found = read(text.encode("cp1251"), encoding="guess")

    assert found[0].element["data"] == {"email": "a@b.c", "_fname": names[0]}
    assert (rows.form.encoding, rows.form.encoding_source) == ("cp1251", "guess")


def test_bytes_that_are_no_text_are_one_row_s_fault() -> None:
    data = b"email,_fname\na@b.c,Ada\nd@e.f,\xe9\n"

    assert load(data, encoding="utf-8") == [
        {"email": "a@b.c", "_fname": "Ada"},
        ["Not valid in the encoding of the file"],
    ]


@pytest.mark.parametrize(
    ("data", "told", "message"),
    [
        (b"", {}, "The file is empty"),
        (b"\n\n", {}, "The file is empty"),
        (b"email\na", {"encoding": "klingon"}, "Unknown encoding 'klingon'"),
        (b"email\na", {"encoding": "hex"}, "Unknown encoding 'hex'"),
        (b'email,_fname\na,b\nc,"d\ne,f\n', {}, "missing in line 3 or later"),
        (b"email\n" + b"x" * 100, {"max_row_bytes": 100}, "at most 100"),
        (b'{"a": "' + b"x" * 100, {"max_row_bytes": 100}, "at most 100"),
        (b'["' + b"x" * 100, {"max_row_bytes": 100}, "at most 100"),
        (b'[{"email": "a"}', {}, "is not closed"),
        (b'[{"email": "a"}] {', {}, "after the end"),
        (
            b"{}",
            {"format": "json"},
            "not a JSON array; it looks like one JSON document",
        ),
        (b"email\na", {"format": "json"}, "--format csv .over HTTP, a .* of text/csv"),
        (b'[{"email": "a"}]', {"format": "ndjson"}, "--format json .*application/json"),
        (b' [ {"email": "a"}]', {"format": "csv"}, "The file is not a table; it looks"),
        (b'{"email": "a"}\n', {"format": "csv"}, "--format ndjson .*x-ndjson"),
        (b'{\n  "email": "a"\n}', {}, "one JSON document over several lines"),
        (b'{ "email": "a",\r\n"_fname": "b"}', {}, "one JSON document over several"),
        (b'{"address": {\n"city": "Rye"}}', {}, "one JSON document over several"),
        (b'{"data": [{"email": "a"}]}', {}, "in the member `data` of one document"),
        (
            b'{\n"token": "t", "db_id": 1, "data": [\n{"email": "a"}]}',
            {},
            "in the member `data`",
        ),
    ],
)
def test_a_file_without_rows_is_refused(
    data: bytes, told: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnreadableFile, match=message):
        read(data, **told)


class Endless(io.RawIOBase):
    """A file that begins with `head`, then goes on with `more` for ever."""

    def __init__(self, head: bytes, more: bytes) -> None:
        self._head, self._more = head, more
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while len(self._head) < len(buffer):
            self._head += self._more * 1000
        size = len(buffer)
        buffer[:size], self._head = self._head[:size], self._head[size:]
        self.count += size
        return size


@pytest.mark.parametrize(
    ("head", "more", "message"),
    [
        pytest.param(
            b'email,_fname\na@b.c,A\nd@e.f,"',
            b"x\n",
            "starts in line 3; a quotation mark may be missing",
            id="a quotation mark never closed",
        ),
        pytest.param(
            b"email,_fname\n", b'"a\n",', "starts in line 2;", id="quoted cells"
        ),
        pytest.param(b"email,_fname\na", b",", "starts in line 2$", id="empty cells"),
        pytest.param(b"email", b",a", "starts in line 1$", id="columns"),
        pytest.param(b'{"a": "', b"x", "A row is too long", id="a line of JSON"),
        pytest.param(b'{"a": [', b"[],", "A row is too long", id="values of JSON"),
        pytest.param(b'[{"a": "', b"x", "A row is too long", id="a text in an array"),
        pytest.param(b"[[", b"[],", "A row is too long", id="an element of an array"),
    ],
)
def test_no_more_of_a_row_is_read_than_a_row_may_be(
    head: bytes, more: bytes, message: str
) -> None:
    limit = 2_000_000
    endless = Endless(head, more)
    reading = Reading(max_row_bytes=limit)

    with pytest.raises(UnreadableFile, match=message):
        list(open_rows(io.BufferedReader(endless), reading, make_database()))

    # What is read ahead comes on top of it.
    assert endless.count < 2 * limit


def test_a_row_has_no_more_cells_than_a_body_has_values() -> None:
    limits = Limits(values=1000)

    assert read("email,_fname\n" + "," * 1000 + "x", limits=limits)[1][0].faults
    with pytest.raises(UnreadableFile, match=r"too long \(at most 1000 cells"):
        read("email,_fname\n" + "," * 1001, limits=limits)


def test_a_table_has_no_more_columns_than_an_object_has_members() -> None:
    with pytest.raises(UnreadableFile, match=r"too many columns \(at most 10,"):
        read(",".join(["email"] * 11) + "\n", limits=Limits(keys=10))


def test_what_is_told_of_an_unknown_column_is_short() -> None:
    with pytest.raises(InvalidRequest, match="No field is called") as refused:
        read("x" * 100_000 + "\na\n")

    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            b"[email],[_fname]\na@b.c,Ann\n",
            {"format": "csv", "mapping": {"[email]": "email", "[_fname]": "_fname"}},
        ),
        (b'{"email": "a@b.c", "_fname": "Ann", "data": []}\n', {}),
        (b'{"email": "a@b.c", "_fname": "Ann"}', {"format": "ndjson"}),
        (b' [\n{"email": "a@b.c",\n"_fname": "Ann"}]', {"format": "json"}),
    ],
)
def test_what_looks_a_little_like_another_format_is_read(
    data: bytes, told: dict[str, Any]
) -> None:
    (row,) = read(data, **told)[1]

    assert not row.faults


def test_a_row_quoted_wrongly_harms_no_other() -> None:
    assert load('email,_fname\n"a"b,c\nd@e.f,g\n') == [
        ["Incorrect quoting"],
        {"email": "d@e.f", "_fname": "g"},
    ]


def test_rows_are_counted_without_the_header_and_empty_lines() -> None:
    _, rows = read("email\n\na\n\r\nb\n\n")

    assert [(row.number, row.content) for row in rows] == [(1, b'["a"]'), (2, b'["b"]')]


def test_lines_of_json_are_rows_each() -> None:
    text = (
        '\ufeff{"email": "a"}\r\n\r\n{bad\n[1]\n{"email": "b", "penstock": {"row": 9}}'
    )

    first, second, third, last = load(text)

    assert (first, last) == ({"email": "a"}, {"email": "b"})
    assert str(second).startswith("['The body is not JSON")
    assert third == ["The body must be a JSON object (it is a list)"]


def test_an_array_may_hold_rows_that_are_wrong() -> None:
    text = (
        '[{"email": "a]},\\""}, {"email": }, 5,, {"email": "b", "code": {"x": [1]}} ]'
    )

    first, *faulty, last = load(text)

    assert first == {"email": 'a]},"'}
    assert len(faulty) == 3
    assert all(isinstance(one, list) for one in faulty)
    assert last == {"email": "b", "code": {"x": [1]}}


@given(
    elements=st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        )
    ),
    indent=st.sampled_from([None, 2]),
    size=st.integers(1, 9),
)
def test_an_array_is_split_wherever_its_pieces_end(
    elements: list[object], indent: int | None, size: int
) -> None:
    text = json.dumps(elements, indent=indent)

    class Pieces(io.StringIO):
        def read(self, _: int | None = -1) -> str:
            return super().read(size)

    found = [json.loads(one) for one in split_array(Pieces(text), 10_000)]  # type: ignore[arg-type]

    assert found == elements


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_table_comes_back_as_it_was_written(
    rows: Sequence[tuple[str, str]], delimiter: str, encoding: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("email", "_fname"), *rows])

    _, found = read(file.getvalue().encode(encoding))

    kept = [row for row in rows if "".join(row).strip() not in {"", "\x1a"}]
    assert [json.loads(row.content) for row in found] == [list(row) for row in kept]
