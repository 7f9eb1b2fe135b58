"""Files that people had trouble with, by public reports: each with its right value.

An id is the kind of trouble and the number of the report, such as `K7-18`; A to D are
those that nobody had. The kinds: K1 encodings, K2 order, K4 phones, K5 and K8 dates, K6
nothing and lists, K7 tables of spreadsheets, K9 words, K10 one bad field, K13 messages,
K14 limits, K15 blanks. Requests are in tests/contract/test_reported_requests.py.
"""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.domain.errors import InvalidRequest, UnsupportedMediaType
from tests.conftest import Connection
from tests.imports import run
from tests.intakes import ServedIntake
from tests.tables import import_file, list_profiles
from tests.uploads import send
from tests.workbooks import make_xlsx

MAIL = "a@example.com"
ANN = {"email": MAIL, "_fname": "Ann"}
BOB = {"email": "b@example.com", "_fname": "Bob"}


@pytest.fixture
def connection(module_connection: Connection) -> Iterator[Connection]:
    with module_connection.transaction(force_rollback=True):
        yield module_connection


def case(id_: str, content: str | bytes, *stored: dict[str, Any], **more: Any) -> Any:
    """Return a file, what is stored of it, and what else is sent and expected.

    `charset` is what it is written in, `region` whose phones the database has; `type`
    and `query` are sent, `rejected`, `encoding` and `told` expected.
    """
    charset = more.pop("charset", "utf-8")
    data = content.encode(charset) if isinstance(content, str) else content
    return pytest.param(data, list(stored), more, id=id_)


