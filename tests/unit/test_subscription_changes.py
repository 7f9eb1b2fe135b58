"""What becomes of subscriptions that a profile has: contract 16.5."""

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.catalog import Channel
from ingest.domain.errors import NotFound
from ingest.domain.imports import SubscriptionChange
from ingest.domain.lookups import subscription_keys
from ingest.domain.profiles import Profile, Subscription, SubscriptionKey
from ingest.domain.statuses import STATUSES
from ingest.domain.subscription_changes import SelectedChange, change_subscriptions

DELETE, RESTORE, SUSPEND_ALL, UNSUSPEND_ALL, _ = SubscriptionChange
Held = Mapping[SubscriptionKey, Subscription]

KEYS = [
    SubscriptionKey(resource_id, channel, contact)
    for resource_id, channel, contact in product(
        (1, 2), (Channel.EMAIL, Channel.SMS), ("a", "b")
    )
]


def make(
    key: SubscriptionKey, status: str = "subscribed", *, deleted: bool = False
) -> Subscription:
    return Subscription(key=key, contact={}, status=status, priority=0, deleted=deleted)


HELD = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(st.sampled_from([*STATUSES]), st.booleans()),
    min_size=1,
).map(
    lambda drawn: {
        key: make(key, status, deleted=deleted)
        for key, (status, deleted) in drawn.items()
    }
)


def one_of(change: SubscriptionChange, key: SubscriptionKey) -> SelectedChange:
    return SelectedChange(
        change=change,
        resource_id=key.resource_id,
        channel=key.channel,
        contact=key.contact,
    )


SUSPENSIONS = st.builds(
    SelectedChange,
    change=st.just(SUSPEND_ALL),
    resource_id=st.sampled_from([None, 1, 2]),
    channel=st.sampled_from([None, Channel.EMAIL, Channel.SMS]),
)


def found_by(held: Held) -> set[object]:
    return {*subscription_keys(Profile(id="a" * 24, database_id=1, subscriptions=held))}


@pytest.mark.fact("16.5-delete", "16.5-restore")
@given(held=HELD, data=st.data())
def test_what_is_deleted_is_not_found_and_restored_is_as_it_was(
    held: Held, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from([*held]))
    alive = change_subscriptions(held, one_of(RESTORE, key))

    deleted = change_subscriptions(alive, one_of(DELETE, key))
    restored = change_subscriptions(deleted, one_of(RESTORE, key))

    assert found_by(deleted) == found_by({k: v for k, v in alive.items() if k != key})
    assert restored == alive
    assert found_by(restored) == found_by(alive)


def turn(held: Held, which: SelectedChange, before: str, after: str) -> Held:
    """Return what is held once every chosen status is another."""
    return {
        key: replace(one, status=after)
        if (one.status, one.deleted) == (before, False)
        and which.resource_id in (None, key.resource_id)
        and which.channel in (None, key.channel)
        else one
        for key, one in held.items()
    }


@pytest.mark.fact("16.5-suspend-all", "16.5-filters")
@given(held=HELD, suspension=SUSPENSIONS)
def test_all_that_were_subscribed_are_suspended_and_subscribed_again(
    held: Held, suspension: SelectedChange
) -> None:
    end = replace(suspension, change=UNSUSPEND_ALL)

    suspended = change_subscriptions(held, suspension)
    back = change_subscriptions(suspended, end)

    assert suspended == turn(held, suspension, "subscribed", "suspended")
    assert back == turn(held, suspension, "suspended", "subscribed")
    assert back == change_subscriptions(held, end)
    assert found_by(suspended) == found_by(held)


@given(held=HELD, suspension=SUSPENSIONS)
def test_a_change_made_again_leaves_every_object_alone(
    held: Held, suspension: SelectedChange
) -> None:
    once = change_subscriptions(held, suspension)
    twice = change_subscriptions(once, suspension)

    assert all(twice[key] is one for key, one in once.items())


@pytest.mark.parametrize("change", [DELETE, RESTORE])
@pytest.mark.parametrize("other", [key for key in KEYS if key != KEYS[0]], ids=str)
def test_a_subscription_that_is_not_there_is_not_found(
    change: SubscriptionChange, other: SubscriptionKey
) -> None:
    with pytest.raises(NotFound, match="Subscription not found"):
        change_subscriptions({KEYS[0]: make(KEYS[0])}, one_of(change, other))
