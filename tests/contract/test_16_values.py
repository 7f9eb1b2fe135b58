"""Values as people, spreadsheets and databases write them: contract 16.7 to 16.9."""

from typing import Any

import pytest

from ingest.domain.imports import Outcome, State
from ingest.wire.bodies import Format
from tests.documents import fields_of, read_import, send
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)
XSI = "http://www.w3.org/2001/XMLSchema-instance"


@pytest.fixture
def russian(pipeline: Pipeline) -> Pipeline:
    """The pipeline of a database whose numbers are Russian."""
    pipeline.connection.execute("UPDATE databases SET phone_region = 'RU'")
    return Pipeline(pipeline.connection)


def send_xml(pipeline: Pipeline, data: str) -> Outcome:
    body = (
        f'<xml xmlns:xsi="{XSI}"><db_id>1</db_id><email>ann@example.com</email>'
        f"<data>{data}</data></xml>"
    )
    (outcome,) = pipeline.apply(read_import(body.encode(), Format.XML))
    return outcome


@pytest.mark.fact("16.7-blank", "16.7-offset", "16.7-epoch")
@FORMATS
@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param("2026-11-28 12:30:00", "2026-11-28T12:30:00Z", id="MySQL"),
        pytest.param("2026-11-28 12:30:00+03", "2026-11-28T09:30:00Z", id="PostgreSQL"),
        pytest.param("2026-11-28T12:30:00+0300", "2026-11-28T09:30:00Z", id="basic"),
        pytest.param(-315619200, "1960-01-01T00:00:00Z", id="born before 1970"),
    ],
)
def test_dates_of_databases_are_read(
    pipeline: Pipeline, format_: Format, sent: object, stored: str
) -> None:
    outcome = send(pipeline, format_, {"_bdate": sent})

    assert fields_of(pipeline, outcome)["_bdate"] == stored


@pytest.mark.fact("16.7-serial", "16.7-dashless")
@FORMATS
@pytest.mark.parametrize(
    ("sent", "why"),
    [
        pytest.param(32874, "a spreadsheet serial number", id="serial"),
        pytest.param(20261128, "a date without dashes", id="date without dashes"),
    ],
)
def test_numbers_that_are_no_epochs_are_refused_by_name(
    pipeline: Pipeline, format_: Format, sent: int, why: str
) -> None:
    outcome = send(pipeline, format_, {"_bdate": sent})

    assert outcome.error_text == f"Incorrect date (looks like {why}): data._bdate"
    assert pipeline.count("profiles") == 0


SPELLINGS = [
    pytest.param("+7 900 123 99 99", id="international"),
    pytest.param("8 900 123-99-99", id="trunk prefix"),
    pytest.param("9001239999", id="national"),
    pytest.param("007 900 123 99 99", id="00"),
    pytest.param("tel:+7-900-123-99-99", id="link"),
    pytest.param("'8 (900) 123.99.99", id="cell"),
]


@pytest.mark.fact("16.8-region", "16.8-one-person", "16.8-idd", "16.8-decoration")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_in_any_spelling_is_one_person(
    russian: Pipeline, spelling: str
) -> None:
    known = russian.create({"phones": ["+79001239999"]})

    outcome = send(
        russian, Format.JSON, {"_fname": "Ann"}, matching="phone", phone=spelling
    )
    listed = send(russian, Format.JSON, {"phones": [spelling]}, matching="phone")

    assert (outcome.profile_id, listed.profile_id) == (known, known)
    assert russian.profile(known)["phones"] == ["+79001239999"]
    assert outcome.warnings == listed.warnings == ()


@pytest.mark.fact("16.8-opt-out")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_is_opted_out_in_every_spelling(
    russian: Pipeline, spelling: str
) -> None:
    sms = {"channel": "sms", "resource_id": 1}
    out = {**sms, "phone": "+79001239999", "status": "unsubscribed"}
    first = send(russian, Format.JSON, {"subscriptions": [out]})
    again = {**sms, "phone": spelling}

    second = send(russian, Format.JSON, {"subscriptions": [again]})

    assert second.profile_id == first.profile_id
    assert russian.connection.execute(
        "SELECT contact, status FROM subscriptions"
    ).fetchall() == [("+79001239999", "unsubscribed")]


@pytest.mark.fact("16.8-zero", "16.8-extension", "16.8-region")
@pytest.mark.parametrize(
    ("phone", "why"),
    [
        pytest.param("+0 900 123", "no international number begins with 0", id="zero"),
        pytest.param("+44 20 7946 0018 ext. 12", "has an extension", id="extension"),
        pytest.param(
            "380501234567",
            "not a number of RU; other countries need +",
            id="of another country",
        ),
    ],
)
def test_a_number_that_cannot_be_one_is_refused(
    russian: Pipeline, phone: str, why: str
) -> None:
    outcome = send(russian, Format.JSON, {"phones": [phone]})

    assert outcome.error_text == f"Incorrect phone ({why}): data.phones[0]"


