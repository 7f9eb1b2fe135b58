"""Admission of requests under a backlog, and their refusal."""

import asyncio
from asyncio import Task
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

from ingest.domain.errors import Overloaded, Unavailable
from ingest.streams.backlog import Backlog

#: How long a caller is kept that will be refused, and how many at most are kept.
_HOLD_SECONDS = 0.2
_MAX_HELD = 4000


class Promise:
    """Room for imports that were let in together and are appended bit by bit."""

    def __init__(self, backlog: Backlog, count: int) -> None:
        self._backlog = backlog
        self.left = count
        backlog.promise(count)

    def keep(self, count: int) -> None:
        """Give up the room of `count`, which are about to be appended."""
        self._backlog.keep(count)
        self.left -= count


class Admission:
    """Lets imports in as long as there is room for them, over all intakes.

    `look` brings `backlog` up to date, in one round trip to Redis.
    """

    def __init__(
        self, backlog: Backlog, look: Callable[[], Coroutine[None, None, None]]
    ) -> None:
        self._backlog = backlog
        self._look = look
        self._looking: Task[None] | None = None
        self._held = 0

    async def admit(self) -> None:
        """Let one import in.

        Raises Overloaded while too many wait, or Unavailable while Redis is nearly
        full or away. As long as there is room this costs nothing: that the room has
        gone is told by the next append.
        """
        try:
            self._backlog.check()
        except (Overloaded, Unavailable):
            await self._check_again(1, 0)

    async def admit_all(self, count: int, size_bytes: int) -> None:
        """Let `count` imports in or none; together they are of `size_bytes`."""
        now = asyncio.get_running_loop().time()
        if self._backlog.is_surveyed(now):
            self._backlog.check(count, size_bytes)
        else:
            await self._check_again(count, size_bytes)

    @contextmanager
    def promising(self, count: int) -> Iterator[Promise]:
        """Keep room for `count` imports that were let in until they are appended."""
        promise = Promise(self._backlog, count)
        try:
            yield promise
        finally:
            promise.keep(promise.left)

    def retry_after_seconds(self) -> int:
        """Return when an overloaded caller had better come back."""
        return self._backlog.retry_after_seconds()

    async def estimate_seconds(self) -> float | None:
        """Return in how many seconds what waits now should be applied, if known."""
        if not self._backlog.is_surveyed(asyncio.get_running_loop().time()):
            await self._look_again()
        return self._backlog.due_seconds()

    async def _check_again(self, count: int, size_bytes: int) -> None:
        """Look, unless that was a moment ago, and decide."""
        now = asyncio.get_running_loop().time()
        if not (self._backlog.is_fresh(now) and self._backlog.is_surveyed(now)):
            await self._look_again()
        try:
            self._backlog.check(count, size_bytes)
        except (Overloaded, Unavailable):
            await self._hold()
            raise

    async def _look_again(self) -> None:
        """Look; all who ask at one time share one look."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())
        await asyncio.shield(self._looking)

    async def _hold(self) -> None:
        """Keep a caller for a moment that will be refused.

        One that asks again at once would otherwise be answered as fast as it can ask,
        in the processor time that workers need to make room.
        """
        if self._held >= _MAX_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(_HOLD_SECONDS)
        finally:
            self._held -= 1
