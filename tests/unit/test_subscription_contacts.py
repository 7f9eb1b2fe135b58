"""The contact of a subscription on each channel (contract 6.1; 14, point 47a)."""

import pytest

from ingest.domain.catalog import Channel
from ingest.domain.errors import InvalidRequest
from ingest.domain.subscription_contacts import parse_contact

CC_PHONE_CHANNELS = [Channel.WHATSAPP, Channel.VIBER, Channel.NOTIFY]
EMAIL = {"email": "john@example.com"}
PHONE = {"phone": "+79000000000"}
PUSH = {"provider": "android-firebase", "subscription_id": "a81c264a938b475"}


@pytest.mark.fact("6.1-contacts", "14.47a-cc-data")
@pytest.mark.parametrize(
    ("channel", "subscription", "canonical", "data"),
    [
        pytest.param(Channel.EMAIL, EMAIL, "john@example.com", EMAIL, id="flat email"),
        pytest.param(
            Channel.EMAIL,
            {"email_data": {**EMAIL, "domain": "example.com", "md5": "0"}},
            "john@example.com",
            EMAIL,
            id="nested email as read back",
        ),
        pytest.param(
            Channel.EMAIL,
            {"email": " John@EXAMPLE.com "},
            "john@example.com",
            {"email": "John@example.com"},
            id="email in capitals",
        ),
        pytest.param(Channel.SMS, PHONE, "+79000000000", PHONE, id="flat phone"),
        pytest.param(
            Channel.SMS,
            {"phone_data": {"phone": "7 (900) 000-00-00"}},
            "+79000000000",
            PHONE,
            id="nested phone with punctuation",
        ),
        pytest.param(
            Channel.SMS, {"phone": 79000000000}, "+79000000000", PHONE, id="phone int"
        ),
        pytest.param(
            Channel.PUSH, PUSH, "android-firebase:a81c264a938b475", PUSH, id="flat push"
        ),
        pytest.param(
            Channel.PUSH,
            {"push_data": PUSH},
            "android-firebase:a81c264a938b475",
            PUSH,
            id="nested push",
        ),
        pytest.param(
            Channel.PUSH,
            {"provider": "Firefox", "push_data": {"subscription_id": "a:b"}},
            "Firefox:a:b",
            {"provider": "Firefox", "subscription_id": "a:b"},
            id="push half flat and half nested",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"id": 77}},
            "77",
            {"id": 77},
            id="chat id",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"user_chat_id": "-1001234567890"}},
            "-1001234567890",
            {"id": -1001234567890},
            id="chat id as digits under the seed's name",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"id": "@channel"}},
            "@channel",
            {"id": "@channel"},
            id="chat id as text",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"id": "077"}},
            "077",
            {"id": "077"},
            id="digits that no integer is written in stay text",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"id": "9223372036854775808"}},
            "9223372036854775808",
            {"id": "9223372036854775808"},
            id="digits past 64 bits stay text",
        ),
    ],
)
def test_a_contact_is_read_from_where_the_channel_keeps_it(
    channel: Channel, subscription: dict[str, object], canonical: str, data: object
) -> None:
    contact = parse_contact(channel, subscription)

    assert contact.canonical == canonical
    assert contact.data == data


@pytest.mark.fact("14.47a-cc-data")
@pytest.mark.parametrize("channel", CC_PHONE_CHANNELS)
@pytest.mark.parametrize(
    "subscription",
    [
        pytest.param({"cc_data": {"phone": "+79000000000"}}, id="documented"),
        pytest.param({"cc_data": {"user_phone": "79000000000"}}, id="as in the seed"),
        pytest.param({"phone": "+79000000000"}, id="flat"),
        pytest.param({"phone_data": {"phone": "+79000000000"}}, id="as read back"),
        pytest.param({"cc_data": None, "phone": 79000000000}, id="cc_data null"),
    ],
)
def test_messengers_are_known_by_phone(
    channel: Channel, subscription: dict[str, object]
) -> None:
    contact = parse_contact(channel, subscription)

    assert contact.canonical == "+79000000000"
    assert contact.data == {"phone": "+79000000000"}


@pytest.mark.fact("6.1-nested")
def test_the_flat_form_wins_over_the_nested() -> None:
    both = {"email": "flat@example.com", "email_data": {"email": "deep@example.com"}}

    assert parse_contact(Channel.EMAIL, both).canonical == "flat@example.com"


