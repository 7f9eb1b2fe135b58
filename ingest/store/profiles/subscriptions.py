"""Subscriptions as a document of their profile's row: written and read."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec

from ingest.domain.catalog import Channel
from ingest.domain.profiles import Subscription, SubscriptionKey


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """One subscription: an array, read by the view `subscriptions` in this order.

    The last three are not written where nobody traces its status.
    """

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
    #: None while it is of when it was updated.
    status_at: datetime | None = None
    status_by: UUID | None = None
    consent: Mapping[str, object] | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[_Stored])

#: Members of `_Stored`, in its order: written as one is, which takes longer to make.
_Row = tuple[Any, ...]
#: In the order of priority, resource, channel, and contact.
_RANK: Callable[[_Row], Any] = itemgetter(5, 0, 1, 2)


def load_subscriptions(document: str) -> dict[SubscriptionKey, Subscription]:
    """Return the subscriptions of a stored `document`, in the order of priority."""
    subscriptions = {}
    for stored in _DECODER.decode(document):
        key = SubscriptionKey(stored.resource_id, stored.channel, stored.contact)
        updated_at = stored.updated_at or stored.created_at
        subscriptions[key] = Subscription(
            key=key,
            contact=stored.contact_data,
            status=stored.status,
            priority=stored.priority,
            custom_fields=stored.custom_fields,
            categories=stored.categories,
            deleted=stored.is_deleted,
            created_at=stored.created_at,
            updated_at=updated_at,
            status_at=stored.status_at or updated_at,
            status_by=stored.status_by,
            consent=stored.consent,
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
        _make_row(one, (one.updated_at or now) if was is one else now, was)
        for key, one in subscriptions.items()
        for was in [before.get(key, one)]
    )


def dump_subscriptions(subscriptions: Iterable[Subscription]) -> str:
    """Return the document to store, of subscriptions that changed when they say."""
    return _dump(_make_row(one, one.updated_at, one) for one in subscriptions)


def _dump(rows: Iterable[_Row]) -> str:
    return _ENCODER.encode(sorted(rows, key=_RANK)).decode()


def _make_row(
    subscription: Subscription, updated_at: datetime | None, before: Subscription
) -> _Row:
    key = subscription.key
    created_at = subscription.created_at or updated_at
    row = (
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
    by, consent = subscription.status_by, subscription.consent
    if by is None and consent is None:
        # Nobody traces it: a status that has changed is of when it is stored.
        is_of_update = (
            before is subscription and subscription.created_at is None
        ) or before.status != subscription.status
        if is_of_update or subscription.status_at in (None, updated_at):
            return row
    return *row, subscription.status_at, by, consent
