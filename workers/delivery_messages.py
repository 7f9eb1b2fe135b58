"""Deliveries as the messages that receivers get, alone and in batches."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from ingest.domain.catalog import EVERYTHING, EventKind
from ingest.domain.confirmation_tokens import ConfirmationLinks
from ingest.domain.errors import PenstockError
from ingest.domain.event_batches import LARGEST_BODY
from ingest.store.events.deliveries import Delivery
from ingest.wire.event_messages import dump_batch, dump_event

#: Bytes that a token and its link add, at most: PENSTOCK_PUBLIC_URL is no longer.
_LINK = 2500


class Unsigned(PenstockError):
    """An event needs a token, and the secret of the deployment is not set."""


def dump_delivery(delivery: Delivery, links: ConfirmationLinks | None) -> bytes:
    """Write the message of one event: the same bytes at every attempt.

    Raises Unsigned without the `links` that it needs.
    """
    detail = delivery.detail
    if delivery.kind == EventKind.CONFIRMATION_REQUESTED:
        if links is None:
            raise Unsigned("PENSTOCK_SECRET is not set for the upkeep worker")
        detail = links.add(detail)
    return _dump(delivery, detail)


def _dump(delivery: Delivery, detail: Mapping[str, object]) -> bytes:
    return dump_event(
        kind=delivery.kind,
        created_at=delivery.created_at,
        members={
            **_list_ids(delivery),
            # It grows with each event of a profile.
            "profile_sequence": delivery.profile_sequence,
            "trigger_ids": delivery.trigger_ids,
            "profile": _include(delivery),
        },
        detail=detail,
    )


def dump_deliveries(
    deliveries: Sequence[Delivery], links: ConfirmationLinks | None
) -> bytes:
    """Write the message of a batch: its events as they are alone (T6).

    Raises Unsigned without the `links` that one of them needs.
    """
    messages = [dump_delivery(each, links) for each in deliveries]
    return dump_batch(messages, max(each.created_at for each in deliveries))


def measure(delivery: Delivery) -> int:
    """Return the bytes of the message of an event.

    One that cannot be written fails alone: it is as large as a batch may be.
    """
    try:
        size = len(_dump(delivery, delivery.detail))
    except (TypeError, ValueError):
        return LARGEST_BODY
    return size + _LINK if delivery.kind == EventKind.CONFIRMATION_REQUESTED else size


def sort_members(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return the members of a batch in the one order that they are sent in."""
    return sorted(
        deliveries,
        key=lambda one: (one.profile_sequence or 0, one.created_at, str(one.event_id)),
    )


def _include(delivery: Delivery) -> Mapping[str, object] | None:
    """Return the members of the profile that the endpoint gets; None for none (T1)."""
    if delivery.profile is None or delivery.include is None:
        return None
    if EVERYTHING in delivery.include:
        return delivery.profile
    return {
        name: delivery.profile[name]
        for name in delivery.include
        if name in delivery.profile
    }


def _list_ids(delivery: Delivery) -> dict[str, object]:
    """Return what a message names; no import where none caused it (G8)."""
    ids: dict[str, UUID | int | str | None] = {
        "event_id": delivery.event_id,
        "import_id": delivery.import_id,
        "db_id": delivery.database_id,
        "profile_id": delivery.profile_id,
    }
    if delivery.profile_id is not None:
        ids["sequence"] = delivery.sequence
    return {**ids}
