"""Rings for a drain, from a thread, so that no acceptance waits for Celery.

A lost bell is harmless: the sweep rings for whatever still waits.
"""

import logging
import time
from queue import SimpleQueue
from threading import Thread

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ingest.streams.connections import connect_blocking
from ingest.streams.queues import (
    BELL_EXPIRES_SECONDS,
    BELL_GUARD_SECONDS,
    CELERY_KEY_PREFIX,
    DRAIN_TASK,
    DRAINS,
    bell_key,
)
from ingest.telemetry import metrics

logger = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 2.0
#: A Redis that is away is told of once in this time, not once a bell.
_SILENCE_SECONDS = 10.0


def make_celery(redis_url: str) -> Celery:
    """Return a Celery application that can do one thing: send a doorbell.

    Without `retry_on_timeout`: it would repeat a bell whose reply was late, and
    block for as long as Redis is frozen.
    """
    app = Celery("penstock-doorbell", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        broker_transport_options={
            "socket_timeout": _TIMEOUT_SECONDS,
            "socket_connect_timeout": _TIMEOUT_SECONDS,
            "socket_keepalive": True,
            "global_keyprefix": CELERY_KEY_PREFIX,
        },
    )
    return app


class Doorbell:
    """A thread that rings for partitions, at most once a second each."""

    def __init__(self, redis_url: str) -> None:
        self._celery = make_celery(redis_url)
        self._redis = connect_blocking(
            redis_url,
            client_name="penstock-doorbell",
            timeout_seconds=_TIMEOUT_SECONDS,
        )
        # None ends the thread.
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        # Keeps the queue no longer than there are partitions.
        self._pending: set[int] = set()
        self._silent_until = 0.0
        self._thread = Thread(target=self._run, name="doorbell", daemon=True)

    def start(self) -> None:
        """Start ringing."""
        self._thread.start()

    def ring(self, partition: int) -> None:
        """Ask for a bell for `partition`; never blocks, never fails."""
        if partition not in self._pending:
            self._pending.add(partition)
            self._queue.put(partition)

    def stop(self) -> None:
        """Ring what is pending, unless that takes too long, and stop."""
        self._queue.put(None)
        self._thread.join(timeout=2 * _TIMEOUT_SECONDS)
        self._redis.close()
        self._celery.close()

    def _run(self) -> None:
        while (partition := self._queue.get()) is not None:
            # First: an import accepted from now on must find its bell not pending.
            self._pending.discard(partition)
            metrics.DOORBELLS.labels(self._try_ring(partition)).inc()

    def _try_ring(self, partition: int) -> str:
        """Ring unless a bell is pending already; return what came of it."""
        try:
            guard = self._redis.set(
                bell_key(partition), 1, nx=True, ex=BELL_GUARD_SECONDS
            )
            if not guard:
                return "guarded"
            self._celery.send_task(
                DRAIN_TASK,
                args=[partition],
                queue=DRAINS,
                expires=BELL_EXPIRES_SECONDS,
                ignore_result=True,
                retry=False,
            )
        except (RedisError, OperationalError, OSError) as error:
            self._complain(error)
            return "failed"
        return "rung"

    def _complain(self, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE_SECONDS
            logger.warning(
                "doorbell failed",
                extra={"reason": type(error).__name__},
            )
