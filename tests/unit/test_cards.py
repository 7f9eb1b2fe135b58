"""vCards as tables."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidValue
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.formats.card_columns import make_cells
from ingest.doors.files.formats.cards import parse_card, split_cards, unescape
from ingest.wire.limits import Limits
from tests.table_files import ReadTable, read_table

pytestmark = pytest.mark.fact("FV.14-cards")
SAMPLES = Path(__file__).parents[1] / "samples" / "exports"


def write(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""])


def cells(*lines: str, version: str = "3.0") -> dict[str, str]:
    (card,) = split_cards(write(*lines, version=version).split("\r\n"))
    return make_cells(parse_card(card))


def read(content: str | bytes, *skipped: str, **mapping: str) -> ReadTable:
    named = {name.replace("_", " "): target for name, target in mapping.items()}
    return read_table(content, mapping={**named, **dict.fromkeys(skipped, "")})


def test_the_properties_of_a_card_are_cells() -> None:
    assert cells(
        "N:Lindqvist;Ada;Augusta;Dr.;",
        "FN:Ada Lindqvist",
        "ORG:Example Inc;Sales;",
        "EMAIL;type=WORK:work@b.c",
        "EMAIL;type=HOME;type=pref:home@b.c",
        "TEL;type=HOME;type=FAX:+1 202 555 0109",
        "TEL;type=CELL:+1 202 555 0101",
        "TEL:+1 202 555 0102",
        "item1.ADR;type=HOME:;;1 Example Street;Springfield;NY;10001;United States",
        "item1.X-ABADR:us",
        "BDAY:1990-05-17",
        "NOTE:likes cheese\\, and wine\\nsecond",
        " line",
        "CATEGORIES:Customers,VIP",
        "PHOTO;ENCODING=b;TYPE=JPEG:AAAA",
        "REV:20240101T000000Z",
    ) == {
        "N": "Lindqvist, Ada Augusta",
        "FN": "Ada Lindqvist",
        "ORG": "Example Inc, Sales",
        "EMAIL": "home@b.c",
        "EMAIL 2": "work@b.c",
        "TEL": "+1 202 555 0101",
        "TEL 2": "+1 202 555 0102",
        "TEL fax": "+1 202 555 0109",
        "ADR street": "1 Example Street",
        "ADR city": "Springfield",
        "ADR region": "NY",
        "ADR postal code": "10001",
        "ADR country": "United States",
        "BDAY": "1990-05-17",
        "NOTE": "likes cheese, and wine\nsecondline",
        "CATEGORIES": "Customers, VIP",
    }


def test_a_card_of_version_2_1_is_decoded() -> None:
    assert cells(
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=9F=D0=B5;=D0=98=",
        "=D0=B2",
        "FN;ENCODING=QUOTED-PRINTABLE;CHARSET=windows-1251:=C8=E2=E0=ED",
        "TEL;CELL;PREF:+79000000004",
        "TEL;HOME;FAX:+79000000005",
        "NOTE;QUOTED-PRINTABLE:a=0D=0Ab",
        "PHOTO;JPEG;ENCODING=BASE64:",
        " AAAA",
        "",
        "AGENT:",
        "BEGIN:VCARD",
        "FN:Somebody else",
        "END:VCARD",
        version="2.1",
    ) == {
        "N": "Пе, Ив",
        "FN": "Иван",
        "TEL": "+79000000004",
        "TEL fax": "+79000000005",
        "NOTE": "a\r\nb",
    }


def test_a_card_of_version_4_is_decoded() -> None:
    assert cells(
        "EMAIL;PREF=2:second@b.c",
        "EMAIL;PREF=1:first@b.c",
        'TEL;VALUE=uri;TYPE="voice,home":tel:+12025550101',
        "GENDER:F;woman",
        "BDAY:19900517",
        version="4.0",
    ) == {
        "EMAIL": "first@b.c",
        "EMAIL 2": "second@b.c",
        "TEL": "+12025550101",
        "GENDER": "F",
        "BDAY": "1990-05-17",
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-05-17", "--05-17"),
        ("BDAY:1604-05-17", "1604-05-17"),
        ("BDAY:--0517", "--0517"),
        ("BDAY:19900517T000000Z", "1990-05-17T000000Z"),
        ("BDAY;VALUE=date:1990-05-17", "1990-05-17"),
    ],
)
def test_a_birthday_may_lack_its_year(line: str, expected: str) -> None:
    assert cells(line)["BDAY"] == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("N:Lindqvist;;;;", "Lindqvist,"),
        ("N:;Ada;;;", ", Ada"),
        ("N:a\\;b;c\\,d;;;", "a;b, c d"),
        ("N:only", "only,"),
    ],
)
def test_a_name_may_lack_a_part(line: str, expected: str) -> None:
    assert cells(line)["N"] == expected


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30)


@given(parts=st.lists(TEXTS, min_size=2, max_size=5), width=st.integers(1, 20))
def test_folded_and_escaped_values_read_back(parts: Sequence[str], width: int) -> None:
    escaped = [
        part.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
        for part in parts
    ]
    line = "ORG:" + ";".join(escaped)
    folded = [line[:4] + line[4 : 4 + width]]
    rest = line[4 + width :]
    while rest:
        folded.append(" " + rest[:width])
        rest = rest[width:]
    card = ["BEGIN:VCARD", *folded, "END:VCARD"]

    (found,) = parse_card(card)

    assert found.split(";") == [part.strip() for part in parts]


@given(text=TEXTS)
def test_what_is_unescaped_is_never_longer(text: str) -> None:
    assert len(unescape(text)) <= len(text)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["BEGIN:VCARD", "FN:A"], "its beginning or its end is missing"),
        (["FN:A", "END:VCARD"], "its beginning or its end is missing"),
        (["BEGIN:VCARD", "no property", "END:VCARD"], "a line is no property"),
        (
            ["BEGIN:VCARD", "FN;ENCODING=QUOTED-PRINTABLE:=FF", "END:VCARD"],
            "a value is not in its encoding",
        ),
    ],
)
def test_a_broken_card_is_none(lines: list[str], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        parse_card(lines)


def test_a_broken_card_rejects_itself_only() -> None:
    content = (
        write("FN:Ada", "EMAIL:a@b.c")
        + "BEGIN:VCARD\r\nFN:Lost\r\n"
        + write("EMAIL:d@e.f")
        + write("broken")
        + write("EMAIL:g@h.i")
    )

    table = read(content, FN="_fname", EMAIL="email")

    assert [one.get("email") for one in table.data] == [
        *("a@b.c", None, "d@e.f", None, "g@h.i"),
    ]
    assert list(table.faults) == [2, 4]
    assert table.faults[4] == ["Incorrect vCard (a line is no property)"]


def test_a_card_without_a_written_name_has_that_of_its_parts() -> None:
    assert cells("N:Petrov;Ivan;;;", version="2.1")["FN"] == "Ivan Petrov"


def test_columns_are_those_that_some_card_has() -> None:
    table = read(
        write("EMAIL:a@b.c") + write("EMAIL;type=pref:d@e.f", "EMAIL:x@y.z", "N:B;A"),
        *("FN", "EMAIL 2"),
        EMAIL="email",
        N="full_name:comma",
    )

    assert table.rows.form.columns == ("N", "FN", "EMAIL", "EMAIL 2")
    assert table.data == [
        {"email": "a@b.c"},
        {"_fname": "A", "_lname": "B", "email": "d@e.f"},
    ]


def test_the_sample_of_apple_is_read() -> None:
    table = read(
        (SAMPLES / "apple-contacts.vcf").read_bytes(),
        *("FN", "ORG", "UID", "EMAIL 2", "TEL fax", "ADR street", "NOTE"),
        N="full_name:comma",
        EMAIL="email",
        TEL="phones",
        BDAY="_bdate",
        CATEGORIES="interests",
        ADR_city="_city",
        ADR_region="_region",
        ADR_country="_country",
        ADR_postal_code="_postal_code",
    )

    assert table.data[0] == {
        "email": "ada.ap@example.com",
        "phones": ["+12025550101"],
        "_fname": "Ada",
        "_lname": "Lindqvist",
        "_bdate": "1990-05-17",
        "_city": "Springfield",
        "_region": "NY",
        "_postal_code": "10001",
        "_country": "US",
        "interests": "Customers, VIP",
    }
    assert (table.data[1]["_fname"], table.data[1]["_lname"]) == (
        "Jürgen",
        "Müller-Weiß",
    )
    assert table.notes == ["BDAY: 1 date without a year, not stored"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1251"])
def test_cards_are_in_the_encoding_of_their_file(encoding: str) -> None:
    content = write("EMAIL:a@b.c", "FN:Иван").encode(encoding)
    told = "cp1251" if encoding == "cp1251" else None

    table = read_table(
        content, mapping={"EMAIL": "email", "FN": "_fname"}, encoding=told
    )

    assert table.data == [{"email": "a@b.c", "_fname": "Иван"}]


def test_a_file_of_cards_is_bounded() -> None:
    with pytest.raises(UnreadableFile, match="A card is too long"):
        read_table(write("NOTE:" + "x" * 1000), max_row_bytes=500)
    many = write(*(f"X-A{n}:1" for n in range(50)))
    with pytest.raises(UnreadableFile, match="too many properties"):
        read_table(many, limits=Limits(keys=20))


def test_a_file_without_a_card_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="no vCard that can be read"):
        read_table("BEGIN:VCARD\n")
