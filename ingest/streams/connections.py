"""Connections to Redis, with deadlines and the number of partitions agreed on."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry as BlockingRetry

from ingest.domain.errors import PartitionsDiffer
from ingest.streams.queues import PARTITIONS_KEY

logger = logging.getLogger(__name__)

#: A Redis that takes longer to answer counts as unreachable.
SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
#: So many repeats wait for a Redis that starts again, some seconds.
REPEATS = 10


class _PartitionsDiffer(PartitionsDiffer, RedisError):
    """An error of Redis, too: a client that connects must not go on."""


def connect(
    redis_url: str, *, client_name: str, partitions: int | None = None
) -> Redis:
    """Return a client that never repeats a command by itself.

    A command whose reply was late may have been done: whether to repeat it is for
    those to say who know what it was. With `partitions` it is for the streams, and
    every connection looks first whether the deployment has so many.
    """
    client: Redis = Redis.from_url(
        redis_url,
        client_name=client_name,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=_agree_async(partitions) if partitions else None,
    )
    return client


def connect_blocking(
    redis_url: str,
    *,
    client_name: str,
    partitions: int | None = None,
    timeout_seconds: float = SOCKET_TIMEOUT_SECONDS,
    repeats: int = 0,
) -> BlockingRedis:
    """Return such a client for a process without a loop.

    It sends a command again, so many times, whose reply did not come: 0 unless all
    that it is for may be done twice. In the second version of the protocol, in which
    replies to XREADGROUP are lists.
    """
    client: BlockingRedis = BlockingRedis.from_url(
        redis_url,
        client_name=client_name,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=min(timeout_seconds, CONNECT_TIMEOUT_SECONDS),
        socket_keepalive=True,
        retry=BlockingRetry(ExponentialWithJitterBackoff(base=0.01, cap=1), repeats),
        redis_connect_func=_agree(partitions) if partitions else None,
        protocol=2,
    )
    return client


def _agree(count: int) -> Callable[[AbstractConnection], None]:
    """Return what a connection does first: greet, and raise PartitionsDiffer or not.

    The first of all tells the others its own number.
    """

    def connect(connection: AbstractConnection) -> None:
        # redis-py leaves it untyped.
        connection.on_connect()  # type: ignore[no-untyped-call]
        known = _ask(connection, "GET", PARTITIONS_KEY)
        if known is None:
            # A Redis that is full refuses even this, and drains must go on.
            with suppress(ResponseError):
                _ask(connection, "SETNX", PARTITIONS_KEY, count)
            known = _ask(connection, "GET", PARTITIONS_KEY)
        _compare(known, count)

    return connect


def _agree_async(count: int) -> Callable[[AsyncConnection], Awaitable[None]]:
    """Do as `_agree` for a process with a loop."""

    async def connect(connection: AsyncConnection) -> None:
        await connection.on_connect()
        known = await _ask_async(connection, "GET", PARTITIONS_KEY)
        if known is None:
            with suppress(ResponseError):
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