@pytest.mark.parametrize("absent", [None, ""], ids=["null", "empty"])
def test_an_absent_flat_form_leaves_the_nested(absent: object) -> None:
    both = {"email": absent, "email_data": EMAIL}

    assert parse_contact(Channel.EMAIL, both).data == EMAIL


@pytest.mark.parametrize(
    ("channel", "subscription", "texts"),
    [
        pytest.param(Channel.EMAIL, {}, ["Missing parameter: email"], id="no email"),
        pytest.param(
            Channel.EMAIL,
            {"email": "a@b@c"},
            ["Incorrect email: email"],
            id="no address",
        ),
        pytest.param(
            Channel.EMAIL,
            {"email": "a@example.com;b@example.com"},
            ["Incorrect email: email"],
            id="two addresses",
        ),
        pytest.param(
            Channel.EMAIL,
            {"email_data": {"email": 5}},
            ["Incorrect email: email_data.email"],
            id="nested email a number",
        ),
        pytest.param(
            Channel.SMS, EMAIL, ["Missing parameter: phone"], id="sms by email"
        ),
        pytest.param(
            Channel.SMS,
            {"phone": "12345"},
            ["Incorrect phone: phone"],
            id="short phone",
        ),
        pytest.param(
            Channel.PUSH,
            {},
            ["Missing parameter: provider", "Missing parameter: subscription_id"],
            id="push without both parts",
        ),
        pytest.param(
            Channel.PUSH,
            {**PUSH, "provider": "p" * 65},
            ["Incorrect provider (1 to 64 characters, no colon): provider"],
            id="provider of 65 characters",
        ),
        pytest.param(
            Channel.PUSH,
            {**PUSH, "provider": "a:b"},
            ["Incorrect provider (1 to 64 characters, no colon): provider"],
            id="provider with a colon",
        ),
        pytest.param(
            Channel.PUSH,
            {**PUSH, "subscription_id": "\u044f" * 1025},
            ["Incorrect subscription ID (1 to 2048 bytes): subscription_id"],
            id="subscription id of 2050 bytes",
        ),
        pytest.param(
            Channel.PUSH,
            {**PUSH, "subscription_id": "  "},
            ["Incorrect subscription ID (1 to 2048 bytes): subscription_id"],
            id="subscription id of spaces",
        ),
        pytest.param(
            Channel.PUSH,
            {**PUSH, "subscription_id": "\ud800"},
            ["Must not contain NUL or unpaired surrogates: subscription_id"],
            id="subscription id with a lone surrogate",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": "77"},
            ["Missing parameter: cc_data.id"],
            id="cc_data not an object",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"id": True}},
            ["Incorrect chat ID (an integer or 1 to 64 characters): cc_data.id"],
            id="chat id true",
        ),
        pytest.param(
            Channel.TELEGRAM_BOT,
            {"cc_data": {"user_chat_id": "x" * 65}},
            [
                "Incorrect chat ID (an integer or 1 to 64 characters): "
                "cc_data.user_chat_id"
            ],
            id="chat id of 65 characters",
        ),
        pytest.param(
            Channel.VIBER,
            {"cc_data": {"id": 77}},
            ["Missing parameter: cc_data.phone"],
            id="viber by chat id",
        ),
        pytest.param(
            Channel.WHATSAPP,
            {"cc_data": {"user_phone": "+0000000000"}},
            ["Incorrect phone: cc_data.user_phone"],
            id="phone of zeros",
        ),
    ],
)
def test_a_bad_contact_is_refused_where_it_stands(
    channel: Channel, subscription: dict[str, object], texts: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_contact(channel, subscription)

    assert [fault.text for fault in refused.value.faults] == texts


@pytest.mark.fact("6.6-providers")
@pytest.mark.parametrize(
    ("provider", "device"),
    [
        pytest.param("p" * 64, "id", id="provider of 64 characters"),
        pytest.param("p", "\u044f" * 1024, id="subscription id of 2048 bytes"),
        pytest.param("web-push-of-tomorrow", "id", id="provider nobody has listed"),
    ],
)
def test_a_push_contact_is_accepted_up_to_its_limits(
    provider: str, device: str
) -> None:
    sent = {"provider": provider, "subscription_id": device}

    assert parse_contact(Channel.PUSH, sent).data == sent
