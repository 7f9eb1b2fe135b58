"""Requests that people had trouble with, by public reports: each with its right value.

An id is the kind of trouble and the number of the report, as in
tests/integration/test_reported_files.py; C and E are those that nobody had. What takes
a queue, a broker or an endpoint is proved where they are (`ELSEWHERE`).
"""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.remedies.table import find_remedy
from ingest.wire.bodies import Format
from tests.documents import read_import
from tests.intakes import ServedIntake
from tests.pipeline import Pipeline
from tests.tables import list_profiles

ROOT = Path(__file__).parents[2]
MAIL = "a@example.com"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

#: What other tests prove of the reports.
ELSEWHERE = {
    "K1-11": "integration/test_file_encodings.py::"
             "test_a_form_is_decoded_by_its_charset_or_refused",
    "K1-16": "integration/test_file_encodings.py::"
             "test_a_file_of_rejects_is_read_back_by_the_documented_command",
    "K2-61": "integration/test_request_order.py::"
             "test_a_request_does_what_its_rows_do_one_by_one",
    "K2-63": "contract/test_10_batches.py::"
             "test_elements_of_one_person_apply_in_order_whatever_their_keys",
    "K4-71": "contract/test_16_values.py::"
             "test_a_number_is_opted_out_in_every_spelling",
    "K7-30": "unit/test_file_kinds.py::"
             "test_hidden_files_of_an_archive_are_passed_over_and_told",
    "K11-83": "integration/test_ordered_deliveries.py::"
              "test_whatever_fails_and_whoever_delivers_each_profile_is_told_in_order",
    "K12-58": "contract/test_16_requests.py::"
              "test_inputs_that_are_no_field_are_refused_or_ignored",
    "K13-82": "integration/test_broker_redis.py::"
              "test_an_entry_without_a_message_is_buried_with_what_it_held",
    "E-75": "integration/test_http_protocol.py::"
            "test_a_refusal_reaches_who_sends_its_whole_body_first",
    "E-85": "contract/test_7_triggers.py::test_a_rejected_import_fires_nothing",
}  # fmt: skip


@pytest.mark.parametrize("test", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_is_proved_elsewhere_is_proved_there(test: str) -> None:
    file, _, name = test.partition("::")

    text = (ROOT / "tests" / file).read_text()
    assert re.search(rf"^def {name}\(", text, re.MULTILINE)


def dump(data: object, **parameters: object) -> bytes:
    key = {} if "matching" in parameters else {"email": MAIL}
    return orjson.dumps({"db_id": 1, **key, **parameters, "data": data})


def write(data: str, encoding: str = "utf-8", codec: str = "") -> bytes:
    body = (
        f'<?xml version="1.0" encoding="{encoding}"?><xml xmlns:xsi="{XSI}">'
        f"<db_id>1</db_id><email>{MAIL}</email><data>{data}</data></xml>"
    )
    return body.encode(codec or encoding)


def apply(pipeline: Pipeline, body: bytes, format_: Format) -> str:
    """Import `body`; return what is wrong with it."""
    try:
        (outcome,) = pipeline.apply(read_import(body, format_))
    except InvalidRequest as error:
        return str(error)
    return outcome.error_text if outcome.error else ""


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        pytest.param(write("<_fname>Иван</_fname>", "windows-1251"), {"_fname": "Иван"},
                     id="K1-13 XML of 1C"),
        pytest.param(write("<_fname>Zoë</_fname>", "utf-16", "utf-8"),
                     {"_fname": "Zoë"}, id="K1-13 UTF-16 as it says, UTF-8 as it is"),
        pytest.param(write("<_fname>\n   Ann   \n</_fname>"), {"_fname": "Ann"},
                     id="K15-51 XML that is laid out"),
        pytest.param(write("<_fname>   </_fname>"), {},
                     id="K15-51 XML of blanks"),
        *(
            pytest.param(write(f"<_fname{text}</_fname>"), {"_fname": stored}, id=id_)
            for id_, text, stored in (
                ("E-77 CDATA", "><![CDATA[A & B]]>", "A & B"),
                ("E-77 a comment", "><!-- c -->Al", "Al"),
                ("E-77 a processing instruction", "><?pi x?>Al", "Al"),
                ("E-77 an entity by its number", ">&#1048;", "И"),
                ("E-77 an attribute", ' x="1">Al', "Al"),
                ("E-77 xsi:type", f' xmlns:x="{XSI}" x:type="string">Al', "Al"),
            )
        ),
    ],
)  # fmt: skip
def test_xml_is_read_as_it_is_meant(
    pipeline: Pipeline, body: bytes, stored: dict[str, Any]
) -> None:
    assert apply(pipeline, body, Format.XML) == ""
    (profile,) = list_profiles(pipeline.connection)
    assert profile == {"email": MAIL, **stored}


