"""The fields of `data`, in JSON and XML: contract section 4."""

from typing import Any

import pytest

from ingest.wire.bodies import Format
from tests.documents import fields_of, send
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)

#: A sample of each writable system field, and how it is stored.
SAMPLES: dict[str, tuple[object, object]] = {
    "_fname": ("Olly", "Olly"),
    "_lname": ("Lambert", "Lambert"),
    "_bdate": ("1990-02-22T21:00:00Z", "1990-02-22T21:00:00Z"),
    "_sex": ("female", "female"),
    "_regdate": ("2023-12-31T23:59:59+03:00", "2023-12-31T20:59:59Z"),
    "_regip": ("94.231.119.122", "94.231.119.122"),
    "_regcity": ("New York", "New York"),
    "_regcountry": ("Russian Federation", "RU"),
    "_regurl": ("https://example.com/join", "https://example.com/join"),
    "_ip": ("94.231.119.122", "94.231.119.122"),
    "_city": ("Ryazan", "Ryazan"),
    "_region": ("Ryazan Oblast", "Ryazan Oblast"),
    "_country": ("RU", "RU"),
    "_postal_code": (390000, "390000"),
    "_tz": ("Europe/Moscow", "Europe/Moscow"),
    "_os": ("Windows 10", "Windows 10"),
    "_browser": ("Firefox", "Firefox"),
    "_vendor": ("form_#31", "form_#31"),
    "_status": (0, 0),
}


@pytest.mark.fact("4.1-samples", "4.1-fields", "4.1-postal-code", "4.3-output")
@FORMATS
def test_every_writable_field_takes_its_sample(
    pipeline: Pipeline, format_: Format
) -> None:
    sent = {name: sample for name, (sample, _) in SAMPLES.items()}

    outcome = send(pipeline, format_, sent)

    expected = {name: stored for name, (_, stored) in SAMPLES.items()}
    assert fields_of(pipeline, outcome) == expected


@pytest.mark.fact("4.2-read-only")
@FORMATS
@pytest.mark.parametrize("name", ["id", "_md5", "_emaildomain", "_lat", "_is_test"])
def test_a_computed_field_is_ignored(
    pipeline: Pipeline, format_: Format, name: str
) -> None:
    outcome = send(pipeline, format_, {"_fname": "Ann", name: "anything"})

    assert fields_of(pipeline, outcome) == {"_fname": "Ann"}


@pytest.mark.fact("4.4-sex")
@FORMATS
@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param("female", "female", id="word"),
        pytest.param("MALE", "male", id="word in capitals"),
        pytest.param(1, "male", id="1"),
        pytest.param(2, "female", id="2"),
        pytest.param(0, None, id="0 clears"),
    ],
)
def test_sex_is_a_word_or_a_number(
    pipeline: Pipeline, format_: Format, sent: object, stored: str | None
) -> None:
    send(pipeline, format_, {"_sex": "male", "_fname": "Ann"})

    outcome = send(pipeline, format_, {"_sex": sent})

    assert fields_of(pipeline, outcome).get("_sex") == stored


BAD: list[Any] = [
    pytest.param("_ip", "127.0.0.1.1", "Incorrect ip: data._ip",
                 marks=pytest.mark.fact("4.5-ip"), id="ip"),
    pytest.param("_bdate", "yesterday", "Incorrect date: data._bdate",
                 marks=pytest.mark.fact("4.3-incorrect"), id="date"),
    pytest.param("phones", "+000000000000", "Incorrect phone: data.phones",
                 marks=pytest.mark.fact("4.5-phone"), id="phone"),
]  # fmt: skip


@FORMATS
@pytest.mark.parametrize(("name", "value", "text"), BAD)
def test_a_bad_value_is_named_and_nothing_is_written(
    pipeline: Pipeline, format_: Format, name: str, value: str, text: str
) -> None:
    before = pipeline.count("profiles")

    outcome = send(pipeline, format_, {"_fname": "Ann", name: value})

    assert (outcome.error, outcome.error_text) == (400, text)
    assert pipeline.count("profiles") == before
