"""One endpoint's deliveries: each lane waits for its own endpoint and no other."""

import asyncio
import functools
import logging
import random
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest import metrics
from ingest.domain.addresses import AllowList
from ingest.domain.deliveries import BREAKER_FAILURES, Attempt, pause, retry_delay
from ingest.store.deliveries import (
    Attempted,
    Delivery,
    Target,
    claim_deliveries,
    record_attempts,
)
from ingest.store.endpoints import disable_endpoint, record_failures
from ingest.tracing import Tracer
from ingest.wire.event_messages import dump_event, sign
from ingest.wire.traceparents import HEADER
from workers.event_queues import EventQueue
from workers.resolver import Resolver
from workers.webhooks import Webhook

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Deliveries under way at once, per endpoint.
CONCURRENCY = 16
#: Longer than the longest attempt: after it, whoever had claimed is dead.
LEASE = timedelta(seconds=60)


class Database(Protocol):
    """Runs work on the one connection, away from the event loop."""

    async def __call__(self, work: Callable[[Connection[TupleRow]], _T]) -> _T:
        """Return what `work` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every lane sends with."""

    #: kombu URL of the broker that queue endpoints are on.
    broker_url: str
    context: ssl.SSLContext
    allowed: AllowList
    resolver: Resolver
    tracer: Tracer


class Lane:
    """Delivers what is due at one endpoint until nothing is, or it is to be paused."""

    def __init__(self, target: Target, database: Database, means: Means) -> None:
        self._target = target
        self._database = database
        self._means = means

    async def run(self) -> None:
        """Claim, send and record, batch after batch."""
        async with AsyncExitStack() as stack:
            send = self._open_safely(stack)
            while claimed := await self._database(self._claim):
                attempted = await asyncio.gather(
                    *(self._attempt(delivery, send) for delivery in claimed)
                )
                record = functools.partial(self._record, attempted)
                if not await self._database(record):
                    return

    def _open_safely(self, stack: AsyncExitStack) -> "_Send":
        """Return what sends; what cannot be opened fails each attempt, on record."""
        try:
            return self._open(stack)
        # Whatever a URL provokes in a library, its deliveries must come to an end.
        except Exception as error:  # noqa: BLE001
            failed = _describe(error)

            async def fail(body: bytes, headers: dict[str, str]) -> Attempt:
                return failed

            return fail

    def _open(self, stack: AsyncExitStack) -> "_Send":
        if self._target.url:
            means = self._means
            webhook = Webhook(
                self._target.url, means.context, means.allowed, means.resolver
            )
            stack.push_async_callback(webhook.close)
            return webhook.post
        queue = EventQueue(self._means.broker_url, self._target.queue)
        stack.callback(queue.close)
        # A kombu connection belongs to one thread at a time.
        turn = asyncio.Lock()

        async def put(body: bytes, headers: dict[str, str]) -> Attempt:
            async with turn:
                return await asyncio.to_thread(queue.put, body, headers)

        return put

    def _claim(self, connection: Connection[TupleRow]) -> list[Delivery]:
        # Of one that counts as down, a single event asks whether it is up again.
        probing = self._target.failures >= BREAKER_FAILURES
        count = 1 if probing else CONCURRENCY
        return claim_deliveries(connection, self._target.id, count, LEASE)

    async def _attempt(self, delivery: Delivery, send: "_Send") -> Attempted:
        """Send an event once; whatever that raises is what came of the attempt."""
        now, started = datetime.now(UTC), time.monotonic()
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
        return Attempted(
            delivery=delivery,
            attempt=replace(attempt, error=_storable(attempt.error)),
            attempted_at=now,
            duration_ms=round((time.monotonic() - started) * 1000),
            next_attempt_at=_next_attempt(delivery, attempt),
        )

    def _record(
        self, attempted: Sequence[Attempted], connection: Connection[TupleRow]
    ) -> bool:
        """Record attempts and how the endpoint behaves; tell whether to go on."""
        now = datetime.now(UTC)
        attempts = [each.attempt for each in attempted]
        is_alive = any(not attempt.is_outage for attempt in attempts)
        failures = 0 if is_alive else self._target.failures + 1
        asked = max((attempt.retry_after or 0.0 for attempt in attempts), default=0.0)
        seconds = pause(failures, asked, random.random())  # noqa: S311 (jitter)
        paused_until = now + timedelta(seconds=seconds) if seconds else None
        is_gone = any(attempt.is_gone for attempt in attempts)

        with connection.transaction():
            record_attempts(connection, attempted)
            record_failures(connection, self._target.id, failures, paused_until)
            if is_gone:
                disable_endpoint(connection, self._target.id, now)
        for each in attempted:
            metrics.DELIVERIES.labels(each.state).inc()
            metrics.DELIVERY_SECONDS.observe(each.duration_ms / 1000)
        self._target = replace(self._target, failures=failures)
        return not is_gone and paused_until is None


class _Send(Protocol):
    async def __call__(self, body: bytes, headers: dict[str, str]) -> Attempt: ...


def _dump(delivery: Delivery) -> bytes:
    return dump_event(
        kind=delivery.kind,
        created_at=delivery.created_at,
        ids={
            "event_id": delivery.event_id,
            "import_id": delivery.import_id,
            "db_id": delivery.database_id,
            "profile_id": delivery.profile_id,
            "sequence": delivery.sequence,
        },
        trigger_ids=delivery.trigger_ids,
        detail=delivery.detail,
    )


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
    delay = retry_delay(delivery.attempts + 1, random.random())  # noqa: S311 (jitter)
    return None if delay is None else datetime.now(UTC) + timedelta(seconds=delay)
