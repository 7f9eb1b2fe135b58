"""The number of partitions: one for every process, kept in Redis with the streams.

The count tells to which stream the imports of a key go. Intakes with different counts
would part them, and their order would be lost; a worker with a smaller one would never
read the other streams. So each new connection that appends to the streams, or reads
them, looks whether its process has the number that the deployment has.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import AbstractConnection

from ingest.domain.errors import PartitionsDiffer, PenstockError
from ingest.streams.queues import PARTITIONS_KEY, STREAMS, parse_stream_key, stream_key

logger = logging.getLogger(__name__)

#: What processes that append to the streams, or read them, call their connections.
INTAKE_CLIENT = "penstock-intake"
CONSUME_CLIENT = "penstock-consume"
FILES_CLIENT = "penstock-files"
WORKER_CLIENT = "penstock-worker"
_MEMBERS = (INTAKE_CLIENT, CONSUME_CLIENT, FILES_CLIENT, WORKER_CLIENT)

_TIMEOUT_SECONDS = 5.0


class _PartitionsDiffer(PartitionsDiffer, redis.RedisError):
    """An error of Redis, too: a client that connects must not go on."""


class PartitionsInUse(PenstockError):
    """The number of partitions cannot be changed now; the message says why."""


def agree(count: int) -> Callable[[AbstractConnection], None]:
    """Return what a connection does first: greet, and raise PartitionsDiffer or not.

    The first of all tells the others its own number.
    """

    def connect(connection: AbstractConnection) -> None:
        # redis-py leaves it untyped.
        connection.on_connect()  # type: ignore[no-untyped-call]
        known = _ask(connection, "GET", PARTITIONS_KEY)
        if known is None:
            # A Redis that is full refuses even this, and drains must go on.
            with suppress(redis.ResponseError):
                _ask(connection, "SETNX", PARTITIONS_KEY, count)
            known = _ask(connection, "GET", PARTITIONS_KEY)
        _compare(known, count)

    return connect


def agree_async(count: int) -> Callable[[AsyncConnection], Awaitable[None]]:
    """Do as `agree` for a process with a loop."""

    async def connect(connection: AsyncConnection) -> None:
        await connection.on_connect()
        known = await _ask_async(connection, "GET", PARTITIONS_KEY)
        if known is None:
            with suppress(redis.ResponseError):
                await _ask_async(connection, "SETNX", PARTITIONS_KEY, count)
            known = await _ask_async(connection, "GET", PARTITIONS_KEY)
        _compare(known, count)

    return connect


def _ask(connection: AbstractConnection, *command: object) -> Any:
    connection.send_command(*command)  # type: ignore[no-untyped-call]
    return connection.read_response()


async def _ask_async(connection: AsyncConnection, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


def _compare(known: Any, count: int) -> None:
    if known is None or int(known) == count:
        return
    error = _PartitionsDiffer(ours=count, known=int(known))
    logger.error("partition count mismatch", extra={"reason": str(error)})
    raise error


def check_partitions(redis_url: str, count: int) -> None:
    """Raise PartitionsDiffer if the deployment has another number than `count`.

    For the start of a process. A Redis that is away is waited for by what connects
    later, which looks again.
    """
    client = _connect(redis_url, redis_connect_func=agree(count))
    try:
        client.ping()
    except PartitionsDiffer:
        raise
    except (redis.RedisError, OSError):
        pass
    finally:
        client.close()


def _connect(redis_url: str, **options: Any) -> redis.Redis:
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        **options,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsInUse:
    """The streams that there are in Redis, and who works with them."""

    #: None until the first process has told.
    count: int | None
    #: Waiting entries by partition, whatever the count says.
    waiting: Mapping[int, int]
    #: Connections by the name that processes give theirs.
    connected: Mapping[str, int]


class Partitions:
    """The number of partitions as an operator sees and changes it."""

    def __init__(self, redis_url: str) -> None:
        self._redis = _connect(redis_url, client_name="penstock-partitions")

    def close(self) -> None:
        """Give up the connection."""
        self._redis.close()

    def look(self) -> StreamsInUse:
        """Return what there is."""
        known = self._redis.get(PARTITIONS_KEY)
        numbers = sorted(
            parse_stream_key(key.decode()) for key in self._redis.scan_iter(STREAMS)
        )
        return StreamsInUse(
            count=None if known is None else int(known),
            waiting={each: int(self._redis.xlen(stream_key(each))) for each in numbers},
            connected=_count_members(self._redis.client_list()),
        )

    def change(self, count: int) -> None:
        """Make it `count`; raise PartitionsInUse, having changed nothing.

        The number is changed first and who is connected looked at after it: whoever
        connects in between has seen the new one.
        """
        before = self.look()
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.set(PARTITIONS_KEY, count)
        pipeline.client_list()
        for number in before.waiting:
            pipeline.xlen(stream_key(number))
        _, clients, *waiting = pipeline.execute()
        try:
            _refuse_if_used(_count_members(clients), sum(waiting))
        except PartitionsInUse:
            self._restore(before.count)
            raise
        beyond = [stream_key(number) for number in before.waiting if number >= count]
        if beyond:
            self._redis.delete(*beyond)

    def _restore(self, count: int | None) -> None:
        if count is None:
            self._redis.delete(PARTITIONS_KEY)
        else:
            self._redis.set(PARTITIONS_KEY, count)


def _count_members(clients: Iterable[Mapping[str, str]]) -> Mapping[str, int]:
    names = Counter(client.get("name", "") for client in clients)
    return {name: names[name] for name in _MEMBERS if names[name]}


def _refuse_if_used(connected: Mapping[str, int], waiting: int) -> None:
    reasons = [f"{count} connections of {name}" for name, count in connected.items()]
    if waiting:
        reasons.append(f"{waiting} waiting entries")
    if reasons:
        raise PartitionsInUse(
            f"Cannot change the partition count: {' and '.join(reasons)}. Stop intakes"
            " and consumers, wait until the backlog is empty, stop the workers, and run"
            " this again"
        )
