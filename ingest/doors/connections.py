"""How a door speaks to Redis: with deadlines, and without repeating itself."""

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

#: A Redis that takes longer to answer counts as unreachable.
SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0


def connect(redis_url: str, *, client_name: str) -> Redis:
    """Return a client that never repeats a command by itself.

    A command whose reply was late may have been done: whether to repeat it is for
    those to say who know what it was.
    """
    client: Redis = Redis.from_url(
        redis_url,
        client_name=client_name,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    return client


def connect_blocking(redis_url: str, *, client_name: str) -> BlockingRedis:
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
        protocol=2,
    )
    return client
