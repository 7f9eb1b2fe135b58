"""Notes of imports whose callers were told to ask again: a 202 and its Location.

The address has to answer from the moment of acceptance, and only Redis knows an import
that waits. To look for it in the streams would be to read them; so whoever is told to
ask leaves a note, by the minute by the clock of Redis. The sweep drops the notes of
minutes of which, and of those before, nothing waits any more: there are receipts.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from redis.exceptions import RedisError

from ingest.domain.errors import Unavailable
from ingest.domain.imports import Import
from ingest.streams.connections import connect
from ingest.streams.queues import NOTES_EXPIRE_SECONDS, NOTES_FROM_KEY, notes_key

#: Minutes that are looked through at most, and in one round trip.
_MAX_MINUTES = 1440
_PAGE_MINUTES = 20


class Note(Struct, frozen=True, kw_only=True):
    """An import that was accepted and has no receipt yet."""

    database_id: int
    #: The token that sent it; None where it came without one.
    token_id: int | None
    accepted_at: datetime


def dump_note(import_: Import) -> tuple[bytes, bytes]:
    """Write the note of an import: its field, and what it holds."""
    milliseconds = int(import_.accepted_at.timestamp() * 1000)
    sender = import_.token_id or 0
    told = b"%d %d %d" % (import_.database_id, sender, milliseconds)
    return import_.import_id.bytes, told


def _load_note(told: bytes) -> Note:
    database_id, sender, milliseconds = map(int, told.split())
    return Note(
        database_id=database_id,
        token_id=sender or None,
        accepted_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
    )


class Notes:
    """Reads notes, and leaves those of callers whose wait ran out."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url, client_name="penstock-notes")
        self._late: dict[int, dict[bytes, bytes]] = {}
        self._writing = asyncio.Lock()

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def leave(self, notes: Mapping[bytes, bytes], minute: int) -> None:
        """Leave notes of imports among those of `minute`.

        All that gather while others are written share one round trip. Without Redis
        there are none: the imports are safe, and will have receipts.
        """
        self._late.setdefault(minute, {}).update(notes)
        async with self._writing:
            late, self._late = self._late, {}
            if not late:
                return
            pipeline = self._redis.pipeline(transaction=False)
            for begun, several in late.items():
                # The client's types do not take bytes for fields.
                mapping: Any = several
                pipeline.hset(notes_key(begun), mapping=mapping)
                pipeline.expire(notes_key(begun), NOTES_EXPIRE_SECONDS)
            with suppress(RedisError, OSError):
                await pipeline.execute()

    async def find(self, import_ids: Sequence[UUID]) -> dict[UUID, Note]:
        """Return the notes of those of `import_ids` that have one, the newest first.

        Raises Unavailable without Redis.
        """
        found: dict[UUID, Note] = {}
        left = list(import_ids)
        try:
            minutes = await self._list_minutes()
            while left and minutes:
                page, minutes = minutes[:_PAGE_MINUTES], minutes[_PAGE_MINUTES:]
                found |= await self._find_in(page, left)
                left = [id_ for id_ in left if id_ not in found]
        except (RedisError, OSError) as error:
            raise Unavailable("The queue is unavailable") from error
        return found

    async def _list_minutes(self) -> list[int]:
        """Return the minutes that have notes, the newest first."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.get(NOTES_FROM_KEY)
        (seconds, _), begun = await pipeline.execute()
        # A clock that estimates may be ahead of the one that dates.
        last = int(seconds) // 60 + 1
        return list(range(last, max(int(begun or 0), last - _MAX_MINUTES) - 1, -1))

    async def _find_in(
        self, minutes: Sequence[int], import_ids: Sequence[UUID]
    ) -> dict[UUID, Note]:
        fields: Any = [id_.bytes for id_ in import_ids]
        pipeline = self._redis.pipeline(transaction=False)
        for minute in minutes:
            pipeline.hmget(notes_key(minute), fields)
        return {
            id_: _load_note(told)
            for reply in await pipeline.execute()
            for id_, told in zip(import_ids, reply, strict=True)
            if told is not None
        }
