"""Files are read as marked, else as told, else as UTF-8; never in a silent guess."""

import io
import random
from itertools import combinations
from uuid import uuid4

import pytest

from ingest.domain.errors import Fault
from ingest.doors.files.encodings.alphabets import rank
from ingest.doors.files.encodings.decoding import (
    SAMPLE_BYTES,
    EncodingSource,
    Text,
    open_text,
)
from ingest.doors.files.encodings.utf8_lines import Tally, count_lines
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.jobs.rejects import RejectsWriter
from ingest.doors.files.rows import FileRow, Reading
from ingest.store.jobs.rows import KeptRow
from tests.factories import make_database

#: Names as people of a language have them, and the code page of their spreadsheets.
NAMES = {
    "cp1252": ["Núñez", "Peña", "Martín", "García", "Rubén", "Begoña", "Agüero"],
    "cp850": ["Müller", "Groß", "Jäger", "Schröder", "Köhler", "Weiß", "Bäcker"],
    "cp1250": ["Wałęsa", "Łódź", "Kowalczyk-Wójcik", "Żak", "Święch", "Dąb"],
    "cp1251": ["Иван Петров", "Анастасия", "Родион Романович", "Щукин", "Ёлкин"],
    "koi8-r": ["Иван Петров", "Анастасия", "Родион Романович", "Щукин", "Ёлкин"],
    "cp1253": ["Γιώργος", "Ελένη Παπαδοπούλου", "Κώστας"],
    "cp1254": ["Çağlar Şahin", "Ayşe Doğan", "Gökçe"],
    "cp932": ["山田太郎さん", "鈴木さくら", "たかはし"],
    "gb18030": ["张伟", "王小明", "你好"],
}
FAULTS = (Fault(code=400, message="Incorrect email", path="data.email"),)
NORDIC = ["Søren Kjær", "Åse Bjørnsen", "Bjørn Ødegård", "Mårten Sjöberg"]
PORTUGUESE = ["João Conceição", "Antônio", "Inês Magalhães", "Estêvão"]
FRENCH = ["Thérèse François", "Renée", "Noël Hélène", "Benoît"]


def write_table(names: list[str], encoding: str) -> bytes:
    lines = [f"a{place}@example.com;{name}\n" for place, name in enumerate(names)]
    return ("email;_lname\n" + "".join(lines)).encode(encoding)


def open_(data: bytes, told: str | None = None) -> Text:
    return open_text(io.BytesIO(data), told)


def refuse(data: bytes) -> str:
    with pytest.raises(UnreadableFile) as refused:
        open_(data)
    return str(refused.value)


def read(data: bytes, told: str | None = None) -> list[FileRow]:
    reading = Reading(encoding=told)
    return list(open_rows(io.BytesIO(data), reading, make_database()))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    "encoding", ["cp1251", "mac-cyrillic", "koi8-r", "cp866", "iso8859-5"]
)
def test_a_few_russian_names_are_enough(encoding: str, count: int) -> None:
    names = ["Иванов;Карл", "Сидорова;Зоя", "Жуков;Роман", "Петров;Игорь"]

    for some in combinations(names, count):
        likely = rank([name.encode(encoding) for name in some])
        assert likely[0].encoding == encoding


@pytest.mark.parametrize("encoding", NAMES)
@pytest.mark.parametrize("count", [1, 3, 10, 50, 300])
def test_what_is_not_utf_8_is_not_guessed(encoding: str, count: int) -> None:
    names = [NAMES[encoding][n % len(NAMES[encoding])] for n in range(count)]
    data = write_table(names, encoding)

    told = refuse(data)

    assert "is not UTF-8" in told
    assert "--encoding guess" in told
    assert "encoding=" in told
    assert names[0] in told