@pytest.mark.parametrize(
    "nil",
    [
        pytest.param("<_fname xsi:nil='true'/>", id="K6-78 of a text"),
        pytest.param("<checks xsi:nil='true'/>", id="K6-78 of a number"),
        pytest.param(
            "<_fname xsi:nil='1'/><phones xsi:nil='1'/>", id="K6-78 of a list"
        ),
    ],
)
def test_nil_changes_nothing(pipeline: Pipeline, nil: str) -> None:
    held = {"_fname": "Keep", "checks": 5, "phones": ["+79001234567"]}
    pipeline.create({"email": MAIL, **held})

    assert apply(pipeline, write(nil), Format.XML) == ""
    assert list_profiles(pipeline.connection) == [{"email": MAIL, **held}]


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        *(
            pytest.param({"phones": [phone]}, {"phones": [stored]}, id=f"{id_} {phone}")
            for id_, phone, stored in (
                ("K4-34", "007 900 123 99 99", "+79001239999"),
                ("K4", "0044 20 7946 0018", "+442079460018"),
                ("K4-37", "tel:+44 20 7946 0018", "+442079460018"),
                ("K4-37", "+7.900.123.45.67", "+79001234567"),
                ("K4-37", "+４４ ２０ ７９４６ ００１８", "+442079460018"),  # noqa: RUF001
                ("K4-37", "\u202a+44 20 7946 0018\u202c", "+442079460018"),
            )
        ),
        *(
            pytest.param({"last_visit": sent}, {"last_visit": stored},
                         id=f"{id_} {sent}")
            for id_, sent, stored in (
                ("K8-41", "2026-11-28 12:30:00", "2026-11-28T12:30:00Z"),
                ("K8-42", "2026-11-28T12:30:00+0000", "2026-11-28T12:30:00Z"),
                ("K8-42", "2026-11-28 12:30:00.250+0300", "2026-11-28T09:30:00.25Z"),
                ("K8-42", "2026-11-28T12:30:00+03", "2026-11-28T09:30:00Z"),
            )
        ),
        pytest.param({"code": 9007199254740993}, {"code": 9007199254740993},
                     id="C-47 a long number"),
        pytest.param({"_fname": " Ann "}, {"_fname": " Ann "},
                     id="K15-51 JSON texts stay as sent"),
    ],
)  # fmt: skip
def test_json_is_read_as_it_is_meant(
    pipeline: Pipeline, data: dict[str, Any], stored: dict[str, Any]
) -> None:
    assert apply(pipeline, dump(data), Format.JSON) == ""
    (profile,) = list_profiles(pipeline.connection)
    assert profile == {"email": MAIL, **stored}


def test_one_person_is_found_in_every_spelling(pipeline: Pipeline) -> None:
    """K4-34, K4-35, K4-36: with a region, 8107 is how Russia calls abroad."""
    pipeline.connection.execute("UPDATE databases SET phone_region = 'RU'")
    russian = Pipeline(pipeline.connection)

    for phone in (
        *("+7 900 123 99 99", "8 900 123-99-99", "9001239999", "007 900 123 99 99"),
        *("8107 900 123 99 99", "+7 (900) 123-99-99"),
    ):
        body = dump({"_fname": phone}, matching="phone", phone=phone)
        assert apply(russian, body, Format.JSON) == ""

    (profile,) = list_profiles(pipeline.connection)
    assert profile["phones"] == ["+79001239999"]


