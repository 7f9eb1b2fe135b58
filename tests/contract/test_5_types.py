"""Values of every field type in JSON and XML: contract 4.1, 4.3 to 4.5, 5 and 14."""

from typing import Any

import pytest

from ingest.wire.bodies import Format
from tests import said
from tests.documents import fields_of, send, write_xml
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)


def fact(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.fact(*ids, "5-xml")


ACCEPTED = [
    pytest.param("checks", 200, 200, marks=fact("5-int"), id="integer"),
    pytest.param("checks", -5, -5, marks=fact("5-int"), id="negative integer"),
    pytest.param("checks", "200", 200, marks=fact("5-int"), id="integer as text"),
    pytest.param("checks", 5.0, 5, marks=fact("5-int"), id="zero fraction"),
    pytest.param("score", 20.5, 20.5, marks=fact("5-float"), id="float"),
    pytest.param("score", 20, 20.0, marks=fact("5-float"), id="float as integer"),
    pytest.param("score", "20.5", 20.5, marks=fact("5-float"), id="float as text"),
    pytest.param("custom_field", "CRM_manager", "CRM_manager",
                 marks=fact("5-unicode"), id="line"),
    pytest.param("custom_field", "Ünïcode \U0001f600 <&>", "Ünïcode \U0001f600 <&>",
                 marks=fact("5-unicode", "1-utf8"), id="any script"),
    pytest.param("custom_field", 7, "7", marks=fact("5-unicode"), id="line as number"),
    pytest.param("last_visit", "2005-08-09", "2005-08-09T00:00:00Z",
                 marks=fact("5-date", "4.3-forms"), id="day"),
    pytest.param("last_visit", "2005-08-09T18:31:42", "2005-08-09T18:31:42Z",
                 marks=fact("5-date", "4.3-forms"), id="moment without zone"),
    pytest.param("last_visit", "2005-08-09T18:31:42+03", "2005-08-09T15:31:42Z",
                 marks=fact("5-date", "4.3-forms"), id="hour-only offset"),
    pytest.param("last_visit", "2001-12-31T00:00+03:00", "2001-12-30T21:00:00Z",
                 marks=fact("5-date", "4.3-forms"), id="no seconds"),
    pytest.param("last_visit", "1990-07-06T11:15:25.526Z", "1990-07-06T11:15:25.526Z",
                 marks=fact("5-date", "4.3-output"), id="fraction"),
    pytest.param("last_visit", 1552600800, "2019-03-14T22:00:00Z",
                 marks=fact("14.38-epoch"), id="epoch"),
    pytest.param("vip_status", True, True, marks=fact("5-bool"), id="true"),
    pytest.param("vip_status", "false", False, marks=fact("5-bool"), id="false text"),
    pytest.param("vip_status", 1, True, marks=fact("5-bool"), id="1"),
    pytest.param("vip_status", 0, False, marks=fact("5-bool"), id="0"),
    pytest.param("plan", "Basic", "Basic", marks=fact("5-enum"), id="option"),
    pytest.param("office_ip", "127.0.0.1", "127.0.0.1", marks=fact("5-ip"), id="ip"),
    pytest.param("_ip", "2001:DB8::1", "2001:db8::1", marks=fact("14.39-ipv6"),
                 id="system ip"),
    pytest.param("interests", ["dance", "yoga"], ["dance", "yoga"],
                 marks=fact("5-tags"), id="tags"),
    pytest.param("interests", "dance, yoga|tea;rum", ["dance", "yoga", "tea", "rum"],
                 marks=fact("5-tags"), id="tags in one text"),
    pytest.param("interests", "dance", ["dance"], marks=fact("5-tags", "11-lists"),
                 id="one tag"),
    pytest.param("interests", ["dance", "dance"], ["dance"], marks=fact("5-tags"),
                 id="tags repeated"),
    pytest.param("address", {"flight_id": "AD 2503", "to": {"city": "Minsk"}},
                 {"flight_id": "AD 2503", "to": {"city": "Minsk"}},
                 marks=fact("5-object"), id="object"),
    pytest.param("orders", [{"name": "A"}, {"name": "B", "phone": "1"}],
                 [{"name": "A"}, {"name": "B", "phone": "1"}],
                 marks=fact("5-arr-object"), id="objects"),
    pytest.param("orders", {"name": "A"}, [{"name": "A"}],
                 marks=fact("5-arr-object", "11-lists"), id="one object"),
    pytest.param("_sex", "Female", "female", marks=fact("4.4-sex"), id="sex"),
    pytest.param("_sex", 1, "male", marks=fact("4.4-sex"), id="sex as number"),
    pytest.param("_postal_code", 390000, "390000", marks=fact("4.1-postal-code"),
                 id="postal code"),
    pytest.param("_country", "Russian Federation", "RU", marks=fact("14.40-country"),
                 id="country by name"),
    pytest.param("_country", "ru", "RU", marks=fact("14.40-country"),
                 id="country by code"),
    pytest.param("_country", "Narnia", "Narnia", marks=fact("14.40-country"),
                 id="unknown country"),
    pytest.param("_tz", "Europe/Moscow", "Europe/Moscow", marks=fact("14.41-tz"),
                 id="time zone"),
    pytest.param("_status", 5, 5, marks=fact("6.3-words"), id="status by number"),
    pytest.param("_status", "suspended", 5, marks=fact("6.3-words"), id="status"),
]  # fmt: skip


@FORMATS
@pytest.mark.parametrize(("name", "sent", "canonical"), ACCEPTED)
def test_a_value_is_stored_canonical(
    pipeline: Pipeline, format_: Format, name: str, sent: object, canonical: object
) -> None:
    outcome = send(pipeline, format_, {name: sent})

    stored = fields_of(pipeline, outcome)
    assert stored == {name: canonical}
    assert type(stored[name]) is type(canonical)


REFUSED = [
    pytest.param("checks", "x", "Must be an integer", marks=fact("5-int"), id="word"),
    pytest.param("checks", 1.5, "Must be an integer", marks=fact("5-int"), id="part"),
    pytest.param("checks", 2**63, said.INT64, marks=fact("5-int"), id="too big"),
    pytest.param("checks", "", "Must be an integer", marks=fact("14.20-empty"),
                 id="empty integer"),
    pytest.param("score", "x", "Must be a number", marks=fact("5-float"), id="float"),
    pytest.param("last_visit", "soon", "Incorrect date",
                 marks=fact("5-date", "4.3-incorrect", "13.3-words"), id="date"),
    pytest.param("last_visit", "2005-02-30", "Incorrect date",
                 marks=fact("5-date", "4.3-incorrect"), id="no such day"),
    pytest.param("vip_status", "yes", "Must be true or false", marks=fact("5-bool"),
                 id="boolean"),
    pytest.param("plan", "Gold",
                 "Must be one of the field's options (Basic, Plus, Pro)",
                 marks=fact("5-enum"), id="option"),
    pytest.param("office_ip", "::1", "Incorrect ip", marks=fact("5-ip"),
                 id="IPv6 in a custom field"),
    *(
        pytest.param("_ip", sample, "Incorrect ip",
                     marks=fact("4.5-ip", "13.3-words"), id=f"ip {sample}")
        for sample in ("999.999.999.999", "127.0.0.1.1", "abc.def.ghi.jkl")
    ),
    pytest.param("_ip", "", "Incorrect ip", marks=fact("4.5-ip", "14.20-empty"),
                 id="empty ip"),
    *(
        pytest.param("phones", sample, "Incorrect phone",
                     marks=fact("4.5-phone", "13.3-words"), id=f"phone {sample}")
        for sample in ("12345", "phone", "+000000000000", "+799912345678901234567890")
    ),
    pytest.param("email", "a@example.com;b@example.com", "Incorrect email",
                 marks=fact("3.4-semicolon", "14.25-email"), id="two emails"),
    pytest.param("_sex", 3, "Must be male or female", marks=fact("4.4-sex"), id="sex"),
    pytest.param("_tz", "Mars/Base", "Unknown time zone (an IANA name, such as "
        "Europe/Moscow)", marks=fact("14.41-tz"),
                 id="time zone"),
    pytest.param("_status", 7, said.STATUS, marks=fact("6.3-words"), id="status"),
    pytest.param("address", "x", "Must be an object", marks=fact("5-object"), id="str"),
    pytest.param("orders", ["x"], "Must be a list of objects",
                 marks=fact("5-arr-object"), id="objects"),
]  # fmt: skip


@FORMATS
@pytest.mark.parametrize(("name", "sent", "text"), REFUSED)
def test_a_value_of_another_type_fails_the_request(
    pipeline: Pipeline, format_: Format, name: str, sent: object, text: str
) -> None:
    outcome = send(pipeline, format_, {"_fname": "Ann", name: sent})

    assert (outcome.error, outcome.error_text) == (400, f"{text}: data.{name}")
    assert pipeline.count("profiles") == 0


@pytest.mark.fact("4.4-sex")
@FORMATS
def test_sex_0_clears(pipeline: Pipeline, format_: Format) -> None:
    pipeline.create({"email": "ann@example.com", "_sex": "female"})

    outcome = send(pipeline, format_, {"_sex": 0})

    assert fields_of(pipeline, outcome) == {}


@pytest.mark.fact("4.1-phones", "11-lists")
@FORMATS
@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param(["+79001234567"], ["+79001234567"], id="list"),
        pytest.param("+790000000000", ["+790000000000"], id="bare text"),
        pytest.param(["+7 (900) 1", "8"], None, id="bad list"),
        pytest.param(
            ["+7 900 123-45-67", "79001234567", "+79000000000"],
            ["+79001234567", "+79000000000"],
            id="repeated",
        ),
    ],
)
def test_phones_are_a_list_or_one_text(
    pipeline: Pipeline, format_: Format, sent: object, stored: list[str] | None
) -> None:
    outcome = send(pipeline, format_, {"phones": sent})

    assert outcome.error == (400 if stored is None else 0)
    if stored is not None:
        assert pipeline.profile(str(outcome.profile_id))["phones"] == stored


