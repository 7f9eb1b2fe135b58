"""Results for a broker's producers, from a thread of their own.

What is owed stands in a hash in Redis, written with the acceptance and removed when
the result has been published: at least once, whatever is killed meanwhile. Outcomes
are heard over pub/sub; those that are lost are found by their receipts.

A held import is owed a second one, when it is decided: see `held_results`.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from threading import Event, Thread
from typing import Any
from uuid import UUID

import psycopg
from redis.client import PubSub
from redis.exceptions import RedisError

from ingest.domain.answers import Answer
from ingest.domain.errors import Unavailable
from ingest.doors.broker.held_results import HeldResults
from ingest.doors.broker.sources import Outlet
from ingest.settings import Settings
from ingest.store.database import LateConnection
from ingest.store.receipts.write import find_answers
from ingest.streams.connections import connect_blocking
from ingest.streams.queues import (
    outcomes_channel,
    parse_pending_result,
    pending_result,
    pending_results_key,
)
from ingest.wire.answers import load_answers
from ingest.wire.messages import MessageResult, load_pending

logger = logging.getLogger(__name__)

#: A result owed for longer was perhaps told to a consumer that is no more.
_OVERDUE_SECONDS = 2.0
#: A sweep takes at most this part of the time.
_SWEEP_SHARE = 0.1
_PAUSE_SECONDS = 0.5
_PAGE = 1000
#: Removes each field that still has the value told with it: since that was read, an
#: equal message may have come, which is owed a result of its own.
_SETTLE = """
for at = 1, #ARGV, 3 do
    if redis.call('HGET', KEYS[1], ARGV[at]) == ARGV[at + 1] then
        redis.call('HDEL', KEYS[1], ARGV[at])
        -- It is owed a second one.
        if ARGV[at + 2] == 'held' then
            redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
        end
    end
end
"""


class Reporter:
    """Publishes what came of messages."""

    def __init__(
        self,
        settings: Settings,
        outlet: Outlet,
        *,
        door: str,
        reply_to: str,
        stop: Event,
    ) -> None:
        self._settings = settings
        # Set if this thread dies: a process that tells no results must not go on.
        self._stop = stop
        self.has_failed = False
        self._outlet = outlet
        self._redis = connect_blocking(
            settings.redis_url, client_name="penstock-results"
        )
        self._pending = pending_results_key(door)
        self._held = HeldResults(
            self._redis, self._send, door=door, receipt_days=settings.receipt_days
        )
        self._settle = self._redis.register_script(_SETTLE)
        self._channel = outcomes_channel(reply_to)
        self._database = LateConnection(
            settings.database_url, application_name="penstock-results"
        )
        self._ended = Event()
        self._ends_at = float("inf")
        self._sweeps_at = 0.0
        self._interrupted = False
        self._thread = Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what comes within the usual wait; the rest is owed by the next."""
        self._ends_at = time.monotonic() + self._settings.wait_seconds
        self._ended.set()
        self._thread.join()
        self._redis.close()
        self._disconnect()

    def _run(self) -> None:
        """Listen until stopped; whatever else ends it ends the process."""
        try:
            self._listen()
        # A bug of ours, and nothing narrower covers one.
        except Exception:
            logger.exception("result publishing stopped")
            self.has_failed = True
            self._stop.set()

    def _listen(self) -> None:
        """Listen, over every interruption."""
        while not self._is_done():
            try:
                # redis-py leaves this one untyped.
                subscription: PubSub = self._redis.pubsub()  # type: ignore[no-untyped-call]
                with subscription:
                    subscription.subscribe(self._channel)
                    while not self._is_done():
                        self._hear(subscription)
            except (RedisError, OSError, Unavailable) as error:
                self._complain(error)
                self._disconnect()
                time.sleep(_PAUSE_SECONDS)

    def _is_done(self) -> bool:
        """Say whether to stop: when told to, and nothing is owed or it is late."""
        if not self._ended.is_set():
            return False
        try:
            owed = self._redis.hlen(self._pending)
        except (RedisError, OSError):
            return True
        return not owed or time.monotonic() >= self._ends_at

    def _complain(self, error: Exception) -> None:
        if not self._interrupted:
            reason = type(error.__cause__ or error).__name__
            logger.warning("result publishing interrupted", extra={"reason": reason})
        self._interrupted = True

    def _disconnect(self) -> None:
        self._outlet.close()
        self._database.close()

    def _hear(self, subscription: PubSub) -> None:
        """Report what is told within a moment; sweep when it is time."""
        message = subscription.get_message(timeout=_PAUSE_SECONDS)
        if message is not None and message["type"] == "message":
            self._report(load_answers(message["data"]))
        if time.monotonic() >= self._sweeps_at:
            started_at = time.monotonic()
            self._sweep()
            self._held.sweep(self._database)
            self._outlet.expire()
            now = time.monotonic()
            pause = max(_OVERDUE_SECONDS, (now - started_at) / _SWEEP_SHARE)
            self._sweeps_at = now + pause
            self._interrupted = False

    def _sweep(self) -> None:
        """Publish what is overdue, whichever consumer accepted it."""
        cursor, overdue_at = -1, time.time() - _OVERDUE_SECONDS
        while cursor:
            # Bytes, which redis-py types as anything.
            page: Any
            cursor, page = self._redis.hscan(self._pending, max(0, cursor), count=_PAGE)
            overdue = {
                field.decode(): parse_pending_result(field.decode())
                for field, owed in page.items()
                if load_pending(owed).at <= overdue_at
            }
            if overdue:
                found = self._find_answers(set(overdue.values()))
                told = [(field, found.get(id_)) for field, id_ in overdue.items()]
                self._publish({field: answer for field, answer in told if answer})

    def _find_answers(self, import_ids: Iterable[UUID]) -> Mapping[UUID, Answer]:
        try:
            return find_answers(self._database.get(), import_ids)
        except psycopg.Error as error:
            raise Unavailable("Receipts are temporarily unavailable") from error

    def _report(self, answers: Iterable[Answer]) -> None:
        """Publish the results of `answers` to the messages that they came of.

        Another message under the name of such a one is answered by the sweep.
        """
        self._publish(
            {
                pending_result(answer.import_id, fingerprint): answer
                for answer in answers
                for fingerprint in (None, answer.fingerprint)
            }
        )

    def _publish(self, answers: Mapping[str, Answer]) -> None:
        """Publish those of the results that are still owed, then owe them no more.

        Several equal messages may have named one import: they get one result, or more.
        """
        if not answers:
            return
        values = self._redis.hmget(self._pending, list(answers))
        owed = {
            field: value
            for field, value in zip(answers, values, strict=True)
            if value is not None
        }
        results = [
            load_pending(value).of(answers[field]) for field, value in owed.items()
        ]
        if not results:
            return
        self._send(results)
        told = zip(owed.items(), results, strict=True)
        self._settle(
            [self._pending, self._held.key],
            [
                part
                for (field, value), result in told
                for part in (field, value, result.state or "")
            ],
        )

    def _send(self, results: Sequence[MessageResult]) -> None:
        self._outlet.publish(results)
        for result in results:
            if result.error:
                logger.warning(
                    "import rejected",
                    extra={"feedback_id": result.feedback_id, "code": result.error},
                )
