"""Phones, lists, words, countries, and numbers of tables."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.countries import find_country
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.phones import (
    cut_extension,
    is_coded,
    read_table_phone,
    split_phones,
)
from ingest.domain.table_numbers import survey_marks
from ingest.wire.cells import list_parts, read_formula
from ingest.wire.suggestions.vocabulary import load_vocabulary
from tests.factories import make_database
from tests.table_files import FIELDS, read_table


@pytest.mark.fact("FV.4-certain")
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("'+12025550101", "+12025550101"),
        ("tel:+1-202-555-0101", "+12025550101"),
        ("+1.202.555.0101", "+12025550101"),
        ("+44 (0)7700 900103", "+447700900103"),
        ("00 44 (0) 7700 900103", "+447700900103"),
        ("+49 (030) 23125 011", "+493023125011"),
        ("+39 06 1234 5678", "+390612345678"),
        ("0079000000004", "+79000000004"),
        ("+790000000000", "+790000000000"),
        ("493023125011", "+493023125011"),
    ],
)
def test_what_is_certain_of_a_phone_is_stripped(cell: str, expected: str) -> None:
    assert read_table_phone(cell, None) == expected


@pytest.mark.fact("FV.4-certain")
@pytest.mark.parametrize(
    "cell",
    [
        *("+1 202 555 0102 ext. 7", "+1 202 555 0102 x7", "+1 202 555 0102x7"),
        *("+1 202 555 0102 доб. 12", "+1 202 555 0102 (доб. 12)"),
        *("+1 202 555 0102, доб. 12", "+1 202 555 0102;ext=5", "+1 202 555 0102 #7"),
        *("+1 202 555 0102 extension 123", "+1 202 555 0102 EXT 7"),
    ],
)
def test_an_extension_is_cut(cell: str) -> None:
    assert cut_extension(cell) == ("+1 202 555 0102", True)


def test_a_phone_without_an_extension_stays() -> None:
    assert cut_extension("+1 202 555 0102") == ("+1 202 555 0102", False)


@pytest.mark.fact("FV.4-region")
@pytest.mark.parametrize(
    ("cell", "region", "expected"),
    [
        ("(202) 555-0101", "US", "+12025550101"),
        ("8 (900) 000-00-04", "RU", "+79000000004"),
        ("89000000004", "RU", "+79000000004"),
        ("79000000004", "RU", "+79000000004"),
        ("030 23125011", "DE", "+493023125011"),
        # Of another country, with its code.
        ("12025550101", "DE", "+12025550101"),
        ("+12025550101", "DE", "+12025550101"),
    ],
)
def test_a_phone_is_of_its_region(cell: str, region: str, expected: str) -> None:
    assert read_table_phone(cell, region) == expected


@pytest.mark.fact("FV.4-unsure")
@pytest.mark.parametrize(
    "cell", ["(202) 555-0101", "2025550101", "030 23125011", "8 900 000-00-01"]
)
def test_a_phone_of_no_country_is_refused(cell: str) -> None:
    with pytest.raises(InvalidValue, match="country code, or name the region"):
        read_table_phone(cell, None)


def test_a_column_of_numbers_with_country_codes_is_one() -> None:
    assert is_coded(["493023125011", "33639980011"])
    assert not is_coded(["33639980011"])
    assert not is_coded(["493023125011", "030 23125011"])
    assert not is_coded([])
    table = read_table("phones\n493023125011\n33639980011\n")
    assert [one["phones"] for one in table.data] == [
        ["+493023125011"],
        ["+33639980011"],
    ]


PHONES = st.sampled_from(
    ["+12025550101", "+447700900103", "+493023125011", "+79000000004"]
)
DECORATIONS = st.sampled_from(
    ["{}", " {} ", "tel:{}", "* {}", "({})", "{} ext. 7", "{} доб. 12", "{}x5"]
)


@pytest.mark.fact("FV.4-certain")
@given(
    phones=st.lists(PHONES, min_size=1, max_size=4, unique=True),
    decoration=DECORATIONS,
    separator=st.sampled_from([" ::: ", ";", "|", ", ", ",", "\n"]),
)
def test_phones_in_any_list_read_back(
    phones: list[str], decoration: str, separator: str
) -> None:
    cell = separator.join(map(decoration.format, phones))

    read = [read_table_phone(cut_extension(one)[0], None) for one in split_phones(cell)]

    assert read == phones


@pytest.mark.fact("FV.4-region")
def test_the_region_is_told_or_of_the_row_or_of_the_database() -> None:
    table = "phones,_country\n(202) 555-0101,США\n030 23125011,DE\n8 900 000 00 04,\n"
    database = make_database(*FIELDS, phone_region="RU")

    of_row = read_table(table, database)
    told = read_table("phones,_country\n030 23125011,US\n", phone_region="de")

    assert [one["phones"] for one in of_row.data] == [
        *(["+12025550101"], ["+493023125011"], ["+79000000004"]),
    ]
    assert told.data[0]["phones"] == ["+493023125011"]
    with pytest.raises(InvalidRequest, match="Unknown country"):
        read_table("phones\n", phone_region="Germany")


@pytest.mark.fact("FV.4-region")
def test_the_country_of_a_row_may_stand_anywhere() -> None:
    table = read_table(
        'phone_sub,phones,_country\n202-555-0101,"+44 7700 900103 ::: '
        '(202) 555-0102",US\n202-555-0101,202-555-0102,Narnia\n'
    )

    assert table.data[0]["phones"] == ["+447700900103", "+12025550102"]
    assert table.data[0]["subscriptions"] == [
        {"channel": "sms", "phone": "+12025550101"}
    ]
    # What nobody can be sure of is left out, and does not empty the list.
    assert "phones" not in table.data[1]
    assert "subscriptions" not in table.data[1]
    assert len(table.faults[2]) == 2


@pytest.mark.fact("FV.4-unsure")
@pytest.mark.fact("FV.4-certain")
def test_one_bad_phone_does_not_cost_the_others() -> None:
    table = read_table(
        'phones,_fname\n"+12025550101; (202) 555-0102; +1 202 555 0103 ext. 7",Ada\n'
    )

    assert table.data[0] == {
        "phones": ["+12025550101", "+12025550103"],
        "_fname": "Ada",
    }
    (message,) = table.faults[1]
    assert message.endswith("name the region): data.phones")
    assert table.notes == ["phones: 1 extension, not stored"]


def test_one_phone_in_two_spellings_is_one() -> None:
    table = read_table(
        "phones,mobile,_country\n(202) 555-0101,'+12025550101,US\n",
        mapping={"mobile": "phones"},
    )

    assert table.data[0]["phones"] == ["+12025550101"]


@pytest.mark.fact("FV.6-apostrophe")
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *(("'007", "007"), ("'+12", "+12"), ("'=1", "=1"), ("'-5", "-5")),
        *(("'@ada", "@ada"), (" '007 ", "007")),
        *(("'s-Hertogenbosch", "'s-Hertogenbosch"), ("'2 for 1' tea", "'2 for 1' tea")),
    ],
)
def test_an_apostrophe_before_a_number_is_no_part_of_it(
    cell: str, expected: str
) -> None:
    assert read_formula(cell) == expected


@pytest.mark.fact("FV.6-apostrophe")
def test_an_apostrophe_before_most_cells_of_a_column_is_no_part_of_them() -> None:
    table = read_table(
        "_postal_code,note,_city,_fname\n"
        "'SW1A 1AA,'t,'s-Hertogenbosch,'t Hart\n'N1,said,'s-Gravenhage,'t Lam\nN2,,,\n"
    )

    assert table.data[0] == {
        "_postal_code": "SW1A 1AA",
        "note": "'t",
        "_city": "'s-Hertogenbosch",
        "_fname": "'t Hart",
    }


@pytest.mark.fact("FV.7-lists")
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("* myContacts ::: Customers ::: VIP", ["Customers", "VIP"]),
        ('"VIP","News"', ["VIP", "News"]),
        ('"VIP"', ["VIP"]),
        ("'tea'; 'green coffee'", ["tea", "green coffee"]),
        ('["vip", "swim"]', ["vip", "swim"]),
        ("['a', 'it\\'s', \"b\"]", ["a", "it's", "b"]),
        ("[]", []),
        ("a\nb\r\nc", ["a", "b", "c"]),
        ("a, b; c", "a, b; c"),
    ],
)
def test_the_parts_of_a_list_are_unwrapped(cell: str, expected: object) -> None:
    assert list_parts(cell) == expected


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


@pytest.mark.fact("FV.7-lists")
@given(words=st.lists(WORDS, min_size=1, max_size=5, unique=True))
def test_a_list_in_any_notation_reads_back(words: list[str]) -> None:
    quoted = [f'"{word}"' for word in words]
    single = [f"'{word}'" for word in words]

    assert list_parts(",".join(quoted)) == words
    assert list_parts("[" + ", ".join(quoted) + "]") == words
    assert list_parts("[" + ", ".join(single) + "]") == words
    assert list_parts(" ::: ".join([*words, "* myContacts"])) == words


@pytest.mark.fact("FV.7-lists")
def test_labels_of_the_system_only_say_nothing() -> None:
    table = read_table("interests,_fname\n* myContacts,Ada\n[],Bo\n")

    assert table.data == [{"_fname": "Ada"}, {"interests": [], "_fname": "Bo"}]


@pytest.mark.fact("FV.7-emails")
def test_the_first_of_several_emails_is_stored() -> None:
    table = read_table(
        "email,email_sub\n"
        "* a@b.c ::: d@e.f,a@b.c\n"
        '"a@b.c, d@e.f; g@h.i","a@b.c, d@e.f"\n'
        "a@b@c,\n"
    )

    assert [one["email"] for one in table.data] == ["a@b.c", "a@b.c", "a@b@c"]
    assert table.data[1]["subscriptions"] == [{"channel": "email", "email": "a@b.c"}]
    assert table.notes == [
        "email: 3 further emails, not stored",
        "email_sub: 1 further email, not stored",
    ]


@pytest.mark.fact("FV.8-words")
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *(("yes", "true"), ("Y", "true"), ("Ja", "true"), ("OUI", "true")),
        *(("sí", "true"), ("Sim", "true"), ("да", "true"), ("x", "true")),
        *(("no", "false"), ("Nein", "false"), ("não", "false"), ("Нет", "false")),
        *(("TRUE", "TRUE"), ("0", "0"), ("maybe", "maybe")),
    ],
)
def test_words_of_six_languages_are_booleans(cell: str, expected: str) -> None:
    assert read_table(f"vip\n{cell}\n").data == [{"vip": expected}]


@pytest.mark.fact("FV.8-words")
@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *(("M", "male"), ("f", "female"), ("Herr", "male"), ("Frau", "female")),
        *(("weiblich", "female"), ("homme", "male"), ("Mujer", "female")),
        *(("мужской", "male"), ("Ж", "female"), ("Mrs.", "female")),
        *(("divers", None), ("unknown", None), ("0", "0"), ("cat", "cat")),
    ],
)
def test_words_of_six_languages_are_sexes(cell: str, expected: str | None) -> None:
    data = {} if expected is None else {"_sex": expected}

    assert read_table(f"_sex,_fname\n{cell},A\n").data == [{**data, "_fname": "A"}]


def test_words_that_are_told_go_first() -> None:
    table = read_table("_sex\nH\nF\ncat\n", sexes=["F/H"])

    assert [one["_sex"] for one in table.data] == ["female", "male", "cat"]


def test_every_word_of_the_vocabulary_is_read() -> None:
    words = load_vocabulary()

    for word, meaning in words.booleans.items():
        assert read_table(f'vip\n"{word}"\n').data[0]["vip"] in (
            word,
            str(meaning).lower(),
        )


@pytest.mark.fact("FV.9-country")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(("DE", "DE"), ("de", "DE"), ("DEU", "DE"), ("Germany", "DE")),
        *(("Deutschland", "DE"), ("Allemagne", "DE"), ("Alemania", "DE")),
        *(("Alemanha", "DE"), ("Германия", "DE"), ("Россия", "RU"), ("США", "US")),
        *(("U.S.A.", "US"), ("Estados Unidos", "US"), ("États-Unis", "US")),
        *(("Etats Unis", "US"), ("England", "GB"), ("Великобритания", "GB")),
        *(("Tschechien", "CZ"), ("Czech Republic", "CZ"), ("Südkorea", "KR")),
        *(("Korea, Republic of", "KR"), ("Brasil", "BR"), ("España", "ES")),
    ],
)
def test_a_country_has_names_in_six_languages(name: str, code: str) -> None:
    assert find_country(name) == code


@pytest.mark.fact("FV.9-country")
def test_what_is_no_country_is_refused() -> None:
    russia = "Россия"
    table = read_table(f"_country,_fname\nUS:CA,Ada\nn/a,Bo\n{russia},Cy\n")

    assert table.data == [
        {"_fname": "Ada"},
        {"_fname": "Bo"},
        {"_country": "RU", "_fname": "Cy"},
    ]
    assert table.faults == {
        1: ["Unknown country (a two-letter code, or a name): data._country"]
    }


def spent(*cells: str, **options: Any) -> list[object]:
    rows = "".join(f'"{cell}";A\n' for cell in cells)
    table = read_table(f"spent;_fname\n{rows}", **options)
    return [one.get("spent") for one in table.data]


@pytest.mark.fact("FV.10-decimal")
def test_the_decimal_mark_is_that_of_the_column() -> None:
    assert spent("12 345,50", "1.234", "15") == ["12345.50", "1234", "15"]
    assert spent("1,234.50", "1,234", "15.5") == ["1234.50", "1234", "15.5"]
    assert spent("1.234", "15") == ["1.234", "15"]
    assert spent("12\xa0345") == ["12345"]
    assert spent("1,234", decimal=[","]) == ["1.234"]


@pytest.mark.fact("FV.10-decimal")
@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1,234"], "may be the decimal mark or separate thousands, first in row 1"),
        (["15.5", "15,5"], "two decimal marks, in rows 1 and 2"),
    ],
)
def test_a_mark_that_is_open_is_asked_for(cells: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        spent(*cells)


@pytest.mark.fact("FV.10-decimal")
@given(
    numbers=st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=5),
    marks=st.sampled_from([(",", "."), (".", ","), (",", " "), (".", " ")]),
)
def test_numbers_in_any_notation_prove_their_mark(
    numbers: list[Any], marks: tuple[str, str]
) -> None:
    mark, group = marks
    cells = [
        f"{number:,.2f}".replace(",", "\0").replace(".", mark).replace("\0", group)
        for number in numbers
    ]

    assert survey_marks(enumerate(cells)).mark == mark


@pytest.mark.fact("FV.10-zeros")
def test_a_text_keeps_its_zeros() -> None:
    assert read_table("note\n000000123\n").data == [{"note": "000000123"}]


@pytest.mark.fact("FV.11-empty")
@pytest.mark.parametrize("word", ["-", "n/a", "N/A", "NULL", "null", "None", "(blank)"])
def test_words_for_nothing_are_empty_where_no_text_may_be(word: str) -> None:
    header = "email,phones,_bdate,spent,_sex,_country,_tz,_ip,note"

    table = read_table(f"{header}\n{','.join([word] * 9)}\n")

    assert table.data == [{"note": word}]
    assert not table.faults


@pytest.mark.parametrize("cell", ["['a'" + " " * 50_000 + "x", "['a'," * 20_000])
def test_a_long_cell_is_no_array_in_linear_time(cell: str) -> None:
    with pytest.raises(InvalidValue, match="Must be a JSON list"):
        list_parts(cell)