def test_a_line_is_shown_in_each_likely_encoding() -> None:
    told = refuse("email;_lname\na@example.com;Núñez\n".encode("cp1252"))

    assert "Line 2 reads as `a@example.com;Núñez` in cp1252 · " in told
    assert "`a@example.com;Núńez` in cp1250" in told
    assert "--encoding cp1252" in told


@pytest.mark.parametrize("encoding", NAMES)
def test_a_guess_that_is_asked_for_takes_the_likeliest(encoding: str) -> None:
    text = open_(write_table(NAMES[encoding], encoding), "guess")

    assert text.source is EncodingSource.GUESS
    found = write_table(NAMES[encoding], encoding).decode(text.encoding)
    assert found == write_table(NAMES[encoding], encoding).decode(encoding)


@pytest.mark.parametrize("names", [NAMES["cp1252"], NORDIC, PORTUGUESE, FRENCH])
@pytest.mark.parametrize("count", [3, 10, 50, 300])
def test_western_names_are_guessed_to_be_western(names: list[str], count: int) -> None:
    drawn = random.Random(count).choices(names, k=count)

    assert open_(write_table(drawn, "cp1252"), "guess").encoding == "cp1252"


@pytest.mark.parametrize("good", [1, 3, 10, 50, 300])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_few_lines_that_are_not_utf_8_are_rejected_rows(
    good: int, place: str
) -> None:
    lines = [f"a{n}@example.com;Renée\n".encode() for n in range(good)]
    lines.insert({"first": 0, "middle": good // 2}.get(place, good), b"bad;Zo\xeb\n")

    rows = read(b"email;_fname\n" + b"".join(lines))

    faulty = [row for row in rows if row.faults]
    assert [row.faults[0].message for row in faulty] == [
        "Not valid in the encoding of the file"
    ]
    names = [row.element["data"]["_fname"] for row in rows if not row.faults]  # type: ignore[index]
    assert names == ["Renée"] * good


def test_as_many_as_are_not_a_few_are_refused() -> None:
    good = [f"a{n}@example.com;Renée\n".encode() for n in range(30)]
    bad = [b"b@example.com;Zo\xeb\n"] * 4

    assert "4 of 34 lines" in refuse(b"".join([*good, *bad]))
    assert open_(b"".join([*good, *bad[:3]])).encoding == "utf-8"


def test_the_lines_of_the_whole_file_count_where_it_was_read_before() -> None:
    start = b"email;_fname\n" + b"a@example.com;Ada\n" * (SAMPLE_BYTES // 18 + 1)
    data = start + b"b@example.com;Zo\xeb\n" * 5

    tally = count_lines(io.BytesIO(data))

    assert open_(data).encoding == "utf-8"
    with pytest.raises(UnreadableFile, match="5 of 5 lines"):
        open_text(io.BytesIO(data), tally=tally)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100_000])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_counted_however_they_are_read(size: int, newline: str) -> None:
    lines = ["plain", "Renée", "日本語", "", "x" * 2000 + "é", "last é"]
    data = newline.join(lines).encode() + newline.encode() + b"\xff\xff" + b"x" * 3

    tally = Tally()
    for at in range(0, len(data), size):
        tally.feed(data[at : at + size])
    tally.end()

    assert (tally.good, tally.bad, tally.first) == (4, 1, 7)


def test_a_character_that_the_sample_cuts_is_no_fault() -> None:
    data = b"x" * (SAMPLE_BYTES - 1) + "é\n".encode()

    assert open_(data).encoding == "utf-8"


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be")]
)
def test_utf_16_without_a_mark_is_named(encoding: str, named: str) -> None:
    data = "email,_fname\na@b.c,Ann\n".encode(encoding)

    assert f"--encoding {named}" in refuse(data)
    assert open_(data, "guess").encoding == named
    assert read(data, named)[0].element == {"data": {"email": "a@b.c", "_fname": "Ann"}}


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_that_is_told_has_the_order_of_its_bytes(order: str) -> None:
    data = "email,_fname\na@b.c,Zoë\n".encode(f"utf-16-{order}")

    text = open_(data, "utf-16")

    assert (text.encoding, text.source) == (f"utf-16-{order}", EncodingSource.TOLD)
    assert text.stream.read().splitlines()[1] == "a@b.c,Zoë"


