"""Subscriptions as a document of their profile's row: written and read."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from ingest.domain.catalog import Channel
from ingest.domain.profiles import Subscription, SubscriptionKey


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """One subscription: an array, read by the view `subscriptions` in this order."""

    resource_id: int
    channel: Channel
    contact: str
    contact_data: Mapping[str, object]
    status: str
    priority: int
    custom_fields: Mapping[str, object]
    categories: tuple[str, ...]
    is_deleted: bool
    created_at: datetime | None
    #: None while it is as it was created.
    updated_at: datetime | None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[_Stored])


def load_subscriptions(document: str) -> dict[SubscriptionKey, Subscription]:
    """Return the subscriptions of a stored `document`, in the order of priority."""
    subscriptions = {}
    for stored in _DECODER.decode(document):
        key = SubscriptionKey(stored.resource_id, stored.channel, stored.contact)
        subscriptions[key] = Subscription(
            key=key,
            contact=stored.contact_data,
            status=stored.status,
            priority=stored.priority,
            custom_fields=stored.custom_fields,
            categories=stored.categories,
            deleted=stored.is_deleted,
            created_at=stored.created_at,
            updated_at=stored.updated_at or stored.created_at,
        )
    return subscriptions


def dump_changed(
    subscriptions: Mapping[SubscriptionKey, Subscription],
    before: Mapping[SubscriptionKey, Subscription],
    now: datetime,
) -> str | None:
    """Return the document to store, or None where it is the one that is stored.

    Each that is not the object that it was `before` has changed `now`; of one that was
    not there and comes back, it says when.
    """
    if len(subscriptions) == len(before) and all(
        before.get(key) is one for key, one in subscriptions.items()
    ):
        return None
    return _dump(
        (one, (one.updated_at or now) if before.get(key, one) is one else now)
        for key, one in subscriptions.items()
    )


def dump_subscriptions(subscriptions: Iterable[Subscription]) -> str:
    """Return the document to store, of subscriptions that changed when they say."""
    return _dump((one, one.updated_at) for one in subscriptions)


def _dump(updated: Iterable[tuple[Subscription, datetime | None]]) -> str:
    stored = [_to_stored(one, updated_at) for one, updated_at in updated]
    stored.sort(key=_rank)
    return _ENCODER.encode(stored).decode()


def _rank(stored: _Stored) -> tuple[int, int, str, str]:
    return stored.priority, stored.resource_id, stored.channel, stored.contact


def _to_stored(subscription: Subscription, updated_at: datetime | None) -> _Stored:
    key = subscription.key
    created_at = subscription.created_at or updated_at
    return _Stored(
        key.resource_id,
        key.channel,
        key.contact,
        subscription.contact,
        subscription.status,
        subscription.priority,
        subscription.custom_fields,
        subscription.categories,
        subscription.deleted,
        created_at,
        None if updated_at == created_at else updated_at,
    )
