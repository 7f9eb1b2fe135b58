"""How profiles and subscriptions are read back."""

from datetime import UTC, datetime
from hashlib import md5
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from ingest.domain.catalog import Channel
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.subscription_contacts import parse_contact
from ingest.domain.views import (
    view_flat_subscription,
    view_profile,
    view_subscription,
)

PROFILE = Profile(id="5" * 24, database_id=1)
CONTACTS: dict[Channel, dict[str, Any]] = {
    Channel.EMAIL: {"email": "Ann@example.com"},
    Channel.SMS: {"phone": "+79001234567"},
    Channel.PUSH: {"provider": "ios-apns", "subscription_id": "a:b"},
    Channel.TELEGRAM_BOT: {"id": 5},
    Channel.WHATSAPP: {"phone": "+79001234567"},
    Channel.VIBER: {"phone": "+79001234567"},
    Channel.NOTIFY: {"phone": "+79001234567"},
}


def subscribe(channel: Channel, resource_id: int = 1, **changes: Any) -> Subscription:
    sent = CONTACTS[channel]
    flat = channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)
    contact = parse_contact(channel, sent if flat else {"cc_data": sent})
    key = SubscriptionKey(
        resource_id=resource_id, channel=channel, contact=contact.canonical
    )
    settings = {"status": "subscribed", "priority": 0, **changes}
    return Subscription(key=key, contact=contact.data, **settings)


def test_a_profile_with_nothing_set_shows_its_ids() -> None:
    assert view_profile(PROFILE) == {"id": "5" * 24, "db_id": 1}


@pytest.mark.parametrize(
    ("created_at", "shown"),
    [
        pytest.param(
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z", id="s"
        ),
        pytest.param(
            datetime(2026, 1, 2, 3, 4, 5, 120000, tzinfo=UTC),
            "2026-01-02T03:04:05.12Z",
            id="a fraction",
        ),
    ],
)
def test_the_time_of_creation_is_in_utc(created_at: datetime, shown: str) -> None:
    profile = Profile(id="5" * 24, database_id=1, created_at=created_at)

    assert view_profile(profile)["_createtime"] == shown


@pytest.mark.parametrize(
    ("email", "group"),
    [
        pytest.param("Ann@gmail.com", "gmail", id="gmail"),
        pytest.param("ann@googlemail.com", "gmail", id="gmail by its other name"),
        pytest.param("ann@bk.ru", "mail.ru", id="mail.ru"),
        pytest.param("ann@ya.ru", "yandex", id="yandex"),
        pytest.param("ann@gmail.com.example.com", "other", id="any other"),
    ],
)
def test_an_email_tells_its_domain_group_and_digest(email: str, group: str) -> None:
    shown = view_profile(Profile(id="5" * 24, database_id=1, email=email))

    assert shown["email"] == email
    assert shown["_emaildomain"] == email.rpartition("@")[2]
    assert shown["_domaingroup"] == group
    assert shown["_md5"] == md5(email.lower().encode()).hexdigest()


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("is_flat", [True, False])
def test_a_contact_that_was_shown_can_be_sent(channel: Channel, is_flat: bool) -> None:
    subscription = subscribe(channel)
    extended = view_subscription(PROFILE, subscription)
    shown: object = view_flat_subscription(subscription) if is_flat else extended

    assert (
        parse_contact(channel, to_builtins(shown)).canonical == subscription.key.contact
    )


def test_what_a_subscription_lacks_is_absent() -> None:
    shown = view_flat_subscription(subscribe(Channel.SMS, status="suspended"))

    assert to_builtins(shown) == {
        "resource_id": 1,
        "channel": "sms",
        "phone": "+79001234567",
        "priority": 0,
        "status": "suspended",
    }


def test_a_deleted_subscription_says_so() -> None:
    deleted = subscribe(Channel.SMS, deleted=True)

    assert view_subscription(PROFILE, deleted).is_delete is True


@given(
    one=st.tuples(st.sampled_from(list(Channel)), st.integers(1, 3)),
    other=st.tuples(st.sampled_from(list(Channel)), st.integers(1, 3)),
    status=st.sampled_from(["subscribed", "unsubscribed"]),
)
def test_hash_ids_are_equal_for_one_subscription_only(
    one: tuple[Channel, int], other: tuple[Channel, int], status: str
) -> None:
    first = view_subscription(PROFILE, subscribe(*one))
    second = view_subscription(PROFILE, subscribe(*other, status=status))
    elsewhere = Profile(id="6" * 24, database_id=1)

    assert (first.hash_id == second.hash_id) is (one == other)
    assert view_subscription(elsewhere, subscribe(*one)).hash_id != first.hash_id
