"""Collects what an endpoint gets next: claims it, judges it again, makes requests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from ingest.domain.confirmation_tokens import ConfirmationLinks
from ingest.domain.event_batches import (
    LARGEST_BODY,
    count_fitting,
    find_linger,
    name_batch,
    parse_linger,
)
from ingest.store.database import Connection
from ingest.store.events.budgets import give_back_requests, take_requests
from ingest.store.events.deliveries import (
    Delivery,
    Target,
    claim_deliveries,
    wake_blocked,
)
from ingest.store.events.delivery_batches import (
    claim_batch,
    count_due,
    form_batch,
    release_deliveries,
)
from ingest.store.events.skipped import skip_deliveries
from ingest.telemetry import metrics
from workers.delivery_messages import (
    dump_deliveries,
    dump_delivery,
    measure,
    sort_members,
)
from workers.rechecks import Rechecks

#: Longer than the longest attempt: after it, whoever had claimed is dead.
LEASE = timedelta(seconds=60)
#: Events that are claimed for a batch before their sizes are known.
_FIRST_PORTION = 16


@dataclass(frozen=True, slots=True)
class Shipment:
    """The events of one request: one, or the members of a batch in their order."""

    deliveries: Sequence[Delivery]
    #: None for an event by itself.
    batch_id: UUID | None = None

    @property
    def id(self) -> UUID:
        """The ID by which a receiver knows the request."""
        return self.batch_id or self.deliveries[0].event_id

    @property
    def attempts(self) -> int:
        """The number of attempts since its events were made, or resent."""
        return max(each.attempts - each.resent_after for each in self.deliveries)

    @property
    def traceparent(self) -> str | None:
        """The trace context of its import; a batch has none."""
        return None if self.batch_id else self.deliveries[0].traceparent

    def dump(self, links: ConfirmationLinks | None) -> bytes:
        """Write the body: the same bytes at every attempt.

        Raises Unsigned without the `links` that it needs.
        """
        if self.batch_id is None:
            return dump_delivery(self.deliveries[0], links)
        return dump_deliveries(self.deliveries, links)


@dataclass(frozen=True, slots=True)
class Collected:
    """Requests that are to be sent now."""

    shipments: Sequence[Shipment] = ()
    #: After it there may be more, though nothing wakes the lane; None for no matter.
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects what is due at endpoints; for one thread."""

    rechecks: Rechecks = field(default_factory=Rechecks)

    def collect(self, connection: Connection, target: Target, room: int) -> Collected:
        """Claim what `room` requests to an endpoint may have."""
        if target.rate is None:
            return self._claim(connection, target, room)
        allowance = take_requests(connection, target.id, target.rate, room)
        if not allowance.requests:
            return Collected(wait=allowance.wait)
        collected = self._claim(connection, target, allowance.requests)
        unused = allowance.requests - len(collected.shipments)
        if unused:
            give_back_requests(connection, target.id, target.rate, unused)
            return collected
        return Collected(collected.shipments, allowance.wait)

    def _claim(self, connection: Connection, target: Target, room: int) -> Collected:
        # A queue gets one message for each event.
        if target.batch is None or not target.url:
            claimed = self._claim_events(connection, target, room)
            return Collected([Shipment([each]) for each in claimed])
        return self._claim_batches(connection, target, target.batch, room)

    def _claim_batches(
        self, connection: Connection, target: Target, batch: int, room: int
    ) -> Collected:
        shipments: list[Shipment] = []
        while len(shipments) < room:
            again = sort_members(claim_batch(connection, target.id, LEASE))
            if again:
                shipments.append(Shipment(again, again[0].batch_id))
                continue
            due = count_due(connection, target.id, batch)
            linger = parse_linger(target.linger)
            wait = find_linger(due.count, due.waited, batch, linger)
            if wait is not None:
                return Collected(shipments, wait)
            members = self._gather(connection, target, batch) if due.count else []
            if not members:
                break
            batch_id = name_batch(each.event_id for each in members)
            ids = [each.event_id for each in members]
            form_batch(connection, target.id, ids, batch_id, LEASE)
            shipments.append(Shipment(members, batch_id))
        return Collected(shipments)

    def _gather(
        self, connection: Connection, target: Target, batch: int
    ) -> list[Delivery]:
        """Claim the members of a new batch, as many as one request may have.

        What was attempted alone before has a schedule of its own, and is sent alone.
        """
        claimed: list[Delivery] = []
        sizes: list[int] = []
        while len(claimed) < batch and sum(sizes) < LARGEST_BODY:
            portion = _choose_portion(batch - len(claimed), sizes)
            more = self._claim_events(connection, target, portion, batched=True)
            claimed += more
            sizes += map(measure, more)
            if len(more) < portion:
                break
        count = _count_alike(claimed)
        members = claimed[: count_fitting(sizes[:count])]
        left = [each.event_id for each in claimed[len(members) :]]
        release_deliveries(connection, target.id, left)
        return sort_members(members)

    def _claim_events(
        self,
        connection: Connection,
        target: Target,
        count: int,
        *,
        batched: bool = False,
    ) -> list[Delivery]:
        """Claim up to `count` events, and skip those that are outdated (T4)."""
        claimed: list[Delivery] = []
        while len(claimed) < count:
            more = claim_deliveries(
                connection, target.id, count - len(claimed), LEASE, batched=batched
            )
            outdated = self.rechecks.find_outdated(connection, more)
            claimed += [each for each in more if each not in outdated]
            if not outdated:
                break
            _skip(connection, target.id, outdated)
        return claimed


def _skip(
    connection: Connection, endpoint_id: int, outdated: Sequence[Delivery]
) -> None:
    skip_deliveries(connection, endpoint_id, [each.event_id for each in outdated])
    keys = [each.profile_key for each in outdated if each.profile_key is not None]
    wake_blocked(connection, endpoint_id, keys)
    metrics.EVENTS_SKIPPED.labels("recheck").inc(len(outdated))
    metrics.DELIVERIES.labels("skipped").inc(len(outdated))


def _choose_portion(left: int, sizes: Sequence[int]) -> int:
    """Return how many events to claim next, so that few too many are."""
    if not sizes:
        return min(left, _FIRST_PORTION)
    average = sum(sizes) / len(sizes)
    room = LARGEST_BODY - sum(sizes)
    return max(1, min(left, int(room / average)))


def _count_alike(claimed: Sequence[Delivery]) -> int:
    """Return how many of the first events may be in one batch."""
    for index, each in enumerate(claimed):
        if each.attempts - each.resent_after:
            return index or 1
    return len(claimed)