@pytest.mark.fact("16.8-warning")
def test_the_receipt_warns_of_numbers_that_no_country_has(pipeline: Pipeline) -> None:
    subscription = {"channel": "sms", "resource_id": 1, "phone": "8 900 123 99 99"}
    outcome = send(
        pipeline,
        Format.JSON,
        {
            "phones": ["+79001239999", "650-253-0000"],
            "subscriptions": [subscription],
        },
        matching="phone",
        phone="9001239999",
    )

    assert outcome.error == 0
    assert [warning.text for warning in outcome.warnings] == [
        f"No country has this number (write + and the country code): {path}"
        for path in ("phone", "data.phones[1]", "data.subscriptions[0].phone")
    ]
    row = pipeline.connection.execute("SELECT warnings FROM imports").fetchone()
    assert row is not None
    assert len(row[0]) == 3


@pytest.mark.fact("16.8-warning")
def test_an_import_without_doubts_stores_none(pipeline: Pipeline) -> None:
    send(pipeline, Format.JSON, {"phones": ["+79001239999"], "_fname": "Ann"})

    row = pipeline.connection.execute("SELECT warnings FROM imports").fetchone()
    assert row == (None,)


@pytest.mark.fact("16.9-nil")
@pytest.mark.parametrize("nil", ['xsi:nil="true"', 'xsi:nil="1"', 'nil="true"'])
def test_nil_is_no_change_at_any_depth(pipeline: Pipeline, nil: str) -> None:
    held = {"_fname": "Keep", "checks": 5, "address": {"home": "Riga"}}
    before = send(pipeline, Format.JSON, held)

    outcome = send_xml(
        pipeline,
        f"<_fname {nil}/><checks {nil}></checks><phones array='true' {nil}/>"
        f"<nowhere {nil}/>",
    )
    nested = send_xml(pipeline, f"<address><home {nil}/><b>1</b></address>")

    assert outcome.state is State.UNCHANGED
    assert (nested.error, nested.profile_id) == (0, before.profile_id)
    assert fields_of(pipeline, nested) == {
        **held,
        "address": {"home": None, "b": "1"},
    }


@pytest.mark.fact("16.9-nil")
def test_nil_that_holds_something_is_refused() -> None:
    body = f'<xml xmlns:xsi="{XSI}"><data xsi:nil="true">x</data></xml>'.encode()

    with pytest.raises(Exception, match="An element with xsi:nil must be empty"):
        read_import(body, Format.XML)


@pytest.mark.fact("16.9-unknown")
def test_an_unknown_field_that_is_null_is_no_fault(pipeline: Pipeline) -> None:
    assert send(pipeline, Format.JSON, {"nowhere": None}).error == 0
    assert send(pipeline, Format.JSON, {"nowhere": 1}).error == 400


BAD: dict[str, Any] = {
    "_fname": "Ann",
    "_bdate": "02.09.1963",
    "checks": "five",
    "interests": ["tea"],
    "nowhere": 1,
    "phones": ["n/a", "+79001239999"],
}


@pytest.mark.fact("16.15-fields")
@FORMATS
def test_wrong_fields_are_dropped_and_named(
    pipeline: Pipeline, format_: Format
) -> None:
    strict = send(pipeline, format_, BAD)
    outcome = send(pipeline, format_, BAD, skip_invalid_fields=True)

    assert strict.error == 400
    assert [fault.text for fault in outcome.skipped] == [
        "Incorrect date: data._bdate",
        "Must be an integer: data.checks",
        "Unknown field: data.nowhere",
        "Incorrect phone: data.phones[0]",
    ]
    assert outcome.error == 0
    stored = pipeline.profile(str(outcome.profile_id))
    assert stored["fields"] == {"_fname": "Ann", "interests": ["tea"]}
    assert stored["phones"] == ["+79001239999"]


@pytest.mark.fact("16.15-fields")
def test_a_function_that_fails_is_dropped(pipeline: Pipeline) -> None:
    send(pipeline, Format.JSON, {"checks": 2**63 - 1})

    outcome = send(
        pipeline,
        Format.JSON,
        {"checks": {"action": "incr", "value": 1}, "_fname": "Ann"},
        skip_invalid_fields=True,
    )

    assert [fault.text for fault in outcome.skipped] == [
        "Out of range (from -2^63 to 2^63-1): data.checks"
    ]
    assert fields_of(pipeline, outcome) == {"checks": 2**63 - 1, "_fname": "Ann"}