@pytest.mark.parametrize(
    ("phone", "doubt"),
    [
        pytest.param("650-253-0000", True, id="K4-38 ten digits, of Singapore or not"),
        pytest.param("9001239999", True, id="K4-34 ten digits, of Turkey or not"),
        pytest.param("+44 (0)20 7946 0018", False, id="K4-36 a trunk zero"),
    ],
)
def test_a_number_that_may_not_be_dialled_is_named(
    pipeline: Pipeline, phone: str, *, doubt: bool
) -> None:
    (outcome,) = pipeline.apply(read_import(dump({"phones": [phone]}), Format.JSON))

    told = [one.path for one in outcome.warnings]
    assert told == (["data.phones[0]"] if doubt else [])


REFUSED = [
    ("K1-15 JSON in cp1251", '{"data": {"_fname": "Иван"}}'.encode("cp1251"),
     "the text is not UTF-8 at line 1, column 22"),
    ("K1-15 JSON in UTF-16", '{"data": {}}'.encode("utf-16"), "the text is not UTF-8"),
    ("K4-35 a plus and a zero", dump({"phones": ["+0900 123 45 67"]}),
     "Incorrect phone (no international number begins with 0): data.phones[0]"),
    ("K4-37 an extension", dump({"phones": ["+44 20 7946 0018 ext. 12"]}),
     "Incorrect phone (has an extension): data.phones[0]"),
    ("K5-43 a spreadsheet's day", dump({"_bdate": 32874}),
     "Incorrect date (looks like a spreadsheet serial number): data._bdate"),
    ("K5-43 a day without dashes", dump({"last_visit": 20261128}),
     "Incorrect date (looks like a date without dashes): data.last_visit"),
    ("K9-40 a date with dots", dump({"_bdate": "06.07.1990"}),
     "Incorrect date: data._bdate"),
    ("C-47 2^63", dump({"code": 2**63}), "Out of range (from -2^63 to 2^63-1): "
        "data.code"),
    ("C-47 a name given twice", b'{"db_id": 1, "data": {"code": 1, "code": 2}}',
     "Duplicate member name: code"),
    ("C-47 NaN", b'{"db_id": 1, "data": {"score": NaN}}', "The body is not JSON"),
    ("C-47 1e999", b'{"db_id": 1, "data": {"score": 1e999}}', "number is infinity"),
    ("C-54 mailto:", dump({"email": f"mailto:{MAIL}"}), "Incorrect email: data.email"),
    ("C-54 a name beside it", dump({"email": f"Bob <{MAIL}>"}), "Incorrect email"),
    ("C-54 two in one", dump({"email": f"{MAIL}, b@example.com"}), "Incorrect email"),
    ("C-54 a dot behind it", dump({"email": f"{MAIL}."}), "Incorrect email"),
    ("K13-52 a character that nobody sees", dump({"email": "a\u200b@example.com"}),
     "(holds the invisible character U+200B ZERO WIDTH SPACE): data.email"),
    ("K13-79 a field by nearly its name", dump({"_fnam": "Ann"}),
     "Unknown field (is it _fname?): data._fnam"),
    ("K13-79 a word that is no option", dump({"plan": "Gold"}),
     "Must be one of the field's options (Basic, Plus, Pro): data.plan"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "told"), [pytest.param(*more, id=id_) for id_, *more in REFUSED]
)
def test_json_is_refused_with_what_to_do(
    pipeline: Pipeline, body: bytes, told: str
) -> None:
    assert told in apply(pipeline, body, Format.JSON)
    assert list_profiles(pipeline.connection) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(write("<_fname>A<br/>B</_fname>"),
                     "An element contains both text and elements: <_fname> at line 1",
                     id="E-77 HTML in a text"),
        pytest.param(write("<_fname>A&nbsp;B</_fname>"), "Entity 'nbsp' not defined at",
                     id="E-77 an entity of HTML"),
        pytest.param(write("<_fname>A & B</_fname>"), "The body is not XML: ",
                     id="E-77 an ampersand"),
        pytest.param(b"<s:Envelope xmlns:s='x'><s:Body/></s:Envelope>",
                     "The root element must be <xml>, not <Envelope>", id="E-77 SOAP"),
        pytest.param(write("<_fname>Zoë</_fname>", "gb2312", "utf-8"),
                     "Unsupported encoding gb2312 (one of UTF-8, UTF-16, win",
                     id="K13-14 an encoding that is not allowed"),
    ],
)  # fmt: skip
def test_xml_is_refused_with_what_to_do(
    pipeline: Pipeline, body: bytes, told: str
) -> None:
    assert told in apply(pipeline, body, Format.XML)
    assert list_profiles(pipeline.connection) == []


