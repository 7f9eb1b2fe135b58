"""Guards of idempotency keys in Redis: no two requests go through under one key.

They spare callers a wait for the outcome to hear that a key is taken. That no request
is told another's outcome does not hang on them: receipts say whose they are.
"""

import asyncio
from asyncio import Future, Task
from collections.abc import Sequence

from redis.exceptions import RedisError

from ingest.domain.answers import NAME_TAKEN
from ingest.domain.errors import NameTaken, Unavailable
from ingest.domain.identities import ImportName
from ingest.doors.http.idempotency import HEADER
from ingest.streams.connections import connect
from ingest.streams.queues import KEY_GUARD_SECONDS, key_guard

#: Names claimed in one pipeline, at most.
_MAX_CLAIMS = 500


class Guards:
    """Claims the names of requests, one pipeline in flight at a time."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url, client_name="penstock-guards")
        self._gathered: list[tuple[ImportName, Future[object]]] = []
        self._flight: Task[None] | None = None

    async def claim(self, name: ImportName) -> bool:
        """Claim `name`; return whether an earlier request like this one has it.

        Raises NameTaken if one unlike this has it, Unavailable without Redis.
        """
        loop = asyncio.get_running_loop()
        holder: Future[object] = loop.create_future()
        self._gathered.append((name, holder))
        if self._flight is None:
            self._flight = loop.create_task(self._fly())
        held = await holder
        if isinstance(held, bytes) and held.decode() != name.fingerprint:
            raise NameTaken(NAME_TAKEN, HEADER)
        return held is not None

    async def close(self) -> None:
        """Wait for what is under way, then disconnect."""
        if self._flight is not None:
            await self._flight
        await self._redis.aclose()

    async def _fly(self) -> None:
        """Send claims until no more have gathered."""
        try:
            while claims := self._gathered[:_MAX_CLAIMS]:
                del self._gathered[:_MAX_CLAIMS]
                await self._send(claims)
        finally:
            self._flight = None

    async def _send(self, claims: Sequence[tuple[ImportName, Future[object]]]) -> None:
        """Set what nobody holds, and tell each claim the holder before it."""
        pipeline = self._redis.pipeline(transaction=False)
        for name, _ in claims:
            guard = key_guard(name.import_id)
            pipeline.set(guard, name.fingerprint or "", nx=True, ex=KEY_GUARD_SECONDS)
            # Redis 6.2 cannot tell in one command.
            pipeline.get(guard)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            replies = [error] * (2 * len(claims))
        for (_, holder), claimed, held in zip(
            claims, replies[::2], replies[1::2], strict=True
        ):
            _settle(holder, claimed, held)


def _settle(holder: Future[object], claimed: object, held: object) -> None:
    if holder.done():
        return
    if failure := next(
        (it for it in (claimed, held) if isinstance(it, Exception)), None
    ):
        refusal = Unavailable("The queue is unavailable")
        refusal.__cause__ = failure
        holder.set_exception(refusal)
    else:
        # None, too, where the holder's time ended between the two commands.
        holder.set_result(None if claimed else held)