@pytest.mark.parametrize("told", ["utf-16", "unicode", "utf-32"])
def test_what_does_not_look_like_utf_16_is_not_taken_for_it(told: str) -> None:
    with pytest.raises(UnreadableFile, match=r"no byte order mark.*name it utf-.*-le"):
        open_(b"email\na@b.c\n", told)


@pytest.mark.parametrize("text", ["O’Brien", "10 €", "“Ann”", "1998–2026", "Ann™"])  # noqa: RUF001
def test_signs_alone_are_those_of_windows(text: str) -> None:
    told = refuse(f"email;_fname\na@example.com;{text}\n".encode("cp1252"))

    assert f"Line 2 reads as `a@example.com;{text}` in cp1252 · " in told


@pytest.mark.parametrize("told", ["iso-8859-1", "latin1"])
def test_latin_1_is_read_with_the_signs_of_windows(told: str) -> None:
    data = "email;_fname\na@example.com;10 €\n".encode("cp1252")

    (row,) = read(data, told)

    assert row.element == {"data": {"email": "a@example.com", "_fname": "10 €"}}


def test_japanese_in_seven_bits_is_not_taken_for_ascii() -> None:
    assert "iso2022_jp" in refuse("email,_fname\na@b.c,山田\n".encode("iso2022_jp"))


@pytest.mark.parametrize("told", ["cp1251", "guess", "utf-16"])
def test_a_mark_comes_before_what_is_told(told: str) -> None:
    text = open_("email\nИльф\n".encode("utf-8-sig"), told)

    assert (text.encoding, text.source) == ("utf-8-sig", EncodingSource.MARK)


def test_what_is_told_comes_before_utf_8() -> None:
    text = open_("email\nИльф\n".encode(), "cp1251")

    assert (text.encoding, text.source) == ("cp1251", EncodingSource.TOLD)


@pytest.mark.parametrize("data", [b"", b"email\na@b.c\n", "é".encode()])
def test_a_file_that_says_nothing_is_utf_8(data: bytes) -> None:
    text = open_(data, None)

    assert (text.encoding, text.source) == ("utf-8", EncodingSource.DEFAULT)


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("cp1251", "cp1251"),
        ("utf-8", None),
        ("utf-16", None),
        ("utf-8-sig", None),
        ("koi8-r", "koi8-r"),
        ("utf-16-le", "utf-16-le"),
    ],
)
def test_rejects_are_read_back_without_naming_their_encoding(
    encoding: str, told: str | None
) -> None:
    rows = open_rows(
        io.BytesIO("email;_fname\nbad;Зоя\n".encode(encoding)),
        Reading(encoding=told),
        make_database(),
    )
    (row,) = rows
    writer = RejectsWriter(rows.form, uuid4())
    kept = KeptRow(row=1, content=row.content, faults=FAULTS)

    written = writer.begin() + writer.add([kept]) + writer.end()

    assert [one.element for one in read(written)] == [row.element]


def test_a_reject_that_is_no_text_is_itself_rejected_again() -> None:
    data = "email;_fname\na@b.c;Renée\nb@b.c;Zo".encode() + b"\xeb\n"
    rows = open_rows(io.BytesIO(data), Reading(), make_database())
    *_, bad = rows
    writer = RejectsWriter(rows.form, uuid4())
    kept = KeptRow(row=2, content=bad.content, faults=bad.faults)

    written = writer.begin() + writer.add([kept]) + writer.end()

    (row,) = read(written)
    assert [fault.message for fault in row.faults] == [
        "Not valid in the encoding of the file"
    ]
    assert b"Zo\xeb" in written