SUBSCRIPTION = {"channel": "email", "resource_id": 1, "email": MAIL}


def test_the_same_subscription_leaves_a_person_unsubscribed(pipeline: Pipeline) -> None:
    """D-69: a routine export without statuses."""
    out = [{**SUBSCRIPTION, "status": "unsubscribed"}]
    assert apply(pipeline, dump({"subscriptions": out}), Format.JSON) == ""
    assert apply(pipeline, dump({"subscriptions": [SUBSCRIPTION]}), Format.JSON) == ""

    rows = pipeline.connection.execute("SELECT status FROM subscriptions").fetchall()
    assert rows == [("unsubscribed",)]


def test_two_profiles_swap_their_addresses_by_way_of_a_third(
    pipeline: Pipeline,
) -> None:
    """K2-67: at once it is refused, and the file of rejects says what to do."""
    pipeline.create({"email": MAIL, "code": 1})
    pipeline.create({"email": "b@example.com", "code": 2})

    def move(code: int, email: str) -> tuple[Fault, ...]:
        key = {"matching": "custom", "field_name": "code", "field_value": code}
        sent = read_import(dump({"email": email}, **key), Format.JSON)
        (outcome,) = pipeline.apply(sent)
        return outcome.faults

    (fault,) = move(1, "b@example.com")
    assert fault.text == "Another profile holds this value: data.email"
    assert "remove the value" in find_remedy(fault)
    assert not move(1, "c@example.com")
    assert not move(2, MAIL)
    assert not move(1, "b@example.com")


QUICK = "/api/integrations/any/profile_import"


def test_the_doors_answer_what_people_send(penstock: ServedIntake, token: str) -> None:
    """C-57, B-33, E-80, K14-56: what only the doors see."""
    header = {"Authorization": f"Bearer {token}"}
    phone = penstock.post(
        b"db_id=1&matching=phone&phone=+79005551001",
        {**header, "Content-Type": "application/x-www-form-urlencoded"},
        path=QUICK,
    )
    mail = penstock.post(
        b"db_id=1&email=q2+tag@example.com",
        {**header, "Content-Type": "application/x-www-form-urlencoded"},
        path=QUICK,
    )
    packed = penstock.post(b"\x1f\x8b", {**header, "Content-Encoding": "gzip"})
    elements = [{"email": "bad"}, {"email": MAIL, "code": "x"}, None, "text", {}]
    good = [{"email": f"p{number}@example.com"} for number in range(3)]
    batch = penstock.post(
        {"token": token, "db_id": 1, "data": [*elements, *good]},
        path="/api/v1.1/profiles/import_batch",
    ).json()

    long = penstock.post(dump({"_fname": "x" * 9_000_000}), header).json()
    many = penstock.post(dump({"phones": ["+79001234567"] * 20_000}), header).json()

    assert long["error_text"] == "A text may be at most 65536 bytes: data._fname"
    assert many["error_text"] == "At most 100 phones are allowed: data.phones"
    assert (phone.status_code, mail.status_code, packed.status_code) == (200, 400, 415)
    assert mail.text == "Incorrect email: email"
    assert "Content-Encoding" in packed.json()["error_text"]
    assert [one["error"] for one in batch["result"]] == [400] * 5 + [0] * 3