READ = [
    # Encodings.
    case("A-1 a mark of UTF-8", "\ufeffemail,_fname\na@example.com,Zoë\n",
         {"email": MAIL, "_fname": "Zoë"}, encoding=("utf-8-sig", "mark")),
    case("A-2 UTF-16 with commas", "email,_fname\na@example.com,Zoë\n",
         {"email": MAIL, "_fname": "Zoë"}, encoding=("utf-16", "mark"),
         charset="utf-16"),
    case("A-2 UTF-16 with tabs",
         "email\t_fname\r\na@example.com\tZoë\r\n",
         {"email": MAIL, "_fname": "Zoë"}, encoding=("utf-16", "mark"),
         charset="utf-16"),
    case("K1-3 cp1252 as told", "email;_lname\na@example.com;Núñez\n",
         {"email": MAIL, "_lname": "Núñez"}, query={"encoding": "cp1252"},
         encoding=("cp1252", "told"),
         charset="cp1252"),
    case("K1-3 cp1252 by a guess", "email;_lname\na@example.com;Núñez\n",
         {"email": MAIL, "_lname": "Núñez"}, charset="cp1252",
         query={"encoding": "guess"}, encoding=("cp1252", "guess")),
    case("K1-8 one line of 51 is cp1252",
         ("email,_fname\n" + "".join(f"p{n:02}@example.com,Renée\n" for n in range(50))
          ).encode() + b"z@example.com,Zo\xeb\n",
         *({"email": f"p{n:02}@example.com", "_fname": "Renée"} for n in range(50)),
         rejected={51: "Not valid in the encoding of the file: data._fname"}),
    case("K1-8 one line of two",
         b"email,_fname\na@example.com,Ren\xc3\xa9e\nb@example.com,Zo\xeb\n",
         {"email": MAIL, "_fname": "Renée"}, encoding=("utf-8", "default"),
         rejected={2: "Not valid in the encoding of the file: data._fname"}),
    case("K1-10 the charset of the request",
         "email,_lname\na@example.com,Петров\n",
         {"email": MAIL, "_lname": "Петров"}, type="text/csv; charset=windows-1251",
         encoding=("cp1251", "told"),
         charset="cp1251"),
    case("K1-10 `?encoding=`", "email,_lname\na@example.com,Петров\n",
         {"email": MAIL, "_lname": "Петров"}, query={"encoding": "cp1251"},
         charset="cp1251"),
    # Shape.
    case("B-17 sep=", "sep=;\nemail;_fname\na@example.com;Ann\n", ANN),
    case("B-17 sep= behind a mark",
         "\ufeffsep=;\nemail;_fname\na@example.com;Ann\n", ANN),
    case("K7-17 sep= in quotes", '"sep=;"\nemail;_fname\na@example.com;Ann\n', ANN),
    case("K7-18 rows without their empty tail",
         "email,_fname,_lname\nb@example.com,Bob\n", BOB),
    case("K7-19 surplus empty cells", "email,_fname\na@example.com,Ann,,\n", ANN),
    case("B-20 empty header cells", "email,_fname,,\na@example.com,Ann,,\n", ANN),
    case("K7-21 rows of commas", "email,_fname\na@example.com,Ann\n,\n,\n", ANN),
    case("K7 all of these", "email,_fname\na@example.com\nb@example.com,Bob,\n,\n",
         {"email": MAIL}, BOB),
    case("K7-27 blanks before a quotation mark",
         'email,_fname\na@example.com, "Ann"\n', ANN),
    case("B-26 a quotation mark in a quoted value",
         'email,_fname\na@example.com,"Bob \\"Jr\\""\nb@example.com,Bob\n', BOB,
         rejected={1: "Incorrect quoting"}),
    case("B-26 single quotation marks", "email,_fname\n'a@example.com','x'\n",
         rejected={1: "Incorrect email: data.email"}),
    case("K13-29 a workbook", make_xlsx(A=[["email", "_fname"], [MAIL, "Ann"]]), ANN),
    *(case(f"B-31 {type_}", "email,_fname\na@example.com,Ann\n", ANN, type=type_)
      for type_ in ("text/plain", "application/vnd.ms-excel",
                    "application/octet-stream")),
    case("B-33 gzip", gzip.compress(b"email,_fname\na@example.com,Ann\n"), ANN),
    # Values.
    case("K4-34 one person in three spellings",
         "phone,_fname\n+7 900 123 99 99,A\n8 900 123-99-99,B\n9001239999,C\n",
         {"phones": ["+79001239999"], "_fname": "C"}, region="RU",
         query={"matching": "phone"}),
    case("K9-39 words for nothing are told",
         "email,phones,_fname\na@example.com,n/a,Ann\nb@example.com,-,Bob\n", ANN, BOB,
         query={"null": ["n/a", "-"]}),
    case("K10-39 the rest of the row",
         "email,phones,_fname\na@example.com,n/a,Ann\nb@example.com,unknown,Bob\n",
         ANN, BOB, query={"skip_invalid_fields": "1"}),
    case("K10-39 without the option", "email,phones,_fname\na@example.com,n/a,Ann\n",
         ANN),
    case("K9-40 dates that are not told", "email,_bdate\na@example.com,06.07.1990\n",
         {"email": MAIL, "_bdate": "1990-07-06T00:00:00Z"}),
    case("K9-40 dates with dots", "email,_bdate\na@example.com,06.07.1990\n",
         {"email": MAIL, "_bdate": "1990-07-06T00:00:00Z"},
         query={"dates": "DD.MM.YYYY"}),
    case("K9-40 dates with slashes", "email,_bdate\na@example.com,25/07/1990\n",
         {"email": MAIL, "_bdate": "1990-07-25T00:00:00Z"},
         query={"dates": "_bdate=DD/MM/YYYY"}),
    case("K8-41 a date of MySQL",
         "email,last_visit\na@example.com,2026-11-28 12:30:00\n",
         {"email": MAIL, "last_visit": "2026-11-28T12:30:00Z"}),
    *(case(f"K9-44 {word}", f"email,vip_status\na@example.com,{word}\n",
           {"email": MAIL, "vip_status": True}, query={"booleans": told})
      for word, told in (("Yes", "yes/no"), ("Y", "y/n"), ("T", "t/f"),
                         ("on", "on/off"), ("да", "да/нет"),
                         ("ИСТИНА", "истина/ложь"))),
    case("K9-44 a word that is not told", "email,vip_status\na@example.com,Yes\n",
         {"email": MAIL, "vip_status": True}),
    case("K9-44 a word that is none", "email,vip_status\na@example.com,VIP-only\n",
         rejected={1: "Must be true or false: data.vip_status"}),
    case("K9-45 M and F", "email,_sex\na@example.com,F\n",
         {"email": MAIL, "_sex": "female"}, query={"sexes": "M/F"}),
    case("K9-46 a decimal comma", 'email;score\na@example.com;1 234,5\n',
         {"email": MAIL, "score": 1234.5}, query={"decimal": ","}),
    case("K6-48 tags as a JSON list",
         'email,interests\na@example.com,"[""tea"",""coffee""]"\n',
         {"email": MAIL, "interests": ["tea", "coffee"]}),
    case("K6-48 tags as a list of Python",
         'email,interests\na@example.com,"[\'tea\', \'coffee\']"\n',
         {"email": MAIL, "interests": ["tea", "coffee"]}),
    case("C-50 an object", 'email,address\na@example.com,"{""home"": 1}"\n',
         {"email": MAIL, "address": {"home": 1}}),
    case("C-50 an object of Python", "email,address\na@example.com,{'home': 1}\n",
         rejected={1: "Must be JSON: data.address"}),
    case("K15-51 blanks around", "email,_fname\n a@example.com , Ann \n", ANN),
    case("K15-51 blanks alone", "email,_fname\na@example.com,   \n", {"email": MAIL}),
    case("K6-59 NULL is nothing", "email,_fname,_lname\na@example.com,Ann,NULL\n", ANN,
         query={"null": "NULL"}),
    case("K14-56 a long text", f"email,_fname\na@example.com,{'x' * 65_537}\n",
         rejected={1: "A text may be at most 65536 bytes: data._fname"}),
    case("K14-56 many phones",
         'email,phones\na@example.com,"' + ",".join(["+79001239999"] * 101) + '"\n',
         rejected={1: "At most 100 phones are allowed: data.phones"}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "stored", "more"), READ)
