"""One endpoint's deliveries: each lane waits for its own endpoint and no other."""

import asyncio
import functools
import logging
import random
import ssl
import time
from asyncio import Task
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import uuid4

from ingest.domain.addresses import AllowList
from ingest.domain.confirmation_tokens import ConfirmationLinks
from ingest.domain.deliveries import (
    Attempt,
    DisabledReason,
    EndpointHealth,
    is_overdue,
    retry_delay,
)
from ingest.store.database import Connection
from ingest.store.events.deliveries import (
    Attempted,
    Target,
    record_attempts,
    wake_blocked,
)
from ingest.store.events.disablings import (
    Disabling,
    disable_endpoint,
    note_failure,
    note_success,
)
from ingest.store.events.endpoints import record_failures
from ingest.telemetry import metrics
from ingest.telemetry.tracing import Tracer
from ingest.wire.event_messages import dump_event, sign
from ingest.wire.traceparents import HEADER
from workers.delivery_messages import Unsigned
from workers.event_queues import EventQueue
from workers.resolver import Resolver
from workers.shipments import Collected, Collector, Shipment
from workers.webhooks import Webhook

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: The type of an event that is sent to try an endpoint.
SAMPLE = "test"


class DatabaseThread(Protocol):
    """Runs work on the one connection, away from the event loop."""

    async def __call__(self, work: Callable[[Connection], _T]) -> _T:
        """Return what `work` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The clients by which every lane sends."""

    #: kombu URL of the broker that queue endpoints are on.
    broker_url: str
    context: ssl.SSLContext
    allowed: AllowList
    resolver: Resolver
    #: None without the secret of the deployment.
    links: ConfirmationLinks | None
    tracer: Tracer
    collector: Collector = field(default_factory=Collector)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request that has ended, and the round that it began in."""

    round: int
    shipment: Shipment
    #: What became of each of its events.
    attempted: Sequence[Attempted]

    @property
    def attempt(self) -> Attempt:
        """The outcome of the request."""
        return self.attempted[0].attempt


class DeliveryLane:
    """Delivers what is due at one endpoint until nothing is, or it is to be paused."""

    def __init__(self, target: Target, database: DatabaseThread, means: Means) -> None:
        self._target = target
        self._standing = EndpointHealth(failures=target.failures)
        self._database = database
        self._means = means
        self._under_way: set[Task[_Ended]] = set()
        self._is_stopping = False
        self._has_claimed = False
        #: That there may be more to claim.
        self._woken = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing after the first claim; what is under way ends on record."""
        self._is_stopping = True
        self._woken.set()

    def wake(self, target: Target) -> None:
        """Look for more now, if it waits; `target` is the endpoint as it is now.

        One that is elsewhere needs another lane, after this.
        """
        known, self._target = self._target, target
        places = [(each.url, each.queue, each.secret) for each in (known, target)]
        if places[0] != places[1]:
            self._target = known
            self.stop()
        self._woken.set()

    async def run(self) -> None:
        """Claim, send and record; as one ends, another is claimed."""
        async with AsyncExitStack() as stack:
            send = self._open_safely(stack)
            try:
                await self._deliver(send)
            except asyncio.CancelledError:
                for attempt in self._under_way:
                    attempt.cancel()
                raise
            finally:
                # Each needs what the stack closes. Unrecorded, it is due again when its
                # lease ends.
                if self._under_way:
                    await asyncio.wait(self._under_way)

    async def _deliver(self, send: "_Send") -> None:
        ended: set[Task[_Ended]] = set()
        while True:
            self._woken.clear()
            step = functools.partial(self._step, [each.result() for each in ended])
            collected = await self._database(step)
            for shipment in collected.shipments:
                attempt = self._attempt(shipment, send)
                self._under_way.add(asyncio.create_task(attempt))
            if not self._under_way and collected.wait is None:
                return
            ended = await self._wait(collected.wait)

    async def _wait(self, wait: timedelta | None) -> set[Task[_Ended]]:
        """Wait for an attempt to end; no longer than `wait`, or until it is woken."""
        if wait is None:
            ended, self._under_way = await asyncio.wait(
                self._under_way, return_when=asyncio.FIRST_COMPLETED
            )
            return ended
        woken = asyncio.create_task(self._woken.wait())
        try:
            done, _ = await asyncio.wait(
                {*self._under_way, woken},
                timeout=wait.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            woken.cancel()
        ended = {each for each in self._under_way if each in done}
        self._under_way -= ended
        return ended

    def _step(self, ended: Sequence[_Ended], connection: Connection) -> Collected:
        """Record what has ended, and claim as much as there is room for."""
        if ended:
            self._record(ended, connection)
        target = self._target
        room = self._standing.room(len(self._under_way), target.concurrency)
        # A lane that was opened before the end still delivers its first claim.
        if room <= 0 or (self._has_claimed and self._is_stopping):
            return Collected()
        self._has_claimed = True
        return self._means.collector.collect(connection, target, room)

    def _open_safely(self, stack: AsyncExitStack) -> "_Send":
        """Return what sends; what cannot be opened fails each attempt, on record."""
        try:
            return open_target(self._target, self._means, stack)
        # Whatever a URL provokes in a library, its deliveries must come to an end.
        except Exception as error:  # noqa: BLE001
            failed = _describe(error)

            async def fail(body: bytes, headers: dict[str, str]) -> Attempt:
                return failed

            return fail

    async def _attempt(self, shipment: Shipment, send: "_Send") -> _Ended:
        """Send a request once; whatever that raises is what came of the attempt."""
        now, started, round_ = datetime.now(UTC), time.monotonic(), self._standing.round
        span = self._means.tracer.start("deliver", shipment.traceparent)
        try:
            body = shipment.dump(self._means.links)
            headers = sign(self._target.secret, shipment.id, now, body)
            if span.traceparent is not None:
                headers[HEADER] = span.traceparent
            attempt = await send(body, headers)
        except Unsigned as error:
            # The endpoint is well, and its other events go on.
            attempt = Attempt(error=str(error))
        # Unrecorded, the delivery would be due for ever, and hold up those behind it.
        except Exception as error:
            logger.exception(
                "delivery attempt failed",
                extra={"event_id": str(shipment.id)},
            )
            attempt = _describe(error)
        span.end(event_id=str(shipment.id), status=attempt.status or 0)
        _note(shipment, attempt)
        next_attempt_at = _next_attempt(shipment, attempt)
        duration_ms = round((time.monotonic() - started) * 1000)
        attempted = [
            Attempted(
                delivery=delivery,
                attempt=replace(attempt, error=_storable(attempt.error)),
                attempted_at=now,
                duration_ms=duration_ms,
                next_attempt_at=next_attempt_at,
            )
            for delivery in shipment.deliveries
        ]
        return _Ended(round_, shipment, attempted)

    def _record(self, ended: Sequence[_Ended], connection: Connection) -> None:
        """Record attempts and how the endpoint behaves; let go whom they held back."""
        now = datetime.now(UTC)
        attempted = [one for each in ended for one in each.attempted]
        standing = self._standing.after(
            [(each.round, each.attempt) for each in ended],
            now,
            random.random(),  # noqa: S311 (jitter)
        )
        with connection.transaction():
            record_attempts(connection, attempted)
            record_failures(
                connection,
                self._target.id,
                standing.failures,
                standing.paused_until,
            )
            if disabling := self._find_disabling(connection, ended, standing, now):
                _disable(connection, disabling)
                standing = replace(standing, is_gone=True)
        self._standing = standing
        over = [one.delivery for one in attempted if one.state != "pending"]
        keys = [each.profile_key for each in over if each.profile_key is not None]
        wake_blocked(connection, self._target.id, keys)
        for one in attempted:
            metrics.DELIVERIES.labels(one.state).inc()
        for each in ended:
            metrics.DELIVERY_SECONDS.observe(each.attempted[0].duration_ms / 1000)
            if each.shipment.batch_id is not None:
                metrics.DELIVERY_BATCHES.labels(each.attempted[0].state).inc()

    def _find_disabling(
        self,
        connection: Connection,
        ended: Sequence[_Ended],
        standing: EndpointHealth,
        now: datetime,
    ) -> Disabling | None:
        """Return why the endpoint is to be disabled; None if it is not (T7)."""
        attempts = [each.attempt for each in ended]
        if standing.is_gone and not self._standing.is_gone:
            reason = DisabledReason.GONE
            attempts = [each for each in attempts if each.is_gone]
        elif not standing.is_gone and self._is_overdue(connection, ended, now):
            reason = DisabledReason.FAILING
        else:
            return None
        last = attempts[-1]
        return Disabling(
            endpoint_id=self._target.id,
            reason=reason,
            at=now,
            status=last.status,
            error=last.error,
        )

    def _is_overdue(
        self, connection: Connection, ended: Sequence[_Ended], now: datetime
    ) -> bool:
        """Note how attempts ended; tell whether they have failed for too long."""
        target = self._target
        if not target.disable_after:
            return False
        if any(each.attempt.is_delivered for each in ended):
            note_success(connection, target.id)
            return False
        first = min(one.attempted_at for each in ended for one in each.attempted)
        since = note_failure(connection, target.id, first)
        return is_overdue(since, target.disable_after, now)


def _disable(connection: Connection, disabling: Disabling) -> None:
    if disable_endpoint(connection, disabling):
        metrics.ENDPOINTS_DISABLED.labels(disabling.reason).inc()
        logger.error(
            "endpoint disabled",
            extra={
                "endpoint_id": disabling.endpoint_id,
                "reason": disabling.reason,
                "status": disabling.status,
            },
        )


class _Send(Protocol):
    async def __call__(self, body: bytes, headers: dict[str, str]) -> Attempt: ...


def open_target(target: Target, means: Means, stack: AsyncExitStack) -> _Send:
    """Return what sends to an endpoint until `stack` is closed."""
    if target.url:
        webhook = Webhook(target.url, means.context, means.allowed, means.resolver)
        stack.push_async_callback(webhook.close)
        return webhook.post
    queue = EventQueue(means.broker_url, target.queue)
    stack.callback(queue.close)
    # A kombu connection belongs to one thread at a time.
    turn = asyncio.Lock()

    async def put(body: bytes, headers: dict[str, str]) -> Attempt:
        async with turn:
            return await asyncio.to_thread(queue.put, body, headers)

    return put


async def send_sample(target: Target, means: Means) -> Attempt:
    """Send an event that says it is a test; return what came of it (T8).

    It is of no import and no profile, and is not kept.
    """
    now, event_id = datetime.now(UTC), uuid4()
    body = dump_event(
        kind=SAMPLE,
        created_at=now,
        members={
            "event_id": event_id,
            "endpoint_id": target.id,
            "trigger_ids": [],
        },
        detail={"message": "This is a test of the endpoint."},
    )
    async with AsyncExitStack() as stack:
        send = open_target(target, means, stack)
        return await send(body, sign(target.secret, event_id, now, body))


def _describe(error: Exception) -> Attempt:
    """Return what an attempt came to that a library, or Penstock, broke."""
    return Attempt(error=f"{type(error).__name__}: {error}"[:500], is_outage=True)


def _storable(text: str) -> str:
    """Return `text` without what Postgres cannot hold; it may quote an answer."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _note(shipment: Shipment, attempt: Attempt) -> None:
    """Log what came of a request; of a batch once, whatever its size."""
    level = logging.DEBUG if attempt.is_delivered else logging.WARNING
    first = shipment.deliveries[0]
    about: dict[str, object] = {
        "endpoint_id": first.endpoint_id,
        "status": attempt.status,
    }
    if shipment.batch_id is None:
        event = "event delivered" if attempt.is_delivered else "event not delivered"
        about |= {
            "import_id": str(first.import_id),
            "event_id": str(first.event_id),
            "attempt": first.attempts + 1,
        }
    else:
        event = "batch delivered" if attempt.is_delivered else "batch not delivered"
        about |= {
            "batch_id": str(shipment.batch_id),
            "events": len(shipment.deliveries),
            "attempt": shipment.attempts + 1,
        }
    logger.log(level, event, extra=about)


def _next_attempt(shipment: Shipment, attempt: Attempt) -> datetime | None:
    if attempt.is_delivered:
        return None
    delay = retry_delay(shipment.attempts + 1, random.random())  # noqa: S311 (jitter)
    return None if delay is None else datetime.now(UTC) + timedelta(seconds=delay)
