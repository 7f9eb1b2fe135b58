"""Tells waiting callers what came of their imports: one channel for the process.

Pub/sub delivers at most once. So the receipt is the truth: it is read when a caller's
time is up, and for everyone who waits when the subscription was interrupted.
"""

import asyncio
import logging
from asyncio import Future, Task
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID

import orjson
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from ingest.domain.errors import Unavailable
from ingest.doors.connections import connect
from ingest.doors.receipts import Receipts
from ingest.queues import outcomes_channel
from ingest.store.receipts import Answer

logger = logging.getLogger(__name__)

#: After this silence Redis is asked for a sign of life, and given as long again.
_SILENCE_SECONDS = 5.0
_RECONNECT_SECONDS = 0.2


class OutcomeBoard:
    """Who waits for which import."""

    def __init__(self, redis_url: str, receipts: Receipts, *, reply_to: str) -> None:
        self._redis = connect(redis_url, client_name="penstock-outcomes")
        self._receipts = receipts
        self._channel = outcomes_channel(reply_to)
        self._waiting: dict[UUID, Future[Answer]] = {}
        self._listener: Task[None] | None = None
        self._interrupted = False

    def start(self) -> None:
        """Start listening."""
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def stop(self) -> None:
        """Stop listening; whoever still waits will read the receipt."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        await self._redis.aclose()

    @contextmanager
    def expecting(self, import_id: UUID) -> Iterator[Future[Answer]]:
        """Yield the future answer; enter before the import can have been applied."""
        future: Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[import_id] = future
        try:
            yield future
        finally:
            del self._waiting[import_id]

    async def wait(
        self, import_id: UUID, outcome: Future[Answer], seconds: float
    ) -> Answer | None:
        """Return the answer, or None if it does not come within `seconds`.

        A cancelled wait ends the same way: the server is going down, and the caller
        is owed the news that the import is safe.
        """
        try:
            async with asyncio.timeout(seconds):
                return await outcome
        except asyncio.CancelledError:
            return None
        except TimeoutError:
            return (await self._find_answers([import_id])).get(import_id)

    async def wait_all(
        self, outcomes: Mapping[UUID, Future[Answer]], seconds: float
    ) -> dict[UUID, Answer]:
        """Return the answers that come within `seconds`, as `wait` does for one."""
        if not outcomes:
            return {}
        try:
            await asyncio.wait(outcomes.values(), timeout=seconds)
            late = [id_ for id_, outcome in outcomes.items() if not outcome.done()]
            found = await self._find_answers(late) if late else {}
        except asyncio.CancelledError:
            found = {}
        told = {id_: one.result() for id_, one in outcomes.items() if one.done()}
        return told | found

    async def _find_answers(self, import_ids: list[UUID]) -> dict[UUID, Answer]:
        """Read receipts; none while Postgres is away, which a waiter can bear."""
        try:
            return await self._receipts.find_answers(import_ids)
        except Unavailable:
            return {}

    async def _listen(self) -> None:
        """Listen for ever, over every interruption."""
        while True:
            async with self._redis.pubsub() as subscription:
                try:
                    await subscription.subscribe(self._channel)
                    await self._hear(subscription)
                except (RedisError, OSError) as error:
                    self._note_interruption(error)
            await asyncio.sleep(_RECONNECT_SECONDS)

    def _note_interruption(self, error: Exception) -> None:
        """Log the first failure of an outage, not each attempt to end it."""
        if not self._interrupted:
            reason = type(error).__name__
            logger.warning("outcomes interrupted", extra={"reason": reason})
        self._interrupted = True

    async def _hear(self, subscription: PubSub) -> None:
        """Resolve what arrives until the connection breaks or falls silent."""
        asked = False
        while True:
            message = await subscription.get_message(timeout=_SILENCE_SECONDS)
            if message is None and asked:
                raise RedisConnectionError("no sign of life")
            if message is None:
                await subscription.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "message":
                self._resolve(load_answers(message["data"]))
            elif message["type"] == "subscribe":
                self._interrupted = False
                await self._catch_up()

    async def _catch_up(self) -> None:
        """Read the receipts of all who wait: what was published is perhaps missed."""
        if self._waiting:
            answers = await self._find_answers(list(self._waiting))
            self._resolve(answers.values())

    def _resolve(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            future = self._waiting.get(answer.import_id)
            if future is not None and not future.done():
                future.set_result(answer)


def load_answers(data: bytes) -> list[Answer]:
    """Read one message; nothing from one that is not ours."""
    try:
        return [
            Answer(
                import_id=UUID(told["import_id"]),
                error=told["error"],
                error_text=told["error_text"],
                profile_id=told.get("profile_id"),
            )
            for told in orjson.loads(data)
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        logger.warning("outcome not understood", extra={"length": len(data)})
        return []