def test_a_file_is_read_as_it_is_meant(
    connection: Connection,
    content: bytes,
    stored: list[dict[str, Any]],
    more: dict[str, Any],
) -> None:
    connection.execute("UPDATE databases SET phone_region = %s", [more.get("region")])

    imported = import_file(
        connection, content, more.get("type", "text/csv"), **more.get("query", {})
    )

    assert list_profiles(connection) == stored
    assert imported.rejected == more.get("rejected", {})
    assert imported.encoding == more.get("encoding", imported.encoding)


REFUSED = [
    case("K1-3 cp1252 unmarked", "email;_lname\na@example.com;Núñez\n",
         told=["`a@example.com;Núñez` in cp1252 · `a@example.com;Núńez` in cp1250",
               "encoding=cp1252", "encoding=guess"],
         charset="cp1252"),
    case("K1-5 cp1251, one row",
         "email;_fname;_lname\nce@example.com;Иван;Петров\n",
         told=["`ce@example.com;Иван;Петров` in cp1251", "encoding=cp1251"],
         charset="cp1251"),
    case("B-23 two columns of one name", "email,_fname,_fname\na@example.com,A,B\n",
         told=["Several columns contain _fname (keep one of them)"]),
    case("B-26 a quotation mark that is not closed",
         'email,_fname\na@example.com,"Bob\nb@example.com,Al\n',
         told=["a quotation mark is missing in line 2 or later"]),
    case("K13-29 a web page without a table", "<html><p>Log in</p>",
         told=["The file is a web page without a table"]),
    case("K13-29 a vCard", "BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nEND:VCARD\n",
         told=["No field is called 'FN'. Map it"]),
    case("K13-25 another name for a column", "Email Address\na@example.com\n",
         told=["No field is called 'Email Address'; is it 'email'? Map it"]),
    case("K13-25 a column of nothing known", "email,Nickname\na@example.com,Ann\n",
         told=["No field is called 'Nickname'. Map it: Nickname=FIELD, or skip it: "]),
    case("B-31 a form of parts", "email\na@example.com\n", type="multipart/form-data",
         told=["Must be one of text/csv, ", "application/json"]),
    case("K13-32 an option that is none", "email\na@example.com\n",
         query={"matching": "emial"}, told=["Unknown matching mode (one of email, "]),
    case("K13-32 a parameter that is none", "email\na@example.com\n",
         query={"matchng": "email"}, told=["Unknown parameter (is it matching?)"]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "stored", "more"), REFUSED)
