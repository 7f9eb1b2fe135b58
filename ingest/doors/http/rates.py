"""The rates of tokens, one budget over all intakes: kept in Redis, by its clock."""

import math
from collections.abc import Sequence
from typing import Any

from falcon.asgi import Response
from redis.exceptions import RedisError

from ingest.domain.errors import InvalidRequest, RateExceeded, Unavailable
from ingest.domain.rates import Rate, Standing
from ingest.domain.tokens import Token
from ingest.doors.connections import connect
from ingest.queues import rate_key

#: The generic cell rate algorithm. The key holds the moment, in microseconds, at which
#: the whole burst is there again; it is gone when that has come.
_SPEND = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval = tonumber(ARGV[1])
local room = interval * tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local after = full_at + interval * tonumber(ARGV[3])
local wait = after - room - now
if wait > 0 then
    local left = math.max(0, math.floor((room - full_at + now) / interval))
    return {0, left, math.ceil(full_at - now), math.ceil(wait)}
end
local milliseconds = math.ceil((after - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', milliseconds)
return {1, math.floor((now - after + room) / interval), math.ceil(after - now), 0}
"""
_MICROSECONDS = 1_000_000


class Rates:
    """Lets tokens have what their rates allow; those without one cost nothing."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url, client_name="penstock-rates")

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.aclose()

    async def spend(self, token: Token, resp: Response, count: int = 1) -> None:
        """Take `count` from what `token` may ask, and say in `resp` what is left.

        Raises RateExceeded and takes nothing if that is too little for now,
        InvalidRequest if it always will be, Unavailable without Redis.
        """
        rate = token.rate
        if rate is None:
            return
        resp.set_header("RateLimit-Policy", rate.policy)
        if count > rate.burst:
            raise InvalidRequest(
                f"More elements than the token's burst of {rate.burst}", "data"
            )
        standing = await self._ask(token.id, rate, count)
        resp.set_header("RateLimit", standing.field)
        if not standing.is_allowed:
            raise RateExceeded(
                "The token's rate is exceeded",
                retry_seconds=math.ceil(standing.retry_seconds),
            )

    async def _ask(self, token_id: int, rate: Rate, count: int) -> Standing:
        interval = _MICROSECONDS / rate.per_second
        arguments = (rate_key(token_id), interval, rate.burst, count)
        # The client's types do not tell its two colours apart.
        script: Any = self._redis
        try:
            reply: Sequence[int] = await script.eval(_SPEND, 1, *arguments)
        except (RedisError, OSError) as error:
            raise Unavailable("The queue cannot be reached") from error
        allowed, remaining, reset, wait = reply
        return Standing(
            is_allowed=bool(allowed),
            remaining=remaining,
            reset_seconds=reset / _MICROSECONDS,
            retry_seconds=wait / _MICROSECONDS,
        )
