"""Connections to Redis, with deadlines and without repeated commands."""

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

from ingest.streams.partitioning import agree, agree_async

#: A Redis that takes longer to answer counts as unreachable.
SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0


def connect(
    redis_url: str, *, client_name: str, partitions: int | None = None
) -> Redis:
    """Return a client that never repeats a command by itself.

    A command whose reply was late may have been done: whether to repeat it is for
    those to say who know what it was. With `partitions` it is for appending, and every
    connection looks first whether the deployment has so many.
    """
    client: Redis = Redis.from_url(
        redis_url,
        client_name=client_name,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=agree_async(partitions) if partitions else None,
    )
    return client


def connect_blocking(
    redis_url: str, *, client_name: str, partitions: int | None = None
) -> BlockingRedis:
    """Return a client for a process without a loop, as patient as the others.

    In the second version of the protocol, in which replies to XREADGROUP are lists.
    """
    client: BlockingRedis = BlockingRedis.from_url(
        redis_url,
        client_name=client_name,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_keepalive=True,
        retry=BlockingRetry(NoBackoff(), 0),
        redis_connect_func=agree(partitions) if partitions else None,
        protocol=2,
    )
    return client
