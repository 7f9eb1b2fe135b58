"""Tells waiting callers what came of their imports: one channel for the process.

Pub/sub delivers at most once. So the receipt is the truth: it is read when a caller's
time is up, and for everyone who waits when the subscription was interrupted.
"""

import asyncio
import logging
from asyncio import Future, Task
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from uuid import UUID

from msgspec import Struct
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from ingest.domain.answers import Answer
from ingest.domain.errors import Unavailable
from ingest.domain.identities import ImportName
from ingest.doors.receipts import Receipts
from ingest.streams.connections import connect
from ingest.streams.queues import outcomes_channel
from ingest.wire.answers import load_answers

logger = logging.getLogger(__name__)

#: After this silence Redis is asked for a sign of life, and given as long again.
_SILENCE_SECONDS = 5.0
_RECONNECT_SECONDS = 0.2


class Expected(Struct, frozen=True, eq=False):
    """A request that waits for what came of its import."""

    name: ImportName
    outcome: Future[Answer]

    def resolve(self, answer: Answer) -> None:
        """End the wait, unless it has ended."""
        if not self.outcome.done():
            self.outcome.set_result(answer)

    def expire(self) -> None:
        """End the wait with TimeoutError, unless it has ended."""
        if not self.outcome.done():
            self.outcome.set_exception(TimeoutError())


class OutcomeBoard:
    """Requests that wait for an outcome, by import; several may share a name."""

    def __init__(
        self, redis_url: str, receipts: Receipts, *, reply_to: str, named_by: str
    ) -> None:
        self._redis = connect(redis_url, client_name="penstock-outcomes")
        self._receipts = receipts
        self._channel = outcomes_channel(reply_to)
        # The parameter that requests take their names from.
        self._named_by = named_by
        self._waiting: dict[UUID, list[Expected]] = {}
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
    def expecting(self, name: ImportName) -> Iterator[Expected]:
        """Yield what to wait for; enter before the import can have been applied."""
        one = Expected(name, asyncio.get_running_loop().create_future())
        together = self._waiting.setdefault(name.import_id, [])
        together.append(one)
        try:
            yield one
        finally:
            together.remove(one)
            if not together:
                del self._waiting[name.import_id]

    async def wait(self, one: Expected, seconds: float) -> Answer | None:
        """Return the answer, or None if it does not come within `seconds`.

        A cancelled wait ends the same way: the server is going down, and the caller
        is owed the news that the import is safe.
        """
        # A timer, and not asyncio.timeout, which costs as much as reading the answer.
        timer = asyncio.get_running_loop().call_later(seconds, one.expire)
        try:
            return await one.outcome
        except asyncio.CancelledError:
            return None
        except TimeoutError:
            import_id = one.name.import_id
            found = (await self._find_answers([import_id])).get(import_id)
            return found and self._tell(one, found)
        finally:
            timer.cancel()

    async def wait_all(
        self, several: Sequence[Expected], seconds: float
    ) -> dict[UUID, Answer]:
        """Return the answers that come within `seconds`, as `wait` does for one."""
        if not several:
            return {}
        # Whoever is cancelled is told what is known by now.
        with suppress(asyncio.CancelledError):
            await asyncio.wait([one.outcome for one in several], timeout=seconds)
            late = [one.name.import_id for one in several if not one.outcome.done()]
            self._resolve((await self._find_answers(late)).values())
        return {
            one.name.import_id: one.outcome.result()
            for one in several
            if one.outcome.done()
        }

    async def _find_answers(self, import_ids: list[UUID]) -> dict[UUID, Answer]:
        """Read receipts; none while Postgres is away, which a waiter can bear."""
        try:
            return await self._receipts.find_answers(import_ids) if import_ids else {}
        except Unavailable:
            return {}

    def _tell(self, one: Expected, answer: Answer) -> Answer:
        """Return what `one` is told of an import that goes by its name."""
        return answer.for_request(one.name, self._named_by)

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
            logger.warning("outcome delivery interrupted", extra={"reason": reason})
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
        answers = await self._find_answers(list(self._waiting))
        self._resolve(answers.values())

    def _resolve(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            for one in self._waiting.get(answer.import_id, ()):
                one.resolve(self._tell(one, answer))
