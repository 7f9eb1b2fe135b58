"""Subscriptions of an import: contract 6 and 14, points 46, 73 and 74."""

from typing import Any

import pytest

from ingest.wire.bodies import Format
from tests.documents import send
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)
SMS = {"channel": "sms", "phone": "+79000000000", "resource_id": 1}
EMAIL = {"channel": "email", "email": "ann@example.com", "resource_id": 1}


def subscriptions(pipeline: Pipeline) -> list[tuple[Any, ...]]:
    return pipeline.connection.execute(
        "SELECT resource_id, channel, contact, status, priority"
        "  FROM subscriptions ORDER BY resource_id, channel, contact"
    ).fetchall()


@pytest.mark.fact("6.2-several", "6.2-identity", "6.2-unlisted")
@FORMATS
def test_a_new_contact_is_another_subscription(
    pipeline: Pipeline, format_: Format
) -> None:
    send(pipeline, format_, {"subscriptions": [SMS, EMAIL]})

    send(pipeline, format_, {"subscriptions": [{**SMS, "phone": "+79000000001"}]})

    assert subscriptions(pipeline) == [
        (1, "email", "ann@example.com", "subscribed", 1),
        (1, "sms", "+79000000000", "subscribed", 0),
        (1, "sms", "+79000000001", "subscribed", 2),
    ]


@pytest.mark.fact("14.46-status", "6.3-words")
@FORMATS
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({}, "unsubscribed", id="none"),
        pytest.param({"status": -1}, "unsubscribed", id="-1"),
        pytest.param({"status": 0}, "subscribed", id="0"),
        pytest.param({"status": "complained"}, "complained", id="a word"),
    ],
)
def test_a_status_stays_unless_another_is_sent(
    pipeline: Pipeline, format_: Format, sent: dict[str, object], status: str
) -> None:
    send(pipeline, format_, {"subscriptions": [{**SMS, "status": "unsubscribed"}]})

    send(pipeline, format_, {"subscriptions": [{**SMS, **sent}]})

    assert subscriptions(pipeline) == [(1, "sms", "+79000000000", status, 0)]


@pytest.mark.fact("6.7-fail", "6.7-skip", "6.4-resource", "6.1-channels")
@FORMATS
@pytest.mark.parametrize("skip", [True, False], ids=["skipped", "failed"])
@pytest.mark.parametrize(
    ("bad", "path"),
    [
        pytest.param({**SMS, "channel": "fax"}, ".channel", id="channel"),
        pytest.param({**SMS, "phone": "12345"}, ".phone", id="ill-formed contact"),
        pytest.param({"channel": "sms", "resource_id": 1}, ".phone", id="no contact"),
        pytest.param({**SMS, "resource_id": 77}, ".resource_id", id="resource"),
        pytest.param({**SMS, "status": "gone"}, ".status", id="status"),
        pytest.param({**SMS, "priority": "high"}, ".priority", id="priority"),
        pytest.param({**SMS, "cats": ["no"]}, ".cats[0]", id="category"),
        pytest.param("text", "", id="not an object"),
    ],
)
def test_an_invalid_subscription_fails_the_import_or_is_dropped(
    pipeline: Pipeline, format_: Format, bad: object, path: str, skip: bool
) -> None:
    outcome = send(
        pipeline,
        format_,
        {"_fname": "Ann", "subscriptions": [EMAIL, bad]},
        skip_invalid_subscriptions=skip,
    )

    faults = outcome.skipped if skip else outcome.faults
    assert [fault.path for fault in faults] == [f"data.subscriptions[1]{path}"]
    assert outcome.error == (0 if skip else 400)
    assert pipeline.count("profiles") == pipeline.count("subscriptions") == int(skip)


@pytest.mark.fact("14.74-functions")
@FORMATS
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"action": "add", "value": [SMS]}, id="a function"),
        pytest.param([{**SMS, "is_delete": True}], id="a deletion"),
    ],
)
def test_subscriptions_are_no_functions_and_not_deleted(
    pipeline: Pipeline, format_: Format, sent: object
) -> None:
    outcome = send(pipeline, format_, {"subscriptions": sent})

    assert outcome.error == 400
    assert pipeline.count("profiles") == 0


@pytest.mark.fact("14.73-single", "11-lists")
@FORMATS
def test_one_subscription_needs_no_array(pipeline: Pipeline, format_: Format) -> None:
    outcome = send(pipeline, format_, {"subscriptions": SMS})

    assert outcome.error == 0
    assert pipeline.count("subscriptions") == 1


@pytest.mark.fact("6.6-providers")
@FORMATS
@pytest.mark.parametrize(
    "provider", ["android-firebase", "yandex-Appmetrica-google-aid", "Firefox", "new"]
)
def test_a_push_provider_is_any_word(
    pipeline: Pipeline, format_: Format, provider: str
) -> None:
    device = {"provider": provider, "subscription_id": "a81c", "resource_id": 1}

    outcome = send(
        pipeline, format_, {"subscriptions": [{"channel": "push", **device}]}
    )

    assert outcome.error == 0, outcome.error_text
    assert subscriptions(pipeline) == [(1, "push", f"{provider}:a81c", "subscribed", 0)]


@pytest.mark.fact("6.1-nested")
@FORMATS
@pytest.mark.parametrize(
    ("contact", "stored"),
    [
        pytest.param(
            {"channel": "email", "email_data": {"email": "ann@example.com"}},
            "ann@example.com",
            id="email_data",
        ),
        pytest.param(
            {"channel": "sms", "phone_data": {"phone": "+79000000000"}},
            "+79000000000",
            id="phone_data",
        ),
        pytest.param(
            {"channel": "push", "push_data": {"provider": "p", "subscription_id": "d"}},
            "p:d",
            id="push_data",
        ),
        pytest.param(
            {"channel": "telegram_bot", "cc_data": {"user_chat_id": 42}},
            "42",
            id="cc_data with a chat",
        ),
        pytest.param(
            {"channel": "viber", "cc_data": {"phone": "+79000000000"}},
            "+79000000000",
            id="cc_data with a phone",
        ),
    ],
)
def test_a_contact_may_be_nested(
    pipeline: Pipeline, format_: Format, contact: dict[str, object], stored: str
) -> None:
    outcome = send(pipeline, format_, {"subscriptions": [contact]})

    assert outcome.error == 0, outcome.error_text
    assert subscriptions(pipeline) == [(1, contact["channel"], stored, "subscribed", 0)]