@pytest.mark.fact("14.30-plain")
@FORMATS
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("interests", ["tea"], ["dance"], id="tags"),
        pytest.param("address", {"a": "b"}, {"c": "d"}, id="object"),
        pytest.param("orders", [{"a": "b"}, {"e": "f"}], [{"c": "d"}], id="objects"),
    ],
)
def test_what_is_sent_plain_replaces(
    pipeline: Pipeline, format_: Format, name: str, old: object, new: object
) -> None:
    pipeline.create({"email": "ann@example.com", name: old})

    outcome = send(pipeline, format_, {name: new})

    assert fields_of(pipeline, outcome) == {name: new}


@pytest.mark.fact("11-lists", "11-text")
def test_xml_lists_accept_one_unmarked_element(pipeline: Pipeline) -> None:
    document: dict[str, Any] = {"phones": "+79001234567", "interests": "tea"}

    assert b"array" not in write_xml(document)
    outcome = send(pipeline, Format.XML, document)

    row = pipeline.profile(str(outcome.profile_id))
    assert (row["phones"], row["fields"]) == (["+79001234567"], {"interests": ["tea"]})


@pytest.mark.fact("14.19-null", "14.20-empty")
def test_an_empty_element_clears_a_text_in_xml(pipeline: Pipeline) -> None:
    pipeline.create({"email": "ann@example.com", "_fname": "Ann", "_lname": "Lee"})

    outcome = send(pipeline, Format.XML, {"_lname": ""})

    assert fields_of(pipeline, outcome) == {"_fname": "Ann"}