def test_a_file_is_refused_with_what_to_do(
    connection: Connection,
    content: bytes,
    stored: list[dict[str, Any]],
    more: dict[str, Any],
) -> None:
    with pytest.raises((InvalidRequest, UnsupportedMediaType)) as refused:
        import_file(
            connection, content, more.get("type", "text/csv"), **more.get("query", {})
        )

    assert [told for told in more["told"] if told not in str(refused.value)] == []
    assert list_profiles(connection) == stored


@pytest.mark.parametrize(
    ("content", "query", "expected"),
    [
        pytest.param("email,_fname\na@example.com,\\N\n", {"clear": "\\N"},
                     {"email": MAIL, "_lname": "Lee"}, id="K6-60 a word clears"),
        pytest.param("email,_fname\na@example.com,\n", {},
                     {**ANN, "_lname": "Lee"}, id="K6-60 an empty cell does not"),
        pytest.param("email,_fname\na@example.com,NULL\n", {"null": "NULL"},
                     {**ANN, "_lname": "Lee"}, id="K6-59 nor a word for nothing"),
    ],
)  # fmt: skip
def test_what_clears_a_field_is_told(
    connection: Connection, content: str, query: dict[str, Any], expected: object
) -> None:
    import_file(connection, b"email,_fname,_lname\na@example.com,Ann,Lee\n")

    import_file(connection, content.encode(), **query)

    assert list_profiles(connection) == [expected]


PAIRS = "".join(
    f"p{n:02}@example.com,+7911000{n:04},First\n,+7911000{n:04},Second\n"
    for n in range(30)
)
FAMILIES = "".join(
    f"{number},f{number}@example.com,Ann\n{number + 100},f{number}@example.com,Bob\n"
    for number in range(30)
)


@pytest.mark.parametrize(
    ("table", "query", "expected"),
    [
        pytest.param("email,phones,_fname\n" + PAIRS, {"matching": "email_phone"},
                     {"Second": 30}, id="K2-61 two rows of a person, by two keys"),
        pytest.param("code,email,_fname\n" + FAMILIES,
                     {"matching": "custom", "field_name": "code"},
                     {"Ann": 30}, id="K2-65 the first has the address"),
    ],
)  # fmt: skip
def test_rows_apply_in_the_order_written(
    drained: ServedIntake, token: str, table: str, query: dict[str, Any],
    expected: dict[str, int],
) -> None:  # fmt: skip
    said = send(drained, token, table.encode(), **query).json()

    found: dict[str, int] = {}
    with Connection.connect(drained.settings.database_url) as connection:
        for profile in list_profiles(connection):
            found[profile["_fname"]] = found.get(profile["_fname"], 0) + 1
    assert found == expected, said


def test_the_command_says_what_a_reported_file_would_do(
    drained: ServedIntake, tmp_path: Any
) -> None:
    """K1-3, K9-40, K10-39: what `penstock import --dry-run` says of them."""
    file = tmp_path / "a.csv"
    rows = "email,_bdate,phones\na@example.com,19900706,none yet\n"
    file.write_bytes((rows + "b@example.com,19900725,unknown\n").encode())

    status, output, _ = run(drained.settings, file, "--dry-run")

    assert status == 1
    assert (
        "2 \xd7 _bdate: not a date (looks like a date without dashes), found "
        '"19900706"; try --dates YYYYMMDD' in output
    )
    assert '2 \xd7 phones: not a phone, found "none yet"; try --null unknown' in output
