"""Subscriptions as the document of their profile's row."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.domain.catalog import Channel
from ingest.domain.profiles import Subscription, SubscriptionKey
from ingest.store.profiles.subscriptions import (
    dump_changed,
    dump_subscriptions,
    load_subscriptions,
)

NOW = datetime(2026, 11, 30, 1, 2, 3, 456789, tzinfo=UTC)
LATER = NOW + timedelta(days=1)

TEXTS = st.text(max_size=8)
VALUES = (
    TEXTS
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(TEXTS, max_size=3)
)
TIMES = st.integers(0, 10**15).map(lambda us: NOW - timedelta(microseconds=us))
SUBSCRIPTIONS = st.builds(
    Subscription,
    key=st.builds(
        SubscriptionKey, st.integers(1, 3), st.sampled_from(list(Channel)), TEXTS
    ),
    contact=st.dictionaries(TEXTS, VALUES, max_size=2),
    status=TEXTS,
    priority=st.integers(0, 3),
    custom_fields=st.dictionaries(TEXTS, VALUES, max_size=3),
    categories=st.lists(TEXTS, max_size=3).map(tuple),
    deleted=st.booleans(),
    created_at=TIMES,
    updated_at=TIMES,
)
#: As they are read: each status is of some time.
DATED = st.builds(
    lambda one, at, by, consent: replace(
        one, status_at=at or one.updated_at, status_by=by, consent=consent
    ),
    SUBSCRIPTIONS,
    st.none() | TIMES,
    st.none() | st.uuids(),
    st.none() | st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=2),
)
LISTED = st.lists(DATED, max_size=5, unique_by=lambda one: one.key)


@given(LISTED)
def test_what_was_written_is_read_in_the_order_of_priority(
    listed: list[Subscription],
) -> None:
    read = load_subscriptions(dump_subscriptions(listed))

    assert read == {one.key: one for one in listed}
    ranks = [
        (one.priority, key.resource_id, key.channel, key.contact)
        for key, one in read.items()
    ]
    assert ranks == sorted(ranks)


@given(LISTED, st.integers(0, 31))
def test_only_what_changed_gets_a_new_time(
    listed: list[Subscription], changed: int
) -> None:
    before = {one.key: one for one in listed}
    after = {
        key: replace(one, status="new") if changed >> place & 1 else one
        for place, (key, one) in enumerate(before.items())
    }

    document = dump_changed(after, before, LATER)

    if all(after[key] is before[key] for key in before):
        assert document is None
        return
    assert document is not None
    for key, read in load_subscriptions(document).items():
        is_same = after[key] is before[key]
        assert read.created_at == before[key].created_at
        assert read.updated_at == (before[key].updated_at if is_same else LATER)
        facts = (read.status_by, read.consent)
        assert facts == (before[key].status_by, before[key].consent)
        is_known = is_same or facts != (None, None)
        assert read.status_at == (before[key].status_at if is_known else LATER)


def test_a_status_is_of_its_own_moment_once_something_else_changes() -> None:
    key = SubscriptionKey(1, Channel.EMAIL, "ann@example.com")
    fresh = Subscription(
        key=key,
        contact={"email": "ann@example.com"},
        status="unsubscribed",
        priority=0,
        # When the import was accepted; nobody traces it.
        status_at=NOW - timedelta(seconds=1),
    )
    document = dump_changed({key: fresh}, {}, NOW)
    assert document is not None
    stored = load_subscriptions(document)
    assert stored[key].status_at == NOW

    moved = {key: replace(stored[key], priority=1)}
    document = dump_changed(moved, stored, LATER)
    assert document is not None
    again = load_subscriptions(document)[key]
    assert (again.updated_at, again.status_at) == (LATER, NOW)


def test_a_new_one_is_created_now() -> None:
    key = SubscriptionKey(1, Channel.EMAIL, "ann@example.com")
    fresh = Subscription(
        key=key, contact={"email": "ann@example.com"}, status="subscribed", priority=0
    )

    document = dump_changed({key: fresh}, {}, NOW)

    assert document is not None
    read = load_subscriptions(document)[key]
    assert (read.created_at, read.updated_at) == (NOW, NOW)
    # A time is written once, where both are the same.
    assert document.count("2026") == 1