@pytest.mark.fact("16.15-strict")
@pytest.mark.parametrize(
    ("parameters", "data", "text"),
    [
        pytest.param({}, {"email": "bob"}, "Incorrect email: data.email", id="email"),
        pytest.param(
            {"matching": "phone"},
            {"phones": ["n/a"]},
            "Incorrect phone: data.phones[0]",
            id="phone as key",
        ),
        pytest.param(
            {"matching": "custom", "field_name": "code"},
            {"code": "x"},
            "Must be an integer: data.code",
            id="field as key",
        ),
    ],
)
def test_keys_and_emails_stay_strict(
    pipeline: Pipeline, parameters: dict[str, Any], data: dict[str, Any], text: str
) -> None:
    outcome = send(pipeline, Format.JSON, data, skip_invalid_fields=True, **parameters)

    assert (outcome.error, outcome.error_text) == (400, text)
    assert pipeline.count("profiles") == 0


@pytest.mark.fact("16.15-strict")
def test_required_fields_stay_strict(pipeline: Pipeline) -> None:
    pipeline.connection.execute(
        "UPDATE fields SET required = true WHERE name = 'checks'"
    )
    strict = Pipeline(pipeline.connection)

    outcome = send(strict, Format.JSON, {"checks": "five"}, skip_invalid_fields=True)

    assert outcome.error_text == "Must be an integer: data.checks"
    assert strict.count("profiles") == 0


@pytest.mark.fact("16.1-lone", "9.1-update")
@FORMATS
@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"profile_id": "?"}, id="profile_id"),
        pytest.param({"phone": "+79001239999"}, id="phone"),
        pytest.param({"field_name": "code", "field_value": 7}, id="field"),
        pytest.param(
            {"provider": "android-firebase", "subscription_id": "t"}, id="push"
        ),
    ],
)
def test_a_lone_key_chooses_the_mode(
    pipeline: Pipeline, format_: Format, key: dict[str, Any]
) -> None:
    push = {"channel": "push", "resource_id": 1, "provider": "android-firebase"}
    known = send(
        pipeline,
        Format.JSON,
        {
            "phones": ["+79001239999"],
            "code": 7,
            "checks": 1,
            "subscriptions": [{**push, "subscription_id": "t"}],
        },
    )
    if "profile_id" in key:
        key = {"profile_id": known.profile_id}

    outcome = send(
        pipeline,
        format_,
        {"checks": {"action": "incr", "value": 1000}},
        email=None if format_ is Format.JSON else "",
        **key,
    )

    assert (outcome.error, outcome.profile_id) == (0, known.profile_id)
    assert fields_of(pipeline, outcome)["checks"] == 1001


LOST = (
    "The new profile could not be found by this key again"
    " (add the subscription to data)"
)
SMS = {"channel": "sms", "resource_id": 1, "phone": "+79001239999"}
MAIL = {"channel": "email", "resource_id": 1, "email": "ann@example.com"}


@pytest.mark.fact("16.4-lost")
@pytest.mark.parametrize(
    ("parameters", "listed", "path"),
    [
        pytest.param(
            {"matching": "email_sub", "email": "ann@example.com"}, [], "email",
            id="email",
        ),
        pytest.param(
            {"matching": "email_sub", "email": "ann@example.com"}, [SMS], "email",
            id="another channel",
        ),
        pytest.param(
            {"matching": "phone_sub", "phone": "+79001239999"}, [MAIL], "phone",
            id="phone",
        ),
        pytest.param(
            {"matching": "push_sub", "provider": "p", "subscription_id": "t"}, [],
            "subscription_id", id="push",
        ),
        pytest.param(
            {"matching": "email_phone_sub", "phone": "+79001239999"}, [], "phone",
            id="email or phone",
        ),
    ],
)  # fmt: skip
def test_a_profile_that_its_key_would_not_find_again_is_not_made(
    pipeline: Pipeline, parameters: dict[str, Any], listed: list[Any], path: str
) -> None:
    data = {"_fname": "Ann", "subscriptions": listed}

    outcome = send(pipeline, Format.JSON, data, **parameters)

    assert (outcome.error, outcome.error_text) == (400, f"{LOST}: {path}")
    assert pipeline.count("profiles") == pipeline.count("subscriptions") == 0


@pytest.mark.fact("16.4-lost")
@pytest.mark.parametrize(
    ("parameters", "listed"),
    [
        pytest.param(
            {"matching": "email_sub", "email": "ANN@example.com"}, MAIL, id="email"
        ),
        pytest.param(
            {"matching": "phone_sub", "phone": "7 900 1239999"}, SMS, id="phone"
        ),
        pytest.param(
            {"matching": "email_phone_sub", "phone": "+79001239999",
             "email": "ann@example.com"}, SMS, id="one of two",
        ),
    ],
)  # fmt: skip
def test_a_profile_with_the_subscription_is_made_once(
    pipeline: Pipeline, parameters: dict[str, Any], listed: dict[str, Any]
) -> None:
    data = {"_fname": "Ann", "subscriptions": [listed]}

    first = send(pipeline, Format.JSON, data, **parameters)
    again = send(pipeline, Format.JSON, data, **parameters)

    assert (first.state, again.state) == (State.CREATED, State.UNCHANGED)
    assert first.profile_id == again.profile_id
