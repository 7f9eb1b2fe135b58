"""Dry runs: workers try imports and tell what would come of them.

Nothing of a dry run is kept but for the seconds that it takes: one that is lost is
asked for again.
"""

import asyncio
import time
from collections.abc import Sequence
from secrets import token_hex
from threading import Event
from typing import Any

from msgspec import DecodeError
from redis.exceptions import RedisError

from ingest.domain.errors import InvalidRequest, Overloaded, Unavailable
from ingest.doors.accept import Accepted
from ingest.streams.connections import connect, connect_blocking
from ingest.streams.queues import DRY_RUNS_KEY, dry_run_answer_key, dry_run_key
from ingest.wire.dry_runs import (
    DryRunAnswer,
    DryRunRequest,
    HeldDecision,
    UndoPreview,
    UndoPreviewed,
    dump_request,
    load_answer,
)
from ingest.wire.entries import encode
from ingest.wire.promises import DRY_RUN

#: How many requests may wait for a worker.
MAX_WAITING = 200
#: How long a caller waits; its request is then forgotten.
PATIENCE_SECONDS = 30
#: For one command that waits: less than a socket that says nothing is given.
_LISTEN_SECONDS = 2
#: How often rows of a file are tried that no worker could try, and what is between.
_ATTEMPTS = 5
_PAUSE_SECONDS = 1.0


class DryRuns:
    """Asks workers to try imports, over a connection for each caller that waits."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url, client_name="penstock-dry-runs")

    async def run(self, accepted: Sequence[Accepted]) -> DryRunAnswer:
        """Return what would come of the imports, applied now and in order.

        Raises Overloaded while too many requests wait, and Unavailable if no worker
        answers in time.
        """
        if not accepted:
            return DryRunAnswer()
        return _check(await self._run(_write(accepted)))

    async def decide(self, held: HeldDecision) -> DryRunAnswer:
        """Let a worker decide held imports; return what came of them.

        Raises what `run` does. After Unavailable nobody knows whether it was decided:
        a repeat finds that it was.
        """
        request = DryRunRequest(imports=[], partitions=[], held=held)
        answer = await self._run(dump_request(request))
        if answer is None:
            raise Unavailable("No worker answered in time; read the receipts")
        return _check(answer)

    async def preview_undo(self, wanted: UndoPreview) -> UndoPreviewed:
        """Return what the undo of many imports would do; raise what `run` does.

        Raises InvalidRequest for more than a caller can wait for.
        """
        request = DryRunRequest(imports=[], partitions=[], undo=wanted)
        previewed = _check(await self._run(dump_request(request))).undo
        # A worker of an earlier release knows of none.
        if previewed is None:
            raise Unavailable("No worker did the dry run in time; nothing was written")
        if previewed.is_too_large:
            raise InvalidRequest(
                "Too many imports for a dry run (use penstock undo --dry-run)", DRY_RUN
            )
        return previewed

    async def _run(self, request: bytes) -> DryRunAnswer | None:
        """Return the answer to a request; None if there was none in time."""
        request_id = token_hex(16)
        try:
            await self._ask(request_id, request)
            return await self._listen(request_id)
        except (RedisError, OSError, DecodeError) as error:
            raise Unavailable("The queue is unavailable") from error
        finally:
            await self._forget(request_id)

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def _ask(self, request_id: str, request: bytes) -> None:
        _check_room(await self._redis.llen(DRY_RUNS_KEY))
        pipeline = self._redis.pipeline(transaction=True)
        _put(pipeline, request_id, request)
        await pipeline.execute()

    async def _listen(self, request_id: str) -> DryRunAnswer | None:
        """Return the answer; None when it is too late for one."""
        key = dry_run_answer_key(request_id)
        ends_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while asyncio.get_running_loop().time() < ends_at:
            told = await self._redis.blpop([key], timeout=_LISTEN_SECONDS)
            if told is not None:
                return load_answer(told[1])
        return None

    async def _forget(self, request_id: str) -> None:
        """Let no worker try what nobody waits for; it is forgotten soon anyway."""
        try:
            await self._redis.delete(dry_run_key(request_id))
        except (RedisError, OSError):
            return


class BlockingDryRuns:
    """Asks workers to try the rows of a file, one request after another."""

    def __init__(self, redis_url: str, stop: Event) -> None:
        self._redis = connect_blocking(redis_url, client_name="penstock-dry-runs")
        # Set by whoever wants it to stop.
        self._stop = stop

    def run(self, accepted: Sequence[Accepted]) -> DryRunAnswer:
        """Return what would come of the imports, applied now and in order.

        Waits while too many requests wait, and asks again a few times where a worker
        could not do it. Raises Unavailable if that is in vain.
        """
        if not accepted:
            return DryRunAnswer()
        request = _write(accepted)
        attempts = 0
        while True:
            try:
                return self._run(request)
            except (Overloaded, Unavailable) as error:
                attempts += 1
                if attempts >= _ATTEMPTS or self._stop.wait(_PAUSE_SECONDS):
                    raise Unavailable(str(error)) from error

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()

    def _run(self, request: bytes) -> DryRunAnswer:
        request_id = token_hex(16)
        try:
            _check_room(self._redis.llen(DRY_RUNS_KEY))
            pipeline = self._redis.pipeline(transaction=True)
            _put(pipeline, request_id, request)
            pipeline.execute()
            return _check(self._listen(request_id))
        except (RedisError, OSError, DecodeError) as error:
            raise Unavailable("The queue is unavailable") from error

    def _listen(self, request_id: str) -> DryRunAnswer | None:
        key = dry_run_answer_key(request_id)
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at and not self._stop.is_set():
            # The client's types do not know that it returns bytes.
            told: Any = self._redis.blpop([key], timeout=_LISTEN_SECONDS)
            if told is not None:
                return load_answer(told[1])
        return None


def _write(accepted: Sequence[Accepted]) -> bytes:
    return dump_request(
        DryRunRequest(
            imports=[encode(one.import_) for one in accepted],
            partitions=sorted({one.partition for one in accepted}),
        )
    )


def _check_room(waiting: int) -> None:
    if waiting >= MAX_WAITING:
        raise Overloaded("Too many dry runs are waiting")


def _put(pipeline: Any, request_id: str, request: bytes) -> None:
    """Let `pipeline`, of either kind of client, put a request where workers look."""
    pipeline.set(dry_run_key(request_id), request, ex=PATIENCE_SECONDS)
    pipeline.rpush(DRY_RUNS_KEY, request_id)
    # Without a worker the list is gone when its last request is.
    pipeline.expire(DRY_RUNS_KEY, PATIENCE_SECONDS)


def _check(answer: DryRunAnswer | None) -> DryRunAnswer:
    if answer is None:
        raise Unavailable("No worker did the dry run in time; nothing was written")
    if answer.failure:
        raise Unavailable(answer.failure)
    return answer
