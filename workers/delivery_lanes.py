"""One endpoint's deliveries: each lane waits for its own endpoint and no other."""

import asyncio
import functools
import logging
import random
import ssl
import time
from asyncio import Task
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import uuid4

from ingest.domain.addresses import AllowList
from ingest.domain.catalog import EVERYTHING
from ingest.domain.deliveries import Attempt, EndpointHealth, retry_delay
from ingest.store.database import Connection
from ingest.store.events.deliveries import (
    Attempted,
    Delivery,
    Target,
    claim_deliveries,
    record_attempts,
    wake_blocked,
)
from ingest.store.events.endpoints import disable_endpoint, record_failures
from ingest.telemetry import metrics
from ingest.telemetry.tracing import Tracer
from ingest.wire.event_messages import dump_event, sign
from ingest.wire.traceparents import HEADER
from workers.event_queues import EventQueue
from workers.resolver import Resolver
from workers.webhooks import Webhook

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Longer than the longest attempt: after it, whoever had claimed is dead.
LEASE = timedelta(seconds=60)
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
    tracer: Tracer


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt that has ended, and the round that it began in."""

    round: int
    attempted: Attempted


class DeliveryLane:
    """Delivers what is due at one endpoint until nothing is, or it is to be paused."""

    def __init__(self, target: Target, database: DatabaseThread, means: Means) -> None:
        self._target = target
        self._standing = EndpointHealth(failures=target.failures)
        self._database = database
        self._means = means
        self._under_way: set[Task[_Ended]] = set()
        self._is_stopping = False

    def stop(self) -> None:
        """Claim nothing after the first claim; what is under way ends on record."""
        self._is_stopping = True

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
            step = functools.partial(self._step, [each.result() for each in ended])
            for delivery in await self._database(step):
                attempt = self._attempt(delivery, send)
                self._under_way.add(asyncio.create_task(attempt))
            if not self._under_way:
                return
            ended, self._under_way = await asyncio.wait(
                self._under_way, return_when=asyncio.FIRST_COMPLETED
            )

    def _step(self, ended: Sequence[_Ended], connection: Connection) -> list[Delivery]:
        """Record what has ended, and claim as much as there is room for."""
        if ended:
            self._record(ended, connection)
        room = self._standing.room(len(self._under_way))
        # A lane that was opened before the end still delivers its first claim.
        if not room or (ended and self._is_stopping):
            return []
        return claim_deliveries(connection, self._target.id, room, LEASE)

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

    async def _attempt(self, delivery: Delivery, send: "_Send") -> _Ended:
        """Send an event once; whatever that raises is what came of the attempt."""
        now, started, round_ = datetime.now(UTC), time.monotonic(), self._standing.round
        span = self._means.tracer.start("deliver", delivery.traceparent)
        try:
            body = _dump(delivery)
            headers = sign(self._target.secret, delivery.event_id, now, body)
            if span.traceparent is not None:
                headers[HEADER] = span.traceparent
            attempt = await send(body, headers)
        # Unrecorded, the delivery would be due for ever, and hold up those behind it.
        except Exception as error:
            logger.exception(
                "delivery attempt failed",
                extra={"event_id": str(delivery.event_id)},
            )
            attempt = _describe(error)
        span.end(event_id=str(delivery.event_id), status=attempt.status or 0)
        _note(delivery, attempt)
        attempted = Attempted(
            delivery=delivery,
            attempt=replace(attempt, error=_storable(attempt.error)),
            attempted_at=now,
            duration_ms=round((time.monotonic() - started) * 1000),
            next_attempt_at=_next_attempt(delivery, attempt),
        )
        return _Ended(round_, attempted)

    def _record(self, ended: Sequence[_Ended], connection: Connection) -> None:
        """Record attempts and how the endpoint behaves; let go whom they held back."""
        now, attempted = datetime.now(UTC), [each.attempted for each in ended]
        standing = self._standing.after(
            [(each.round, each.attempted.attempt) for each in ended],
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
            if standing.is_gone and not self._standing.is_gone:
                disable_endpoint(connection, self._target.id, now)
        self._standing = standing
        over = [each.delivery for each in attempted if each.state != "pending"]
        keys = [each.profile_key for each in over if each.profile_key is not None]
        wake_blocked(connection, self._target.id, keys)
        for each in attempted:
            metrics.DELIVERIES.labels(each.state).inc()
            metrics.DELIVERY_SECONDS.observe(each.duration_ms / 1000)


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


def _dump(delivery: Delivery) -> bytes:
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
        detail=delivery.detail,
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
    """Return what a message names; without an import, if none caused it (G8)."""
    ids: dict[str, object] = {
        "event_id": delivery.event_id,
        "db_id": delivery.database_id,
        "profile_id": delivery.profile_id,
        "sequence": delivery.sequence,
    }
    if delivery.import_id is not None:
        ids["import_id"] = delivery.import_id
    return ids


def _describe(error: Exception) -> Attempt:
    """Return what an attempt came to that a library, or Penstock, broke."""
    return Attempt(error=f"{type(error).__name__}: {error}"[:500], is_outage=True)


def _storable(text: str) -> str:
    """Return `text` without what Postgres cannot hold; it may quote an answer."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _note(delivery: Delivery, attempt: Attempt) -> None:
    level = logging.DEBUG if attempt.is_delivered else logging.WARNING
    event = "event delivered" if attempt.is_delivered else "event not delivered"
    logger.log(
        level,
        event,
        extra={
            "import_id": str(delivery.import_id),
            "event_id": str(delivery.event_id),
            "endpoint_id": delivery.endpoint_id,
            "attempt": delivery.attempts + 1,
            "status": attempt.status,
        },
    )


def _next_attempt(delivery: Delivery, attempt: Attempt) -> datetime | None:
    if attempt.is_delivered:
        return None
    made = delivery.attempts + 1 - delivery.resent_after
    delay = retry_delay(made, random.random())  # noqa: S311 (jitter)
    return None if delay is None else datetime.now(UTC) + timedelta(seconds=delay)
